//! The keys of a schedule that say on which days and in which period it runs.

use std::ops::Range;
use std::sync::Arc;

use toml::de::DeValue;

use super::findings::{Findings, Problem};
use super::schedules::parsed;
use super::suggest::closest;
use super::tree::{Field, Table};
use super::values;
use crate::schedule::{
    Calendar, CalendarFault, Calendars, DAY_SET_NAMES, DaySet, Entry, Moment, ParseError, Rule, ShiftRule, Window,
};

/// Names of calendars or sets of days, and windows, in one key at most: each is asked for every day.
const NAMES_LIMIT: usize = 100;

/// A calendar or another set of days, by its name.
#[derive(Clone, Debug)]
pub(super) struct Named {
    name: String,
    /// Where it was said; nowhere in this file when it comes from `[defaults]`.
    span: Option<Range<usize>>,
}

/// What a schedule says beside its rule, zone and jitter; calendars are names still.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    calendars: Option<Vec<Named>>,
    only_on: Vec<Named>,
    skip_on: Vec<Named>,
    shift: Option<ShiftRule>,
    exclude: Vec<Window>,
    not_before: Option<Moment>,
    not_after: Option<Moment>,
}

impl Conditions {
    /// Reads the keys out of a `[[schedule]]`.
    pub fn read(table: &mut Table<'_, '_>, source: &str, findings: &mut Findings) -> Self {
        let mut names = |key, findings: &mut Findings| table.read(key, findings, names).map(|said| said.value);
        Self {
            calendars: names("calendar", findings),
            only_on: names("only_on", findings).unwrap_or_default(),
            skip_on: names("skip_on", findings).unwrap_or_default(),
            shift: table.read("shift", findings, shift).map(|said| said.value),
            exclude: table
                .read("exclude", findings, |field, f| windows(field, source, f))
                .map(|said| said.value)
                .unwrap_or_default(),
            not_before: period_end(table, "not_before", source, findings, Moment::parse_start),
            not_after: period_end(table, "not_after", source, findings, Moment::parse_end),
        }
    }

    /// Adds them to an entry; nothing comes back when a calendar cannot be used. The job's calendars count for a
    /// schedule that names none and cannot do without.
    pub fn onto(self, entry: Entry, of_job: &[Named], calendars: &Calendars, findings: &mut Findings) -> Option<Entry> {
        let Self { calendars: own, only_on, skip_on, shift, exclude, not_before, not_after } = self;
        let asked = |sets: &[Named]| sets.iter().any(|set| DAY_SET_NAMES.contains(&set.name.as_str()));
        let needed = shift.is_some() || asked(&only_on) || asked(&skip_on) || entry.rule.counts_business_days();
        let holidays = own.as_deref().unwrap_or(if needed { of_job } else { &[] });
        let holidays = all(holidays, |named| find(named, calendars, findings));
        let only_on = all(&only_on, |named| day_set(named, calendars, findings));
        let skip_on = all(&skip_on, |named| day_set(named, calendars, findings));
        Some(Entry {
            calendars: holidays?,
            only_on: only_on?,
            skip_on: skip_on?,
            shift,
            exclude,
            not_before,
            not_after,
            ..entry
        })
    }
}

/// Every one of them, so that every fault is told; nothing when one fails.
fn all<T>(named: &[Named], one: impl FnMut(&Named) -> Option<T>) -> Option<Vec<T>> {
    let found: Vec<Option<T>> = named.iter().map(one).collect();
    found.into_iter().collect()
}

fn day_set(named: &Named, calendars: &Calendars, findings: &mut Findings) -> Option<DaySet> {
    DaySet::by_name(&named.name, |_| find(named, calendars, findings))
}

fn find(named: &Named, calendars: &Calendars, findings: &mut Findings) -> Option<Arc<Calendar>> {
    let fault = match calendars.find(&named.name) {
        Ok(calendar) => return Some(calendar),
        Err(fault) => fault,
    };
    let problem = Problem::new(fault.to_string());
    let problem = match &fault {
        CalendarFault::Missing { name, known } => {
            let words = known.iter().map(String::as_str).chain(DAY_SET_NAMES);
            match closest(name, words) {
                Some(likely) => problem.meant(Some(likely)),
                None => problem.hint(format!("put {name}.toml or {name}.ics into the calendars directory")),
            }
        }
        CalendarFault::Faulty { .. } | CalendarFault::Unreadable { .. } => {
            problem.hint("mend the calendar; the job is then read again by itself")
        }
    };
    findings.add_at(named.span.clone(), problem);
    None
}

/// One name or a list of them.
pub(super) fn names(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Vec<Named>> {
    let elements = listed(field, findings)?;
    let one = |element: &Field<'_, '_>, findings: &mut Findings| {
        let name = element.text(findings, "expected a name in quotes, or a list of names")?;
        Some(Named { name: name.to_owned(), span: findings.span(element.span.clone()) })
    };
    let names: Vec<_> = elements.iter().map(|element| one(element, findings)).collect();
    names.into_iter().collect()
}

fn windows(field: &Field<'_, '_>, source: &str, findings: &mut Findings) -> Option<Vec<Window>> {
    const EXPECTED: &str = "expected a window as in \"22:00-06:00\" or \"2026-12-20..2027-01-02\", or a list of them";
    let elements = listed(field, findings)?;
    let windows: Vec<_> = elements
        .iter()
        .map(|element| match element.value {
            // A date of TOML's own is a whole day.
            DeValue::Datetime(date) if date.time.is_none() => Window::parse(&date.to_string()).ok(),
            _ => parsed(element, source, findings, EXPECTED, Window::parse),
        })
        .collect();
    windows.into_iter().collect()
}

/// A value alone, or the elements of a list that is neither empty nor too long.
fn listed<'t, 'i>(field: &Field<'t, 'i>, findings: &mut Findings) -> Option<Vec<Field<'t, 'i>>> {
    let Some(elements) = field.elements() else { return Some(vec![field.clone()]) };
    let problem = match elements.len() {
        0 => Problem::new(format!("`{}` is an empty list", field.path)).hint("leave it out"),
        1..=NAMES_LIMIT => return Some(elements),
        _ => Problem::new(format!("`{}` has more than {NAMES_LIMIT} entries", field.path)),
    };
    findings.add(field.span.clone(), problem);
    None
}

fn shift(field: &Field<'_, '_>, findings: &mut Findings) -> Option<ShiftRule> {
    values::choice(field, findings, &[ShiftRule::Next, ShiftRule::Previous].map(|rule| (rule.name(), rule)))
}

fn period_end(
    table: &mut Table<'_, '_>,
    key: &'static str,
    source: &str,
    findings: &mut Findings,
    parse: fn(&str) -> Result<Moment, ParseError>,
) -> Option<Moment> {
    const EXPECTED: &str = "expected a date or a time, as in \"2026-12-24\" or \"2026-12-24 18:00\"";
    let read = |field: &Field<'_, '_>, f: &mut Findings| match field.value {
        DeValue::Datetime(time) => parse(&time.to_string())
            .map_err(|fault| f.add(field.span.clone(), Problem::new(fault.message).maybe_hint(fault.hint)))
            .ok(),
        _ => parsed(field, source, f, EXPECTED, parse),
    };
    table.read(key, findings, read).map(|said| said.value)
}

/// `business_day` with its `time`.
pub(super) fn business_day(
    field: &Field<'_, '_>,
    time: Option<&Field<'_, '_>>,
    source: &str,
    findings: &mut Findings,
) -> Option<Rule> {
    const EXPECTED: &str = "expected 1 for a month's first business day, -1 for its last, or a list of such numbers";
    let elements = listed(field, findings)?;
    let number = |element: &Field<'_, '_>, findings: &mut Findings| {
        let integer = element.value.as_integer();
        let number = integer.and_then(|integer| i64::from_str_radix(integer.as_str(), integer.radix()).ok());
        if number.is_none() {
            element.wrong_kind(findings, EXPECTED);
        }
        number
    };
    let days: Vec<Option<i64>> = elements.iter().map(|element| number(element, findings)).collect();
    let Some(time) = time else {
        let problem = Problem::new("`business_day` does not say at what time").hint("add time = \"09:00\"");
        findings.add(field.span.clone(), problem);
        return None;
    };
    let time = match time.value {
        DeValue::Datetime(local) if local.date.is_none() => Rule::time_of_day(&local.to_string()).ok(),
        _ => parsed(time, source, findings, "expected a time of day, as in \"09:00\"", Rule::time_of_day),
    }?;
    let days: Vec<i64> = days.into_iter().collect::<Option<_>>()?;
    Rule::business_day(&days, time)
        .map_err(|fault| findings.add(field.span.clone(), Problem::new(fault.message).maybe_hint(fault.hint)))
        .ok()
}
