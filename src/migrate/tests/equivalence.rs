//! An imported line runs when it ran: the schedule's fires against an independent reading of the fields.

use proptest::prelude::*;

use super::{context, import};
use crate::migrate::crontab::Form;
use crate::migrate::{Comparison, FIRES_COMPARED, compare};
use crate::schedule::Zone;

const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "America/St_Johns"];

/// A value, a range, a stepped range, a list, with names now and then.
fn some(low: u32, high: u32, names: &'static [&'static str]) -> BoxedStrategy<String> {
    let shown = move |value: u32| {
        let name = (value as usize).checked_sub(low as usize).and_then(|index| names.get(index));
        name.filter(|_| value.is_multiple_of(2)).map_or_else(|| value.to_string(), |name| (*name).to_owned())
    };
    let range = move || (low..=high).prop_flat_map(move |first| (Just(first), first..=high));
    prop_oneof![
        3 => (low..=high).prop_map(shown),
        2 => range().prop_map(move |(first, last)| format!("{}-{}", shown(first), shown(last))),
        1 => (range(), 1..9u32).prop_map(|((first, last), step)| format!("{first}-{last}/{step}")),
        1 => proptest::collection::vec(low..=high, 2..4)
            .prop_map(|values| values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
    ]
    .boxed()
}

fn star_or(other: BoxedStrategy<String>, steps: u32) -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("*".to_owned()), 1 => (2..=steps).prop_map(|step| format!("*/{step}")), 4 => other]
}

pub(super) fn expression() -> impl Strategy<Value = String> {
    const MONTHS: [&str; 12] = ["jan", "Feb", "MAR", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: [&str; 7] = ["sun", "Mon", "TUE", "wed", "thu", "fri", "sat"];
    let minute =
        prop_oneof![8 => star_or(some(0, 59, &[]), 59), 1 => Just("~".to_owned()), 1 => Just("5~20".to_owned())];
    // Days that every month has: what can never run is refused, by both.
    let fields = (minute, star_or(some(0, 23, &[]), 12), star_or(some(1, 28, &[]), 15))
        .prop_flat_map(|first| (Just(first), star_or(some(1, 12, &MONTHS), 6), star_or(some(0, 7, &DAYS), 3)));
    let nickname = prop_oneof![Just("@daily"), Just("@hourly"), Just("@weekly"), Just("@monthly"), Just("@yearly")];
    prop_oneof![
        12 => fields.prop_map(|((minute, hour, day), month, weekday)| format!("{minute} {hour} {day} {month} {weekday}")),
        1 => nickname.prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn random_crontabs_keep_their_next_5000_fires(
        lines in proptest::collection::vec((expression(), 0..ZONES.len()), 1..4),
        after in 1_767_225_600i64..1_900_000_000,
    ) {
        let mut crontab = String::new();
        for (expression, zone) in &lines {
            crontab += &format!("CRON_TZ={}\n{expression} root /bin/true\n", ZONES[*zone]);
        }
        let finished = import(&crontab, Form::System);
        prop_assert!(finished.faults.is_empty(), "{:?}", finished.faults);
        prop_assert_eq!(finished.jobs.len(), lines.len());
        let after = chrono::DateTime::from_timestamp(after, 0).unwrap();
        for job in &finished.jobs {
            match compare(job, Zone::utc(), after) {
                Comparison::Equal { fires, .. } => prop_assert!(fires > 0, "{}", job.text),
                other => prop_assert!(false, "{}\n{other:?}", job.text),
            }
        }
    }
}

#[test]
fn a_difference_is_found() {
    let mut finished = import("30 2 * * * root x\n31 2 * * * root x\n*/30 2 * * * root x\n", Form::System);
    let after = "2026-11-21T12:00:00Z".parse().unwrap();
    let zone = context().timezone;
    let Comparison::Equal { fires, .. } = compare(&finished.jobs[0], zone, after) else { panic!("the same line") };
    assert_eq!(fires, FIRES_COMPARED);
    let other = finished.jobs[1].spec.schedules.clone();
    let job = &mut finished.jobs[0];
    job.spec.schedules = other;
    let Comparison::Differs { equal: 0, line: Some(line), job: Some(ours) } = compare(job, zone, after) else {
        panic!("another minute")
    };
    assert_eq!((ours - line).num_minutes(), 1);
    // Another zone shows only where its clock does.
    job.spec.schedules =
        import("CRON_TZ=Europe/Berlin\n30 2 * * * root x\n", Form::System).jobs[0].spec.schedules.clone();
    assert!(matches!(compare(job, Zone::utc(), after), Comparison::Differs { equal: 0, .. }));
}
