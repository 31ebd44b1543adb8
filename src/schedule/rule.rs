//! [`Rule`]: what a schedule says about when, apart from its zone and conditions.

use std::time::Duration;

use chrono::{NaiveTime, Timelike};

use super::business_rule::BusinessDayRule;
use super::cron::Expression;
use super::{Moment, ParseError};
use crate::units::{UnitError, parse_duration};

/// Moments in one `at` list at most: more belongs into a calendar or a recurring rule.
pub const MOMENTS_LIMIT: usize = 1000;

/// The longest `every`, boot delay and `after`: longer than a century never ends inside the zone data.
pub const LONGEST_PERIOD: Duration = Duration::from_secs(100 * 366 * 86_400);

/// A recurrence rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule(pub(super) RuleKind);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RuleKind {
    Cron(Box<Expression>),
    Every { period_seconds: i64, anchor: Option<Moment> },
    At(Vec<Moment>),
    BusinessDay(BusinessDayRule),
    Boot(Duration),
    After(Duration),
}

impl Rule {
    /// A cron expression: five fields as cronie reads them, six with seconds, seven with years, or a nickname such as
    /// `@daily`, `@reboot`, `@every 90s`. `H` and `~` choose by the job's name.
    ///
    /// # Errors
    /// When the text is none of these. An expression that is well formed but can never fire is refused later, by
    /// [`super::ScheduleSet::new`].
    pub fn cron(text: &str, job_name: &str) -> Result<Self, ParseError> {
        let trimmed = text.trim_start();
        let start = text.len() - trimmed.len();
        match trimmed.strip_prefix('@') {
            Some(_) => Self::nickname(trimmed.trim_end(), job_name).map_err(|fault| fault.shifted(start)),
            None => Ok(Self(RuleKind::Cron(Box::new(Expression::parse(text, job_name)?)))),
        }
    }

    /// Elapsed time, aligned to a fixed midnight of the schedule's zone: restarts change nothing.
    ///
    /// # Errors
    /// When the period is not a whole number of seconds, or longer than [`LONGEST_PERIOD`].
    pub fn every(period: Duration) -> Result<Self, UnitError> {
        Self::every_from(period, None)
    }

    /// Elapsed time before and after a given moment.
    ///
    /// # Errors
    /// As for [`Rule::every`].
    pub fn every_from(period: Duration, anchor: Option<Moment>) -> Result<Self, UnitError> {
        let whole = period.subsec_nanos() == 0 && !period.is_zero();
        let period_seconds = i64::try_from(period.as_secs()).ok().filter(|_| whole && period <= LONGEST_PERIOD);
        let period_seconds = period_seconds
            .ok_or_else(|| UnitError { message: "every takes whole seconds, from 1s to a century".to_owned() })?;
        Ok(Self(RuleKind::Every { period_seconds, anchor }))
    }

    /// One moment or several; after the last, the schedule is over.
    ///
    /// # Errors
    /// When there is none, or more than [`MOMENTS_LIMIT`].
    pub fn at(moments: Vec<Moment>) -> Result<Self, ParseError> {
        match moments.len() {
            0 => Err(ParseError::new(0..0, "the list of moments is empty")),
            count if count > MOMENTS_LIMIT => {
                Err(ParseError::new(0..0, format!("{count} moments are too many; {MOMENTS_LIMIT} are allowed")))
            }
            _ => Ok(Self(RuleKind::At(moments))),
        }
    }

    /// Business days of each month: 1 is the first, -1 the last. A month that has fewer leaves a day out. `time` is as
    /// [`Rule::time_of_day`] reads it; which days are business days follows from the schedule's calendars.
    ///
    /// # Errors
    /// When there is no number, or one is 0 or beyond 31.
    pub fn business_day(days: &[i64], time: NaiveTime) -> Result<Self, ParseError> {
        let time = i64::from(time.num_seconds_from_midnight());
        BusinessDayRule::new(days, time).map(|rule| Self(RuleKind::BusinessDay(rule)))
    }

    /// Reads a time of day, `09:30` or `09:30:15`.
    ///
    /// # Errors
    /// When the text is none.
    pub fn time_of_day(text: &str) -> Result<NaiveTime, ParseError> {
        let seconds = parse_time(text.trim()).and_then(|seconds| u32::try_from(seconds).ok());
        seconds.and_then(|seconds| NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0)).ok_or_else(|| {
            ParseError::new(0..text.len(), format!("{text:?} is no time of day")).hint("write it like \"09:30\"")
        })
    }

    /// The cron expression, as it was written, of a rule that is one.
    pub fn expression(&self) -> Option<&str> {
        match &self.0 {
            RuleKind::Cron(expression) => Some(&expression.text),
            RuleKind::Every { .. }
            | RuleKind::At(_)
            | RuleKind::BusinessDay(_)
            | RuleKind::Boot(_)
            | RuleKind::After(_) => None,
        }
    }

    /// Whether it asks which days are business days.
    pub const fn counts_business_days(&self) -> bool {
        matches!(self.0, RuleKind::BusinessDay(_))
    }

    /// Once after each boot of the machine, `delay` after it began.
    pub fn boot(delay: Duration) -> Self {
        Self(RuleKind::Boot(delay.min(LONGEST_PERIOD)))
    }

    /// Once, `delay` after the job was first seen.
    pub fn after(delay: Duration) -> Self {
        Self(RuleKind::After(delay.min(LONGEST_PERIOD)))
    }

    /// The short form of job files: a cron expression, a nickname, `every 15m`, `at 2026-12-24 18:00` or `after 10m`.
    ///
    /// # Errors
    /// When the text is none of these.
    ///
    /// ```
    /// use jobsd::schedule::Rule;
    /// for text in ["30 2 * * *", "@daily", "every 15m", "@every 90s", "@reboot", "at 2026-12-24 18:00", "after 10m"] {
    ///     assert!(Rule::parse_short(text, "backup").is_ok(), "{text}");
    /// }
    /// ```
    pub fn parse_short(text: &str, job_name: &str) -> Result<Self, ParseError> {
        let trimmed = text.trim_start();
        let start = text.len() - trimmed.len();
        let (word, rest) = trimmed.split_once([' ', '\t']).unwrap_or((trimmed, ""));
        let rest_start = start + trimmed.len() - rest.len();
        match word {
            "every" => period(rest, rest_start, Self::every),
            "after" => period(rest, rest_start, |delay| Ok(Self::after(delay))),
            "at" => Self::at(vec![Moment::parse(rest).map_err(|fault| fault.shifted(rest_start))?]),
            _ => Self::cron(text, job_name),
        }
    }

    fn nickname(text: &str, job_name: &str) -> Result<Self, ParseError> {
        let expression = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            "@reboot" => return Ok(Self::boot(Duration::ZERO)),
            _ => return Self::every_nickname(text),
        };
        Ok(Self(RuleKind::Cron(Box::new(Expression::parse(expression, job_name)?))))
    }

    fn every_nickname(text: &str) -> Result<Self, ParseError> {
        const NICKNAMES: [&str; 9] =
            ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@reboot", "@every"];
        if let Some(rest) = text.strip_prefix("@every").filter(|rest| rest.starts_with([' ', '\t'])) {
            return period(rest, text.len() - rest.len(), Self::every);
        }
        let word = text.split([' ', '\t']).next().unwrap_or(text);
        let likely = NICKNAMES.iter().max_by(|a, b| likeness(word, a).total_cmp(&likeness(word, b)));
        let hint = match likely {
            Some(&"@every") | None => {
                "write \"@every 90s\", or one of @yearly @monthly @weekly @daily @hourly @reboot".to_owned()
            }
            Some(likely) => format!("did you mean {likely:?}?"),
        };
        Err(ParseError::new(0..text.len(), format!("{text:?} is no nickname of a schedule")).hint(hint))
    }
}

fn likeness(typed: &str, known: &str) -> f64 {
    strsim::jaro_winkler(&typed.to_lowercase(), known)
}

/// A rule made from the duration in `text`, which begins at byte `start` of what is being parsed.
fn period(
    text: &str,
    start: usize,
    make: impl FnOnce(Duration) -> Result<Rule, UnitError>,
) -> Result<Rule, ParseError> {
    let trimmed = text.trim();
    let start = start + (text.len() - text.trim_start().len());
    parse_duration(trimmed).and_then(make).map_err(|fault| ParseError::new(start..start + trimmed.len(), fault.message))
}

impl Rule {
    /// Why a rule that was asked has no occurrence at all.
    pub(super) fn why_never(&self) -> String {
        match &self.0 {
            RuleKind::Cron(expression) => expression.why_never(),
            RuleKind::BusinessDay(_) => "no month has such a business day".to_owned(),
            RuleKind::At(_) => "every moment falls into a gap of the zone, and gap = \"skip\" leaves it out".to_owned(),
            RuleKind::Every { .. } | RuleKind::Boot(_) | RuleKind::After(_) => {
                "it has no occurrence between 1970 and 2099".to_owned()
            }
        }
    }
}

/// The second of the day that `09:30`, `09:30:15` or `24:00` means.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let mut number = |digits: usize, limit: i64| {
        let part = parts.next()?;
        let plain = (1..=digits).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse().ok()).flatten().filter(|value| *value <= limit)
    };
    let (hour, minute) = (number(2, 24)?, number(2, 59)?);
    let second = number(2, 59);
    let whole = text.split(':').count() == 2 + usize::from(second.is_some());
    let seconds = hour * 3600 + minute * 60 + second.unwrap_or(0);
    (whole && seconds <= 86_400).then_some(seconds)
}
