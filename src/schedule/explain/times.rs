//! The seconds, minutes and hours of an expression in English.

use super::list;
use crate::schedule::cron::{Expression, Unit, Values};

/// Times of day that are listed one by one; more are told by their fields.
const LISTED: u32 = 8;

/// As in `at 02:30`, `every 15 minutes of hours 8 to 18`.
pub(super) fn times(expression: &Expression) -> String {
    let Expression { seconds, minutes, hours, .. } = expression;
    if seconds.len() * minutes.len() * hours.len() <= LISTED && !hours.is_full() {
        return listed(seconds, minutes, hours);
    }
    let plain_second = seconds.len() == 1 && seconds.contains(0);
    if !plain_second {
        let told = every(seconds).unwrap_or_else(|| format!("at {}", named(seconds)));
        let minutes_told = (!minutes.is_full()).then(|| format!("of {}", named(minutes)));
        let hours_told = (!hours.is_full()).then(|| format!("of {}", named(hours)));
        return [Some(told), minutes_told, hours_told].into_iter().flatten().collect::<Vec<_>>().join(" ");
    }
    if let Some(told) = every(minutes) {
        return if hours.is_full() { told } else { format!("{told} of {}", named(hours)) };
    }
    let hours_told = every(hours).unwrap_or_else(|| format!("in {}", named(hours)));
    format!("{hours_told}, at {}", named(minutes))
}

/// Every time of day.
fn listed(seconds: &Values, minutes: &Values, hours: &Values) -> String {
    let mut all = Vec::new();
    for hour in hours.iter() {
        for minute in minutes.iter() {
            for second in seconds.iter() {
                all.push(super::clock(i64::from(hour * 3600 + minute * 60 + second)));
            }
        }
    }
    format!("at {}", list(&all, "and"))
}

/// `every 5 minutes`, where the values begin with the first and go on to the end.
fn every(values: &Values) -> Option<String> {
    let unit = values.unit().name();
    if values.is_full() {
        return Some(format!("every {unit}"));
    }
    let (first, last, step) = values.progression()?;
    (first == 0 && last + step > values.unit().greatest()).then(|| format!("every {step} {unit}s"))
}

/// `minute 5`, `minutes 0 to 10`, `hours 8, 10 and 12`.
fn named(values: &Values) -> String {
    let unit = values.unit().name();
    match values.len() {
        1 => format!("{unit} {}", values.iter().next().unwrap_or_default()),
        _ => format!("{unit}s {}", range_or_list(values, |value| value.to_string())),
    }
}

/// `a to b` for neighbours, else a list.
pub(super) fn range_or_list(values: &Values, name: impl Fn(u32) -> String) -> String {
    match values.progression() {
        Some((first, last, 1)) => format!("{} to {}", name(first), name(last)),
        Some((first, last, step)) if values.unit() == Unit::Year || last - first > 6 * step => {
            format!("{} to {} in steps of {step}", name(first), name(last))
        }
        Some(_) | None => list(&values.iter().map(name).collect::<Vec<_>>(), "and"),
    }
}
