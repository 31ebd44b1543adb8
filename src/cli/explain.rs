//! `jobctl explain`

use chrono::TimeDelta;
use serde::Serialize;

use super::moment::span;
use super::offline::{self, Offline};
use super::session::{Format, Session};
use super::{Exit, Failure};
use crate::api::types::{Occurrence, Time};
use crate::clock::Timestamp;
use crate::schedule::{Class, ZoneChange};

#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// A schedule in its short form: "30 2 * * *", "@daily", "every 15m", "at 2026-12-24 18:00"
    #[arg(value_name = "EXPR")]
    expression: String,
    /// The zone by whose clock it runs [default: the machine's]
    #[arg(long, visible_alias = "tz", value_name = "ZONE")]
    timezone: Option<String>,
    /// As of this time [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// The name by which H and ~ choose their times
    #[arg(long, value_name = "NAME", default_value = "job")]
    job_name: String,
}

/// Occurrences that are looked at to tell how often a schedule runs. More than in a year of every five minutes; what
/// runs more often is extrapolated.
const COUNTED: usize = 110_000;

/// Changes of the clock that are told: the next two, since one of them is a gap and one an overlap where there are any.
const CHANGES: usize = 2;

/// Changes farther ahead than this concern nobody yet.
const CHANGES_WITHIN: TimeDelta = TimeDelta::days(3 * 366);

/// Occurrences shown.
const SHOWN: usize = 3;

/// All that is told of a schedule.
#[derive(Debug, Serialize)]
struct Explanation {
    expression: String,
    timezone: &'static str,
    description: String,
    class: &'static str,
    per_year: u64,
    shortest_gap_seconds: Option<i64>,
    longest_gap_seconds: Option<i64>,
    clock_changes: Vec<ClockChange>,
    warnings: Vec<String>,
    next: Vec<Occurrence>,
}

/// A change of the zone's clock and what follows from it.
#[derive(Debug, Serialize)]
struct ClockChange {
    at: Time,
    local: String,
    change: String,
    effect: String,
}

/// Explains a schedule.
pub fn run(session: &mut Session, args: &ExplainArgs) -> Result<Exit, Failure> {
    let offline = Offline::read(&args.expression, &args.job_name, args.timezone.as_deref())?;
    session.terminal.zone = offline::shown(offline.zone);
    let from = offline::instant(args.from.as_deref(), session.terminal.now(), session.terminal.zone)?;
    let explanation = explain(args.expression.trim(), &offline, from);
    match session.format {
        Format::Json => session.json(&serde_json::to_vec(&explanation).expect("plain data"))?,
        Format::Table => show(session, &explanation, offline.rule.class())?,
    }
    Ok(Exit::Done)
}

fn explain(expression: &str, offline: &Offline, from: Timestamp) -> Explanation {
    let year = from + TimeDelta::days(365);
    let times: Vec<Timestamp> =
        offline.after(from).map(|one| one.at).take_while(|&at| at <= year).take(COUNTED).collect();
    let gaps = || times.windows(2).map(|pair| (pair[1] - pair[0]).num_seconds());
    let mut changes = Vec::new();
    let mut after = from;
    while let Some(change) = offline.zone.next_change(after).filter(|change| change.at - from < CHANGES_WITHIN) {
        if changes.len() == CHANGES {
            break;
        }
        after = change.at;
        changes.push(clock_change(offline, change));
    }
    Explanation {
        expression: expression.to_owned(),
        timezone: offline.zone.name(),
        description: offline.rule.describe(),
        class: offline.rule.class().name(),
        per_year: per_year(&times, from),
        shortest_gap_seconds: gaps().min(),
        longest_gap_seconds: gaps().max(),
        clock_changes: changes,
        warnings: offline.rule.advice(),
        next: offline.after(from).take(SHOWN).map(|one| offline::wire(&one)).collect(),
    }
}

/// Occurrences of a year; of one that has more than are counted, as many as its first part suggests.
fn per_year(times: &[Timestamp], from: Timestamp) -> u64 {
    let counted = times.len() as u64;
    match times.last() {
        Some(last) if times.len() == COUNTED => {
            let seconds = (*last - from).num_seconds().max(1).unsigned_abs();
            counted * 365 * 86_400 / seconds
        }
        Some(_) | None => counted,
    }
}

/// What a change of the clock does to the schedule: how its occurrences round it are noted, and how many there are.
fn clock_change(offline: &Offline, change: ZoneChange) -> ClockChange {
    let day = TimeDelta::days(1);
    let near: Vec<_> =
        offline.after(change.at - day).take_while(|one| one.at < change.at + day).take(COUNTED).collect();
    let noted: Vec<_> = near.iter().filter(|one| one.note.is_some()).collect();
    let shift = change.after_seconds - change.before_seconds;
    let length = span(std::time::Duration::from_secs(shift.unsigned_abs()));
    let told = match (noted.first(), noted.len(), offline.rule.class()) {
        (Some(first), 1, _) => {
            let note = first.note.as_ref().map(ToString::to_string).unwrap_or_default();
            format!(
                "{}: {note} ({})",
                first.nominal.format("%Y-%m-%d %H:%M:%S"),
                offline::local(offline.zone, first.at)
            )
        }
        (Some(_), many, _) => format!("{many} occurrences lie in the times that come twice, or that are left out"),
        (None, _, Class::Interval) if !near.is_empty() => {
            format!("none: elapsed time goes on, {} occurrences in these 48 hours", near.len())
        }
        (None, _, Class::Interval | Class::Fixed | Class::Once) => "none".to_owned(),
    };
    ClockChange {
        at: Time(change.at),
        local: offline::local(offline.zone, change.at),
        change: format!("the clock goes {} by {length}", if shift > 0 { "forward" } else { "back" }),
        effect: told,
    }
}

fn show(session: &mut Session, explanation: &Explanation, class: Class) -> Result<(), Failure> {
    let zone = session.terminal.zone;
    let terminal = &mut session.terminal;
    terminal.line(format!("{}: {}", explanation.expression, explanation.description))?;
    terminal.line(format!("zone     {}", explanation.timezone))?;
    terminal.line(format!("class    {}: {}", explanation.class, class.meaning()))?;
    terminal.line(format!("often    {}", frequency(explanation)))?;
    for one in &explanation.next {
        let note = one.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
        terminal.line(format!("next     {}{note}", zone.exact(one.at.0)))?;
    }
    if explanation.clock_changes.is_empty() {
        terminal.line("clock    no change of the zone's clock is known for the next three years")?;
    }
    for change in &explanation.clock_changes {
        terminal.line(format!("clock    {}: {}; effect: {}", zone.exact(change.at.0), change.change, change.effect))?;
    }
    for warning in &explanation.warnings {
        terminal.line(format!("warning  {warning}"))?;
    }
    Ok(())
}

fn frequency(explanation: &Explanation) -> String {
    let gap = |seconds: Option<i64>| seconds.map(|gap| span(std::time::Duration::from_secs(gap.unsigned_abs())));
    let times = match explanation.per_year {
        0 => return "not within a year".to_owned(),
        1 => return "once within a year".to_owned(),
        many @ 2..=1000 => format!("{many} times within a year"),
        many => format!("{many} times within a year, {} a day", (many + 182) / 365),
    };
    match (gap(explanation.shortest_gap_seconds), gap(explanation.longest_gap_seconds)) {
        (Some(shortest), Some(longest)) if shortest == longest => format!("{times}, {shortest} apart"),
        (Some(shortest), Some(longest)) => format!("{times}, {shortest} to {longest} apart"),
        _ => times,
    }
}
