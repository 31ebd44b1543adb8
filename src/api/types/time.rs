//! [`Time`]: an instant on the wire.

use std::fmt;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;

/// An instant: RFC 3339, UTC, with `Z` and up to six digits of the second. Any offset is read.
///
/// ```
/// use jobsd::api::types::Time;
/// let time: Time = serde_json::from_str("\"2026-11-21T03:30:00.123456789+01:00\"").unwrap();
/// assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-11-21T02:30:00.123456Z\"");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub Timestamp);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.trunc_subsecs(6).to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl schemars::JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "An instant: RFC 3339, UTC, with Z and up to six digits of the second. Any offset is read.",
        })
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        DateTime::parse_from_rfc3339(&text).map(|at| Self(at.with_timezone(&Utc))).map_err(|fault| {
            let expected = "expected RFC 3339 with an offset, as in \"2026-11-21T02:30:00Z\"";
            serde::de::Error::custom(format!("{text:?} is not an instant ({fault}); {expected}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_utc_and_cut_to_microseconds() {
        for (read, written) in [
            ("2026-11-21T02:30:00Z", "2026-11-21T02:30:00Z"),
            ("2026-11-21T02:30:00.5Z", "2026-11-21T02:30:00.500Z"),
            ("2026-11-21T02:30:00.000001Z", "2026-11-21T02:30:00.000001Z"),
            ("2026-11-21T02:30:00.9999999Z", "2026-11-21T02:30:00.999999Z"),
            ("2026-11-21T02:30:00+14:00", "2026-11-20T12:30:00Z"),
        ] {
            let time: Time = serde_json::from_str(&format!("{read:?}")).unwrap();
            assert_eq!(serde_json::to_string(&time).unwrap(), format!("{written:?}"));
        }
    }

    #[test]
    fn an_instant_without_an_offset_is_refused() {
        let fault = serde_json::from_str::<Time>("\"2026-11-21T02:30:00\"").unwrap_err().to_string();
        assert!(fault.contains("is not an instant"), "{fault}");
        assert!(fault.contains("2026-11-21T02:30:00Z"), "{fault}");
    }
}
