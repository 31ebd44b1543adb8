//! [`DaySet`]: the days that `only_on` and `skip_on` name.

use std::sync::Arc;

use chrono::NaiveDate;

use super::Calendar;
use super::calendar::BusinessDays;

/// A set of days, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaySet {
    /// `business-days`: neither weekend nor holiday.
    BusinessDays,
    /// `holidays`: the days of the schedule's calendars.
    Holidays,
    /// `weekends`: Saturday and Sunday, or what the schedule's calendars say.
    Weekends,
    /// The days of one calendar.
    Calendar(Arc<Calendar>),
}

/// Names of day sets that are no calendar's: no calendar may have one of them.
pub const DAY_SET_NAMES: [&str; 3] = ["business-days", "holidays", "weekends"];

impl DaySet {
    /// The set of a name; `calendar` finds a calendar by its name.
    pub fn by_name(name: &str, calendar: impl FnOnce(&str) -> Option<Arc<Calendar>>) -> Option<Self> {
        match name {
            "business-days" => Some(Self::BusinessDays),
            "holidays" => Some(Self::Holidays),
            "weekends" => Some(Self::Weekends),
            other => calendar(other).map(Self::Calendar),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::BusinessDays => DAY_SET_NAMES[0],
            Self::Holidays => DAY_SET_NAMES[1],
            Self::Weekends => DAY_SET_NAMES[2],
            Self::Calendar(calendar) => calendar.name(),
        }
    }

    /// Whether it holds a day.
    pub(super) fn contains(&self, date: NaiveDate, business: &BusinessDays) -> bool {
        match self {
            Self::BusinessDays => business.contains(date),
            Self::Holidays => business.holiday(date).is_some(),
            Self::Weekends => business.is_weekend(date),
            Self::Calendar(calendar) => calendar.contains(date),
        }
    }
}
