//! [`OutputPolicy`]: where a run's output goes, and how much of it.

use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use super::findings::{Findings, Problem, Said};
use super::limits::{OUTPUT_LEAST, OUTPUT_LIMIT, RATE_LIMIT};
use super::tree::{Field, Table};
use super::values;
use crate::units;

/// Where a run's output goes, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputPolicy {
    /// Where to.
    pub to: OutputTo,
    /// Bytes on disk for each attempt, index included; the first and the last part are kept. 16 MiB unless said. Files
    /// alone have this bound.
    pub limit_bytes: u64,
    /// What an attempt may print in a time; what is more is dropped, and marked. Unlimited when absent.
    pub rate: Option<OutputRate>,
    /// Whether `jobctl logs` shows the time of every line unasked. Times are kept in any case.
    pub timestamps: bool,
}

/// Bytes kept of an attempt's output unless said: weeks of an ordinary job's words, and two thousand of them fit on a
/// small disk.
const LIMIT_BYTES: u64 = 16 << 20;

impl Default for OutputPolicy {
    fn default() -> Self {
        Self { to: OutputTo::Files, limit_bytes: LIMIT_BYTES, rate: None, timestamps: false }
    }
}

/// Where a run's output goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OutputTo {
    /// Files below the state directory, which `jobctl logs` reads.
    #[default]
    Files,
    /// The systemd journal, line by line, with fields that name the run.
    Journal,
    /// The local syslog daemon, line by line.
    Syslog,
    /// Nowhere.
    Null,
}

impl OutputTo {
    const ALL: [Self; 4] = [Self::Files, Self::Journal, Self::Syslog, Self::Null];

    /// The name in job files, records and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Journal => "journal",
            Self::Syslog => "syslog",
            Self::Null => "null",
        }
    }

    /// The place of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|to| to.name() == name)
    }
}

/// So much in a time, as in `1000 lines/s` or `1MiB/m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutputRate {
    /// How much.
    pub amount: NonZeroU64,
    /// Of what.
    pub unit: OutputUnit,
    /// In which time. So much may also come at once, after as long a silence.
    pub per: RatePeriod,
}

/// What a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputUnit {
    /// Lines, of both streams together.
    Lines,
    /// Bytes, of both streams together.
    Bytes,
}

/// The time of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RatePeriod {
    /// `/s`
    Second,
    /// `/m`
    Minute,
    /// `/h`
    Hour,
}

impl RatePeriod {
    /// How long it is.
    pub const fn duration(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute => Duration::from_secs(60),
            Self::Hour => Duration::from_secs(3600),
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::Second => 's',
            Self::Minute => 'm',
            Self::Hour => 'h',
        }
    }
}

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no rate of output")]
pub struct RateError {
    text: String,
}

impl FromStr for OutputRate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let fault = || RateError { text: text.to_owned() };
        let (amount, per) = text.rsplit_once('/').ok_or_else(fault)?;
        let per = match per.trim() {
            "s" | "sec" | "second" => RatePeriod::Second,
            "m" | "min" | "minute" => RatePeriod::Minute,
            "h" | "hour" => RatePeriod::Hour,
            _ => return Err(fault()),
        };
        let amount = amount.trim();
        let lines = amount.strip_suffix("lines").or_else(|| amount.strip_suffix("line"));
        let (number, unit) = match lines {
            Some(number) => (number.trim().parse().ok(), OutputUnit::Lines),
            None => (units::parse_size(amount).ok(), OutputUnit::Bytes),
        };
        let amount = number.filter(|&number| number <= RATE_LIMIT).and_then(NonZeroU64::new).ok_or_else(fault)?;
        Ok(Self { amount, unit, per })
    }
}

impl std::fmt::Display for OutputRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let per = self.per.letter();
        match self.unit {
            OutputUnit::Lines => write!(f, "{} lines/{per}", self.amount),
            // Not rounded: it is read back.
            OutputUnit::Bytes => write!(f, "{}B/{per}", self.amount),
        }
    }
}

/// `[output]`, as a file says it.
#[derive(Default)]
pub(super) struct OutputTable {
    to: Option<Said<OutputTo>>,
    limit: Option<Said<u64>>,
    rate: Option<Said<Option<OutputRate>>>,
    timestamps: Option<Said<bool>>,
}

impl OutputTable {
    pub fn read(mut table: Table<'_, '_>, findings: &mut Findings) -> Self {
        let to = OutputTo::ALL.map(|to| (to.name(), to));
        let output = Self {
            to: table.read("to", findings, |field, f| values::choice(field, f, &to)),
            limit: table.read("limit", findings, |field, f| values::size(field, f, OUTPUT_LEAST, OUTPUT_LIMIT)),
            rate: table.read("rate_limit", findings, rate),
            timestamps: table.read("timestamps", findings, values::flag),
        };
        table
            .finish(findings, &[("max_size", "the key is called `limit`"), ("rate", "the key is called `rate_limit`")]);
        output
    }

    pub fn over(self, defaults: Self) -> Self {
        Self {
            to: self.to.or(defaults.to),
            limit: self.limit.or(defaults.limit),
            rate: self.rate.or(defaults.rate),
            timestamps: self.timestamps.or(defaults.timestamps),
        }
    }

    /// What they mean together: bounds and times of files are of no use elsewhere.
    pub fn complete(self, findings: &mut Findings) -> OutputPolicy {
        let to = self.to.map(|said| said.value).unwrap_or_default();
        let spans = [
            ("limit", self.limit.as_ref().and_then(|said| said.span.clone()), to != OutputTo::Files),
            ("rate_limit", self.rate.as_ref().and_then(|said| said.span.clone()), to == OutputTo::Null),
            ("timestamps", self.timestamps.as_ref().and_then(|said| said.span.clone()), to != OutputTo::Files),
        ];
        for (key, span, idle) in spans {
            if let (true, Some(span)) = (idle, span) {
                let problem = Problem::new(format!("`output.{key}` has no effect with to = {:?}", to.name()));
                findings.add(span, problem);
            }
        }
        OutputPolicy {
            to,
            limit_bytes: self.limit.map_or(LIMIT_BYTES, |said| said.value),
            rate: self.rate.and_then(|said| said.value),
            timestamps: self.timestamps.is_some_and(|said| said.value),
        }
    }
}

fn rate(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Option<OutputRate>> {
    let expected = "expected an amount in a time, as in \"1000 lines/s\" or \"1MiB/s\", or \"none\"";
    field.parsed(findings, expected, |text| match text {
        "none" => Ok(None),
        text => text.parse().map(Some).map_err(|fault: RateError| Problem::new(fault.to_string()).expected(expected)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written() {
        let table = [
            ("1000 lines/s", "1000 lines/s"),
            ("1line/m", "1 lines/m"),
            ("1MiB/s", "1048576B/s"),
            ("10 kB / hour", "10000B/h"),
        ];
        for (text, written) in table {
            let rate: OutputRate = text.parse().unwrap();
            assert_eq!(rate.to_string(), written);
            assert_eq!(written.parse(), Ok(rate));
        }
        for text in ["", "/s", "10/s", "10 lines", "0 lines/s", "-1 lines/s", "10 lines/d", "1.5 lines/s", "0B/s"] {
            assert!(text.parse::<OutputRate>().is_err(), "{text}");
        }
    }
}
