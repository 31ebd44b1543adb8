//! Durations and sizes as people write them: always with a unit.

use std::time::Duration;

/// A text that is no duration or size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnitError {
    /// What is wrong, and what was expected.
    pub message: String,
}

/// Reads a duration: a number with a unit, or several, as in `90s`, `15m`, `1h 30m`, `2d`.
///
/// Units are `ns us ms s m h d w` and their long names. Months and years have no fixed length and are refused.
///
/// # Errors
/// When the text has no unit, an unknown one, or does not fit.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(jobsd::units::parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
/// assert!(jobsd::units::parse_duration("90").is_err());
/// assert!(jobsd::units::parse_duration("1month").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    const EXPECTED: &str = "expected a number with a unit, as in \"90s\", \"15m\", \"1h 30m\" or \"2d\"";
    let unfixed = |unit: &str| matches!(unit, "M" | "month" | "months" | "y" | "year" | "years" | "yr" | "yrs");
    if let Some(unit) = text.split(|c: char| !c.is_ascii_alphabetic()).find(|unit| unfixed(unit)) {
        return Err(UnitError { message: format!("{unit:?} has no fixed length; use days or weeks") });
    }
    humantime::parse_duration(text.trim()).map_err(|fault| {
        let why = match fault {
            humantime::DurationError::UnknownUnit { unit, .. } if unit.is_empty() => " (it has no unit)".to_owned(),
            // The crate's own words name months and years.
            humantime::DurationError::UnknownUnit { unit, .. } => format!(" (there is no unit {unit:?})"),
            humantime::DurationError::NumberOverflow => " (the number is too large)".to_owned(),
            humantime::DurationError::InvalidCharacter(_)
            | humantime::DurationError::NumberExpected(_)
            | humantime::DurationError::Empty => String::new(),
        };
        UnitError { message: format!("{text:?} is not a duration{why}; {EXPECTED}") }
    })
}

/// Writes a duration so that [`parse_duration`] reads it back: `1h 30m`.
pub fn format_duration(duration: Duration) -> String {
    const DAY_SECONDS: u64 = 86_400;
    // humantime writes years and months, which parse_duration refuses.
    let days = duration.as_secs() / DAY_SECONDS;
    let rest = duration - Duration::from_secs(days * DAY_SECONDS);
    match (days, rest.is_zero()) {
        (0, _) => humantime::format_duration(rest).to_string(),
        (days, true) => format!("{days}d"),
        (days, false) => format!("{days}d {}", humantime::format_duration(rest)),
    }
}

/// Reads a size: a number with a unit, as in `512KiB`, `2GiB`, `100MB`.
///
/// # Errors
/// When the text has no unit, an unknown one, or does not fit.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let fault = || UnitError {
        message: format!(
            "{text:?} is not a size; expected a number with a unit, as in \"512KiB\", \"2GiB\" or \"100MB\""
        ),
    };
    if !text.ends_with(['b', 'B']) {
        return Err(fault());
    }
    text.trim().parse::<bytesize::ByteSize>().map(|size| size.as_u64()).map_err(|_| fault())
}

/// Writes a size in binary units: `2.0 GiB`.
pub fn format_size(bytes: u64) -> String {
    bytesize::ByteSize::b(bytes).display().iec().to_string()
}
