//! `jobctl history`

use clap::builder::PossibleValuesParser;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::moment::{parse_past, seconds, span};
use super::session::{Session, read};
use super::style::Tone;
use super::table::{Cell, Column, Give, Table};
use super::target::job_path;
use super::terminal::Terminal;
use super::{Exit, Failure, complete};
use crate::api::client::encode;
use crate::api::types::{Entry, Outcome, SkipSpan, Time};

#[derive(Clone, Debug, clap::Args)]
pub struct HistoryArgs {
    /// The job
    #[arg(add = complete::job())]
    job: String,
    /// At most so many records; 20 on a terminal and all elsewhere, unless said
    #[arg(short = 'n', long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only records with one of these outcomes, with commas between
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(Outcome::ALL.iter().map(|outcome| outcome.name())))]
    outcome: Vec<String>,
    /// Only runs that failed
    #[arg(long, conflicts_with = "outcome")]
    failed: bool,
    /// Only records since then: a duration (`2d`: that long ago), a date or date and time in the local zone, or RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only records until then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// A page, its records as the daemon wrote them.
#[derive(Deserialize)]
struct Page {
    entries: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// Records on a terminal: about a screen.
const ON_A_TERMINAL: u64 = 20;

/// Records that one request asks for, which is what the daemon gives at most.
const PAGE: u64 = 1000;

/// Lists a job's history.
pub async fn run(session: &mut Session, args: HistoryArgs) -> Result<Exit, Failure> {
    let on_terminal = session.terminal.width.is_some() && !session.is_json();
    let limit = args.limit.unwrap_or(if on_terminal { ON_A_TERMINAL } else { u64::MAX });
    let (entries, more) = fetch(session, &args, limit).await?;
    if session.is_json() {
        session.json_array(&entries)?;
        return Ok(Exit::Done);
    }
    let entries: Vec<Entry> = entries.iter().map(|entry| read("GET …/runs", entry)).collect::<Result<_, _>>()?;
    if entries.is_empty() {
        session.terminal.say(format!("{} has no records of that kind yet", args.job));
        return Ok(Exit::Done);
    }
    let table = table(&entries, &session.terminal);
    session.terminal.data(table)?;
    if more && args.limit.is_none() {
        session.terminal.flush()?;
        session.terminal.say("there are older records; -n NUMBER shows more");
    }
    Ok(Exit::Done)
}

/// At most `limit` records, newest first, and whether there are more.
async fn fetch(session: &mut Session, args: &HistoryArgs, limit: u64) -> Result<(Vec<Box<RawValue>>, bool), Failure> {
    let filter = filter(args, &session.terminal)?;
    let client = session.client().await?;
    let mut entries = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let wanted = limit - entries.len() as u64;
        let mut path = format!("{}/runs?limit={}{filter}", job_path(&args.job), wanted.min(PAGE));
        if let Some(place) = &before {
            path.push_str(&format!("&before={}", encode(place)));
        }
        let page: Page = client.get(&path).await?;
        entries.extend(page.entries);
        let full = entries.len() as u64 >= limit;
        match page.next {
            Some(next) if !full => before = Some(next),
            next => return Ok((entries, next.is_some())),
        }
    }
}

fn filter(args: &HistoryArgs, terminal: &Terminal) -> Result<String, Failure> {
    let mut filter = String::new();
    let outcomes = outcomes(args);
    if !outcomes.is_empty() {
        filter.push_str(&format!("&outcome={}", encode(&outcomes)));
    }
    for (name, text) in [("since", &args.since), ("until", &args.until)] {
        if let Some(text) = text {
            let at = parse_past(text, terminal.now(), terminal.zone).map_err(Failure::usage)?;
            filter.push_str(&format!("&{name}={}", encode(&Time(at).to_string())));
        }
    }
    Ok(filter)
}

fn outcomes(args: &HistoryArgs) -> String {
    const FAILED: [Outcome; 5] =
        [Outcome::Failed, Outcome::Signaled, Outcome::TimedOut, Outcome::SetupFailed, Outcome::Lost];
    if args.failed { FAILED.map(Outcome::name).join(",") } else { args.outcome.join(",") }
}

fn table(entries: &[Entry], terminal: &Terminal) -> String {
    let mut table = Table::new(&[
        Column { heading: "RUN", give: Give::Cut(12) },
        Column { heading: "OUTCOME", give: Give::Stay },
        Column { heading: "TRIGGER", give: Give::Leave(8, 3) },
        Column { heading: "SCHEDULED", give: Give::Leave(19, 2) },
        Column { heading: "WHEN", give: Give::Stay },
        Column { heading: "TOOK", give: Give::Stay },
        Column { heading: "ATTEMPTS", give: Give::Leave(8, 4) },
        Column { heading: "DETAIL", give: Give::Leave(12, 1) },
    ]);
    for entry in entries {
        table.row([
            entry.run.as_deref().unwrap_or("-").into(),
            outcome(entry),
            entry.trigger.map(|trigger| trigger.name()).unwrap_or_default().into(),
            entry.scheduled_at.map(|at| terminal.zone.full(at.0)).unwrap_or_default().into(),
            terminal.zone.full(when(entry).0).into(),
            entry.duration_seconds.map(|length| span(seconds(length))).unwrap_or_default().into(),
            (if entry.attempts > 1 { entry.attempts.to_string() } else { String::new() }).into(),
            detail(entry, terminal).into(),
        ]);
    }
    table.render(terminal.width, terminal.colour)
}

/// When it started; of a skip, when it should have; of a run that never started, when it was decided on.
fn when(entry: &Entry) -> Time {
    let scheduled = entry.scheduled_at.filter(|_| entry.skipped.is_some());
    entry.started_at.or(scheduled).unwrap_or(entry.created_at)
}

/// The outcome, or where a live run stands.
fn outcome(entry: &Entry) -> Cell {
    match entry.outcome {
        Some(outcome) => Cell::new(outcome.name()).tone(Tone::of_outcome(outcome)),
        None => Cell::new(entry.state.name()).tone(Tone::of_run(entry.state)),
    }
}

fn detail(entry: &Entry, terminal: &Terminal) -> String {
    let explanation = entry.explanation.as_deref().or(entry.reason.as_deref()).unwrap_or_default();
    match &entry.skipped {
        Some(SkipSpan { last, count: count @ 2.., .. }) => {
            format!("{count} occurrences until {}: {explanation}", terminal.zone.full(last.0))
        }
        Some(SkipSpan { .. }) | None => explanation.to_owned(),
    }
}
