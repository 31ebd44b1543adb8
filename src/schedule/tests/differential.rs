//! The same expressions asked of `croner`, which follows the same specifications.
//!
//! Known differences, each kept out of the comparison where it shows:
//!
//! 1. croner takes a schedule for a fixed time only when minute and hour are one number each; here, as in cronie, any
//!    field that does not begin with `*` is fixed. So lists and ranges are compared where no clock changes: in UTC.
//! 2. croner joins the two day fields by "and" only for a bare `*`; cronie, and this, for `*/2` too. No `*/n` in day
//!    fields here.
//! 3. croner knows no end of time; here it is the end of the zone data.
//! 4. croner looks for the end of a gap for two hours only, and wants the day after it to match too. So what Pacific/Apia
//!    would have done on 2011-12-30, a day that it left out, croner drops; here it happens right after the gap.

use chrono::TimeZone;
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds};
use proptest::prelude::*;

use super::entry;
use super::generated::{cases, days_of_month, days_of_week, moment, months, one, some, star, zone_and_moment};
use crate::clock::Timestamp;
use crate::schedule::ScheduleSet;
use crate::schedule::set::epoch;

/// Occurrences compared in one case.
const TAKEN: usize = 12;

fn theirs(text: &str, zone: &str, from: Timestamp) -> Vec<i64> {
    let zone: Tz = zone.parse().unwrap();
    let cron = CronParser::builder().seconds(Seconds::Optional).build().parse(text).unwrap();
    let horizon = Tz::UTC.with_ymd_and_hms(2100, 1, 1, 0, 0, 0).unwrap();
    let from = zone.from_utc_datetime(&from.naive_utc());
    cron.iter_after(from).take_while(|at| *at < horizon).take(TAKEN).map(|at| at.timestamp()).collect()
}

fn ours(text: &str, zone: &str, from: Timestamp) -> Vec<i64> {
    let Ok(set) = ScheduleSet::new(vec![entry(text, zone)], "backup") else { return Vec::new() };
    let context = epoch();
    set.between(from, Timestamp::MAX_UTC, &context).take(TAKEN).map(|one| one.at.timestamp()).collect()
}

fn date() -> impl Strategy<Value = String> {
    (days_of_month(), months(), days_of_week()).prop_map(|(day, month, weekday)| format!("{day} {month} {weekday}"))
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn fixed_times_in_every_zone(minute in one(0, 59), hour in one(0, 23), date in date(), (zone, from) in zone_and_moment()) {
        prop_assume!(zone != "Pacific/Apia");
        let text = format!("{minute} {hour} {date}");
        prop_assert_eq!(ours(&text, zone, from), theirs(&text, zone, from), "{}", text);
    }

    #[test]
    fn intervals_in_every_zone(minute in star(30), hour in star(6), (zone, from) in zone_and_moment()) {
        let text = format!("{minute} {hour} * * *");
        prop_assert_eq!(ours(&text, zone, from), theirs(&text, zone, from), "{}", text);
    }

    #[test]
    fn lists_and_ranges_without_changes_of_the_clock(
        second in some(0, 59), minute in some(0, 59), hour in some(0, 23), date in date(), from in moment(),
    ) {
        let text = format!("{second} {minute} {hour} {date}");
        prop_assert_eq!(ours(&text, "UTC", from), theirs(&text, "UTC", from), "{}", text);
    }
}
