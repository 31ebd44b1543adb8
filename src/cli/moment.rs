//! Times as people read and write them: relative to now, and in their zone.

use std::time::Duration;

use chrono::{
    DateTime, Days, FixedOffset, Local, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike,
};

use crate::clock::Timestamp;
use crate::units;

/// The zone of the person at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The machine's, or what TZ says.
    Local,
    /// A named one.
    Named(chrono_tz::Tz),
}

impl Zone {
    /// The local time of an instant.
    pub fn local(self, at: Timestamp) -> DateTime<FixedOffset> {
        match self {
            Self::Local => at.with_timezone(&Local).fixed_offset(),
            Self::Named(zone) => at.with_timezone(&zone).fixed_offset(),
        }
    }

    /// The instant of a local time: the first of two, none in a gap.
    fn instant(self, local: NaiveDateTime) -> Option<Timestamp> {
        fn first<T: TimeZone>(result: LocalResult<DateTime<T>>) -> Option<Timestamp> {
            result.earliest().map(|at| at.to_utc())
        }
        match self {
            Self::Local => first(Local.from_local_datetime(&local)),
            Self::Named(zone) => first(zone.from_local_datetime(&local)),
        }
    }

    /// Date and time to the second, in the zone: `2026-11-21 02:30:00`.
    pub fn full(self, at: Timestamp) -> String {
        self.local(at).format("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// With the offset, where one line stands alone: `2026-11-21 02:30:00 +01:00`.
    pub fn exact(self, at: Timestamp) -> String {
        self.local(at).format("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// As short as it can be told from others: `02:30` today, `Sun 02:30` within six days, `2026-12-01 02:30` else.
    pub fn short(self, at: Timestamp, now: Timestamp) -> String {
        self.in_words_of(["%H:%M", "%a %H:%M", "%Y-%m-%d %H:%M"], at, now)
    }

    /// [`Zone::short`], with seconds where there are some.
    pub fn short_with_seconds(self, at: Timestamp, now: Timestamp) -> String {
        match self.local(at).second() {
            0 => self.short(at, now),
            _ => self.in_words_of(["%H:%M:%S", "%a %H:%M:%S", "%Y-%m-%d %H:%M:%S"], at, now),
        }
    }

    fn in_words_of(self, [today, this_week, far]: [&str; 3], at: Timestamp, now: Timestamp) -> String {
        let (at, now) = (self.local(at), self.local(now));
        let format = match (at.date_naive() - now.date_naive()).num_days() {
            0 => today,
            -6..=6 => this_week,
            _ => far,
        };
        at.format(format).to_string()
    }
}

/// How far an instant is away: `in 5h 3m`, `2d 4h ago`, `now`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    match (at - now).to_std() {
        Ok(ahead) if ahead < Duration::from_secs(1) => "now".to_owned(),
        Ok(ahead) => format!("in {}", span(ahead)),
        Err(_) => match (now - at).to_std().unwrap_or_default() {
            behind if behind < Duration::from_secs(1) => "now".to_owned(),
            behind => format!("{} ago", span(behind)),
        },
    }
}

/// How far an instant is away, by the largest unit alone, for columns: `in 5h`, `2d ago`.
pub fn brief(at: Timestamp, now: Timestamp) -> String {
    let long = relative(at, now);
    let mut words: Vec<&str> = long.split(' ').collect();
    let numbers = words.iter().filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).count();
    if numbers == 2 {
        words.remove(if words[0] == "in" { 2 } else { 1 });
    }
    words.join(" ")
}

/// A length of time by its two largest units: `1d 4h`, `3m 20s`, `4.2s`, `250ms`.
pub fn span(length: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large}{large_unit}"),
        small => format!("{large}{large_unit} {small}{small_unit}"),
    };
    match length.as_secs() {
        0 => format!("{}ms", length.as_millis()),
        1..10 => format!("{:.1}s", length.as_secs_f64()),
        seconds @ 10..MINUTE => format!("{seconds}s"),
        seconds @ MINUTE..HOUR => two(seconds / MINUTE, "m", seconds % MINUTE, "s"),
        seconds @ HOUR..DAY => two(seconds / HOUR, "h", seconds % HOUR / MINUTE, "m"),
        seconds => two(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
    }
}

/// A number of seconds from the API as a length of time; what is no such number is none.
pub fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

/// Reads the end of a pause: a length of time from now (`2h`), a local time (`18:00`: the next one), a date, a date with
/// a time, or RFC 3339.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_until(text: &str, now: Timestamp, zone: Zone) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let in_gap = || format!("{text:?} does not exist in the local zone: the clocks skip it");
    if let Some(time) = parse_time(text) {
        return next_at(time, now, zone).ok_or_else(in_gap);
    }
    if let Some(local) = parse_local(text) {
        return zone.instant(local).ok_or_else(in_gap);
    }
    if let Ok(length) = units::parse_duration(text)
        && let Some(at) = chrono::Duration::from_std(length).ok().and_then(|length| now.checked_add_signed(length))
    {
        return Ok(at);
    }
    Err(format!(
        "{text:?} is no time; expected a duration as \"2h\", a time as \"18:00\", \
         a date as \"2026-12-24\" or \"2026-12-24 08:00\", or RFC 3339"
    ))
}

/// Reads a time in the past: a length of time before now (`2d`), a local time (`18:00`: the last one), a date, a date with
/// a time, or RFC 3339.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_past(text: &str, now: Timestamp, zone: Zone) -> Result<Timestamp, String> {
    if let Ok(length) = units::parse_duration(text.trim())
        && let Some(at) = chrono::Duration::from_std(length).ok().and_then(|length| now.checked_sub_signed(length))
    {
        return Ok(at);
    }
    let at = parse_until(text, now, zone)?;
    // Of a bare time the last one is meant, not the next.
    let bare = parse_time(text.trim()).is_some() && at > now;
    Ok(if bare { at - Days::new(1) } else { at })
}

fn parse_time(text: &str) -> Option<NaiveTime> {
    ["%H:%M", "%H:%M:%S"].iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok())
}

fn parse_local(text: &str) -> Option<NaiveDateTime> {
    const FORMATS: [&str; 4] = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];
    let date_and_time = FORMATS.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    date_and_time.or_else(|| Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN)))
}

/// Today's, or tomorrow's when today's has passed.
fn next_at(time: NaiveTime, now: Timestamp, zone: Zone) -> Option<Timestamp> {
    let today = zone.local(now).date_naive();
    let tomorrow = today.checked_add_days(Days::new(1))?;
    let candidates = [today, tomorrow].map(|day| zone.instant(day.and_time(time)));
    candidates.into_iter().flatten().find(|&at| at > now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::at;

    const BERLIN: Zone = Zone::Named(chrono_tz::Europe::Berlin);

    #[test]
    fn spans_show_two_units_at_most() {
        for (seconds, text) in [
            (0.0, "0ms"),
            (0.25, "250ms"),
            (4.25, "4.2s"),
            (59.9, "59s"),
            (60.0, "1m"),
            (200.0, "3m 20s"),
            (3600.0, "1h"),
            (18_180.0, "5h 3m"),
            (100_800.0, "1d 4h"),
            (8_640_000.0, "100d"),
        ] {
            assert_eq!(span(super::seconds(seconds)), text);
        }
    }

    #[test]
    fn instants_are_told_from_now() {
        let now = at("2026-11-21T12:00:00Z");
        for (instant, text) in [
            ("2026-11-21T12:00:00.9Z", "now"),
            ("2026-11-21T11:59:59.1Z", "now"),
            ("2026-11-21T17:03:00Z", "in 5h 3m"),
            ("2026-11-19T08:00:00Z", "2d 4h ago"),
        ] {
            assert_eq!(relative(at(instant), now), text);
        }
    }

    #[test]
    fn columns_have_room_for_one_unit() {
        let now = at("2026-11-21T12:00:00Z");
        for (instant, text) in [
            ("2026-11-21T12:00:00Z", "now"),
            ("2026-11-21T17:00:00Z", "in 5h"),
            ("2026-11-21T17:03:00Z", "in 5h"),
            ("2026-11-19T08:00:00Z", "2d ago"),
            ("2026-11-19T12:00:00Z", "2d ago"),
        ] {
            assert_eq!(brief(at(instant), now), text);
        }
    }

    #[test]
    fn short_times_name_the_day_when_it_is_another() {
        let now = at("2026-11-21T12:00:00Z");
        for (instant, text) in [
            ("2026-11-21T13:30:00Z", "14:30"),
            ("2026-11-21T23:30:00Z", "Sun 00:30"),
            ("2026-11-30T01:30:00Z", "2026-11-30 02:30"),
        ] {
            assert_eq!(BERLIN.short(at(instant), now), text);
            assert_eq!(BERLIN.short_with_seconds(at(instant), now), text);
            let later = at(instant) + chrono::TimeDelta::seconds(7);
            assert_eq!(BERLIN.short_with_seconds(later, now), format!("{text}:07"));
        }
    }

    #[test]
    fn ends_of_pauses_are_read_in_every_form() {
        let now = at("2026-11-21T12:00:00Z");
        for (text, instant) in [
            ("2h", "2026-11-21T14:00:00Z"),
            ("1d 30m", "2026-11-22T12:30:00Z"),
            ("18:00", "2026-11-21T17:00:00Z"),
            ("08:00", "2026-11-22T07:00:00Z"),
            ("2026-12-24", "2026-12-23T23:00:00Z"),
            ("2026-12-24 08:00", "2026-12-24T07:00:00Z"),
            ("2026-12-24T08:00:30", "2026-12-24T07:00:30Z"),
            ("2026-12-24T08:00:00Z", "2026-12-24T08:00:00Z"),
            // Twice in that night; the first.
            ("2026-10-25 02:30", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(parse_until(text, now, BERLIN), Ok(at(instant)), "{text}");
        }
    }

    #[test]
    fn past_times_count_back() {
        let now = at("2026-11-21T12:00:00Z");
        for (text, instant) in [
            ("2h", "2026-11-21T10:00:00Z"),
            ("18:00", "2026-11-20T17:00:00Z"),
            ("08:00", "2026-11-21T07:00:00Z"),
            ("2026-11-01", "2026-10-31T23:00:00Z"),
        ] {
            assert_eq!(parse_past(text, now, BERLIN), Ok(at(instant)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_with_examples() {
        let now = at("2026-11-21T12:00:00Z");
        assert!(parse_until("tomorrowish", now, BERLIN).unwrap_err().contains("\"18:00\""));
        assert!(parse_until("2027-03-28 02:30", now, BERLIN).unwrap_err().contains("does not exist"));
        assert!(parse_until("90000000000000d", now, BERLIN).is_err());
    }
}
