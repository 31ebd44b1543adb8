//! Spans of time as systemd writes them.

use std::time::Duration;

/// Reads a span, as in `5min`, `1h 30min` or `90`, which is seconds ([systemd.time(7)]). `None` for what is none, and
/// for `infinity`.
///
/// [systemd.time(7)]: https://man7.org/linux/man-pages/man7/systemd.time.7.html
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        total = total.checked_add(Duration::try_from_secs_f64(number * unit(&rest[..letters])?).ok()?)?;
        rest = rest[letters..].trim_start();
    }
    Some(total)
}

/// Seconds of a unit. A month is 30.44 days and a year 365.25 days, as systemd has them.
fn unit(name: &str) -> Option<f64> {
    const DAY: f64 = 86_400.0;
    Some(match name {
        "" | "s" | "sec" | "second" | "seconds" => 1.0,
        "us" | "usec" | "µs" => 1e-6,
        "ms" | "msec" => 1e-3,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7.0 * DAY,
        "M" | "month" | "months" => 30.44 * DAY,
        "y" | "year" | "years" => 365.25 * DAY,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (text, seconds) in [("5min", 300), ("1h 30min", 5400), ("90", 90), ("1d2h", 93_600), ("2 weeks", 1_209_600)]
        {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "infinity", "5 parsecs", "min"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
