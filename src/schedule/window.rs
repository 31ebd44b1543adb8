//! [`Window`]: a stretch of the wall clock during which nothing is started.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::ParseError;
use super::calendar::{WeekdayMask, weekday};
use super::rule::parse_time;

const DAY_SECONDS: i64 = 86_400;

/// A stretch of the zone's clock: its first second belongs to it, its end does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// As it was written.
    text: Box<str>,
    extent: Extent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// On days of the week, all unless said, from a second of the day to another, which may be on the next day.
    Daily { days: Option<WeekdayMask>, from: i64, to: i64 },
    /// Once, in seconds since 1970 of local time.
    Once { from: i64, to: i64 },
}

impl Window {
    /// Reads `22:00-06:00`, `mon,fri 09:00-17:00`, `2026-12-24`, `2026-12-20..2027-01-02` or
    /// `2026-12-20 18:00..2027-01-02 06:00`. Days are whole days, both ends included; times end before their end.
    ///
    /// # Errors
    /// When the text is none of these, or ends before it begins.
    ///
    /// ```
    /// use jobsd::schedule::Window;
    /// assert!(Window::parse("22:00-06:00").is_ok());
    /// assert!(Window::parse("2026-12-20..2027-01-02").is_ok());
    /// assert!(Window::parse("at night").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let trimmed = text.trim();
        let extent = match trimmed.split_once("..") {
            Some((from, to)) => once(from.trim(), to.trim()),
            None => once(trimmed, trimmed).or_else(|| daily(trimmed)),
        };
        let fault = |message: String| ParseError::new(0..text.len(), message);
        let extent = extent.ok_or_else(|| {
            fault(format!("{text:?} is no window of time"))
                .hint("write \"22:00-06:00\", \"sat,sun 00:00-24:00\", \"2026-12-24\" or \"2026-12-20..2027-01-02\"")
        })?;
        match extent {
            Extent::Once { from, to } if to <= from => Err(fault(format!("the window {text:?} ends before it begins"))),
            Extent::Daily { from, to, .. } if to == from => {
                Err(fault(format!("the window {text:?} is empty")).hint("a whole day is 00:00-24:00"))
            }
            Extent::Once { .. } | Extent::Daily { .. } => Ok(Self { text: trimmed.into(), extent }),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The end of the window in which a local time lies, both in seconds since 1970.
    pub(super) fn end_around(&self, local: i64) -> Option<i64> {
        match self.extent {
            Extent::Once { from, to } => (from..to).contains(&local).then_some(to),
            Extent::Daily { days, from, to } => {
                let to = if to > from { to } else { to + DAY_SECONDS };
                let today = local.div_euclid(DAY_SECONDS) * DAY_SECONDS;
                // A window that passes midnight may have begun yesterday.
                [today - DAY_SECONDS, today]
                    .into_iter()
                    .find(|day| (day + from..day + to).contains(&local) && begins_on(days, *day))
                    .map(|day| day + to)
            }
        }
    }
}

fn begins_on(days: Option<WeekdayMask>, midnight: i64) -> bool {
    let date = DateTime::from_timestamp(midnight, 0).map(|day| day.date_naive());
    days.is_none_or(|days| date.is_some_and(|date| days.matches(date)))
}

/// Two dates or two dates with times.
fn once(from: &str, to: &str) -> Option<Extent> {
    let seconds = |time: NaiveDateTime| time.and_utc().timestamp();
    if let (Some(from), Some(to)) = (date(from), date(to)) {
        let end = to.and_time(NaiveTime::MIN) + TimeDelta::days(1);
        return Some(Extent::Once { from: seconds(from.and_time(NaiveTime::MIN)), to: seconds(end) });
    }
    let time = |text: &str| {
        let (day, time) = text.split_once([' ', 'T'])?;
        Some(seconds(date(day)?.and_time(NaiveTime::MIN)) + parse_time(time.trim())?)
    };
    Some(Extent::Once { from: time(from)?, to: time(to)? })
}

/// `22:00-06:00`, with days of the week in front if wanted.
fn daily(text: &str) -> Option<Extent> {
    let (days, times) = match text.split_once([' ', '\t']) {
        Some((days, times)) => (Some(weekdays(days)?), times.trim()),
        None => (None, text),
    };
    let (from, to) = times.split_once('-')?;
    let (from, to) = (parse_time(from.trim())?, parse_time(to.trim())?);
    (from < DAY_SECONDS).then_some(Extent::Daily { days, from, to })
}

/// `mon,wed-fri`; a range may run over Sunday.
fn weekdays(text: &str) -> Option<WeekdayMask> {
    let mut mask = WeekdayMask::NONE;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (weekday(first.trim())?, weekday(last.trim())?);
        mask = mask.with(day);
        while day != last {
            day = day.succ();
            mask = mask.with(day);
        }
    }
    Some(mask)
}

fn date(text: &str) -> Option<NaiveDate> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(window: &str, local: &str) -> Option<String> {
        let local: NaiveDateTime = local.parse().unwrap();
        let end = Window::parse(window).unwrap().end_around(local.and_utc().timestamp())?;
        Some(DateTime::from_timestamp(end, 0).unwrap().format("%m-%dT%H:%M").to_string())
    }

    #[test]
    fn ends_of_windows() {
        // 2026-06-01 is a Monday.
        let table = [
            ("09:00-17:00", "2026-06-01T09:00:00", Some("06-01T17:00")),
            ("09:00-17:00", "2026-06-01T17:00:00", None),
            ("09:00-17:00", "2026-06-01T08:59:59", None),
            ("22:00-06:00", "2026-06-01T23:00:00", Some("06-02T06:00")),
            ("22:00-06:00", "2026-06-01T05:59:59", Some("06-01T06:00")),
            ("22:00-06:00", "2026-06-01T12:00:00", None),
            ("sun 22:00-06:00", "2026-06-01T03:00:00", Some("06-01T06:00")),
            ("mon 22:00-06:00", "2026-06-01T03:00:00", None),
            ("fri-mon 00:00-24:00", "2026-06-01T23:59:59", Some("06-02T00:00")),
            ("fri-mon 00:00-24:00", "2026-06-02T00:00:00", None),
            ("2026-06-01", "2026-06-01T23:59:59", Some("06-02T00:00")),
            ("2026-05-01..2026-06-01", "2026-06-01T00:00:00", Some("06-02T00:00")),
            ("2026-05-31 18:00..2026-06-01 06:00", "2026-06-01T05:00:00", Some("06-01T06:00")),
            ("2026-05-31 18:00..2026-06-01 06:00", "2026-06-01T06:00:00", None),
        ];
        for (window, local, expected) in table {
            assert_eq!(end(window, local).as_deref(), expected, "{window} {local}");
        }
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in [
            "",
            "night",
            "09:00",
            "09:00-09:00",
            "25:00-26:00",
            "xyz 09:00-10:00",
            "2026-06-02..2026-06-01",
            "2026-02-30",
        ] {
            assert!(Window::parse(text).is_err(), "{text}");
        }
    }
}
