//! [`Expression`]: a cron expression, understood but not yet ready to be asked.

use super::days::Days;
use super::field::{Field, FieldParser};
use super::unit::{Unit, Values};
use crate::schedule::ParseError;

/// Bytes of an expression at most. Nothing that people write comes near; it bounds the work for what machines write.
pub const EXPRESSION_LIMIT_BYTES: usize = 1024;

/// A cron expression of five fields, six with seconds, or seven with seconds and years.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::schedule) struct Expression {
    /// As it was written.
    pub text: Box<str>,
    pub seconds: Values,
    pub minutes: Values,
    pub hours: Values,
    pub days_of_month: Days,
    pub months: Values,
    pub days_of_week: Days,
    /// `None` for every year.
    pub years: Option<Values>,
    /// How the two day fields go together.
    pub day_rule: DayRule,
    /// Whether minute or hour begin with `*`: such a schedule means elapsed time, any other means times of day.
    pub interval: bool,
}

/// How day of month and day of week go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedule) enum DayRule {
    /// A day must match both: one of the fields begins with `*`, or the day of week begins with `+`.
    Both,
    /// A day must match one.
    Either,
}

impl Expression {
    /// Reads an expression for a job; `H` and `~` choose by the job's name.
    pub fn parse(text: &str, job_name: &str) -> Result<Self, ParseError> {
        if text.len() > EXPRESSION_LIMIT_BYTES {
            let message =
                format!("an expression has at most {EXPRESSION_LIMIT_BYTES} bytes, this one has {}", text.len());
            return Err(ParseError::new(0..text.len(), message));
        }
        let parts = parts(text);
        let parser = FieldParser { text, job_name };
        let read = |index: usize, unit| parser.parse(unit, parts[index].0, parts[index].1);
        let (first, last) = match parts.len() {
            5 => (0, 5),
            6 => (1, 6),
            7 => (1, 6),
            count => return Err(wrong_count(text, count)),
        };
        let seconds = if first == 1 { read(0, Unit::Second)?.values } else { Values::only(Unit::Second, 0) };
        let (minutes, hours) = (read(first, Unit::Minute)?, read(first + 1, Unit::Hour)?);
        let days_of_month = read(first + 2, Unit::DayOfMonth)?;
        let months = read(first + 3, Unit::Month)?.values;
        let (both, days_of_week) = day_of_week(parser, parts[first + 4])?;
        let years = if parts.len() > last { Some(read(last, Unit::Year)?.values) } else { None };
        let both = both || days_of_month.star || days_of_week.star;
        Ok(Self {
            text: text.trim().into(),
            interval: minutes.star || hours.star,
            seconds,
            minutes: minutes.values,
            hours: hours.values,
            days_of_month: Days { plain: days_of_month.values, terms: days_of_month.terms },
            months,
            days_of_week: Days { plain: days_of_week.values, terms: days_of_week.terms },
            years: years.filter(|years| !years.is_full()),
            day_rule: if both { DayRule::Both } else { DayRule::Either },
        })
    }
}

/// The day-of-week field, and whether a `+` in front asks that both day fields match (OCPS 1.4, section 4.1.2).
fn day_of_week(parser: FieldParser<'_>, (start, length): (usize, usize)) -> Result<(bool, Field), ParseError> {
    let plus = usize::from(parser.text[start..].starts_with('+'));
    Ok((plus == 1, parser.parse(Unit::DayOfWeek, start + plus, length - plus)?))
}

/// Start and length of each part between blanks.
fn parts(text: &str) -> Vec<(usize, usize)> {
    let base = text.as_ptr() as usize;
    text.split([' ', '\t'])
        .filter(|part| !part.is_empty())
        .map(|part| (part.as_ptr() as usize - base, part.len()))
        .collect()
}

fn wrong_count(text: &str, count: usize) -> ParseError {
    let written = match count {
        0 => "is empty".to_owned(),
        1 => "has 1 field".to_owned(),
        more => format!("has {more} fields"),
    };
    ParseError::new(0..text.len(), format!("the expression {written}; 5 to 7 are expected"))
        .hint("[second] minute hour day-of-month month day-of-week [year], as in \"30 2 * * *\"")
}

impl Expression {
    /// Why an expression that was asked has no occurrence at all.
    pub fn why_never(&self) -> String {
        let never = format!("the schedule {:?} can never fire", self.text);
        let greatest_day = self.days_of_month.plain.iter().next();
        match (self.years.and_then(|years| years.iter().next()), greatest_day) {
            (Some(year), _) if year > 2099 => format!("{never}: the zone data ends with 2099"),
            (None, Some(day)) if self.days_of_month.terms.is_empty() && day > 28 => {
                format!("{never}: none of its months has a day {day}")
            }
            _ => format!("{never}: no date matches its day, month and year fields together"),
        }
    }
}
