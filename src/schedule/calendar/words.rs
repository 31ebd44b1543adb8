//! Words for days of the week, months and places in a month.

use chrono::{Datelike, NaiveDate, Weekday};

/// A set of days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedule) struct WeekdayMask(u8);

impl WeekdayMask {
    /// Saturday and Sunday.
    pub const SATURDAY_SUNDAY: Self = Self(0b110_0000);

    /// No day.
    pub const NONE: Self = Self(0);

    /// The same with one day more.
    #[must_use]
    pub fn with(self, day: Weekday) -> Self {
        Self(self.0 | 1 << day.num_days_from_monday())
    }

    /// One bit a day, from Monday.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether a date falls on one of the days.
    pub fn matches(self, date: NaiveDate) -> bool {
        self.0 >> date.weekday().num_days_from_monday() & 1 == 1
    }

    /// Whether it holds all seven days.
    pub fn is_week(self) -> bool {
        self.0 == 0b111_1111
    }
}

/// A day of the week by its name, short or long, in either case.
pub(in crate::schedule) fn weekday(word: &str) -> Option<Weekday> {
    // chrono takes "mon" and "monday" and nothing between.
    word.parse().ok()
}

/// A month by its name, short or long, in either case.
pub(super) fn month(word: &str) -> Option<u32> {
    word.parse::<chrono::Month>().ok().map(|month| month.number_from_month())
}

/// A place in a month: 1 to 5, or -1 for the last.
pub(super) fn ordinal(word: &str) -> Option<i8> {
    const WORDS: [(&str, &str, i8); 5] =
        [("first", "1st", 1), ("second", "2nd", 2), ("third", "3rd", 3), ("fourth", "4th", 4), ("fifth", "5th", 5)];
    if word == "last" {
        return Some(-1);
    }
    WORDS.iter().find(|(long, short, _)| word == *long || word == *short).map(|&(_, _, number)| number)
}
