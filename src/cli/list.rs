//! `jobctl list`

mod watch;

use std::cmp::{Ordering, Reverse};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::moment::{brief, seconds, span};
use super::session::{Session, read};
use super::style::Tone;
use super::table::{Cell, Column, Give, Table};
use super::terminal::Terminal;
use super::{Exit, Failure, complete};
use crate::api::client::{ClientError, encode};
use crate::api::types::{Config, ErrorCode, Job, JobState, LastRun};
use crate::units;

#[derive(Clone, Debug, clap::Args)]
pub struct ListArgs {
    /// Only jobs that carry this tag
    #[arg(long, value_name = "TAG", add = complete::tag())]
    tag: Option<String>,
    /// Only jobs in one of these states, with commas between
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(JobState::ALL.iter().map(|state| state.name())))]
    state: Vec<String>,
    /// Only jobs whose newest run failed, or without a success for longer than their alert_after
    #[arg(long)]
    failing: bool,
    /// Only jobs with a run that is not over
    #[arg(long)]
    running: bool,
    /// Only jobs that run within this time, as in `1h`
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    due: Option<Duration>,
    /// By what to sort
    #[arg(long, value_name = "KEY", default_value = "name")]
    sort: Key,
    /// The last one first
    #[arg(long)]
    reverse: bool,
    /// Show the list again with every change, until Ctrl-C
    #[arg(long, short, conflicts_with = "output")]
    watch: bool,
}

/// What a list is sorted by; jobs without it come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Key {
    /// The job's name
    Name,
    /// The next start, the earliest first
    Next,
    /// The end of the newest run, the latest first
    Last,
    /// How long the newest run took, the longest first
    Took,
    /// Where the job stands
    State,
}

/// A page, its jobs as the daemon wrote them.
#[derive(Deserialize)]
struct Page {
    jobs: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// Lists jobs.
pub async fn run(session: &mut Session, args: ListArgs) -> Result<Exit, Failure> {
    if args.watch {
        return watch::run(session, &args).await;
    }
    let jobs = select(session, &args).await?;
    if session.is_json() {
        let raw: Vec<Box<RawValue>> = jobs.into_iter().map(|(raw, _)| raw).collect();
        session.json_array(&raw)?;
        return Ok(Exit::Done);
    }
    if jobs.is_empty() {
        say_none(session, &args).await?;
        return Ok(Exit::Done);
    }
    let table = table(jobs.iter().map(|(_, job)| job), &session.terminal);
    session.terminal.data(table)?;
    Ok(Exit::Done)
}

/// The jobs that are asked for, sorted, each as the daemon wrote it and as it was read.
async fn select(session: &mut Session, args: &ListArgs) -> Result<Vec<(Box<RawValue>, Job)>, Failure> {
    let raw = fetch(session, &query(args)).await?;
    let with_job = |raw: Box<RawValue>| read("GET /v1/jobs", &raw).map(|job| (raw, job));
    let mut jobs: Vec<(Box<RawValue>, Job)> = raw.into_iter().map(with_job).collect::<Result<_, _>>()?;
    let now = session.terminal.now();
    jobs.retain(|(_, job)| {
        let soon = |limit: Duration| {
            job.next_start.or(job.next).is_some_and(|next| (next.0 - now).to_std().unwrap_or_default() <= limit)
        };
        (!args.running || !job.live.is_empty()) && args.due.is_none_or(soon)
    });
    args.sort.sort(&mut jobs);
    if args.reverse {
        jobs.reverse();
    }
    Ok(jobs)
}

impl Key {
    fn sort<T>(self, jobs: &mut [(T, Job)]) {
        // What the daemon gives is sorted by name, and the sort is stable.
        let last = |job: &Job| job.last.as_ref().map(|last| last.ended_at);
        let took = |job: &Job| job.last.as_ref().and_then(|last| last.duration_seconds);
        match self {
            Self::Name => {}
            Self::Next => jobs.sort_by_key(|(_, job)| {
                let next = job.next_start.or(job.next);
                (next.is_none(), next)
            }),
            Self::Last => jobs.sort_by_key(|(_, job)| Reverse(last(job))),
            Self::Took => {
                jobs.sort_by(|(_, left), (_, right)| took(right).partial_cmp(&took(left)).unwrap_or(Ordering::Equal))
            }
            Self::State => jobs.sort_by_key(|(_, job)| job.state),
        }
    }
}

fn query(args: &ListArgs) -> String {
    let mut query = String::new();
    if let Some(tag) = &args.tag {
        query.push_str(&format!("&tag={}", encode(tag)));
    }
    if !args.state.is_empty() {
        query.push_str(&format!("&state={}", encode(&args.state.join(","))));
    }
    if args.failing {
        query.push_str("&failing=true");
    }
    query
}

/// All jobs that a query selects, page by page.
async fn fetch(session: &mut Session, query: &str) -> Result<Vec<Box<RawValue>>, Failure> {
    let client = session.client().await?;
    let mut jobs = Vec::new();
    let mut after = None;
    loop {
        let place = after.as_deref().map(|name| format!("&after={}", encode(name))).unwrap_or_default();
        let path = format!("/v1/jobs?{}", format!("{place}{query}").trim_start_matches('&'));
        let page: Page = client.get(&path).await?;
        jobs.extend(page.jobs);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(jobs),
        }
    }
}

/// Every job, for verbs that look at all of them.
pub(super) async fn all(session: &mut Session) -> Result<Vec<Job>, Failure> {
    fetch(session, "").await?.iter().map(|job| read("GET /v1/jobs", job)).collect()
}

async fn say_none(session: &mut Session, args: &ListArgs) -> Result<(), Failure> {
    let is_chosen = args.tag.is_some() || !args.state.is_empty() || args.failing || args.running || args.due.is_some();
    if is_chosen {
        session.terminal.say("no job is like that");
        return Ok(());
    }
    match session.client().await?.get::<Config>("/v1/config").await {
        Ok(config) => {
            session.terminal.say(format!("there are no jobs yet; put a job file into {}", config.jobs_dir));
        }
        Err(ClientError::Refused { detail, .. })
            if ErrorCode::from_name(&detail.code) == Some(ErrorCode::Forbidden) =>
        {
            session.terminal.say("no job here runs as you, and you may see no others");
        }
        Err(fault) => return Err(fault.into()),
    }
    Ok(())
}

fn table<'a>(jobs: impl Iterator<Item = &'a Job>, terminal: &Terminal) -> String {
    let now = terminal.now();
    let mut table = Table::new(&[
        Column { heading: "NAME", give: Give::Cut(12) },
        Column { heading: "STATE", give: Give::Stay },
        Column { heading: "NEXT", give: Give::Stay },
        Column { heading: "AT", give: Give::Leave(16, 2) },
        Column { heading: "LAST", give: Give::Stay },
        Column { heading: "ENDED", give: Give::Leave(16, 1) },
        Column { heading: "TOOK", give: Give::Leave(16, 3) },
        Column { heading: "TAGS", give: Give::Leave(8, 5) },
        Column { heading: "DESCRIPTION", give: Give::Leave(12, 4) },
    ]);
    for job in jobs {
        let next = job.next_start.or(job.next);
        table.row([
            Cell::new(&job.name),
            Cell::new(state(job)).tone(state_tone(job)),
            // One that has come and has not become a run yet is due, not missed.
            next.map(|next| brief(next.0.max(now), now)).unwrap_or_default().into(),
            next.map(|next| terminal.zone.short(next.0, now)).unwrap_or_default().into(),
            last(job.last.as_ref()),
            job.last.as_ref().map(|last| brief(last.ended_at.0, now)).unwrap_or_default().into(),
            took(job.last.as_ref()).into(),
            job.tags.join(", ").into(),
            job.description.as_deref().unwrap_or_default().into(),
        ]);
    }
    table.render(terminal.width, terminal.colour)
}

/// The state in words, with what a single word would hide.
fn state(job: &Job) -> String {
    let state = match (job.state, job.live.len()) {
        (JobState::Running | JobState::Queued | JobState::Backoff, runs @ 2..) => format!("{} ({runs})", job.state),
        (state, _) => state.to_string(),
    };
    let state = match (&job.fault, job.state) {
        (None, _) | (Some(_), JobState::Faulty) => state,
        (Some(_), _) => format!("{state}, faulty"),
    };
    if job.overdue_since.is_some() { format!("{state}, overdue") } else { state }
}

fn state_tone(job: &Job) -> Tone {
    if job.fault.is_some() || job.overdue_since.is_some() { Tone::Bad } else { Tone::of_job(job.state) }
}

fn last(last: Option<&LastRun>) -> Cell {
    last.map(|last| Cell::new(last.outcome.name()).tone(Tone::of_outcome(last.outcome))).unwrap_or_default()
}

fn took(last: Option<&LastRun>) -> String {
    last.and_then(|last| last.duration_seconds).map(|length| span(seconds(length))).unwrap_or_default()
}
