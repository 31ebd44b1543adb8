//! Expressions, zones and instants for properties and comparisons.

use chrono::DateTime;
use proptest::prelude::*;

use crate::clock::Timestamp;
use crate::schedule::Zone;

/// Zones with changes of every kind, and one without.
pub(super) const ZONES: [&str; 14] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
];

/// Cases of a property: so many, or what PROPTEST_CASES says, as at night.
pub(super) fn cases(usual: u32) -> ProptestConfig {
    let said = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(said.unwrap_or(usual))
}

fn zone() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&ZONES[..])
}

/// An instant between 2005 and 2045.
pub(super) fn moment() -> impl Strategy<Value = Timestamp> {
    (1_104_537_600i64..2_366_841_600).prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

/// A zone, and an instant of which half are up to three days before a change of its offset.
pub(super) fn zone_and_moment() -> impl Strategy<Value = (&'static str, Timestamp)> {
    (zone(), moment(), 0..3 * 86_400i64, any::<bool>()).prop_map(|(zone, moment, before, near)| {
        let segments = Zone::parse(zone).unwrap().segments();
        let change = segments.get(segments.index_at(moment.timestamp())).unwrap().start;
        let near = near && change > 0;
        (zone, if near { DateTime::from_timestamp(change - before, 0).unwrap() } else { moment })
    })
}

/// A single value.
pub(super) fn one(low: u32, high: u32) -> impl Strategy<Value = String> {
    (low..=high).prop_map(|value| value.to_string())
}

/// `*` or `*/step`.
pub(super) fn star(steps: u32) -> impl Strategy<Value = String> {
    prop_oneof![Just("*".to_owned()), (2..=steps).prop_map(|step| format!("*/{step}"))]
}

/// A value, a range, a stepped range, or a list.
pub(super) fn some(low: u32, high: u32) -> impl Strategy<Value = String> {
    let range = move || (low..=high).prop_flat_map(move |first| (Just(first), first..=high));
    prop_oneof![
        2 => one(low, high),
        1 => range().prop_map(|(first, last)| format!("{first}-{last}")),
        1 => (range(), 1..9u32).prop_map(|((first, last), step)| format!("{first}-{last}/{step}")),
        1 => proptest::collection::vec(low..=high, 2..4).prop_map(|values| {
            values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
        }),
    ]
}

/// A day-of-month field.
pub(super) fn days_of_month() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("*".to_owned()),
        3 => some(1, 31),
        1 => Just("L".to_owned()),
        1 => Just("LW".to_owned()),
        1 => (1..=31u32).prop_map(|day| format!("{day}W")),
    ]
}

/// A day-of-week field, without `+`.
pub(super) fn days_of_week() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("*".to_owned()),
        3 => some(0, 7),
        1 => (0..7u32, 1..=5u32).prop_map(|(day, nth)| format!("{day}#{nth}")),
        1 => (0..7u32).prop_map(|day| format!("{day}L")),
    ]
}

/// A month field, most often `*`.
pub(super) fn months() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("*".to_owned()), 1 => some(1, 12)]
}
