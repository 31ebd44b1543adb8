//! [`DayTerm`]: the days that no list of numbers can name.

use chrono::{Datelike, NaiveDate, Weekday};

use super::unit::{Unit, Values};

/// A day told by its place in the month. Days of the week count from Sunday, 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedule) enum DayTerm {
    /// `L`: the last day of the month.
    Last,
    /// `LW`: the last day from Monday to Friday.
    LastWeekday,
    /// `15W`: the day from Monday to Friday nearest to a day, in the same month.
    NearestWeekday(u32),
    /// `5L`, `FRI#L`: the last such day of the week in the month.
    LastOf(u32),
    /// `FRI#2`: the second such day of the week in the month.
    NthOf(u32, u32),
}

impl DayTerm {
    /// Whether a date is meant.
    pub fn matches(self, date: NaiveDate) -> bool {
        let (day, length) = (date.day(), month_length(date));
        let weekday = date.weekday().num_days_from_sunday();
        match self {
            Self::Last => day == length,
            Self::LastWeekday => Some(day) == nearest_weekday(date, length),
            Self::NearestWeekday(wanted) => Some(day) == nearest_weekday(date, wanted),
            Self::LastOf(wanted) => weekday == wanted && day + 7 > length,
            Self::NthOf(wanted, nth) => weekday == wanted && (day - 1) / 7 + 1 == nth,
        }
    }

    /// Days of the month that may match: what the naive search has to visit.
    pub fn candidate_days(self) -> std::ops::RangeInclusive<u32> {
        match self {
            Self::Last => 28..=31,
            Self::LastWeekday => 26..=31,
            // A first that is a Saturday moves to the third, a last that is a Sunday to two days before.
            Self::NearestWeekday(day) => day.saturating_sub(2).max(1)..=(day + 2).min(31),
            Self::LastOf(_) => 22..=31,
            Self::NthOf(_, nth) => (nth * 7 - 6)..=(nth * 7).min(31),
        }
    }
}

/// Which days a day field means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::schedule) struct Days {
    /// Plain values: days of the month, or of the week.
    pub plain: Values,
    /// All others.
    pub terms: Vec<DayTerm>,
}

impl Days {
    /// Whether every day is meant.
    pub fn is_all(&self) -> bool {
        self.plain.is_full()
    }

    /// Whether a date is meant by a day-of-month field.
    pub fn match_day_of_month(&self, date: NaiveDate) -> bool {
        self.plain.contains(date.day()) || self.terms.iter().any(|term| term.matches(date))
    }

    /// Whether a date is meant by a day-of-week field.
    pub fn match_day_of_week(&self, date: NaiveDate) -> bool {
        self.plain.contains(date.weekday().num_days_from_sunday()) || self.terms.iter().any(|term| term.matches(date))
    }

    /// For a day-of-month field: days of the month among which all its dates are.
    pub fn candidate_days_of_month(&self) -> Values {
        let mut days = self.plain;
        self.terms.iter().flat_map(|term| term.candidate_days()).for_each(|day| days.insert(day));
        days
    }

    /// For a day-of-week field: days of the week among which all its dates are, and days of the month likewise.
    pub fn candidate_days_of_week(&self) -> (Values, Values) {
        let (mut weekdays, mut days) = (self.plain, Values::empty(Unit::DayOfMonth));
        for term in &self.terms {
            match *term {
                DayTerm::LastOf(weekday) | DayTerm::NthOf(weekday, _) => weekdays.insert(weekday),
                DayTerm::Last | DayTerm::LastWeekday | DayTerm::NearestWeekday(_) => {}
            }
            term.candidate_days().for_each(|day| days.insert(day));
        }
        if self.plain.is_empty() { (weekdays, days) } else { (weekdays, Values::full(Unit::DayOfMonth)) }
    }
}

/// The length of a date's month, in days.
pub(in crate::schedule) fn month_length(date: NaiveDate) -> u32 {
    u32::from(date.num_days_in_month())
}

/// The day of `month`, from Monday to Friday, nearest to `day`; `None` when the month has no such day.
/// OCPS 1.3, section 4.3: it never leaves the month.
fn nearest_weekday(month: NaiveDate, day: u32) -> Option<u32> {
    let date = month.with_day(day)?;
    let near = match date.weekday() {
        Weekday::Sat if day == 1 => 3,
        Weekday::Sat => day - 1,
        Weekday::Sun if day == month_length(month) => day - 2,
        Weekday::Sun => day + 1,
        Weekday::Mon | Weekday::Tue | Weekday::Wed | Weekday::Thu | Weekday::Fri => day,
    };
    Some(near)
}
