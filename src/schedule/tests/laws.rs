//! What holds for every schedule.

use chrono::{DateTime, Datelike, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::generated::{cases, days_of_month, days_of_week, months, some, star, zone_and_moment};
use super::{entry, set};
use crate::clock::Timestamp;
use crate::schedule::cron::{DayRule, Expression};
use crate::schedule::set::epoch;
use crate::schedule::{Entry, Occurrence, ScheduleSet, Shift};

/// Occurrences looked at in one case.
const TAKEN: usize = 25;

fn expression() -> impl Strategy<Value = String> {
    let plus = prop_oneof![4 => Just(""), 1 => Just("+")];
    let time = (prop_oneof![some(0, 59), star(40)], prop_oneof![some(0, 23), star(12)]);
    (time, days_of_month(), months(), plus, days_of_week()).prop_map(|((minute, hour), day, month, plus, weekday)| {
        format!("{minute} {hour} {day} {month} {plus}{weekday}")
    })
}

/// A set of one expression, unless it can never fire.
fn one(text: &str, zone: &str, jitter_seconds: u64) -> Option<ScheduleSet> {
    let jitter = std::time::Duration::from_secs(jitter_seconds);
    ScheduleSet::new(vec![Entry { jitter, ..entry(text, zone) }], "backup").ok()
}

fn take(set: &ScheduleSet, from: Timestamp) -> Vec<Occurrence> {
    set.between(from, Timestamp::MAX_UTC, &epoch()).take(TAKEN).collect()
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn occurrences_increase_and_each_is_what_the_expression_says(
        text in expression(), (zone, from) in zone_and_moment(), jitter in 0..7200u64,
    ) {
        let Some(set) = one(&text, zone, jitter) else { return Ok(()) };
        let expression = Expression::parse(&text, "backup").unwrap();
        let all = take(&set, from);
        prop_assert!(all.iter().all(|one| one.at > from && one.due >= one.at));
        for pair in all.windows(2) {
            prop_assert!(pair[0].at < pair[1].at && pair[0].due < pair[1].at, "{pair:?}");
        }
        for one in &all {
            prop_assert!(matches(&expression, one.nominal), "{text} does not name {}", one.nominal);
            prop_assert!(is_shifted_as_noted(zone.parse().unwrap(), one), "{one:?}");
        }
    }

    #[test]
    fn a_restart_anywhere_changes_nothing(text in expression(), (zone, from) in zone_and_moment(), part in 0.0..1.0f64) {
        let Some(set) = one(&text, zone, 600) else { return Ok(()) };
        let all = take(&set, from);
        let Some(last) = all.last() else { return Ok(()) };
        let whole = (last.at - from).num_milliseconds();
        let restart = from + TimeDelta::milliseconds((whole as f64 * part) as i64);
        let again = one(&text, zone, 600).unwrap();
        let expected: Vec<_> = all.iter().filter(|one| one.at > restart).cloned().collect();
        let context = epoch();
        let got: Vec<_> = again.between(restart, last.at, &context).collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn between_is_next_after_next_and_count_counts_it(text in expression(), (zone, from) in zone_and_moment(), days in 1..400i64) {
        let Some(set) = one(&text, zone, 0) else { return Ok(()) };
        let (to, context) = (from + TimeDelta::days(days), epoch());
        let mut after = from;
        let mut one_by_one = Vec::new();
        while let Some(next) = set.next(after, &context).filter(|next| next.at <= to).filter(|_| one_by_one.len() < 200) {
            after = next.at;
            one_by_one.push(next);
        }
        prop_assert_eq!(set.count(from, to, 200, &context), one_by_one.len());
        prop_assert_eq!(set.between(from, to, &context).take(200).collect::<Vec<_>>(), one_by_one);
    }

    #[test]
    fn every_stays_on_its_grid(seconds in 1..1_000_000u64, (zone, from) in zone_and_moment()) {
        let set = set(vec![entry(&format!("every {seconds}s"), zone)]);
        let all = take(&set, from);
        prop_assert!((all[0].at - from).num_seconds() <= seconds as i64);
        prop_assert!(all.windows(2).all(|pair| (pair[1].at - pair[0].at).num_seconds() == seconds as i64));
        let midnight = chrono::NaiveDate::from_ymd_opt(2024, 1, 1).unwrap().and_time(chrono::NaiveTime::MIN);
        let anchor = zone.parse::<Tz>().unwrap().from_local_datetime(&midnight).unwrap();
        prop_assert_eq!((all[0].at.timestamp() - anchor.timestamp()).rem_euclid(seconds as i64), 0);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "[-0-9A-Z*/,#~()?+@a-z :.]{0,40}", wild in ".{0,40}") {
        use crate::schedule::{Calendar, Moment, Rule, Window, Zone};
        for text in [text, wild] {
            for fault in [
                Rule::parse_short(&text, "backup").map(|_| ()),
                Moment::parse_start(&text).map(|_| ()),
                Window::parse(&text).map(|_| ()),
                Zone::parse(&text).map(|_| ()),
                Rule::time_of_day(&text).map(|_| ()),
                Calendar::from_toml("x", &text).map(|_| ()),
                Calendar::from_toml("x", &format!("days = [{text:?}]")).map(|_| ()),
                Calendar::from_ics("x", &text).map(|_| ()),
                Calendar::from_ics("x", &format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:{text}\r\nEND:VEVENT\r\nEND:VCALENDAR")).map(|_| ()),
            ].into_iter().filter_map(Result::err) {
                prop_assert!(!fault.message.is_empty());
                prop_assert!(fault.span.start <= fault.span.end);
            }
        }
    }
}

/// Whether an expression names a local time, told field by field.
fn matches(expression: &Expression, local: NaiveDateTime) -> bool {
    let by_month = expression.days_of_month.match_day_of_month(local.date());
    let by_week = expression.days_of_week.match_day_of_week(local.date());
    let day = match expression.day_rule {
        DayRule::Both => by_month && by_week,
        DayRule::Either => by_month || by_week,
    };
    day && expression.seconds.contains(local.second())
        && expression.minutes.contains(local.minute())
        && expression.hours.contains(local.hour())
        && expression.months.contains(local.month())
}

/// Whether the zone database agrees with the note of an occurrence.
fn is_shifted_as_noted(zone: Tz, one: &Occurrence) -> bool {
    let found = zone.from_local_datetime(&one.nominal).map(|time| time.to_utc());
    match one.note {
        None => found == LocalResult::Single(one.at),
        Some(Shift::Gap) => {
            // The first instant whose local time is later than the nominal one, and the second before is earlier.
            let local = |at: DateTime<chrono::Utc>| zone.from_utc_datetime(&at.naive_utc()).naive_local();
            found == LocalResult::None
                && local(one.at) > one.nominal
                && local(one.at - TimeDelta::seconds(1)) < one.nominal
        }
        Some(Shift::FirstPass) => found.earliest() == Some(one.at) && found.latest() != Some(one.at),
        Some(Shift::SecondPass) => found.latest() == Some(one.at) && found.earliest() != Some(one.at),
        Some(Shift::Calendar { .. }) => false,
    }
}
