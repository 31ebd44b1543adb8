//! `jobctl history`

use std::time::Duration;

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
use crate::api::types::{Entry, Outcome, SkipSpan, Time, Trigger};
use crate::clock::Timestamp;
use crate::units;

#[derive(Clone, Debug, clap::Args)]
pub struct HistoryArgs {
    /// The job; the newest records of all jobs unless said
    #[arg(add = complete::job())]
    job: Option<String>,
    /// At most so many records; 20 on a terminal and all elsewhere, unless said
    #[arg(short = 'n', long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only records older than this run, by its number: how to turn a page
    #[arg(long, value_name = "NUMBER", requires = "job")]
    before: Option<u64>,
    /// Only records with one of these outcomes, with commas between
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(Outcome::ALL.iter().map(|outcome| outcome.name())))]
    outcome: Vec<String>,
    /// Only runs that failed
    #[arg(long, conflicts_with = "outcome")]
    failed: bool,
    /// Only runs with one of these triggers, with commas between
    #[arg(long, value_name = "TRIGGER", value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(Trigger::ALL.iter().map(|trigger| trigger.name())))]
    trigger: Vec<String>,
    /// Only runs that took at least so long, as in `10m`
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    longer: Option<Duration>,
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

/// The newest records of all jobs, as the daemon wrote them.
#[derive(Deserialize)]
struct Recent {
    live: Vec<Box<RawValue>>,
    recent: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// Records on a terminal: about a screen.
const ON_A_TERMINAL: u64 = 20;

/// Records that one request asks for, which is what the daemon gives at most.
const PAGE: u64 = 1000;

/// Lists a job's history, or the newest records of all jobs.
pub async fn run(session: &mut Session, args: HistoryArgs) -> Result<Exit, Failure> {
    let on_terminal = session.terminal.width.is_some() && !session.is_json();
    let limit = args.limit.unwrap_or(if on_terminal { ON_A_TERMINAL } else { u64::MAX });
    let filter = Filter::of(&args, &session.terminal)?;
    let (entries, more) = match &args.job {
        Some(job) => of_job(session, job, &filter, args.before, limit).await?,
        None => of_all(session, &filter, limit).await?,
    };
    if session.is_json() {
        let raw: Vec<Box<RawValue>> = entries.into_iter().map(|(raw, _)| raw).collect();
        session.json_array(&raw)?;
        return Ok(Exit::Done);
    }
    if entries.is_empty() {
        let whose = args.job.as_ref().map_or_else(|| "there are".to_owned(), |job| format!("{job} has"));
        session.terminal.say(format!("{whose} no records of that kind yet"));
        return Ok(Exit::Done);
    }
    let entries: Vec<Entry> = entries.into_iter().map(|(_, entry)| entry).collect();
    let table = table(&entries, args.job.is_none(), &session.terminal);
    session.terminal.data(table)?;
    if more && args.limit.is_none() {
        session.terminal.flush()?;
        session.terminal.say("there are older records; -n NUMBER shows more");
    }
    Ok(Exit::Done)
}

/// A record as the daemon wrote it, and as it was read.
type Read = (Box<RawValue>, Entry);

/// At most `limit` records, newest first, and whether there are more.
async fn of_job(
    session: &mut Session,
    job: &str,
    filter: &Filter,
    before: Option<u64>,
    limit: u64,
) -> Result<(Vec<Read>, bool), Failure> {
    let mut progress = session.terminal.progress("reading records");
    let client = session.client().await?;
    let mut entries = Vec::new();
    let mut before = before.map(|number| number.to_string());
    loop {
        let wanted = if filter.is_ours() { PAGE } else { PAGE.min(limit - entries.len() as u64) };
        let mut path = format!("{}/runs?limit={wanted}{}", job_path(job), filter.query);
        if let Some(place) = &before {
            path.push_str(&format!("&before={}", encode(place)));
        }
        let page: Page = client.get(&path).await?;
        let left = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(entries.len());
        let mut fitting = filter.read(page.entries)?;
        let cut = fitting.len() > left;
        fitting.truncate(left);
        entries.extend(fitting);
        progress.set(entries.len());
        let full = entries.len() as u64 >= limit;
        match page.next {
            Some(next) if !full => before = Some(next),
            next => return Ok((entries, cut || next.is_some())),
        }
    }
}

/// The same of all jobs. Live runs come first.
async fn of_all(session: &mut Session, filter: &Filter, limit: u64) -> Result<(Vec<Read>, bool), Failure> {
    let mut progress = session.terminal.progress("reading records");
    let client = session.client().await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut entries = Vec::new();
    let mut path = format!("/v1/runs?limit={PAGE}");
    loop {
        let page: Recent = client.get(&path).await?;
        entries.extend(filter.read(page.live.into_iter().chain(page.recent).collect())?);
        progress.set(entries.len());
        match page.next {
            Some(next) if entries.len() < limit => path = format!("/v1/runs?limit={PAGE}&before={}", encode(&next)),
            next => {
                let more = entries.len() > limit || next.is_some();
                entries.truncate(limit);
                return Ok((entries, more));
            }
        }
    }
}

/// Which records are wanted: what the daemon looks for, and what is left to us.
struct Filter {
    query: String,
    outcomes: Vec<String>,
    triggers: Vec<String>,
    longer: Option<Duration>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Filter {
    fn of(args: &HistoryArgs, terminal: &Terminal) -> Result<Self, Failure> {
        const FAILED: [Outcome; 6] = [
            Outcome::Failed,
            Outcome::Signaled,
            Outcome::OutOfMemory,
            Outcome::TimedOut,
            Outcome::SetupFailed,
            Outcome::Lost,
        ];
        let outcomes =
            if args.failed { FAILED.map(|outcome| outcome.name().to_owned()).to_vec() } else { args.outcome.clone() };
        let time = |text: &Option<String>| {
            let text = text.as_deref().map(|text| parse_past(text, terminal.now(), terminal.zone));
            text.transpose().map_err(Failure::usage)
        };
        let (since, until) = (time(&args.since)?, time(&args.until)?);
        let mut query = String::new();
        if !outcomes.is_empty() {
            query.push_str(&format!("&outcome={}", encode(&outcomes.join(","))));
        }
        for (name, at) in [("since", since), ("until", until)] {
            query.extend(at.map(|at| format!("&{name}={}", encode(&Time(at).to_string()))));
        }
        Ok(Self { query, outcomes, triggers: args.trigger.clone(), longer: args.longer, since, until })
    }

    /// Whether more is asked than the daemon looks for.
    fn is_ours(&self) -> bool {
        !self.triggers.is_empty() || self.longer.is_some()
    }

    fn read(&self, entries: Vec<Box<RawValue>>) -> Result<Vec<Read>, Failure> {
        let with_entry = |raw: Box<RawValue>| read("GET …/runs", &raw).map(|entry| (raw, entry));
        let mut entries: Vec<Read> = entries.into_iter().map(with_entry).collect::<Result<_, _>>()?;
        entries.retain(|(_, entry)| self.admits(entry));
        Ok(entries)
    }

    fn admits(&self, entry: &Entry) -> bool {
        let outcome = entry.outcome.map(Outcome::name);
        let trigger = entry.trigger.map(Trigger::name);
        let is_one_of = |words: &[String], word: Option<&str>| {
            words.is_empty() || word.is_some_and(|word| words.iter().any(|wanted| wanted == word))
        };
        let at = entry.ended_at.unwrap_or(entry.created_at).0;
        let took = entry.duration_seconds.map(seconds);
        is_one_of(&self.outcomes, outcome)
            && is_one_of(&self.triggers, trigger)
            && self.longer.is_none_or(|least| took.is_some_and(|took| took >= least))
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at <= until)
    }
}

/// `of_many`: skips, which have no name, are told by their job.
fn table(entries: &[Entry], of_many: bool, terminal: &Terminal) -> String {
    let mut table = Table::new(&[
        // What other verbs are told is never cut.
        Column { heading: "RUN", give: Give::Stay },
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
            entry.run.as_deref().unwrap_or(if of_many { &entry.job } else { "-" }).into(),
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

/// When it started; of a skip, when it should have, or was given up before; of a run that never started, when it was decided
/// on.
fn when(entry: &Entry) -> Time {
    let scheduled = entry.scheduled_at.filter(|at| entry.skipped.is_some() && at.0 <= entry.created_at.0);
    entry.started_at.or(scheduled).unwrap_or(entry.created_at)
}

/// The outcome, or where a live run stands.
fn outcome(entry: &Entry) -> Cell {
    match entry.outcome {
        Some(outcome) => Cell::new(outcome.name()).tone(Tone::of_outcome(outcome)),
        None => Cell::new(entry.state.name()).tone(Tone::of_run(entry.state)),
    }
}

pub(super) fn detail(entry: &Entry, terminal: &Terminal) -> String {
    let explanation = entry.explanation.as_deref().or(entry.reason.as_deref()).unwrap_or_default();
    match &entry.skipped {
        Some(SkipSpan { last, count: count @ 2.., .. }) => {
            format!("{count} occurrences until {}: {explanation}", terminal.zone.full(last.0))
        }
        Some(SkipSpan { .. }) | None => explanation.to_owned(),
    }
}
