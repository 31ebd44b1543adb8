//! [`DaySpan`]: a set of days, one bit each, so that asking costs nothing.

use chrono::{NaiveDate, TimeDelta};

/// The first day that a calendar can hold.
pub(in crate::schedule) const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");

/// The last: no schedule has occurrences after it.
pub(in crate::schedule) const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2099, 12, 31).expect("a date");

/// Words of 64 bits for all days from the first to the last.
const WORDS: usize = 130 * 366 / 64 + 1;

/// A set of days between [`FIRST_DAY`] and [`LAST_DAY`].
#[derive(Clone, PartialEq, Eq)]
pub(super) struct DaySpan(Box<[u64; WORDS]>);

impl DaySpan {
    /// No day.
    pub fn empty() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// Adds a day; one outside the span is left out.
    pub fn insert(&mut self, date: NaiveDate) {
        if let Some(index) = index_of(date) {
            self.0[index / 64] |= 1 << (index % 64);
        }
    }

    /// Whether it holds a day.
    pub fn contains(&self, date: NaiveDate) -> bool {
        index_of(date).is_some_and(|index| self.0[index / 64] >> (index % 64) & 1 == 1)
    }

    /// Its bits.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Its days, in order.
    pub fn iter(&self) -> impl Iterator<Item = NaiveDate> + '_ {
        (0i64..)
            .map(|days| FIRST_DAY + TimeDelta::days(days))
            .take_while(|&date| date <= LAST_DAY)
            .filter(|&date| self.contains(date))
    }
}

fn index_of(date: NaiveDate) -> Option<usize> {
    let inside = (FIRST_DAY..=LAST_DAY).contains(&date);
    inside.then(|| (date - FIRST_DAY).num_days()).and_then(|days| usize::try_from(days).ok())
}
