//! Schedules as a whole: tables, oracles and laws.

mod conditions;
mod differential;
mod generated;
mod laws;
mod oracle;
mod recurrences;

use crate::clock::Timestamp;
use crate::schedule::set::epoch;
use crate::schedule::{Entry, Occurrence, Rule, ScheduleSet, Zone};

pub(super) fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn set(entries: Vec<Entry>) -> ScheduleSet {
    ScheduleSet::new(entries, "backup").unwrap()
}

pub(super) fn entry(text: &str, zone: &str) -> Entry {
    Entry::new(Rule::parse_short(text, "backup").unwrap(), Zone::parse(zone).unwrap())
}

pub(super) fn occurrences(entry: Entry, from: &str, count: usize) -> Vec<Occurrence> {
    let (set, context) = (set(vec![entry]), epoch());
    set.between(instant(from), Timestamp::MAX_UTC, &context).take(count).collect()
}

pub(super) fn instants(entry: Entry, from: &str, count: usize) -> Vec<String> {
    let form = |occurrence: &Occurrence| occurrence.at.format("%m-%dT%H:%M:%SZ").to_string();
    occurrences(entry, from, count).iter().map(form).collect()
}
