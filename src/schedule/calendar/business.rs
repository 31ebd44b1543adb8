//! [`BusinessDays`]: the days that are neither weekend nor holiday.

use std::sync::Arc;

use chrono::NaiveDate;

use super::{Calendar, LAST_DAY, WeekdayMask, days::FIRST_DAY};

/// Which days are business days. Without calendars: Monday to Friday.
#[derive(Clone, Debug)]
pub(in crate::schedule) struct BusinessDays {
    weekend: WeekdayMask,
    holidays: Box<[Arc<Calendar>]>,
}

impl BusinessDays {
    /// The weekend is that of the first calendar that has one, else Saturday and Sunday.
    pub fn new(holidays: &[Arc<Calendar>]) -> Self {
        let weekend = holidays.iter().find_map(|calendar| calendar.weekend);
        Self { weekend: weekend.unwrap_or(WeekdayMask::SATURDAY_SUNDAY), holidays: holidays.into() }
    }

    /// Whether a day is one.
    pub fn contains(&self, date: NaiveDate) -> bool {
        !self.is_weekend(date) && self.holiday(date).is_none()
    }

    /// Whether a day belongs to the weekend.
    pub fn is_weekend(&self, date: NaiveDate) -> bool {
        self.weekend.matches(date)
    }

    /// The calendar that makes a day a holiday.
    pub fn holiday(&self, date: NaiveDate) -> Option<&Calendar> {
        self.holidays.iter().map(|calendar| &**calendar).find(|calendar| calendar.contains(date))
    }

    /// The first business day from `date` on.
    pub fn at_or_after(&self, date: NaiveDate) -> Option<NaiveDate> {
        date.iter_days().take_while(|&day| day <= LAST_DAY).find(|&day| self.contains(day))
    }

    /// The last business day up to `date`.
    pub fn at_or_before(&self, date: NaiveDate) -> Option<NaiveDate> {
        let back = std::iter::successors(Some(date), |day| day.pred_opt());
        back.take_while(|&day| day >= FIRST_DAY).find(|&day| self.contains(day))
    }
}
