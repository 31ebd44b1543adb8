//! [`Moment`]: one point in time as `at = …` names it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

use super::ParseError;
use super::segments::HORIZON;
use crate::clock::Timestamp;

/// One point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// By the clock of the schedule's zone: `2026-12-24 18:00`.
    Local(NaiveDateTime),
    /// The same everywhere: `2026-12-24T18:00:00+01:00`.
    Absolute(Timestamp),
}

impl Moment {
    /// Reads `2026-12-24 18:00`, with `T` instead of the blank or seconds if wanted, or an RFC 3339 time with its
    /// offset.
    ///
    /// # Errors
    /// When the text is neither, or lies outside 1970 to 2099.
    ///
    /// ```
    /// use jobsd::schedule::Moment;
    /// assert!(matches!(Moment::parse("2026-12-24 18:00"), Ok(Moment::Local(_))));
    /// assert!(matches!(Moment::parse("2026-12-24T18:00:00Z"), Ok(Moment::Absolute(_))));
    /// assert!(Moment::parse("2026-12-24").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (start, trimmed) = (text.len() - text.trim_start().len(), text.trim());
        let span = start..start + trimmed.len();
        let moment = absolute(trimmed).map(Self::Absolute).or_else(|| local(trimmed).map(Self::Local));
        let moment = moment.ok_or_else(|| {
            ParseError::new(span.clone(), format!("{trimmed:?} is no date and time")).hint(hint(trimmed))
        })?;
        let seconds = match moment {
            Self::Local(time) => time.and_utc().timestamp(),
            Self::Absolute(instant) => instant.timestamp(),
        };
        if !(0..HORIZON).contains(&seconds) {
            return Err(ParseError::new(span, format!("{trimmed} lies outside the years 1970 to 2099")));
        }
        Ok(moment)
    }
}

impl Moment {
    /// Reads the start of a period: as [`Moment::parse`], or a date, which means its first second.
    ///
    /// # Errors
    /// As for [`Moment::parse`].
    pub fn parse_start(text: &str) -> Result<Self, ParseError> {
        Self::parse_or_date(text, NaiveTime::MIN)
    }

    /// Reads the end of a period: as [`Moment::parse`], or a date, which means its last second.
    ///
    /// # Errors
    /// As for [`Moment::parse`].
    pub fn parse_end(text: &str) -> Result<Self, ParseError> {
        Self::parse_or_date(text, NaiveTime::from_hms_opt(23, 59, 59).expect("a time"))
    }

    fn parse_or_date(text: &str, time: NaiveTime) -> Result<Self, ParseError> {
        match text.trim().parse::<NaiveDate>() {
            Ok(date) => Self::parse(&date.and_time(time).to_string())
                .map_err(|fault| ParseError { span: 0..text.len(), ..fault }),
            Err(_) => Self::parse(text),
        }
    }
}

fn absolute(text: &str) -> Option<Timestamp> {
    let instant = DateTime::parse_from_rfc3339(text).ok().or_else(|| {
        // RFC 3339 wants seconds; people leave them out.
        ["%Y-%m-%dT%H:%M%:z", "%Y-%m-%d %H:%M%:z"].iter().find_map(|form| {
            DateTime::parse_from_str(&text.strip_suffix('Z').map_or(text.to_owned(), |t| format!("{t}+00:00")), form)
                .ok()
        })
    })?;
    Some(instant.with_timezone(&Utc).with_nanosecond(0).unwrap_or_else(|| instant.with_timezone(&Utc)))
}

fn local(text: &str) -> Option<NaiveDateTime> {
    ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        // chrono reads second 60 as a leap second, which no clock here ever shows.
        .filter(|time| time.nanosecond() < 1_000_000_000)
}

fn hint(text: &str) -> String {
    if NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() {
        return format!("add the time of day: \"{text} 00:00\"");
    }
    "write it like \"2026-12-24 18:00\" for the zone's clock, or \"2026-12-24T18:00:00Z\" for an instant".to_owned()
}
