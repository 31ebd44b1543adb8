//! What each kind of rule gives, at changes of the clock above all.

use std::time::Duration;

use chrono::TimeDelta;

use super::{entry, instant, instants, occurrences, set};
use crate::clock::BootId;
use crate::schedule::set::epoch;
use crate::schedule::{
    Boot, Context, Dst, Entry, GapRule, Moment, OverlapRule, Rule, ScheduleSet, SetError, Shift, Zone,
};

#[test]
fn fixed_times_happen_once_at_every_change_of_the_clock() {
    // zone, expression, from, instants
    let table: &[(&str, &str, &str, &[&str])] = &[
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-03-28T00:00:00Z",
            &["03-28T01:30:00Z", "03-29T01:00:00Z", "03-30T00:30:00Z"],
        ),
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-10-24T00:00:00Z",
            &["10-24T00:30:00Z", "10-25T00:30:00Z", "10-26T01:30:00Z"],
        ),
        // Both nominal times of the gap, and the hour after it, land on one instant.
        (
            "Europe/Berlin",
            "0,30 2,3 * * *",
            "2026-03-29T00:00:00Z",
            &["03-29T01:00:00Z", "03-29T01:30:00Z", "03-30T00:00:00Z"],
        ),
        (
            "Europe/Berlin",
            "0-59/20 2 * * *",
            "2026-10-25T00:00:00Z",
            &["10-25T00:20:00Z", "10-25T00:40:00Z", "10-26T01:00:00Z"],
        ),
        // Half an hour, both ways.
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-02T20:00:00Z", &["10-03T15:30:00Z", "10-04T15:15:00Z"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-03T20:00:00Z", &["04-04T14:45:00Z", "04-05T15:15:00Z"]),
        // Midnight does not exist.
        (
            "Africa/Cairo",
            "0 0 * * *",
            "2026-04-22T12:00:00Z",
            &["04-22T22:00:00Z", "04-23T22:00:00Z", "04-24T21:00:00Z"],
        ),
        // A whole day does not exist: 2011-12-30.
        (
            "Pacific/Apia",
            "0 9 * * *",
            "2011-12-29T00:00:00Z",
            &["12-29T19:00:00Z", "12-30T10:00:00Z", "12-30T19:00:00Z"],
        ),
        // Two hours at once.
        ("Antarctica/Troll", "30 1,2 * * *", "2026-03-29T00:00:00Z", &["03-29T01:00:00Z", "03-29T23:30:00Z"]),
    ];
    for (zone, text, from, expected) in table {
        assert_eq!(instants(entry(text, zone), from, expected.len()), *expected, "{zone} {text}");
    }
}

#[test]
fn intervals_follow_elapsed_time() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        ("Europe/Berlin", "*/30 * * * *", "2026-03-29T00:30:00Z", &["03-29T01:00:00Z", "03-29T01:30:00Z"]),
        (
            "Europe/Berlin",
            "*/30 2 * * *",
            "2026-10-25T00:00:00Z",
            &["10-25T00:30:00Z", "10-25T01:00:00Z", "10-25T01:30:00Z", "10-26T01:00:00Z"],
        ),
        ("Europe/Berlin", "*/30 2 * * *", "2026-03-29T00:00:00Z", &["03-30T00:00:00Z"]),
        ("Europe/Berlin", "every 2h", "2026-10-24T22:30:00Z", &["10-24T23:00:00Z", "10-25T01:00:00Z"]),
        ("Europe/Berlin", "every 1d", "2026-06-01T00:00:00Z", &["06-01T23:00:00Z", "06-02T23:00:00Z"]),
        ("UTC", "every 1w", "2026-06-02T00:00:00Z", &["06-08T00:00:00Z", "06-15T00:00:00Z"]),
        ("UTC", "every 90s", "2026-06-02T00:00:00.5Z", &["06-02T00:01:30Z", "06-02T00:03:00Z"]),
    ];
    for (zone, text, from, expected) in table {
        assert_eq!(instants(entry(text, zone), from, expected.len()), *expected, "{zone} {text}");
    }
}

#[test]
fn the_rules_of_a_schedule_change_what_gaps_and_overlaps_do() {
    let with = |text, gap, overlap| Entry { dst: Dst { gap, overlap }, ..entry(text, "Europe/Berlin") };
    let (spring, autumn) = ("2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z");
    assert_eq!(instants(with("30 2 * * *", Some(GapRule::Skip), None), spring, 1), ["03-30T00:30:00Z"]);
    let overlap = |rule| instants(with("30 2 * * *", None, Some(rule)), autumn, 2);
    assert_eq!(overlap(OverlapRule::First), ["10-25T00:30:00Z", "10-26T01:30:00Z"]);
    assert_eq!(overlap(OverlapRule::Second), ["10-25T01:30:00Z", "10-26T01:30:00Z"]);
    assert_eq!(overlap(OverlapRule::Both), ["10-25T00:30:00Z", "10-25T01:30:00Z"]);
    let interval = with("*/30 * * * *", None, Some(OverlapRule::First));
    assert_eq!(instants(interval, "2026-10-25T00:00:00Z", 2), ["10-25T00:30:00Z", "10-25T02:00:00Z"]);
}

#[test]
fn a_moved_occurrence_says_so() {
    let notes = |text, from| {
        let all = occurrences(entry(text, "Europe/Berlin"), from, 2);
        all.into_iter().map(|one| (one.nominal.to_string(), one.note)).collect::<Vec<_>>()
    };
    assert_eq!(
        notes("30 2 * * *", "2026-03-28T12:00:00Z"),
        [("2026-03-29 02:30:00".to_owned(), Some(Shift::Gap)), ("2026-03-30 02:30:00".to_owned(), None)]
    );
    assert_eq!(notes("30 2 * * *", "2026-10-24T12:00:00Z")[0].1, Some(Shift::FirstPass));
    // The first and the last second that come twice, and their neighbours.
    for (text, note) in [
        ("59 59 1 * * *", None),
        ("0 0 2 * * *", Some(Shift::FirstPass)),
        ("59 59 2 * * *", Some(Shift::FirstPass)),
        ("0 0 3 * * *", None),
    ] {
        assert_eq!(notes(text, "2026-10-24T20:00:00Z")[0].1, note, "{text}");
    }
    // The last times of all, at the second pass.
    assert_eq!(notes("0 */30 2 25 10 * 2026", "2026-10-25T00:30:00Z").len(), 2);
    assert_eq!(notes("30 * * * *", "2026-10-25T00:30:00Z")[0].1, Some(Shift::SecondPass));
}

#[test]
fn moments_resolve_in_the_zone_and_end() {
    let berlin = Zone::parse("Europe/Berlin").unwrap();
    let moments = ["2026-12-24 18:00", "2026-03-29 02:30", "2026-12-24T17:00:00Z", "2026-07-01T00:00:00+05:00"];
    let rule = Rule::at(moments.iter().map(|text| Moment::parse(text).unwrap()).collect()).unwrap();
    let expected = ["03-29T01:00:00Z", "06-30T19:00:00Z", "12-24T17:00:00Z"];
    assert_eq!(instants(Entry::new(rule, berlin), "2026-01-01T00:00:00Z", 9), expected);
}

#[test]
fn boot_and_after_count_from_the_context_once() {
    let context = Context {
        first_seen: instant("2026-05-01T10:00:00.25Z"),
        boot: Boot {
            id: BootId::new("b"),
            at: instant("2026-05-01T09:00:00Z"),
            seen_at: instant("2026-05-01T09:00:00Z"),
        },
    };
    let at = |set: &ScheduleSet, after| set.next(instant(after), &context).map(|one| one.at.to_rfc3339());
    let after = set(vec![entry("after 10m", "UTC")]);
    assert_eq!(at(&after, "2026-05-01T10:00:00Z").as_deref(), Some("2026-05-01T10:10:00.250+00:00"));
    assert_eq!(at(&after, "2026-05-01T10:10:00.25Z"), None);
}

#[test]
fn boot_runs_once_after_each_boot_but_not_for_the_one_during_which_it_was_installed() {
    let boot = set(vec![Entry::new(Rule::boot(Duration::from_secs(60)), Zone::utc())]);
    let first_seen = instant("2026-05-01T10:00:00Z");
    let next = |booted: &str, cursor: &str| {
        let context =
            Context { first_seen, boot: Boot { id: BootId::new("b"), at: instant(booted), seen_at: instant(booted) } };
        boot.next(instant(cursor), &context).map(|one| one.at.to_rfc3339())
    };
    assert_eq!(next("2026-05-01T09:59:30Z", "2026-05-01T10:00:00Z"), None, "installed 30 s after the boot");
    let second = "2026-05-02T08:01:00+00:00";
    assert_eq!(next("2026-05-02T08:00:00Z", "2026-05-01T10:00:00Z").as_deref(), Some(second));
    assert_eq!(next("2026-05-02T08:00:00Z", second), None, "a restart of the daemon changes nothing");
    assert!(next("2026-05-03T08:00:00Z", second).is_some(), "and the next boot counts again");
    let kept = "2026-05-02T08:01:00.123456Z";
    assert_eq!(next("2026-05-02T08:00:00.123456789Z", kept), None, "cursors are kept in microseconds");
}

#[test]
fn what_a_boot_asked_for_before_the_daemon_came_up_is_due_then() {
    let boot = set(vec![Entry::new(Rule::boot(Duration::from_secs(60)), Zone::utc())]);
    let due = |seen_at: &str| {
        let booted = Boot { id: BootId::new("b"), at: instant("2026-05-02T08:00:00Z"), seen_at: instant(seen_at) };
        let context = Context { first_seen: instant("2026-05-01T10:00:00Z"), boot: booted };
        boot.next(instant("2026-05-01T10:00:00Z"), &context).map(|one| one.due)
    };
    assert_eq!(due("2026-05-02T08:00:10Z"), Some(instant("2026-05-02T08:01:00Z")), "the delay is not over yet");
    assert_eq!(due("2026-05-02T08:30:00Z"), Some(instant("2026-05-02T08:30:00Z")), "nobody was there to miss it");
}

#[test]
fn schedules_on_one_instant_are_one_occurrence() {
    let set = set(vec![entry("0 */2 * * *", "UTC"), entry("0 */3 * * *", "UTC"), entry("0 7 * * *", "Europe/Berlin")]);
    let context = epoch();
    let hours: Vec<String> = set
        .between(instant("2026-06-01T00:00:00Z"), instant("2026-06-01T06:00:00Z"), &context)
        .map(|occurrence| occurrence.at.format("%H").to_string())
        .collect();
    assert_eq!(hours, ["02", "03", "04", "05", "06"]);
}

#[test]
fn jitter_delays_the_start_and_never_reaches_the_next_occurrence() {
    let entry = Entry { jitter: Duration::from_secs(3600), ..entry("*/15 * * * *", "UTC") };
    let all = occurrences(entry.clone(), "2026-06-01T00:00:00Z", 100);
    assert!(all.windows(2).all(|pair| pair[0].at <= pair[0].due && pair[0].due < pair[1].at));
    assert!(all.iter().any(|one| one.due > one.at + TimeDelta::minutes(10)));
    assert_eq!(all, occurrences(entry, "2026-06-01T00:00:00Z", 100), "the same after a restart");
}

#[test]
fn what_can_never_fire_is_refused_with_the_reason() {
    for (text, reason) in [
        ("0 0 31 2 *", "none of its months has a day 31"),
        ("0 0 30 2 *", "none of its months has a day 30"),
        ("0 0 0 1 1 * 2150", "the zone data ends with 2099"),
        ("0 0 1 * +FRI#2", "no date matches"),
    ] {
        let error = ScheduleSet::new(vec![entry("@daily", "UTC"), entry(text, "UTC")], "backup").unwrap_err();
        let SetError::NeverFires { entry, reason: got } = &error else { panic!("{error}") };
        assert_eq!(*entry, 1);
        assert!(got.contains(reason), "{got}");
    }
    let gap = Entry {
        rule: Rule::at(vec![Moment::parse("2026-03-29 02:30").unwrap()]).unwrap(),
        dst: Dst { gap: Some(GapRule::Skip), overlap: None },
        ..entry("@daily", "Europe/Berlin")
    };
    assert!(ScheduleSet::new(vec![gap], "backup").unwrap_err().to_string().contains("gap"));
}

#[test]
fn faults_of_the_short_form_point_at_their_place() {
    for (text, part, hint) in [
        ("@dayly", "@dayly", "@daily"),
        ("@every 90", "90", ""),
        ("every 0s", "0s", ""),
        ("every 1.5s", "1.5s", ""),
        ("  every 2months", "2months", ""),
        ("at tomorrow", "tomorrow", "2026-12-24"),
        ("at 2026-12-24", "2026-12-24", "00:00"),
        (" 61 * * * *", "61", ""),
        ("at 2150-01-01 00:00", "2150-01-01 00:00", ""),
    ] {
        let fault = Rule::parse_short(text, "backup").unwrap_err();
        assert_eq!(&text[fault.span.clone()], part, "{text}: {fault}");
        assert!(fault.hint.as_deref().unwrap_or("").contains(hint), "{text}: {:?}", fault.hint);
    }
}
