//! What in an expression is seldom meant as it is written.

use super::ordinal;
use crate::schedule::Rule;
use crate::schedule::cron::{DayRule, Expression, Values};
use crate::schedule::rule::RuleKind;

/// Days of each month in a common year.
const LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Rule {
    /// Warnings for whoever wrote it, one sentence each. None is a fault.
    pub fn advice(&self) -> Vec<String> {
        let RuleKind::Cron(expression) = &self.0 else { return Vec::new() };
        let checks = [late_days, either_day, every_minute_of_an_hour, uneven_minutes, uneven_hours, uneven_days];
        checks.iter().filter_map(|check| check(expression)).collect()
    }
}

/// The 29th to the 31st do not exist in every month.
fn late_days(expression: &Expression) -> Option<String> {
    let plain = &expression.days_of_month.plain;
    let first = plain.iter().next().filter(|&first| first > 28)?;
    if !expression.days_of_month.terms.is_empty() {
        return None;
    }
    let months = expression.months.iter().filter(|&month| LENGTHS[month as usize - 1] >= first).count();
    if months == expression.months.len() as usize {
        return None;
    }
    let when = match months {
        0 => "in leap years only".to_owned(),
        1 => "in one month a year".to_owned(),
        2..=10 => format!("in {} months a year", NUMBERS[months]),
        _ => "in every month but February".to_owned(),
    };
    Some(format!("it runs on the {}, which exists {when}; L is the last day of every month", ordinal(first)))
}

const NUMBERS: [&str; 11] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// Two restricted day fields mean "or", which surprises everybody once.
fn either_day(expression: &Expression) -> Option<String> {
    let both = !expression.days_of_month.is_all() && !expression.days_of_week.is_all();
    (both && expression.day_rule == DayRule::Either).then(|| {
        "it runs on the days of the month and on the days of the week; with + before the day of the week a day must \
         match both"
            .to_owned()
    })
}

fn every_minute_of_an_hour(expression: &Expression) -> Option<String> {
    let hours = expression.hours.len();
    (expression.minutes.is_full() && hours < 24).then(|| {
        let first = expression.hours.iter().next().unwrap_or_default();
        format!("it runs in every minute of its hours, {} times a day; at {first}:00 alone is minute 0", hours * 60)
    })
}

fn uneven_minutes(expression: &Expression) -> Option<String> {
    let (step, gap) = uneven(&expression.minutes, 60)?;
    Some(format!("its {step} minutes begin again with every hour: the last gap has {gap}; \"every {step}m\" has none"))
}

fn uneven_hours(expression: &Expression) -> Option<String> {
    let (step, gap) = uneven(&expression.hours, 24)?;
    Some(format!("its {step} hours begin again at midnight: the last gap has {gap}; \"every {step}h\" has none"))
}

/// Step and last gap of values from 0 on whose step does not divide the whole.
fn uneven(values: &Values, whole: u32) -> Option<(u32, u32)> {
    let (first, last, step) = values.progression()?;
    let whole_range = first == 0 && last + step >= whole && step > 1;
    (whole_range && !whole.is_multiple_of(step)).then_some((step, whole - last))
}

fn uneven_days(expression: &Expression) -> Option<String> {
    let (first, last, step) = expression.days_of_month.plain.progression()?;
    (first == 1 && step > 1 && last + step > 31)
        .then(|| format!("every {} day begins again with the 1st: the last gap of a month differs", ordinal(step)))
}

#[cfg(test)]
mod tests {
    use crate::schedule::Rule;

    #[test]
    fn warnings() {
        for (text, piece) in [
            ("0 0 31 * *", Some("the 31st, which exists in seven months a year")),
            ("0 0 30 * *", Some("in every month but February")),
            ("0 0 29 2 *", Some("in leap years only")),
            ("0 0 28 * *", None),
            ("0 0 31 1,12 *", None),
            ("0 0 31 1,2 *", Some("the 31st, which exists in one month a year")),
            ("0 0 28,31 * *", None),
            ("0 0 31,L * *", None),
            ("0 12 1 * MON", Some("must match both")),
            ("0 12 */2 * MON", Some("begins again with the 1st")),
            ("* 3 * * *", Some("60 times a day; at 3:00 alone is minute 0")),
            ("* * * * *", None),
            ("*/7 * * * *", Some("the last gap has 4; \"every 7m\"")),
            ("*/15 * * * *", None),
            ("0 */5 * * *", Some("\"every 5h\"")),
            ("0 9-17/2 * * *", None),
            ("every 7m", None),
        ] {
            let advice = Rule::parse_short(text, "backup").unwrap().advice().join("\n");
            match piece {
                Some(piece) => assert!(advice.contains(piece), "{text}: {advice}"),
                None => assert_eq!(advice, "", "{text}"),
            }
        }
    }
}
