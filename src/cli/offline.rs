//! [`Offline`]: a schedule from the command line, asked without a daemon.

use super::moment::{self, parse_until};
use super::{Exit, Failure};
use crate::api::convert;
use crate::api::types::ScheduleExplanation;
use crate::clock::{BootId, Timestamp};
use crate::schedule::{self, Boot, Context, Entry, Examination, ParseError, Rule, ScheduleSet, Zone};
use crate::surroundings;

/// An expression in a zone.
pub struct Offline {
    /// What it says.
    pub rule: Rule,
    /// By which clock.
    pub zone: Zone,
    set: ScheduleSet,
}

impl Offline {
    /// Reads the short form of a schedule; the zone is the machine's unless named.
    ///
    /// # Errors
    /// When the expression or the zone is not understood, or the schedule can never fire.
    pub fn read(expression: &str, job_name: &str, zone: Option<&str>) -> Result<Self, Failure> {
        let zone = named_zone(zone)?.unwrap_or_else(machine_zone);
        let rule = Rule::parse_short(expression, job_name)
            .map_err(|fault| pointed("the schedule is not understood", expression, &fault))?;
        let set = ScheduleSet::new(vec![Entry::new(rule.clone(), zone)], job_name)
            .map_err(|fault| Failure::usage(fault.to_string()))?;
        Ok(Self { rule, zone, set })
    }

    /// All that can be told of it.
    ///
    /// # Errors
    /// When it can never fire.
    pub fn explain(&self, text: &str, job_name: &str, from: Timestamp) -> Result<ScheduleExplanation, Failure> {
        explain(&Entry::new(self.rule.clone(), self.zone), Some(text), job_name, from)
    }

    /// The occurrences after `from`. What counts from a boot or from when a job was first seen counts from `from`.
    pub fn after(&self, from: Timestamp) -> impl Iterator<Item = schedule::Occurrence> + '_ {
        let context = as_of(from);
        let mut after = from;
        std::iter::from_fn(move || {
            let occurrence = self.set.next(after, &context)?;
            after = occurrence.at;
            Some(occurrence)
        })
    }
}

/// What counts from a boot or from when a job was first seen counts from `from`.
fn as_of(from: Timestamp) -> Context {
    Context { first_seen: from, boot: Boot { id: BootId::new("now"), at: from, seen_at: from } }
}

/// Explains one schedule without a daemon.
///
/// # Errors
/// When it can never fire.
pub fn explain(
    entry: &Entry,
    expression: Option<&str>,
    job_name: &str,
    from: Timestamp,
) -> Result<ScheduleExplanation, Failure> {
    let examination = Examination::of(entry, job_name, &as_of(from), from);
    let examination = examination.map_err(|fault| Failure::usage(fault.to_string()))?;
    Ok(convert::explanation(&examination, expression))
}

/// A zone by its name, when one is given.
///
/// # Errors
/// When there is no such zone.
pub fn named_zone(name: Option<&str>) -> Result<Option<Zone>, Failure> {
    let read = |name| {
        Zone::parse(name).map_err(|fault| {
            let failure = Failure::usage(fault.message);
            fault.hint.into_iter().fold(failure, Failure::hint)
        })
    };
    name.map(read).transpose()
}

/// The machine's zone, or UTC where that cannot be told.
pub fn machine_zone() -> Zone {
    surroundings::machine_zone().unwrap_or_default()
}

/// A zone as the terminal has them.
pub fn shown(zone: Zone) -> moment::Zone {
    zone.name().parse().map_or(moment::Zone::Local, moment::Zone::Named)
}

/// Reads `--from` or `--to` by the clock of a zone.
///
/// # Errors
/// When the text is no time.
pub fn instant(text: Option<&str>, now: Timestamp, zone: moment::Zone) -> Result<Timestamp, Failure> {
    text.map_or(Ok(now), |text| parse_until(text, now, zone).map_err(Failure::usage))
}

/// The local time of an instant with its offset.
pub fn local(zone: Zone, at: Timestamp) -> String {
    zone.local(at).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false)
}

/// A fault with the text and a caret under its place.
fn pointed(message: &str, text: &str, fault: &ParseError) -> Failure {
    let before = text.get(..fault.span.start).unwrap_or("").chars().count();
    let marked = text.get(fault.span.clone()).map_or(1, |part| part.chars().count().max(1));
    let caret = format!("{}{}", " ".repeat(before), "^".repeat(marked));
    let failure = Failure::new(Exit::Usage, message).causes([format!("{text}\n{caret} {}", fault.message)]);
    fault.hint.clone().into_iter().fold(failure, Failure::hint)
}
