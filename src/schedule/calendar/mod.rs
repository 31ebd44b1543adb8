//! Calendars: named sets of days, from TOML or iCalendar files, and the business days that follow from them.

mod business;
mod day_rule;
mod days;
mod event;
mod file;
mod ics;
mod shelf;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;

use super::hash::stable_hash;

pub(super) use business::BusinessDays;
use days::DaySpan;
pub(super) use days::{FIRST_DAY, LAST_DAY};
pub use shelf::{CalendarFault, Calendars};
pub(super) use words::{WeekdayMask, weekday};

/// Bytes of a calendar file at most: holiday files have a few kilobytes.
pub const CALENDAR_LIMIT_BYTES: usize = 4 << 20;

/// A named set of days between 1970 and 2099, most of them with a name.
///
/// ```
/// use jobsd::schedule::Calendar;
/// let text = r#"days = ["12-25..12-26", "easter+1", "last monday of may", "2026-10-31"]"#;
/// let calendar = Calendar::from_toml("company", text).unwrap();
/// assert!(calendar.contains("2026-04-06".parse().unwrap()));
/// assert!(!calendar.contains("2026-04-07".parse().unwrap()));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Calendar {
    name: Box<str>,
    weekend: Option<WeekdayMask>,
    days: DaySpan,
    names: BTreeMap<NaiveDate, Arc<str>>,
}

impl Calendar {
    /// A calendar without days.
    fn empty(name: &str, weekend: Option<WeekdayMask>) -> Self {
        Self { name: name.into(), weekend, days: DaySpan::empty(), names: BTreeMap::new() }
    }

    /// Its name: the file's stem.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it holds a day. Days before 1970 and after 2099 are in no calendar.
    pub fn contains(&self, date: NaiveDate) -> bool {
        self.days.contains(date)
    }

    /// How the calendar calls a day that it holds, when it has a word for it.
    pub fn name_of(&self, date: NaiveDate) -> Option<&str> {
        self.names.get(&date).map(|name| &**name)
    }

    /// All its days, in order.
    pub fn days(&self) -> impl Iterator<Item = NaiveDate> + '_ {
        self.days.iter()
    }

    /// A hash of all that a schedule can see of it: another one means that schedules may run at other times.
    pub fn fingerprint(&self) -> u64 {
        let weekend = self.weekend.map_or([0, 0], |weekend| [1, weekend.bits()]);
        stable_hash(&[self.name.as_bytes(), &weekend, &self.days.to_bytes()])
    }

    fn insert(&mut self, date: NaiveDate, name: Option<&Arc<str>>) {
        self.days.insert(date);
        if let Some(name) = name.filter(|_| self.days.contains(date)) {
            self.names.entry(date).or_insert_with(|| Arc::clone(name));
        }
    }
}

impl std::fmt::Debug for Calendar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Schedules are told apart by their `Debug` form.
        write!(f, "Calendar({:?}, {:016x})", self.name, self.fingerprint())
    }
}
