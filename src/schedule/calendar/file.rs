//! Calendars written as TOML.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use chrono::{Datelike, NaiveDate, TimeDelta};
use serde::Deserialize;
use toml::{Spanned, Value};

use super::day_rule::DayRule;
use super::{CALENDAR_LIMIT_BYTES, Calendar, FIRST_DAY, LAST_DAY, WeekdayMask, weekday};
use crate::schedule::ParseError;

/// The file's shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarFile {
    /// For people; checked to be text, and not used.
    #[serde(rename = "description")]
    _description: Option<String>,
    weekend: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    observed: Observed,
    #[serde(default)]
    days: Vec<Spanned<Value>>,
    #[serde(default)]
    day: Vec<DayTable>,
}

/// `[[day]]`: a day with more to say about it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DayTable {
    on: Spanned<Value>,
    name: Option<String>,
    observed: Option<Observed>,
    from: Option<i32>,
    until: Option<i32>,
}

/// Which other day is free as well when a day falls on the weekend.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Observed {
    /// None.
    #[default]
    None,
    /// The nearest day outside the weekend: Friday for Saturday, Monday for Sunday, as in the United States.
    NearestWeekday,
    /// The next day outside the weekend that the calendar does not hold yet, as in Britain.
    NextWeekday,
}

/// A line of the calendar with its conditions.
struct Line {
    rule: DayRule,
    name: Option<Arc<str>>,
    observed: Observed,
    years: std::ops::RangeInclusive<i32>,
}

impl Calendar {
    /// Reads a calendar file:
    ///
    /// ```toml
    /// description = "Public holidays"
    /// weekend = ["sat", "sun"]               # for business days; these two unless said
    /// observed = "none"                      # or nearest-weekday, next-weekday: a free day for one on the weekend
    /// days = ["2026-10-31", "12-24..12-26", "last monday of may", "easter+39"]
    /// [[day]]
    /// on = "07-04"
    /// name = "Independence Day"
    /// observed = "nearest-weekday"
    /// from = 1970                            # first and last year, both optional
    /// until = 2099
    /// ```
    ///
    /// # Errors
    /// When the file is longer than [`CALENDAR_LIMIT_BYTES`], is no TOML, has an unknown key, or a line names no day.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, ParseError> {
        if text.len() > CALENDAR_LIMIT_BYTES {
            return Err(ParseError::new(0..0, format!("a calendar has at most {CALENDAR_LIMIT_BYTES} bytes")));
        }
        let file: CalendarFile =
            toml::from_str(text).map_err(|fault| ParseError::new(fault.span().unwrap_or(0..0), fault.message()))?;
        let weekend = file.weekend.as_deref().map(read_weekend).transpose()?;
        let lines = read_lines(&file)?;
        let mut calendar = Self::empty(name, weekend);
        let weekend = weekend.unwrap_or(WeekdayMask::SATURDAY_SUNDAY);
        for observed in calendar.insert_lines(&lines, weekend) {
            calendar.insert_observed(observed, weekend);
        }
        Ok(calendar)
    }

    /// Adds the days of all lines, and returns those that fall on the weekend and are observed on another day. They come
    /// second, since `next-weekday` avoids the calendar's other days.
    fn insert_lines<'a>(
        &mut self,
        lines: &'a [Line],
        weekend: WeekdayMask,
    ) -> BTreeSet<(NaiveDate, &'a str, ObservedOn)> {
        let mut observed = BTreeSet::new();
        for line in lines {
            // A range belongs to the year in which it begins, which may be the one before the first.
            for year in (FIRST_DAY.year() - 10..=LAST_DAY.year()).filter(|year| line.years.contains(year)) {
                for date in line.rule.in_year(year) {
                    self.insert(date, line.name.as_ref());
                    if let Some(on) = ObservedOn::of(line.observed).filter(|_| weekend.matches(date)) {
                        observed.insert((date, line.name.as_deref().unwrap_or_default(), on));
                    }
                }
            }
        }
        observed
    }

    fn insert_observed(&mut self, (date, name, on): (NaiveDate, &str, ObservedOn), weekend: WeekdayMask) {
        let at = |days: i64| date + TimeDelta::days(days);
        let free = match on {
            ObservedOn::Nearest => (1..7).flat_map(|days| [at(-days), at(days)]).find(|&day| !weekend.matches(day)),
            ObservedOn::Next => (1..31).map(at).find(|&day| !weekend.matches(day) && !self.contains(day)),
        };
        let name = (!name.is_empty()).then(|| Arc::from(format!("{name} (observed)")));
        if let Some(free) = free {
            self.insert(free, name.as_ref());
        }
    }
}

/// [`Observed`], where there is another day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ObservedOn {
    Nearest,
    Next,
}

impl ObservedOn {
    fn of(observed: Observed) -> Option<Self> {
        match observed {
            Observed::None => None,
            Observed::NearestWeekday => Some(Self::Nearest),
            Observed::NextWeekday => Some(Self::Next),
        }
    }
}

fn read_weekend(days: &[Spanned<String>]) -> Result<WeekdayMask, ParseError> {
    let mut weekend = WeekdayMask::NONE;
    for day in days {
        let fault =
            || ParseError::new(day.span(), format!("{:?} is no day of the week", day.get_ref())).hint("write \"sat\"");
        weekend = weekend.with(weekday(day.get_ref()).ok_or_else(fault)?);
    }
    if weekend.is_week() {
        let span = days.first().map_or(0..0, Spanned::span);
        return Err(ParseError::new(span, "a weekend of seven days leaves no business day"));
    }
    Ok(weekend)
}

fn read_lines(file: &CalendarFile) -> Result<Vec<Line>, ParseError> {
    let years = FIRST_DAY.year() - 10..=LAST_DAY.year();
    let short = file
        .days
        .iter()
        .map(|day| Ok(Line { rule: read_day(day)?, name: None, observed: file.observed, years: years.clone() }));
    let long = file.day.iter().map(|day| {
        Ok(Line {
            rule: read_day(&day.on)?,
            name: day.name.as_deref().map(Arc::from),
            observed: day.observed.unwrap_or(file.observed),
            years: day.from.unwrap_or(*years.start())..=day.until.unwrap_or(*years.end()),
        })
    });
    short.chain(long).collect()
}

/// A day: text, or a date as TOML writes it, without quotes.
fn read_day(value: &Spanned<Value>) -> Result<DayRule, ParseError> {
    let span: Range<usize> = value.span();
    let text = match value.get_ref() {
        Value::String(text) => text.clone(),
        Value::Datetime(date) if date.time.is_none() => date.to_string(),
        Value::Datetime(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Array(_)
        | Value::Table(_) => {
            return Err(ParseError::new(span, "a day is written as text or as a date without time"));
        }
    };
    DayRule::parse(&text).map_err(|fault| ParseError { span, ..fault })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(text: &str) -> Calendar {
        Calendar::from_toml("test", text).unwrap_or_else(|fault| panic!("{fault} at {:?}", fault.span))
    }

    fn days_of(calendar: &Calendar, year: i32) -> Vec<String> {
        calendar.days().filter(|day| day.year() == year).map(|day| day.format("%m-%d").to_string()).collect()
    }

    #[test]
    fn observed_days_as_in_the_united_states_and_in_britain() {
        // https://www.opm.gov/policy-data-oversight/pay-leave/federal-holidays/ : 2026-07-04 is a Saturday.
        let american = calendar("[[day]]\non = \"07-04\"\nname = \"Independence Day\"\nobserved = \"nearest-weekday\"");
        assert_eq!(days_of(&american, 2026), ["07-03", "07-04"]);
        assert_eq!(american.name_of("2026-07-03".parse().unwrap()), Some("Independence Day (observed)"));
        assert_eq!(days_of(&american, 2027), ["07-04", "07-05"]);
        assert_eq!(days_of(&american, 2025), ["07-04"]);
        // https://www.gov.uk/bank-holidays : in 2027 the 25th is a Saturday.
        let british = calendar("observed = \"next-weekday\"\ndays = [\"12-25\", \"12-26\"]");
        assert_eq!(days_of(&british, 2027), ["12-25", "12-26", "12-27", "12-28"]);
        assert_eq!(days_of(&british, 2026), ["12-25", "12-26", "12-28"]);
    }

    #[test]
    fn first_and_last_year_and_plain_dates() {
        let calendar = calendar("days = [2026-10-31]\n[[day]]\non = \"06-19\"\nfrom = 2021\nuntil = 2030");
        assert_eq!(days_of(&calendar, 2026), ["06-19", "10-31"]);
        assert_eq!(days_of(&calendar, 2020), Vec::<String>::new());
        assert_eq!(days_of(&calendar, 2031), Vec::<String>::new());
    }

    #[test]
    fn faults_point_at_their_place() {
        for (text, part) in [
            ("days = [\"12-25\", \"12-32\"]", "\"12-32\""),
            ("weekend = [\"sat\", \"sonday\"]", "\"sonday\""),
            ("dais = []", "dais"),
            ("days = [12]", "12"),
            ("observed = \"sometimes\"", "\"sometimes\""),
            ("[[day]]\nname = \"x\"", "[[day]]"),
            ("weekend = [\"mon\",\"tue\",\"wed\",\"thu\",\"fri\",\"sat\",\"sun\"]", "\"mon\""),
        ] {
            let fault = Calendar::from_toml("test", text).unwrap_err();
            assert!(text[fault.span.clone()].starts_with(part), "{text}: {fault} {:?}", &text[fault.span.clone()]);
        }
    }
}
