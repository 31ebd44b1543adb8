//! What a rule means, in plain English: for people who did not write it, or who want to see whether they wrote what they
//! meant.

mod advice;
mod days;
mod times;

use std::time::Duration;

use super::rule::RuleKind;
use super::{Moment, Rule};
use crate::units::format_duration;
use days::days;
use times::times;

/// By what a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Times of day: once a day stays once a day when the clock is changed.
    Fixed,
    /// Elapsed time, or a wall clock followed through both passes of an overlap.
    Interval,
    /// A moment or a list of them, or once after something happened.
    Once,
}

impl Class {
    /// In one word, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Interval => "interval",
            Self::Once => "once",
        }
    }

    /// What it means at a change of the clock.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Fixed => {
                "times of day: one that a change of the clock leaves out runs right after it, one that comes twice runs \
                 the first time"
            }
            Self::Interval => "follows elapsed time: changes of the clock neither stretch nor double it",
            Self::Once => "runs once for each of its moments",
        }
    }
}

impl Rule {
    /// By what it counts. A cron expression is an interval when its minute or hour begins with `*`.
    pub fn class(&self) -> Class {
        match &self.0 {
            RuleKind::Cron(expression) if expression.interval => Class::Interval,
            RuleKind::Cron(_) | RuleKind::BusinessDay(_) => Class::Fixed,
            RuleKind::Every { .. } => Class::Interval,
            RuleKind::At(_) | RuleKind::Boot(_) | RuleKind::After(_) => Class::Once,
        }
    }

    /// When it runs, as a sentence without its full stop.
    ///
    /// ```
    /// use jobsd::schedule::Rule;
    /// let rule = Rule::cron("30 2 * * MON-FRI", "backup").unwrap();
    /// assert_eq!(rule.describe(), "at 02:30, from Monday to Friday");
    /// ```
    pub fn describe(&self) -> String {
        match &self.0 {
            RuleKind::Cron(expression) => {
                let parts = [Some(times(expression)), days(expression)];
                parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
            }
            RuleKind::Every { period_seconds, anchor } => {
                let period = format_duration(Duration::from_secs(period_seconds.unsigned_abs()));
                let from = match anchor {
                    None => "midnight of Monday, 1 January 2024".to_owned(),
                    Some(anchor) => moment(anchor),
                };
                format!("every {period}, counted from {from}")
            }
            RuleKind::At(moments) => {
                let told: Vec<String> = moments.iter().map(moment).collect();
                format!("at {}", list(&told, "and"))
            }
            RuleKind::BusinessDay(rule) => {
                let days: Vec<String> = rule.days().iter().map(|&day| business_day(day)).collect();
                format!("at {}, on the {} of each month", clock(rule.time()), list(&days, "and"))
            }
            RuleKind::Boot(delay) => match delay.is_zero() {
                true => "once after each boot of the machine".to_owned(),
                false => format!("once, {} after each boot of the machine", format_duration(*delay)),
            },
            RuleKind::After(delay) => format!("once, {} after the job was first seen", format_duration(*delay)),
        }
    }
}

pub(super) fn moment(moment: &Moment) -> String {
    match moment {
        Moment::Local(local) => {
            let text = local.format("%Y-%m-%d %H:%M:%S").to_string();
            text.strip_suffix(":00").map_or(text.clone(), str::to_owned)
        }
        Moment::Absolute(at) => at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

fn business_day(day: i8) -> String {
    match day {
        1 => "first business day".to_owned(),
        -1 => "last business day".to_owned(),
        2.. => format!("{} business day", ordinal(day.unsigned_abs().into())),
        _ => format!("{} to last business day", ordinal(day.unsigned_abs().into())),
    }
}

/// A second of the day.
fn clock(second: i64) -> String {
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    if second == 0 { format!("{hour:02}:{minute:02}") } else { format!("{hour:02}:{minute:02}:{second:02}") }
}

/// `a`, `a and b`, `a, b and c`.
fn list(words: &[String], and: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} {and} {last}", most.join(", ")),
    }
}

/// `1st`, `2nd`, `23rd`, `11th`.
fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> String {
        Rule::parse_short(text, "backup").unwrap().describe()
    }

    #[test]
    fn rules_in_english() {
        for (text, expected) in [
            ("30 2 * * *", "at 02:30, every day"),
            ("0 0 * * 0", "at 00:00, on Sundays"),
            ("15,45 8,20 * * *", "at 08:15, 08:45, 20:15 and 20:45, every day"),
            ("* * * * *", "every minute"),
            ("*/5 * * * *", "every 5 minutes"),
            ("@hourly", "every hour, at minute 0"),
            ("0 */2 * * *", "every 2 hours, at minute 0"),
            ("*/10 * * * * *", "every 10 seconds"),
            ("* * * * * *", "every second"),
            ("30 0 12 * * *", "at 12:00:30, every day"),
            ("*/15 8-18 * * MON-FRI", "every 15 minutes of hours 8 to 18, from Monday to Friday"),
            ("5-10 * * * *", "every hour, at minutes 5 to 10"),
            ("0-59/20 2 * * *", "at 02:00, 02:20 and 02:40, every day"),
            ("0-59/5 2 * * *", "every 5 minutes of hour 2, every day"),
            ("0 9 1,15 * *", "at 09:00, on the 1st and 15th of the month"),
            ("0 9 1-7 * *", "at 09:00, on the 1st to 7th of the month"),
            ("0 9 L * *", "at 09:00, on the last day of the month"),
            ("0 9 LW * *", "at 09:00, on the last day from Monday to Friday of the month"),
            ("0 9 15W * *", "at 09:00, on the day from Monday to Friday nearest to the 15th of the month"),
            ("0 9 * * FRI#2", "at 09:00, on the 2nd Friday of the month"),
            ("0 9 * * 5L", "at 09:00, on the last Friday of the month"),
            ("0 9 * * MON,WED,FRI", "at 09:00, on Mondays, Wednesdays and Fridays"),
            ("0 12 1 * MON", "at 12:00, on the 1st of the month and on Mondays"),
            ("0 12 13 * +FRI", "at 12:00, on the 13th of the month when that is a Friday"),
            ("0 0 1 1 *", "at 00:00, on the 1st of January"),
            ("0 0 * 1,7 *", "at 00:00, every day in January and July"),
            ("0 0 * 6-8 MON", "at 00:00, on Mondays in June to August"),
            ("0 0 0 1 1 * 2030", "at 00:00, on the 1st of January, in 2030"),
            ("0 0 */2 * *", "at 00:00, on every 2nd day of the month from the 1st"),
            ("every 90s", "every 1m 30s, counted from midnight of Monday, 1 January 2024"),
            ("at 2026-12-24 18:00", "at 2026-12-24 18:00"),
            ("@reboot", "once after each boot of the machine"),
            ("after 10m", "once, 10m after the job was first seen"),
        ] {
            assert_eq!(described(text), expected, "{text}");
        }
        let business = Rule::business_day(&[1, 10, -1, -2], Rule::time_of_day("09:30").unwrap()).unwrap();
        assert_eq!(
            business.describe(),
            "at 09:30, on the first business day, 10th business day, last business day and 2nd to last business day of \
             each month"
        );
    }

    #[test]
    fn classes() {
        for (text, class) in [
            ("30 2 * * *", Class::Fixed),
            ("*/5 * * * *", Class::Interval),
            ("every 1d", Class::Interval),
            ("@reboot", Class::Once),
        ] {
            assert_eq!(Rule::parse_short(text, "backup").unwrap().class(), class, "{text}");
        }
    }
}
