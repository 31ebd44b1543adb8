//! [`BusinessDayRule`]: the first, the tenth or the last business day of each month.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime};

use super::ParseError;
use super::calendar::{BusinessDays, LAST_DAY};

/// Business days of the month, and a time of day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BusinessDayRule {
    /// 1 to 23 from the month's beginning, -1 to -23 from its end.
    days: Box<[i8]>,
    /// Second of the day.
    time: i64,
}

/// The greatest number of business days that a month of Monday to Friday has. A calendar with a shorter weekend has
/// more, up to 31.
const GREATEST: i8 = 31;

impl BusinessDayRule {
    /// Checks the numbers.
    pub fn new(days: &[i64], time: i64) -> Result<Self, ParseError> {
        let known = |&day: &i64| i8::try_from(day).ok().filter(|day| (1..=GREATEST).contains(&day.abs()));
        let fault = || {
            ParseError::new(0..0, "business_day takes 1 for a month's first business day, -1 for its last, or a list")
        };
        let days: Option<Box<[i8]>> = days.iter().map(known).collect();
        let days = days.filter(|days| !days.is_empty()).ok_or_else(fault)?;
        Ok(Self { days, time })
    }

    /// As a job file writes it.
    pub fn days(&self) -> &[i8] {
        &self.days
    }

    /// The second of the day.
    pub const fn time(&self) -> i64 {
        self.time
    }

    /// The first local time at or after `from`, in seconds since 1970.
    pub fn next_local(&self, from: i64, business: &BusinessDays) -> Option<i64> {
        let from = from.max(0);
        let mut month = DateTime::from_timestamp(from, 0)?.date_naive().with_day(1)?;
        while month <= LAST_DAY {
            let days: Vec<NaiveDate> = month
                .iter_days()
                .take_while(|day| day.month() == month.month())
                .filter(|&day| business.contains(day))
                .collect();
            let times = self.days.iter().filter_map(|&nth| pick(&days, nth)).map(|day| self.local(day));
            if let Some(first) = times.filter(|&time| time >= from).min() {
                return Some(first);
            }
            month = month.checked_add_months(Months::new(1))?;
        }
        None
    }

    fn local(&self, day: NaiveDate) -> i64 {
        day.and_time(NaiveTime::MIN).and_utc().timestamp() + self.time
    }
}

/// The `nth` of a month's business days: from the front when positive, from the back when negative.
fn pick(days: &[NaiveDate], nth: i8) -> Option<NaiveDate> {
    let index = usize::from(nth.unsigned_abs()) - 1;
    if nth > 0 { days.get(index).copied() } else { days.iter().rev().nth(index).copied() }
}
