//! [`Zone`]: a time zone of the IANA database that this build carries.

use std::fmt;
use std::sync::OnceLock;

use chrono::{DateTime, FixedOffset, NaiveDateTime};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::ParseError;
use super::segments::Segments;
use crate::clock::Timestamp;

/// One table a zone, shared by all schedules and filled when first asked: the same for every caller, so that asking
/// stays pure in effect.
static SEGMENTS: [OnceLock<Segments>; TZ_VARIANTS.len()] = [const { OnceLock::new() }; TZ_VARIANTS.len()];

/// How alike two names must be for one to be suggested for the other (Jaro-Winkler).
const SUGGESTION_THRESHOLD: f64 = 0.85;

/// A change of a zone's offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneChange {
    /// The first instant of the new offset.
    pub at: Timestamp,
    /// Local time minus UTC before it, in seconds.
    pub before_seconds: i64,
    /// The same from then on.
    pub after_seconds: i64,
}

/// A time zone, as in `Europe/Berlin`. Small and `Copy`; what is computed of it is shared.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(Tz);

impl Zone {
    /// Looks a name up. Names are those of the IANA database, letter for letter.
    ///
    /// # Errors
    /// When the database has no such zone; the hint names the likeliest one.
    ///
    /// ```
    /// use jobsd::schedule::Zone;
    /// assert_eq!(Zone::parse("Europe/Berlin").unwrap().name(), "Europe/Berlin");
    /// let error = Zone::parse("europe/berlin").unwrap_err();
    /// assert_eq!(error.hint.as_deref(), Some("did you mean \"Europe/Berlin\"?"));
    /// ```
    pub fn parse(name: &str) -> Result<Self, ParseError> {
        name.parse().map(Self).map_err(|_| {
            let fault = ParseError::new(0..name.len(), format!("there is no time zone {name:?} in the IANA database"));
            fault.hint(suggestion(name).map_or_else(
                || "names are like \"Europe/Berlin\" or \"UTC\"".to_owned(),
                |likely| format!("did you mean {likely:?}?"),
            ))
        })
    }

    /// Coordinated universal time.
    pub const fn utc() -> Self {
        Self(Tz::UTC)
    }

    /// The zone's name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The release of the IANA database that this build carries, as in `2025b`.
    pub const fn database_version() -> &'static str {
        chrono_tz::IANA_TZDB_VERSION
    }

    /// The name of a zone in the target of the link `/etc/localtime`, as in `../usr/share/zoneinfo/Europe/Berlin`
    /// ([localtime(5)]); `None` when it does not point into a zone database.
    ///
    /// [localtime(5)]: https://man7.org/linux/man-pages/man5/localtime.5.html
    pub fn name_in_link(target: &str) -> Option<&str> {
        let (_, name) = target.rsplit_once("zoneinfo/")?;
        // The database lies there twice more: without and with leap seconds.
        let name = name.strip_prefix("posix/").or_else(|| name.strip_prefix("right/")).unwrap_or(name);
        (!name.is_empty()).then_some(name)
    }

    /// An instant by the zone's clock, with its offset.
    pub fn local(self, instant: Timestamp) -> DateTime<FixedOffset> {
        let offset = self.segments().offset_at(instant.timestamp());
        let offset = i32::try_from(offset).ok().and_then(FixedOffset::east_opt).expect("offsets are below a day");
        instant.with_timezone(&offset)
    }

    /// An instant by the zone's clock.
    pub fn naive(self, instant: Timestamp) -> NaiveDateTime {
        self.local(instant).naive_local()
    }

    /// The first change of the zone's offset after an instant, if there is one before 2100.
    pub fn next_change(self, after: Timestamp) -> Option<ZoneChange> {
        let segments = self.segments();
        let index = segments.index_at(after.timestamp());
        let (before, next) = (segments.get(index)?, segments.get(index + 1)?);
        Some(ZoneChange {
            at: DateTime::from_timestamp(next.start, 0)?,
            before_seconds: before.offset,
            after_seconds: next.offset,
        })
    }

    /// The zone's offsets.
    pub(super) fn segments(self) -> &'static Segments {
        SEGMENTS[self.0 as usize].get_or_init(|| Segments::of(self.0))
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The zone whose name, or whose last part, is most like the given text.
fn suggestion(text: &str) -> Option<&'static str> {
    let wanted = text.trim().to_lowercase().replace(' ', "_");
    let likeness = |name: &str| {
        let name = name.to_lowercase();
        let city = name.rsplit('/').next().unwrap_or(&name);
        strsim::jaro_winkler(&wanted, &name).max(strsim::jaro_winkler(&wanted, city))
    };
    TZ_VARIANTS
        .iter()
        .map(|zone| (likeness(zone.name()), zone.name()))
        .filter(|(likeness, _)| *likeness >= SUGGESTION_THRESHOLD)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_by_case_by_city_and_by_typo() {
        for (typed, meant) in [
            ("europe/berlin", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("Europe/Berln", "Europe/Berlin"),
            ("America/New York", "America/New_York"),
            ("Lord_Howe", "Australia/Lord_Howe"),
        ] {
            let hint = Zone::parse(typed).unwrap_err().hint.unwrap();
            assert_eq!(hint, format!("did you mean {meant:?}?"));
        }
        let hint = Zone::parse("qqqq").unwrap_err().hint.unwrap();
        assert_eq!(hint, "names are like \"Europe/Berlin\" or \"UTC\"");
    }

    #[test]
    fn reads_the_link_of_localtime() {
        for (target, name) in [
            ("/usr/share/zoneinfo/Europe/Berlin", Some("Europe/Berlin")),
            ("../usr/share/zoneinfo/Etc/UTC", Some("Etc/UTC")),
            ("/usr/share/zoneinfo/posix/Asia/Tokyo", Some("Asia/Tokyo")),
            ("/usr/share/zoneinfo/right/Asia/Tokyo", Some("Asia/Tokyo")),
            ("/usr/share/zoneinfo/", None),
            ("/etc/zone.tab", None),
        ] {
            assert_eq!(Zone::name_in_link(target), name, "{target}");
        }
    }

    #[test]
    fn every_zone_has_its_own_table() {
        for zone in TZ_VARIANTS {
            assert!((zone as usize) < SEGMENTS.len(), "{zone}");
        }
        let noon = DateTime::from_timestamp(1_782_864_000, 0).unwrap();
        assert_eq!(Zone::parse("Asia/Kathmandu").unwrap().local(noon).to_rfc3339(), "2026-07-01T05:45:00+05:45");
        assert_eq!(Zone::utc().local(noon).to_rfc3339(), "2026-07-01T00:00:00+00:00");
    }
}
