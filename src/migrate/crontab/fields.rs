//! [`Fields`]: the five time fields of a crontab line, read a second time.
//!
//! This is the other opinion by which an import is checked. It shares no code with `schedule/`: it reads the fields
//! by [crontab(5)] alone, walks over days and minutes, and asks the zone database itself.
//!
//! [crontab(5)]: https://man7.org/linux/man-pages/man5/crontab.5.html

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, MappedLocalTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// Why five fields mean nothing to cron.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cron does not understand {item:?} in the {field} field")]
pub struct FieldError {
    /// The name of the field.
    pub field: &'static str,
    /// The part of it that is wrong.
    pub item: String,
}

/// When a line runs, as cron reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// One field: the values that it names, and the ranges of which cron picks one value (`low~high`).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    values: u64,
    picks: Vec<(u32, u32)>,
    star: bool,
}

/// What one field may say.
struct Kind {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const MINUTE: Kind = Kind { name: "minute", low: 0, high: 59, names: &[] };
const HOUR: Kind = Kind { name: "hour", low: 0, high: 23, names: &[] };
const DAY: Kind = Kind { name: "day of month", low: 1, high: 31, names: &[] };
const MONTH: Kind = Kind {
    name: "month",
    low: 1,
    high: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Kind =
    Kind { name: "day of week", low: 0, high: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The zone data ends with 2099: no fire is looked for from here on.
const LAST_YEAR: i32 = 2099;

/// The longest gap of a clock is a day (Samoa, 2011): so long a walk for the end of one ends.
const LONGEST_GAP_MINUTES: i64 = 25 * 60;

impl Fields {
    /// Reads minute, hour, day of month, month and day of week.
    ///
    /// # Errors
    /// When cron would refuse the line.
    pub fn parse(texts: [&str; 5]) -> Result<Self, FieldError> {
        let [minutes, hours, days, months, weekdays] = texts;
        let mut fields = Self {
            minutes: field(&MINUTE, minutes)?,
            hours: field(&HOUR, hours)?,
            days: field(&DAY, days)?,
            months: field(&MONTH, months)?,
            weekdays: field(&WEEKDAY, weekdays)?,
        };
        // 0 and 7 are both Sunday.
        if fields.weekdays.values & (1 | 1 << 7) != 0 {
            fields.weekdays.values |= 1 | 1 << 7;
        }
        Ok(fields)
    }

    /// Whether cron picks a value at random.
    pub fn has_picks(&self) -> bool {
        self.all().iter().any(|field| !field.picks.is_empty())
    }

    /// These fields with every random value replaced by the one that `seen` (local times of another reading's fires)
    /// shows; `None` when what was seen is none of the values that cron could pick.
    pub fn settled(mut self, seen: &[NaiveDateTime]) -> Option<Self> {
        let shown: [fn(&NaiveDateTime) -> u32; 5] =
            [|t| t.minute(), |t| t.hour(), |t| t.day(), |t| t.month(), |t| t.weekday().num_days_from_sunday()];
        let fields = [&mut self.minutes, &mut self.hours, &mut self.days, &mut self.months, &mut self.weekdays];
        for (field, shown) in fields.into_iter().zip(shown) {
            for (low, high) in std::mem::take(&mut field.picks) {
                let mut values = seen.iter().map(shown).filter(|value| (low..=high).contains(value));
                // A value that nothing else in the field explains, if there is one.
                let first = values.clone().next();
                let picked = values.find(|&value| field.values >> value & 1 == 0).or(first)?;
                field.values |= 1 << picked;
            }
        }
        Some(self)
    }

    /// The first `limit` instants after `after` at which cron starts the line in `zone`; fewer when 2099 ends first.
    ///
    /// A line with `*` in front of minute or hour follows the clock as it is shown; any other runs once for a time that
    /// the clock jumps over, right after the jump, and once for a time that it shows twice ([cron(8)], DAYLIGHT SAVING
    /// TIME).
    ///
    /// [cron(8)]: https://man7.org/linux/man-pages/man8/cron.8.html
    pub fn fires(&self, zone: Tz, after: DateTime<Utc>, limit: usize) -> Vec<DateTime<Utc>> {
        let follows_the_clock = self.minutes.star || self.hours.star;
        let mut found = BTreeSet::new();
        // A day earlier: what a gap swallowed then may run only now.
        let mut date = after.with_timezone(&zone).date_naive() - Days::new(2);
        let mut enough_since = 0;
        // A gap delays by a day at most, so that nothing can come in between after two more days.
        while date.year() <= LAST_YEAR && enough_since < 3 {
            if self.matches_date(date) {
                for local in self.times(date) {
                    found.extend(instants(zone, local, follows_the_clock).filter(|&instant| instant > after));
                }
            }
            enough_since += usize::from(found.len() >= limit);
            date = date + Days::new(1);
        }
        let in_data = |instant: &DateTime<Utc>| instant.year() <= LAST_YEAR;
        found.into_iter().filter(in_data).take(limit).collect()
    }

    fn all(&self) -> [&Field; 5] {
        [&self.minutes, &self.hours, &self.days, &self.months, &self.weekdays]
    }

    /// A day matches by both day fields when one of them begins with `*`, else by either.
    fn matches_date(&self, date: NaiveDate) -> bool {
        let day = self.days.has(date.day());
        let weekday = self.weekdays.has(date.weekday().num_days_from_sunday());
        let both = self.days.star || self.weekdays.star;
        self.months.has(date.month()) && if both { day && weekday } else { day || weekday }
    }

    fn times(&self, date: NaiveDate) -> impl Iterator<Item = NaiveDateTime> + '_ {
        let hours = (0..24).filter(|&hour| self.hours.has(hour));
        hours.flat_map(move |hour| {
            let minutes = (0..60).filter(|&minute| self.minutes.has(minute));
            minutes.filter_map(move |minute| date.and_hms_opt(hour, minute, 0))
        })
    }
}

impl Field {
    fn has(&self, value: u32) -> bool {
        self.values >> value & 1 == 1
    }
}

/// The instants at which a local time runs.
fn instants(zone: Tz, local: NaiveDateTime, follows_the_clock: bool) -> impl Iterator<Item = DateTime<Utc>> {
    let (first, second) = match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(instant) => (Some(instant), None),
        MappedLocalTime::Ambiguous(first, second) => (Some(first), follows_the_clock.then_some(second)),
        MappedLocalTime::None if follows_the_clock => (None, None),
        MappedLocalTime::None => (end_of_gap(zone, local), None),
    };
    first.into_iter().chain(second).map(|instant| instant.with_timezone(&Utc))
}

fn end_of_gap(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Tz>> {
    let later = (1..=LONGEST_GAP_MINUTES).map(|minutes| local + TimeDelta::minutes(minutes));
    later.filter_map(|local| zone.from_local_datetime(&local).earliest()).next()
}

fn field(kind: &Kind, text: &str) -> Result<Field, FieldError> {
    let mut field = Field { values: 0, picks: Vec::new(), star: text.starts_with('*') };
    for item in text.split(',') {
        let understood = item_values(kind, item);
        match understood.ok_or_else(|| FieldError { field: kind.name, item: item.to_owned() })? {
            Item::Values(values) => values.into_iter().for_each(|value| field.values |= 1 << value),
            Item::Pick(low, high) => field.picks.push((low, high)),
        }
    }
    Ok(field)
}

enum Item {
    Values(Vec<u32>),
    Pick(u32, u32),
}

/// `*`, `n`, `a-b`, `~` with or without bounds; a step after all but a single number and `~`.
fn item_values(kind: &Kind, item: &str) -> Option<Item> {
    if let Some((low, high)) = item.split_once('~') {
        let low = if low.is_empty() { kind.low } else { value(kind, low)? };
        let last = if kind.high == 7 { 6 } else { kind.high };
        let high = if high.is_empty() { last } else { value(kind, high)? };
        return (low <= high).then_some(Item::Pick(low, high));
    }
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(number(step).filter(|&step| step > 0)?)),
        None => (item, None),
    };
    let (low, high) = if range == "*" {
        (kind.low, kind.high)
    } else if let Some((low, high)) = range.split_once('-') {
        let (low, high) = (value(kind, low)?, value(kind, high)?);
        // Sunday as the end of a range of week days.
        (low, if kind.high == 7 && high == 0 && low > 0 { 7 } else { high })
    } else {
        let single = value(kind, range)?;
        return step.is_none().then(|| Item::Values(vec![single]));
    };
    (low <= high).then(|| Item::Values((low..=high).step_by(step.unwrap_or(1) as usize).collect()))
}

fn value(kind: &Kind, text: &str) -> Option<u32> {
    let named = kind.names.iter().position(|name| name.eq_ignore_ascii_case(text));
    let named = named.and_then(|index| u32::try_from(index).ok()).map(|index| index + u32::from(kind.high == 12));
    named.or_else(|| number(text)).filter(|value| (kind.low..=kind.high).contains(value))
}

fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Result<Fields, FieldError> {
        let parts: Vec<&str> = text.split(' ').collect();
        Fields::parse(parts.try_into().expect("five fields"))
    }

    fn fires(text: &str, zone: Tz, after: &str, limit: usize) -> Vec<String> {
        let after = after.parse().expect("an instant");
        let fires = fields(text).expect("fields").fires(zone, after, limit);
        fires.iter().map(|fire| fire.format("%m-%d %H:%M").to_string()).collect()
    }

    #[test]
    fn reads_what_crontab_5_allows() {
        for text in ["* * * * *", "*/15 0-6/2 1,15 jan-MAR Mon-fri", "0 0 * * 7", "0 0 * * 5-7", "0~30 ~ * * *"] {
            assert!(fields(text).is_ok(), "{text}");
        }
        for (text, item) in [
            ("60 * * * *", "60"),
            ("5/10 * * * *", "5/10"),
            ("* 22-2 * * *", "22-2"),
            ("* * L * *", "L"),
            ("* * 0 * *", "0"),
            ("* * * * monday", "monday"),
            ("*/0 * * * *", "*/0"),
            ("1,,2 * * * *", ""),
            ("+5 * * * *", "+5"),
        ] {
            assert_eq!(fields(text).expect_err(text).item, item, "{text}");
        }
    }

    #[test]
    fn either_day_field_is_enough_unless_one_begins_with_a_star() {
        let utc = Tz::UTC;
        // 2026-11-01 is a Sunday.
        assert_eq!(fires("0 0 13 * 5", utc, "2026-11-01T00:00:00Z", 3), ["11-06 00:00", "11-13 00:00", "11-20 00:00"]);
        assert_eq!(fires("0 0 */13 * 5", utc, "2026-11-01T00:00:00Z", 1), ["11-27 00:00"]);
    }

    #[test]
    fn changes_of_the_clock() {
        let berlin = Tz::Europe__Berlin;
        // A fixed time in the gap runs right after it, one in the repeated hour once.
        assert_eq!(fires("30 2 * * *", berlin, "2026-03-28T12:00:00Z", 2), ["03-29 01:00", "03-30 00:30"]);
        assert_eq!(fires("30 2 * * *", berlin, "2026-10-24T12:00:00Z", 2), ["10-25 00:30", "10-26 01:30"]);
        // An interval follows the clock.
        assert_eq!(
            fires("30 * * * *", berlin, "2026-10-25T00:00:00Z", 3),
            ["10-25 00:30", "10-25 01:30", "10-25 02:30"]
        );
        assert_eq!(fires("*/30 2 * * *", berlin, "2026-03-28T12:00:00Z", 1), ["03-30 00:00"]);
    }

    #[test]
    fn what_was_picked_must_be_in_the_range() {
        let seen = |text: &str| vec![text.parse::<NaiveDateTime>().expect("a local time")];
        let picked = fields("10~20 3 * * *").expect("fields");
        assert!(picked.has_picks());
        assert_eq!(picked.clone().settled(&seen("2026-11-01T03:17:00")), fields("17 3 * * *").ok());
        assert_eq!(picked.settled(&seen("2026-11-01T03:21:00")), None);
    }
}
