//! Calendars, conditions, shifts and periods of validity.

use std::sync::Arc;

use super::{entry, instant, instants, occurrences};
use crate::schedule::set::epoch;
use crate::schedule::{Calendar, DaySet, Entry, Moment, Rule, ScheduleSet, SetError, Shift, ShiftRule, Window, Zone};

fn calendar(text: &str) -> Arc<Calendar> {
    Arc::new(Calendar::from_toml("company", text).unwrap())
}

/// Holidays of the tests: 2026-05-01 is a Friday, Easter Monday is 2026-04-06.
fn holidays() -> Vec<Arc<Calendar>> {
    vec![calendar("days = [\"easter-2\", \"easter+1\", \"12-25..12-26\"]\n[[day]]\non = \"05-01\"\nname = \"May Day\"")]
}

fn windows(texts: &[&str]) -> Vec<Window> {
    texts.iter().map(|text| Window::parse(text).unwrap()).collect()
}

fn business_day(days: &[i64], zone: &str) -> Entry {
    let rule = Rule::business_day(days, Rule::time_of_day("09:00").unwrap()).unwrap();
    Entry { calendars: holidays(), ..Entry::new(rule, Zone::parse(zone).unwrap()) }
}

#[test]
fn business_days_of_the_month() {
    // 1 May 2026 is a holiday and a Friday, 3 May a Sunday, 31 May a Sunday.
    assert_eq!(
        instants(business_day(&[1, -1], "UTC"), "2026-05-01T00:00:00Z", 4),
        ["05-04T09:00:00Z", "05-29T09:00:00Z", "06-01T09:00:00Z", "06-30T09:00:00Z"]
    );
    assert_eq!(
        instants(business_day(&[10], "Europe/Berlin"), "2026-05-01T00:00:00Z", 2),
        ["05-15T07:00:00Z", "06-12T07:00:00Z"]
    );
    // February 2026 has twenty business days.
    assert_eq!(instants(business_day(&[22], "UTC"), "2026-02-01T00:00:00Z", 1), ["03-31T09:00:00Z"]);
    for days in [&[][..], &[0], &[32], &[-32], &[400]] {
        assert!(Rule::business_day(days, chrono::NaiveTime::MIN).is_err(), "{days:?}");
    }
}

#[test]
fn only_on_and_skip_on() {
    let daily = |only_on: &[DaySet], skip_on: &[DaySet]| Entry {
        calendars: holidays(),
        only_on: only_on.to_vec(),
        skip_on: skip_on.to_vec(),
        ..entry("0 9 * * *", "UTC")
    };
    let from = "2026-04-30T00:00:00Z";
    let weekdays = daily(&[DaySet::BusinessDays], &[]);
    assert_eq!(instants(weekdays.clone(), from, 3), ["04-30T09:00:00Z", "05-04T09:00:00Z", "05-05T09:00:00Z"]);
    assert_eq!(instants(daily(&[], &[DaySet::Weekends, DaySet::Holidays]), from, 3), instants(weekdays, from, 3));
    assert_eq!(instants(daily(&[DaySet::Weekends], &[]), from, 2), ["05-02T09:00:00Z", "05-03T09:00:00Z"]);
    assert_eq!(instants(daily(&[DaySet::Holidays], &[]), from, 2), ["05-01T09:00:00Z", "12-25T09:00:00Z"]);
    let extra = DaySet::Calendar(calendar("days = [\"2026-05-04\"]"));
    let either = daily(&[DaySet::Holidays, extra.clone()], &[]);
    assert_eq!(instants(either, from, 2), ["05-01T09:00:00Z", "05-04T09:00:00Z"]);
    assert_eq!(instants(daily(&[DaySet::BusinessDays], &[extra]), from, 2), ["04-30T09:00:00Z", "05-05T09:00:00Z"]);
}

#[test]
fn the_day_is_that_of_the_zone() {
    // Friday 23:30 in New York is Saturday in UTC.
    let entry = Entry { only_on: vec![DaySet::BusinessDays], ..entry("30 23 * * FRI", "America/New_York") };
    assert_eq!(instants(entry, "2026-06-01T00:00:00Z", 1), ["06-06T03:30:00Z"]);
}

#[test]
fn a_shift_moves_the_day_and_keeps_the_time() {
    let shifted = |text: &str, rule| Entry { calendars: holidays(), shift: Some(rule), ..entry(text, "UTC") };
    // 1 May: holiday, then a weekend. 1 August: Saturday. 1 November: Sunday.
    let monthly = "0 9 1 * *";
    assert_eq!(
        instants(shifted(monthly, ShiftRule::Next), "2026-04-30T00:00:00Z", 4),
        ["05-04T09:00:00Z", "06-01T09:00:00Z", "07-01T09:00:00Z", "08-03T09:00:00Z"]
    );
    assert_eq!(
        instants(shifted(monthly, ShiftRule::Previous), "2026-04-15T00:00:00Z", 4),
        ["04-30T09:00:00Z", "06-01T09:00:00Z", "07-01T09:00:00Z", "07-31T09:00:00Z"]
    );
    // Saturday 10:00 moves behind Monday 09:00 and before Monday 11:00: time of day decides.
    let several = Entry { shift: Some(ShiftRule::Next), ..entry("0 9,11 * * MON", "UTC") };
    let saturday = Entry { shift: Some(ShiftRule::Next), ..entry("0 10 * * SAT", "UTC") };
    let set = ScheduleSet::new(vec![several, saturday], "backup").unwrap();
    let context = epoch();
    let hours: Vec<String> = set
        .between(instant("2026-06-05T00:00:00Z"), instant("2026-06-09T00:00:00Z"), &context)
        .map(|occurrence| occurrence.at.format("%d %H").to_string())
        .collect();
    assert_eq!(hours, ["08 09", "08 10", "08 11"]);
    // All days of a long weekend land on one instant.
    assert_eq!(
        instants(shifted("0 9 * * *", ShiftRule::Next), "2026-04-30T12:00:00Z", 2),
        ["05-04T09:00:00Z", "05-05T09:00:00Z"]
    );
    let note = &occurrences(shifted(monthly, ShiftRule::Next), "2026-04-30T00:00:00Z", 1)[0];
    assert_eq!(note.nominal.to_string(), "2026-05-01 09:00:00");
    assert_eq!(note.note, Some(Shift::Calendar { rule: "moved from 2026-05-01 (next-business-day)".to_owned() }));
    assert_eq!(occurrences(shifted(monthly, ShiftRule::Next), "2026-05-30T00:00:00Z", 1)[0].note, None);
}

#[test]
fn a_shift_moves_moments_too() {
    let moments = ["2026-05-01 09:00", "2026-05-04T09:00:00Z", "2026-05-02T21:00:00-04:00"];
    let rule = Rule::at(moments.iter().map(|text| Moment::parse(text).unwrap()).collect()).unwrap();
    let moved = Entry { calendars: holidays(), shift: Some(ShiftRule::Next), ..Entry::new(rule, Zone::utc()) };
    assert_eq!(instants(moved, "2026-01-01T00:00:00Z", 9), ["05-04T01:00:00Z", "05-04T09:00:00Z"]);
}

#[test]
fn shift_comes_first_and_conditions_ask_about_where_it_went() {
    let entry = Entry {
        calendars: holidays(),
        shift: Some(ShiftRule::Next),
        exclude: windows(&["2026-05-04"]),
        ..entry("0 9 1 * *", "UTC")
    };
    assert_eq!(instants(entry, "2026-04-30T00:00:00Z", 1), ["06-01T09:00:00Z"]);
}

#[test]
fn excluded_windows() {
    let with = |text: &str, zone: &str, exclude: &[&str]| Entry { exclude: windows(exclude), ..entry(text, zone) };
    assert_eq!(
        instants(with("0 */6 * * *", "UTC", &["22:00-06:00"]), "2026-06-01T00:00:00Z", 3),
        ["06-01T06:00:00Z", "06-01T12:00:00Z", "06-01T18:00:00Z"]
    );
    assert_eq!(
        instants(with("@daily", "Europe/Berlin", &["2026-12-20..2027-01-02"]), "2026-12-18T23:30:00Z", 1),
        ["01-02T23:00:00Z"]
    );
    assert_eq!(
        instants(with("every 1s", "UTC", &["2026-06-01"]), "2026-05-31T23:59:58Z", 2),
        ["05-31T23:59:59Z", "06-02T00:00:00Z"]
    );
    // Autumn in Berlin: the window is passed twice, the quarter before it as well.
    let twice = with("*/30 2 * * *", "Europe/Berlin", &["02:20-03:00"]);
    assert_eq!(instants(twice, "2026-10-25T00:00:00Z", 2), ["10-25T01:00:00Z", "10-26T01:00:00Z"]);
}

#[test]
fn what_is_excluded_can_be_listed_with_its_cause() {
    let set = ScheduleSet::new(
        vec![
            Entry { calendars: holidays(), skip_on: vec![DaySet::Holidays], ..entry("0 9 * * *", "UTC") },
            Entry { exclude: windows(&["2026-05-02"]), ..entry("0 9 * * *", "UTC") },
            Entry { exclude: windows(&["12:00-13:00"]), ..entry("0 12 * * SAT", "UTC") },
            entry("0 12 9 * *", "UTC"),
        ],
        "backup",
    );
    // The third never runs.
    assert!(matches!(set, Err(SetError::NeverFires { entry: 2, .. })));
    let entries = vec![
        Entry { calendars: holidays(), skip_on: vec![DaySet::Holidays], ..entry("0 9 * * *", "UTC") },
        Entry { only_on: vec![DaySet::Weekends], exclude: windows(&["2026-05-02"]), ..entry("0 12 * * *", "UTC") },
    ];
    let set = ScheduleSet::new(entries, "backup").unwrap();
    let context = epoch();
    let (from, to) = (instant("2026-05-01T00:00:00Z"), instant("2026-05-03T00:00:00Z"));
    let excluded: Vec<_> =
        set.excluded(from, to, &context).map(|one| (one.at.to_rfc3339(), one.cause.to_string())).collect();
    let expected = [
        ("2026-05-01T09:00:00+00:00", "the day is in holidays (May Day)"),
        ("2026-05-01T12:00:00+00:00", "the day is not in weekends"),
        ("2026-05-02T12:00:00+00:00", "excluded by 2026-05-02"),
    ];
    assert_eq!(excluded, expected.map(|(at, cause)| (at.to_owned(), cause.to_owned())));
    assert_eq!(set.count(from, to, 10, &context), 1);
    // What one schedule excludes and another runs is not excluded.
    let entries =
        vec![Entry { exclude: windows(&["2026-05-02"]), ..entry("0 9 * * *", "UTC") }, entry("0 9 * * SAT", "UTC")];
    let set = ScheduleSet::new(entries, "backup").unwrap();
    assert_eq!(set.excluded(from, to, &context).count(), 0);
    assert_eq!(set.count(from, to, 10, &context), 2);
}

#[test]
fn periods_of_validity_include_both_ends() {
    let valid = |from: &str, to: &str| Entry {
        not_before: Some(Moment::parse_start(from).unwrap()),
        not_after: Some(Moment::parse_end(to).unwrap()),
        ..entry("0 9 * * *", "Europe/Berlin")
    };
    assert_eq!(
        instants(valid("2026-06-01", "2026-06-02"), "2026-01-01T00:00:00Z", 9),
        ["06-01T07:00:00Z", "06-02T07:00:00Z"]
    );
    assert_eq!(
        instants(valid("2026-06-01 09:00", "2026-06-01T07:00:00Z"), "2026-01-01T00:00:00Z", 9),
        ["06-01T07:00:00Z"]
    );
    let refused = ScheduleSet::new(vec![valid("2026-06-02", "2026-06-01")], "backup").unwrap_err();
    assert!(refused.to_string().contains("its conditions"), "{refused}");
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (entry, piece) in [
        (Entry { skip_on: vec![DaySet::Holidays], ..entry("@daily", "UTC") }, "needs a calendar"),
        (Entry { shift: Some(ShiftRule::Next), ..entry("every 5m", "UTC") }, "is for cron and at"),
        (Entry { shift: Some(ShiftRule::Next), ..business_day(&[1], "UTC") }, "needs no shift"),
    ] {
        let error = ScheduleSet::new(vec![entry], "backup").unwrap_err();
        assert!(matches!(&error, SetError::Contradiction { entry: 0, reason } if reason.contains(piece)), "{error}");
    }
    let closed = Entry { only_on: vec![DaySet::Weekends], ..entry("0 9 * * 1-5", "UTC") };
    let error = ScheduleSet::new(vec![closed], "backup").unwrap_err();
    assert!(error.to_string().contains("its conditions"), "{error}");
    let weekend =
        Entry { shift: Some(ShiftRule::Next), only_on: vec![DaySet::Weekends], ..entry("0 9 * * SAT", "UTC") };
    assert!(ScheduleSet::new(vec![weekend], "backup").is_err());
}

#[test]
fn sets_are_found_by_name() {
    let known = calendar("days = [\"05-01\"]");
    let find = |name: &str| DaySet::by_name(name, |name| (name == "company").then(|| Arc::clone(&known)));
    assert_eq!(find("business-days"), Some(DaySet::BusinessDays));
    assert_eq!(find("company").as_ref().map(DaySet::name), Some("company"));
    assert_eq!(find("none"), None);
}
