//! When an event happens: its times, its length, and its recurrences.

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use icalendar::parser::{Component, Property};

use super::LAST_DAY;
use crate::schedule::Zone;

/// Instances of one rule at most: a daily event until the end of 2099 has half as many.
const INSTANCES_LIMIT: u16 = u16::MAX;

/// A time as an event writes it.
pub(super) struct Time {
    /// By the event's own clock; midnight for a day.
    pub naive: NaiveDateTime,
    whole_day: bool,
    /// The clock, where the event names one that the zone data knows.
    zone: Option<Zone>,
}

impl Time {
    pub fn of(property: &Property<'_>) -> Result<Self, String> {
        let zone = parameter(property, "TZID").and_then(|name| Zone::parse(name).ok());
        let text = property.val.as_str().trim();
        Self::parse(text, zone).ok_or_else(|| format!("{}:{text} is no date or time", property.name.as_str()))
    }

    fn parse(text: &str, zone: Option<Zone>) -> Option<Self> {
        if let Some(date) = date(text) {
            return Some(Self { naive: date.and_time(NaiveTime::MIN), whole_day: true, zone });
        }
        let naive = NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y%m%dT%H%M%S").ok()?;
        let naive = naive.with_nanosecond(0)?;
        // A universal time beside local ones, as some programs write UNTIL and EXDATE.
        let naive = match zone.filter(|_| text.ends_with('Z')) {
            Some(zone) => zone.naive(naive.and_utc()),
            None => naive,
        };
        Some(Self { naive, whole_day: false, zone })
    }
}

fn date(text: &str) -> Option<NaiveDate> {
    (text.len() == 8).then(|| NaiveDate::parse_from_str(text, "%Y%m%d").ok()).flatten()
}

/// How long an event lasts: until DTEND, for DURATION, or a day or no time at all when it has neither (RFC 5545, 3.6.1).
pub(super) fn length(event: &Component<'_>, start: &Time) -> Result<TimeDelta, String> {
    let least = if start.whole_day { TimeDelta::days(1) } else { TimeDelta::zero() };
    let length = match (event.find_prop("DTEND"), value(event, "DURATION")) {
        (Some(end), _) => Time::of(end)?.naive - start.naive,
        (None, Some(text)) => duration(text).ok_or_else(|| format!("DURATION:{text} is no duration"))?,
        (None, None) => least,
    };
    if length < TimeDelta::zero() {
        return Err("it ends before it begins".to_owned());
    }
    if length > TimeDelta::days(10 * 366) {
        return Err("it is longer than ten years".to_owned());
    }
    Ok(length.max(least))
}

/// A duration as RFC 5545, section 3.3.6 has it: `P1W`, `P2D`, `PT1H30M`.
fn duration(text: &str) -> Option<TimeDelta> {
    let (days, times) = text
        .strip_prefix('+')
        .unwrap_or(text)
        .strip_prefix('P')
        .map(|rest| rest.split_once('T').unwrap_or((rest, "")))?;
    let mut seconds = 0i64;
    for (part, units) in
        [(days, [('W', 604_800), ('D', 86_400), ('D', 86_400)]), (times, [('H', 3600), ('M', 60), ('S', 1)])]
    {
        let mut number = 0i64;
        for c in part.chars() {
            if let Some(digit) = c.to_digit(10) {
                number = number.checked_mul(10)?.checked_add(digit.into())?;
            } else {
                let (_, unit) = units.iter().find(|(letter, _)| *letter == c)?;
                seconds = seconds.checked_add(number.checked_mul(*unit)?)?;
                number = 0;
            }
        }
    }
    TimeDelta::try_seconds(seconds)
}

/// When an event begins, each time.
pub(super) fn instances(event: &Component<'_>, start: &Time) -> Result<BTreeSet<NaiveDateTime>, String> {
    let mut all = BTreeSet::from([start.naive]);
    for property in properties(event, "RDATE") {
        all.extend(times(property, start)?);
    }
    for rule in properties(event, "RRULE") {
        all.extend(recurrences(rule.val.as_str(), start)?);
    }
    for property in properties(event, "EXDATE") {
        let times = times(property, start)?;
        // A day leaves out every instance of that day.
        let days: BTreeSet<NaiveDate> = property.val.as_str().split(',').filter_map(|text| date(text.trim())).collect();
        all.retain(|instance| !times.contains(instance) && !days.contains(&instance.date()));
    }
    Ok(all)
}

/// The times of RDATE and EXDATE: a list, by the event's clock, of times, days or periods.
fn times(property: &Property<'_>, start: &Time) -> Result<Vec<NaiveDateTime>, String> {
    let zone = parameter(property, "TZID").and_then(|name| Zone::parse(name).ok()).or(start.zone);
    let name = property.name.as_str();
    let read = |text: &str| {
        let time = text.split('/').next().unwrap_or(text).trim();
        Time::parse(time, zone).map(|time| time.naive).ok_or_else(|| format!("{name}:{text} is no date or time"))
    };
    property.val.as_str().split(',').map(read).collect()
}

/// The instances of a recurrence rule until the end of 2099. The rule is asked about the event's wall clock disguised as
/// UTC, so that no change of any clock comes into it.
fn recurrences(rule: &str, start: &Time) -> Result<Vec<NaiveDateTime>, String> {
    let disguised = rule.split(';').map(|part| disguise_until(part, start)).collect::<Result<Vec<_>, _>>()?.join(";");
    let text = format!("DTSTART:{}Z\nRRULE:{disguised}", start.naive.format("%Y%m%dT%H%M%S"));
    let set: rrule::RRuleSet = text.parse().map_err(|fault| format!("RRULE:{rule} is not understood ({fault})"))?;
    let end = LAST_DAY.and_time(NaiveTime::MIN) + TimeDelta::days(1);
    let limit = |naive: NaiveDateTime| naive.and_utc().with_timezone(&rrule::Tz::UTC);
    let found = set.before(limit(end)).all(INSTANCES_LIMIT);
    if found.limited {
        return Err(format!("RRULE:{rule} has too many instances"));
    }
    Ok(found.dates.into_iter().map(|instance| instance.naive_utc()).collect())
}

/// UNTIL as the disguise needs it; other parts of a rule as they are.
fn disguise_until(part: &str, start: &Time) -> Result<String, String> {
    let Some((key, text)) = part.split_once('=').filter(|(key, _)| key.eq_ignore_ascii_case("UNTIL")) else {
        return Ok(part.to_owned());
    };
    let until = Time::parse(text, start.zone).ok_or_else(|| format!("UNTIL={text} is no date or time"))?;
    // A day is meant to its end.
    let end = if until.whole_day { until.naive + TimeDelta::days(1) - TimeDelta::seconds(1) } else { until.naive };
    Ok(format!("{key}={}Z", end.format("%Y%m%dT%H%M%S")))
}

fn properties<'a>(event: &'a Component<'_>, name: &'static str) -> impl Iterator<Item = &'a Property<'a>> {
    event.properties.iter().filter(move |property| property.name == name)
}

pub(super) fn value<'a>(event: &'a Component<'_>, name: &str) -> Option<&'a str> {
    event.find_prop(name).map(|property| property.val.as_str().trim()).filter(|text| !text.is_empty())
}

fn parameter<'a>(property: &'a Property<'_>, key: &str) -> Option<&'a str> {
    let parameter = property.params.iter().find(|parameter| parameter.key == key)?;
    parameter.val.as_ref().map(|text| text.as_str().trim_matches('"'))
}
