//! [`SameDay`]: whether an expression happens again on a day that is one of its own.

use chrono::{Datelike, NaiveDate};

use super::expression::Expression;
use super::unit::Values;

const DAY_SECONDS: i64 = 86_400;

/// Times of day, and the plain dates that have them, as sets of bits. What happens often happens again on the same day:
/// looking here first spares the search through months and days.
#[derive(Clone, Copy, Debug)]
pub(super) struct SameDay {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
}

impl SameDay {
    /// The times of an expression on these days of the month and of the week.
    pub fn new(expression: &Expression, days: &Values, weekdays: &Values) -> Self {
        let bits = |values: &Values| values.iter().fold(0, |bits, value| bits | 1 << value);
        Self {
            seconds: bits(&expression.seconds),
            minutes: bits(&expression.minutes),
            hours: bits(&expression.hours),
            days: bits(days),
            months: bits(&expression.months),
            weekdays: bits(weekdays),
        }
    }

    /// The first time at or after `from`, both in seconds since 1970, if it is on the date of `from`.
    pub fn next(&self, from: i64) -> Option<i64> {
        let time = self.time_from(u32::try_from(from.rem_euclid(DAY_SECONDS)).ok()?)?;
        let date = NaiveDate::from_epoch_days(i32::try_from(from.div_euclid(DAY_SECONDS)).ok()?)?;
        let is_one = contains(self.months, date.month())
            && contains(self.days, date.day())
            && contains(self.weekdays, date.weekday().num_days_from_sunday());
        is_one.then(|| from - from.rem_euclid(DAY_SECONDS) + i64::from(time))
    }

    /// The first time of day at or after one, in seconds since midnight.
    fn time_from(&self, time: u32) -> Option<u32> {
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        let (least_minute, least_second) = (first(self.minutes, 0)?, first(self.seconds, 0)?);
        let at = |hour: u32, minute: u32, second: u32| hour * 3600 + minute * 60 + second;
        if contains(self.hours, hour) {
            if contains(self.minutes, minute)
                && let Some(second) = first(self.seconds, second)
            {
                return Some(at(hour, minute, second));
            }
            if let Some(minute) = first(self.minutes, minute + 1) {
                return Some(at(hour, minute, least_second));
            }
        }
        first(self.hours, hour + 1).map(|hour| at(hour, least_minute, least_second))
    }
}

const fn contains(bits: u64, value: u32) -> bool {
    bits >> value & 1 == 1
}

/// The least value that is not below `from`, which is at most 60.
const fn first(bits: u64, from: u32) -> Option<u32> {
    match (bits >> from).trailing_zeros() {
        u64::BITS => None,
        more => Some(from + more),
    }
}
