//! [`Conditions`]: on which days and at which times a schedule's occurrences really run.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveTime};

use super::calendar::{BusinessDays, LAST_DAY};
use super::{DaySet, Window};

/// `only_on`, `skip_on` and `exclude` of a schedule, asked about the local time at which a run would start.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    only_on: Box<[DaySet]>,
    skip_on: Box<[DaySet]>,
    exclude: Box<[Window]>,
    business: BusinessDays,
}

/// Why an occurrence does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExclusionCause {
    /// Its day is in none of the sets of `only_on`.
    NotOn {
        /// The sets.
        sets: String,
    },
    /// Its day is in a set of `skip_on`.
    SkipOn {
        /// The set, and what its calendar calls the day.
        day: String,
    },
    /// It lies in a window of `exclude`.
    Window {
        /// The window.
        window: String,
    },
}

impl fmt::Display for ExclusionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOn { sets } => write!(f, "the day is not in {sets}"),
            Self::SkipOn { day } => write!(f, "the day is in {day}"),
            Self::Window { window } => write!(f, "excluded by {window}"),
        }
    }
}

impl Conditions {
    /// `None` when nothing is conditional.
    pub fn new(only_on: &[DaySet], skip_on: &[DaySet], exclude: &[Window], business: &BusinessDays) -> Option<Self> {
        let needed = !(only_on.is_empty() && skip_on.is_empty() && exclude.is_empty());
        needed.then(|| Self {
            only_on: only_on.into(),
            skip_on: skip_on.into(),
            exclude: exclude.into(),
            business: business.clone(),
        })
    }

    /// When a local time is excluded: the local time until which everything is. Both in seconds since 1970.
    pub fn excluded_until(&self, local: i64) -> Option<i64> {
        let date = date_of(local)?;
        if !self.allows(date) {
            // Beyond the last day nothing runs anyway.
            let days = date.iter_days().take_while(|&day| day <= LAST_DAY);
            let next = days.into_iter().find(|&day| self.allows(day)).unwrap_or(NaiveDate::MAX);
            return Some(next.and_time(NaiveTime::MIN).and_utc().timestamp());
        }
        self.exclude.iter().filter_map(|window| window.end_around(local)).max()
    }

    /// Why a local time is excluded, if it is.
    pub fn cause(&self, local: i64) -> Option<ExclusionCause> {
        let date = date_of(local)?;
        if let Some(set) = self.skip_on.iter().find(|set| set.contains(date, &self.business)) {
            return Some(ExclusionCause::SkipOn { day: self.describe(set, date) });
        }
        if !self.allows(date) {
            let sets: Vec<&str> = self.only_on.iter().map(DaySet::name).collect();
            return Some(ExclusionCause::NotOn { sets: sets.join(" or ") });
        }
        let window = self.exclude.iter().find(|window| window.end_around(local).is_some())?;
        Some(ExclusionCause::Window { window: window.as_str().to_owned() })
    }

    fn allows(&self, date: NaiveDate) -> bool {
        let holds = |set: &DaySet| set.contains(date, &self.business);
        (self.only_on.is_empty() || self.only_on.iter().any(holds)) && !self.skip_on.iter().any(holds)
    }

    fn describe(&self, set: &DaySet, date: NaiveDate) -> String {
        let calendar = match set {
            DaySet::Calendar(calendar) => Some(&**calendar),
            DaySet::Holidays => self.business.holiday(date),
            DaySet::BusinessDays | DaySet::Weekends => None,
        };
        match calendar.and_then(|calendar| calendar.name_of(date)) {
            Some(name) => format!("{} ({name})", set.name()),
            None => set.name().to_owned(),
        }
    }
}

fn date_of(local: i64) -> Option<NaiveDate> {
    Some(DateTime::from_timestamp(local, 0)?.date_naive())
}
