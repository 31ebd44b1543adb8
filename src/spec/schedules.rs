//! The `schedule` key in its three forms, and zones.

use std::ops::Range;
use std::time::Duration;

use toml::de::DeValue;

use super::conditions::{Conditions, business_day};
use super::file::inner;
use super::findings::{Findings, Problem, Said};
use super::tree::{Field, Table, plain_offset};
use super::values;
use crate::schedule::{Dst, ENTRIES_LIMIT, Entry, GapRule, Moment, OverlapRule, ParseError, Rule, Zone};

/// One schedule as the file says it; what it leaves out comes from the job.
#[derive(Clone, Debug)]
pub(super) struct ScheduleLine {
    pub rule: Rule,
    pub zone: Option<Zone>,
    pub jitter: Duration,
    pub dst: Dst,
    pub conditions: Conditions,
    pub span: Range<usize>,
}

impl ScheduleLine {
    /// A rule with nothing else said.
    fn of(rule: Rule, span: Range<usize>) -> Self {
        let (jitter, dst) = (Duration::ZERO, Dst::default());
        Self { rule, zone: None, jitter, dst, conditions: Conditions::default(), span }
    }

    /// The entry in a job's zone, without its conditions.
    pub fn entry(&self, zone: Zone) -> Entry {
        Entry { jitter: self.jitter, dst: self.dst, ..Entry::new(self.rule.clone(), self.zone.unwrap_or(zone)) }
    }
}

/// The file that schedules are read from.
pub(super) struct Text<'a> {
    pub source: &'a str,
    /// The job; some schedules choose their times by its name.
    pub job: &'a str,
}

const EXPECTED: &str =
    "expected a text as in \"30 2 * * *\", \"every 15m\" or \"@daily\", a list of these, or [[schedule]] tables";
const RULES: [&str; 6] = ["cron", "every", "at", "business_day", "boot", "after"];

/// Words of other programs and other tables, and ours.
const FOREIGN: &[(&str, &str)] = &[
    ("tz", "the key is called `timezone`"),
    ("gap", "write dst = { gap = \"skip\" }"),
    (
        "overlap",
        "for changes of the clock write dst = { overlap = \"first\" }; for runs it stands outside [[schedule]]",
    ),
    ("calendars", "the key is called `calendar`; it takes a list too"),
    ("holidays", "write calendar = \"NAME\" and skip_on = \"holidays\""),
];

/// A short form, a list of short forms, or tables.
pub(super) fn lines(field: &Field<'_, '_>, text: &Text<'_>, findings: &mut Findings) -> Option<Vec<ScheduleLine>> {
    let elements = match field.value {
        DeValue::Array(_) => field.elements()?,
        DeValue::String(_) | DeValue::Table(_) => vec![field.clone()],
        _ => {
            field.wrong_kind(findings, EXPECTED);
            return None;
        }
    };
    if elements.is_empty() {
        let problem = Problem::new("`schedule` is an empty list");
        findings.add(field.span.clone(), problem.hint("leave it out for a job that only runs by hand"));
    }
    if elements.len() > ENTRIES_LIMIT {
        findings.add(field.span.clone(), Problem::new(format!("`schedule` has more than {ENTRIES_LIMIT} entries")));
        return None;
    }
    Some(elements.iter().filter_map(|element| line(element, text, findings)).collect())
}

fn line(field: &Field<'_, '_>, text: &Text<'_>, findings: &mut Findings) -> Option<ScheduleLine> {
    match field.value {
        DeValue::Table(table) => long(field, Table::new(table, "schedule."), text, findings),
        _ => {
            let rule = parsed(field, text.source, findings, EXPECTED, |rule| Rule::parse_short(rule, text.job))?;
            Some(ScheduleLine::of(rule, field.span.clone()))
        }
    }
}

fn long(
    field: &Field<'_, '_>,
    mut table: Table<'_, '_>,
    text: &Text<'_>,
    findings: &mut Findings,
) -> Option<ScheduleLine> {
    let zone = table.read("timezone", findings, |field, f| self::zone(field, text.source, f));
    let jitter = table.read("jitter", findings, values::duration);
    let dst = table.field("dst").map(|field| dst(&field, findings)).unwrap_or_default();
    let from = table.read("from", findings, |field, f| moment(field, text.source, f));
    let conditions = Conditions::read(&mut table, text.source, findings);
    let time = table.field("time");
    let said = RULES.map(|key| (key, table.field(key)));
    table.finish(findings, FOREIGN);
    let (key, first) = only_rule(field, said, findings)?;
    let of_other = [("from", "every", from.as_ref().and_then(|said| said.span.clone()))];
    let of_other =
        of_other.into_iter().chain([("time", "business_day", time.as_ref().map(|field| field.span.clone()))]);
    for (word, owner, span) in of_other.filter(|(_, owner, _)| *owner != key) {
        if let Some(span) = span {
            findings.add(span, Problem::new(format!("`schedule.{word}` has no effect without `{owner}`")));
        }
    }
    let rule = match key {
        "business_day" => business_day(&first, time.as_ref(), text.source, findings)?,
        _ => long_rule(key, &first, value(from), text, findings)?,
    };
    let jitter = value(jitter).unwrap_or_default();
    Some(ScheduleLine { zone: value(zone), jitter, dst, conditions, ..ScheduleLine::of(rule, first.span) })
}

/// The one rule of a schedule.
fn only_rule<'t, 'i>(
    field: &Field<'_, '_>,
    said: [(&'static str, Option<Field<'t, 'i>>); 6],
    findings: &mut Findings,
) -> Option<(&'static str, Field<'t, 'i>)> {
    let mut said = said.into_iter().filter_map(|(key, field)| field.map(|field| (key, field)));
    let Some((key, first)) = said.next() else {
        let expected = format!("expected one of {}", RULES.join(", "));
        findings.add(field.span.clone(), Problem::new("a schedule has no rule").expected(expected));
        return None;
    };
    for (other, field) in said {
        let problem = Problem::new(format!("a schedule has one rule; this one has `{key}` and `{other}`"));
        findings.add(field.span, problem.hint("give each rule a [[schedule]] of its own"));
    }
    Some((key, first))
}

fn value<T>(said: Option<Said<T>>) -> Option<T> {
    said.map(|said| said.value)
}

fn long_rule(
    key: &str,
    field: &Field<'_, '_>,
    from: Option<Moment>,
    text: &Text<'_>,
    findings: &mut Findings,
) -> Option<Rule> {
    match key {
        "cron" => {
            let expected = "expected five fields in quotes, as in \"30 2 * * *\"";
            parsed(field, text.source, findings, expected, |rule| Rule::cron(rule, text.job))
        }
        "every" => {
            let period = values::duration(field, findings)?;
            let rule = Rule::every_from(period, from).map_err(|fault| Problem::new(fault.message));
            rule.map_err(|problem| findings.add(field.span.clone(), problem)).ok()
        }
        "at" => at(field, text.source, findings),
        "boot" => values::duration(field, findings).map(Rule::boot),
        _ => values::duration(field, findings).map(Rule::after),
    }
}

/// One moment or a list of them.
fn at(field: &Field<'_, '_>, source: &str, findings: &mut Findings) -> Option<Rule> {
    let elements = field.elements().unwrap_or_else(|| vec![field.clone()]);
    let moments = elements.iter().map(|element| moment(element, source, findings)).collect::<Vec<_>>();
    let moments = moments.into_iter().collect::<Option<Vec<_>>>()?;
    Rule::at(moments).map_err(|fault| findings.add(field.span.clone(), Problem::new(fault.message))).ok()
}

/// A text, or a date and time as TOML has them.
fn moment(field: &Field<'_, '_>, source: &str, findings: &mut Findings) -> Option<Moment> {
    const EXPECTED: &str = "expected a time, as in \"2026-12-24 18:00\"";
    if let DeValue::Datetime(time) = field.value {
        let moment = Moment::parse(&time.to_string());
        return moment
            .map_err(|fault| findings.add(field.span.clone(), Problem::new(fault.message).maybe_hint(fault.hint)))
            .ok();
    }
    parsed(field, source, findings, EXPECTED, Moment::parse)
}

/// `dst = { gap = "run", overlap = "first" }`.
fn dst(field: &Field<'_, '_>, findings: &mut Findings) -> Dst {
    let Some(mut table) = inner(field, "schedule.dst.", findings) else { return Dst::default() };
    let dst =
        Dst { gap: value(table.read("gap", findings, gap)), overlap: value(table.read("overlap", findings, overlap)) };
    table.finish(findings, &[]);
    dst
}

fn gap(field: &Field<'_, '_>, findings: &mut Findings) -> Option<GapRule> {
    values::choice(field, findings, &[("run", GapRule::Run), ("skip", GapRule::Skip)])
}

fn overlap(field: &Field<'_, '_>, findings: &mut Findings) -> Option<OverlapRule> {
    use OverlapRule::{Both, First, Second};
    values::choice(field, findings, &[("first", First), ("second", Second), ("both", Both)])
}

/// A time zone by its name.
pub(super) fn zone(field: &Field<'_, '_>, source: &str, findings: &mut Findings) -> Option<Zone> {
    parsed(field, source, findings, "expected a time zone in quotes, as in \"Europe/Berlin\" or \"UTC\"", Zone::parse)
}

/// A text that `schedule/` reads; the place that its error names becomes a place in the file.
pub(super) fn parsed<T>(
    field: &Field<'_, '_>,
    source: &str,
    findings: &mut Findings,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, ParseError>,
) -> Option<T> {
    field.parsed(findings, expected, |text| {
        parse(text).map_err(|fault| {
            let within = narrow(source, &field.span, text, &fault.span);
            Problem::new(fault.message).maybe_hint(fault.hint).within(within)
        })
    })
}

fn narrow(source: &str, value: &Range<usize>, text: &str, fault: &Range<usize>) -> Option<Range<usize>> {
    let offset = plain_offset(source, value, text)?;
    text.get(fault.clone()).map(|_| fault.start + offset..fault.end + offset)
}
