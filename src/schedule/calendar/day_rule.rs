//! [`DayRule`]: one line of a calendar, and the days that it means.

use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};

use super::words::{month, ordinal, weekday};
use crate::schedule::ParseError;

/// Days that return every year, or do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DayRule {
    /// `2026-10-31`, or `2026-12-24..2027-01-02`.
    Dates { first: NaiveDate, last: NaiveDate },
    /// `12-25`, or `12-24..01-02`: every year, past its end if need be.
    Yearly { first: MonthDay, last: MonthDay },
    /// `last monday of may`: 1 to 5, or -1 for the last.
    Nth { nth: i8, weekday: Weekday, month: u32 },
    /// `monday on or before 05-24`: the day itself counts when `inclusive`.
    Near { weekday: Weekday, direction: Direction, inclusive: bool, day: MonthDay },
    /// `easter+39`: days from Easter Sunday.
    Easter { church: Church, offset: i64 },
}

/// A day of every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MonthDay {
    month: u32,
    day: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Before,
    After,
}

/// Whose Easter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Church {
    Western,
    Orthodox,
}

const FORMS: &str = "write a date (2026-10-31), a yearly day (12-25), a range of either (12-24..12-26), \
                     \"last monday of may\", \"monday on or before 05-24\", \"easter+39\" or \"orthodox easter\"";

impl DayRule {
    /// Reads one line.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let lower = text.trim().to_ascii_lowercase();
        let rule = match lower.split_once("..") {
            Some((first, last)) => range(first.trim(), last.trim()),
            None => single(&lower).or_else(|| words(&lower)).or_else(|| easter(&lower)),
        };
        let rule = rule.ok_or_else(|| ParseError::new(0..text.len(), format!("{text:?} names no day")).hint(FORMS))?;
        rule.check().map_err(|message| ParseError::new(0..text.len(), format!("{text:?} {message}")))?;
        Ok(rule)
    }

    /// The days that belong to one year, first to last. A range belongs to the year in which it begins.
    pub fn in_year(self, year: i32) -> Vec<NaiveDate> {
        let (first, last) = match self {
            Self::Dates { first, last } if first.year() == year => (Some(first), Some(last)),
            Self::Dates { .. } => (None, None),
            Self::Yearly { first, last } => {
                (first.in_year(year), last.in_year(if last < first { year + 1 } else { year }))
            }
            Self::Nth { nth, weekday, month } => twice(nth_in_month(year, month, weekday, nth)),
            Self::Near { weekday, direction, inclusive, day } => {
                twice(day.in_year(year).map(|day| near(day, weekday, direction, inclusive)))
            }
            Self::Easter { church, offset } => {
                twice(easter_sunday(year, church).map(|day| day + TimeDelta::days(offset)))
            }
        };
        let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
        first.iter_days().take_while(|&day| day <= last).collect()
    }

    fn check(self) -> Result<(), &'static str> {
        match self {
            Self::Dates { first, last } if last < first => Err("ends before it begins"),
            // A longer range is a mistake in the year, and would close every day for a century.
            Self::Dates { first, last } if (last - first).num_days() > 10 * 366 => Err("is longer than ten years"),
            Self::Easter { offset, .. } if offset.abs() > 366 => Err("is more than a year from Easter"),
            Self::Dates { .. } | Self::Yearly { .. } | Self::Nth { .. } | Self::Near { .. } | Self::Easter { .. } => {
                Ok(())
            }
        }
    }
}

impl MonthDay {
    fn parse(text: &str) -> Option<Self> {
        let (month, day) = text.split_once('-')?;
        let number = |text: &str| (text.len() == 2).then(|| text.parse().ok()).flatten();
        let (month, day) = (number(month)?, number(day)?);
        // A leap year has every day that any year has.
        NaiveDate::from_ymd_opt(2024, month, day).map(|_| Self { month, day })
    }

    /// `None` for 29 February of a common year.
    fn in_year(self, year: i32) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(year, self.month, self.day)
    }
}

fn twice<T: Copy>(value: Option<T>) -> (Option<T>, Option<T>) {
    (value, value)
}

fn date(text: &str) -> Option<NaiveDate> {
    text.parse().ok()
}

fn single(text: &str) -> Option<DayRule> {
    if let Some(day) = date(text) {
        return Some(DayRule::Dates { first: day, last: day });
    }
    MonthDay::parse(text).map(|day| DayRule::Yearly { first: day, last: day })
}

fn range(first: &str, last: &str) -> Option<DayRule> {
    if let (Some(first), Some(last)) = (date(first), date(last)) {
        return Some(DayRule::Dates { first, last });
    }
    Some(DayRule::Yearly { first: MonthDay::parse(first)?, last: MonthDay::parse(last)? })
}

/// `last monday of may`, `monday before 05-24`, `monday on or after 05-24`.
fn words(text: &str) -> Option<DayRule> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words.as_slice() {
        [nth, day, "of" | "in", of] => {
            Some(DayRule::Nth { nth: ordinal(nth)?, weekday: weekday(day)?, month: month(of)? })
        }
        [day, direction, of] => near_rule(day, direction, false, of),
        [day, "on", "or", direction, of] => near_rule(day, direction, true, of),
        _ => None,
    }
}

fn near_rule(day: &str, direction: &str, inclusive: bool, of: &str) -> Option<DayRule> {
    let direction = match direction {
        "before" => Direction::Before,
        "after" => Direction::After,
        _ => return None,
    };
    Some(DayRule::Near { weekday: weekday(day)?, direction, inclusive, day: MonthDay::parse(of)? })
}

/// `easter`, `easter-2`, `easter + 39`, `orthodox easter+1`.
fn easter(text: &str) -> Option<DayRule> {
    let (church, rest) = match text.strip_prefix("orthodox") {
        Some(rest) => (Church::Orthodox, rest.trim_start()),
        None => (Church::Western, text),
    };
    let rest = rest.strip_prefix("easter")?.trim_start();
    let offset = match rest.chars().next() {
        None => 0,
        Some('+') => rest[1..].trim().parse::<u16>().ok()?.into(),
        Some('-') => -i64::from(rest[1..].trim().parse::<u16>().ok()?),
        Some(_) => return None,
    };
    Some(DayRule::Easter { church, offset })
}

fn nth_in_month(year: i32, month: u32, weekday: Weekday, nth: i8) -> Option<NaiveDate> {
    match u8::try_from(nth) {
        Ok(nth) => NaiveDate::from_weekday_of_month_opt(year, month, weekday, nth),
        Err(_) => (4..=5).rev().find_map(|nth| NaiveDate::from_weekday_of_month_opt(year, month, weekday, nth)),
    }
}

fn near(day: NaiveDate, weekday: Weekday, direction: Direction, inclusive: bool) -> NaiveDate {
    let steps = i64::from(!inclusive)..7 + i64::from(!inclusive);
    let sign = match direction {
        Direction::Before => -1,
        Direction::After => 1,
    };
    steps
        .map(|step| day + TimeDelta::days(sign * step))
        .find(|day| day.weekday() == weekday)
        .expect("seven days in a row have every day of the week")
}

fn easter_sunday(year: i32, church: Church) -> Option<NaiveDate> {
    let naive = |date: computus::Date| NaiveDate::from_ymd_opt(date.year, date.month, date.day);
    match church {
        Church::Western => computus::gregorian(year).ok().and_then(naive),
        // The Julian calendar lags by 13 days from 1900 to 2099, which holds all years of a calendar but the last.
        Church::Orthodox => computus::julian(year).ok().and_then(naive).map(|day| day + TimeDelta::days(13)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(text: &str, year: i32) -> Vec<String> {
        DayRule::parse(text).unwrap().in_year(year).iter().map(NaiveDate::to_string).collect()
    }

    #[test]
    fn days_of_a_year() {
        let table: &[(&str, i32, &[&str])] = &[
            ("2026-10-31", 2026, &["2026-10-31"]),
            ("2026-10-31", 2027, &[]),
            ("2026-12-31..2027-01-01", 2026, &["2026-12-31", "2027-01-01"]),
            ("2026-12-31..2027-01-01", 2027, &[]),
            ("12-25..12-26", 2026, &["2026-12-25", "2026-12-26"]),
            ("12-31..01-01", 2026, &["2026-12-31", "2027-01-01"]),
            ("02-29", 2026, &[]),
            ("02-29", 2028, &["2028-02-29"]),
            // US: Memorial Day, Thanksgiving. Canada: Victoria Day. Germany: Buss- und Bettag. Sweden: Midsummer.
            ("Last Monday of May", 2026, &["2026-05-25"]),
            ("4th thu of nov", 2026, &["2026-11-26"]),
            ("monday before 05-25", 2026, &["2026-05-18"]),
            ("wednesday before 11-23", 2026, &["2026-11-18"]),
            ("saturday on or after 06-20", 2026, &["2026-06-20"]),
            ("saturday after 06-20", 2026, &["2026-06-27"]),
            ("fifth monday in february", 2026, &[]),
            // https://aa.usno.navy.mil/faq/easter
            ("easter", 2026, &["2026-04-05"]),
            ("easter", 2000, &["2000-04-23"]),
            ("easter - 2", 2026, &["2026-04-03"]),
            ("easter+39", 2026, &["2026-05-14"]),
            ("orthodox easter", 2026, &["2026-04-12"]),
            ("orthodox easter+1", 2024, &["2024-05-06"]),
        ];
        for (text, year, expected) in table {
            assert_eq!(days(text, *year), *expected, "{text} {year}");
        }
    }

    #[test]
    fn what_names_no_day_is_refused() {
        for text in [
            "",
            "tomorrow",
            "13-01",
            "02-30",
            "2026-02-29",
            "1-1",
            "sixth monday of may",
            "last monday",
            "easter2",
            "easter+",
            "easter+999",
            "2026-05-01..2026-04-01",
            "2026-01-01..3026-01-01",
            "2026-01-01..05-01",
        ] {
            assert!(DayRule::parse(text).is_err(), "{text}");
        }
    }
}
