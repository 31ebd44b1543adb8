//! A second opinion on fixed times and intervals: walk every minute round every change of a zone's offset, with the zone
//! database itself and a matcher of a few lines, and compare.

use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::{entry, set};
use crate::clock::Timestamp;
use crate::schedule::set::epoch;

/// Zones whose changes are odd: half an hour, at midnight, of a whole day, of two hours, twice a year more for a month of
/// fasting, or of the standard time itself.
const ZONES: [Tz; 16] = [
    Tz::Australia__Lord_Howe,
    Tz::Pacific__Chatham,
    Tz::Africa__Casablanca,
    Tz::Pacific__Apia,
    Tz::Antarctica__Troll,
    Tz::America__Havana,
    Tz::Asia__Beirut,
    Tz::America__Sao_Paulo,
    Tz::Africa__Cairo,
    Tz::America__St_Johns,
    Tz::America__Caracas,
    Tz::Asia__Tehran,
    Tz::Asia__Pyongyang,
    Tz::Europe__Berlin,
    Tz::Europe__Dublin,
    Tz::America__New_York,
];

/// An expression and what it means, said a second time.
struct Case {
    text: &'static str,
    interval: bool,
    matches: fn(NaiveDateTime) -> bool,
}

const CASES: [Case; 13] = [
    Case { text: "30 2 * * *", interval: false, matches: |t| (t.hour(), t.minute()) == (2, 30) },
    Case { text: "0 0 * * *", interval: false, matches: |t| (t.hour(), t.minute()) == (0, 0) },
    Case { text: "59 23 * * *", interval: false, matches: |t| (t.hour(), t.minute()) == (23, 59) },
    Case {
        text: "15,45 1-3 * * *",
        interval: false,
        matches: |t| (1..=3).contains(&t.hour()) && t.minute() % 30 == 15,
    },
    Case { text: "0-59/7 0-23 * * *", interval: false, matches: |t| t.minute() % 7 == 0 },
    Case {
        text: "30 1 * * SUN",
        interval: false,
        matches: |t| (t.hour(), t.minute()) == (1, 30) && t.weekday().num_days_from_sunday() == 0,
    },
    Case {
        text: "0 2,3 1-7 * SUN",
        interval: false,
        matches: |t| {
            (2..=3).contains(&t.hour()) && t.minute() == 0 && (t.day() <= 7 || t.weekday().num_days_from_sunday() == 0)
        },
    },
    Case { text: "0 3 */2 * *", interval: false, matches: |t| (t.hour(), t.minute()) == (3, 0) && t.day() % 2 == 1 },
    Case { text: "*/30 * * * *", interval: true, matches: |t| t.minute() % 30 == 0 },
    Case { text: "*/20 2 * * *", interval: true, matches: |t| t.hour() == 2 && t.minute() % 20 == 0 },
    // After its last time of the day it is silent for a week, but an overlap shows the morning again.
    Case {
        text: "*/20 0-2 * * SUN",
        interval: true,
        matches: |t| t.hour() <= 2 && t.minute() % 20 == 0 && t.weekday().num_days_from_sunday() == 0,
    },
    Case { text: "10 * * * *", interval: true, matches: |t| t.minute() == 10 },
    Case { text: "* 0-1 L * *", interval: true, matches: |t| t.hour() <= 1 && (t + TimeDelta::days(1)).day() == 1 },
];

/// Minutes walked on both sides of a change: a whole day is the longest gap.
const MARGIN_MINUTES: i64 = 26 * 60;

/// 1 January of 1975, 2008, 2030 and 2099. Before 1975 some zones have offsets that are no whole minutes, and the zone data
/// ends with 2099.
const YEARS: [i64; 4] = [157_766_400, 1_199_145_600, 1_893_456_000, 4_070_908_800];

#[test]
fn every_change_from_2008_to_2030() {
    let mut changes = 0;
    for zone in ZONES {
        for change in changes_of(zone, YEARS[1], YEARS[2]) {
            changes += 1;
            check(zone, change);
        }
    }
    assert!(changes > 400, "{changes} changes were checked");
}

/// With ORACLE_ZONES=all, as at night: every change of every zone since 1975. With ORACLE_ZONES=N, of every N-th zone.
#[test]
fn every_change_of_every_zone() {
    let Ok(said) = std::env::var("ORACLE_ZONES") else { return };
    let every = if said == "all" { 1 } else { said.parse().expect("a number, or all") };
    let (mut zones, mut changes) = (0, 0);
    for &zone in TZ_VARIANTS.iter().step_by(every) {
        zones += 1;
        for change in changes_of(zone, YEARS[0], YEARS[3]) {
            changes += 1;
            check(zone, change);
        }
    }
    println!("{changes} changes of {zones} zones");
    assert!(changes > 50 * zones, "{changes} changes of {zones} zones were checked");
}

/// Minutes at which the offset becomes another.
fn changes_of(zone: Tz, first: i64, last: i64) -> Vec<i64> {
    let mut changes = Vec::new();
    let mut before = offset(zone, first);
    for day in (first..last).step_by(86_400) {
        let after = offset(zone, day + 86_400);
        if before != after {
            let minutes = (day..day + 86_400).step_by(60).map(|minute| minute + 60);
            changes.extend(minutes.filter(|&minute| offset(zone, minute - 60) != offset(zone, minute)));
        }
        before = after;
    }
    changes
}

/// One minute of a walk.
struct Minute {
    instant: i64,
    /// What the clock shows.
    shown: NaiveDateTime,
    /// What it shows, or jumped over, for the first time.
    new: Vec<NaiveDateTime>,
}

fn check(zone: Tz, change: i64) {
    let (start, end) = (change - MARGIN_MINUTES * 60, change + MARGIN_MINUTES * 60);
    let walk = walk(zone, start, end);
    for case in &CASES {
        let happens = |minute: &&Minute| match case.interval {
            // An interval happens whenever the clock shows it.
            true => (case.matches)(minute.shown),
            // A time of day happens when the clock shows it for the first time, or jumps over it.
            false => minute.new.iter().any(|&local| (case.matches)(local)),
        };
        let expected: Vec<i64> = walk.iter().filter(happens).map(|minute| minute.instant).collect();
        let set = set(vec![entry(case.text, zone.name())]);
        let context = epoch();
        let got: Vec<i64> =
            set.between(at(start), at(end), &context).map(|occurrence| occurrence.at.timestamp()).collect();
        assert_eq!(got, expected, "{zone} {} round {}", case.text, at(change));
    }
}

/// The minutes after `start`, up to `end`.
fn walk(zone: Tz, start: i64, end: i64) -> Vec<Minute> {
    // The clock never goes back by more than a few hours: what it showed last stands for all before.
    let mut latest = local(start, offset(zone, start));
    let mut walk = Vec::new();
    for hour in (start..end).step_by(3600) {
        let offsets = (offset(zone, hour), offset(zone, hour + 3600));
        for instant in (hour..hour + 3600).step_by(60).map(|instant| instant + 60) {
            let offset = if offsets.0 == offsets.1 { offsets.0 } else { offset(zone, instant) };
            let shown = local(instant, offset);
            let mut new = Vec::new();
            while latest < shown {
                latest += TimeDelta::minutes(1);
                new.push(latest);
            }
            walk.push(Minute { instant, shown, new });
        }
    }
    walk
}

fn offset(zone: Tz, instant: i64) -> i64 {
    zone.offset_from_utc_datetime(&at(instant).naive_utc()).fix().local_minus_utc().into()
}

fn local(instant: i64, offset: i64) -> NaiveDateTime {
    at(instant + offset).naive_utc()
}

fn at(instant: i64) -> Timestamp {
    DateTime::from_timestamp(instant, 0).unwrap()
}
