//! `jobctl why --at`: what became of an instant, from the records, or what will.

use chrono::{DurationRound, TimeDelta, Timelike};

use super::{Finding, ago};
use crate::api::client::{Client, encode};
use crate::api::types::{Entry, HistoryPage, Job, JobDetail, Occurrences, Time, Trigger};
use crate::cli::Failure;
use crate::cli::moment::{parse_past, relative, seconds, span};
use crate::cli::session::Session;
use crate::cli::target::job_path;
use crate::cli::terminal::Terminal;
use crate::clock::Timestamp;
use crate::spec::CATCH_UP_LIMIT;
use crate::units;

/// Records that are looked through, the newest; what lies further back is not found.
const RECORDS_LIMIT: usize = 100_000;

/// Records that one request asks for, which is what the daemon gives at most.
const PAGE: usize = 1000;

/// A stretch of time that a person means by one time.
#[derive(Clone, Copy)]
struct Span {
    from: Timestamp,
    /// Exclusive.
    to: Timestamp,
}

impl Span {
    /// The whole minute of a time without seconds, else the second.
    fn of(at: Timestamp) -> Self {
        let length =
            if at.second() == 0 && at.nanosecond() == 0 { TimeDelta::minutes(1) } else { TimeDelta::seconds(1) };
        Self { from: at, to: at + length }
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    fn meets(&self, first: Timestamp, last: Timestamp) -> bool {
        first < self.to && self.from <= last
    }
}

/// Everything that the explanation follows from.
struct Facts {
    detail: JobDetail,
    /// Records since the time, newest first.
    records: Vec<Entry>,
    /// The oldest record that is kept.
    oldest: Option<Time>,
    /// What the schedule of now says about the time.
    scheduled: Option<Occurrences>,
    /// The first occurrence after it, by the schedule of now.
    following: Option<Time>,
}

/// Explains what became of a job at a time.
pub(super) async fn explain(session: &mut Session, job: &str, at: &str) -> Result<(Job, Vec<Finding>), Failure> {
    let now = session.terminal.now();
    let is_ago = units::parse_duration(at.trim()).is_ok();
    let at = parse_past(at, now, session.terminal.zone).map_err(Failure::usage)?;
    // Nobody counts back to the second.
    let span = Span::of(if is_ago { at.duration_trunc(TimeDelta::minutes(1)).unwrap_or(at) } else { at });
    let facts = fetch(session, job, span).await?;
    let mut findings = found(&facts, span, &session.terminal);
    if findings.is_empty() {
        let nothing = if span.from > now { to_come } else { nothing };
        findings = nothing(&facts, span, &session.terminal);
    }
    Ok((facts.detail.job, findings))
}

async fn fetch(session: &mut Session, job: &str, span: Span) -> Result<Facts, Failure> {
    let path = job_path(job);
    let client = session.client().await?;
    let detail: JobDetail = client.get(&path).await?;
    let mut records: Vec<Entry> = Vec::new();
    let since = encode(&Time(span.from).to_string());
    let mut before = String::new();
    let complete = loop {
        let page: HistoryPage = client.get(&format!("{path}/runs?limit={PAGE}&since={since}{before}")).await?;
        records.extend(page.entries);
        match page.next {
            Some(next) if records.len() < RECORDS_LIMIT => before = format!("&before={}", encode(&next)),
            next => break next.is_none(),
        }
    };
    // With nothing at that time, the end of what is kept says whether anything could be.
    let oldest = if complete { oldest(client, &path).await? } else { records.last().map(|entry| entry.created_at) };
    let (mut scheduled, mut following) = (None, None);
    if detail.definition.as_ref().is_some_and(|definition| !definition.schedule.is_empty()) {
        let after = |at: Timestamp| encode(&Time(at).to_string());
        let (from, to) = (after(span.from - TimeDelta::microseconds(1)), after(span.to - TimeDelta::microseconds(1)));
        scheduled = Some(client.get(&format!("{path}/next?after={from}&until={to}&count=100&excluded=true")).await?);
        let next: Occurrences = client.get(&format!("{path}/next?after={to}&count=1")).await?;
        following = next.occurrences.first().map(|occurrence| occurrence.at);
    }
    Ok(Facts { detail, records, oldest, scheduled, following })
}

/// When the oldest record was made. Reads the history page by page.
async fn oldest(client: &mut Client, path: &str) -> Result<Option<Time>, Failure> {
    let mut before = String::new();
    let mut oldest = None;
    loop {
        let page: HistoryPage = client.get(&format!("{path}/runs?limit={PAGE}{before}")).await?;
        oldest = page.entries.last().map(|entry| entry.created_at).or(oldest);
        match page.next {
            Some(next) => before = format!("&before={}", encode(&next)),
            None => return Ok(oldest),
        }
    }
}

/// What the records say: first what answers to an occurrence of that time, then what was live.
fn found(facts: &Facts, span: Span, terminal: &Terminal) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A record of many occurrences does not name those between its first and its last one; the schedule does.
    let is_scheduled = facts.scheduled.as_ref().is_none_or(|scheduled| !scheduled.occurrences.is_empty());
    for entry in facts.records.iter().rev() {
        let of_then = match &entry.skipped {
            Some(skipped) if is_scheduled => span.meets(skipped.first.0, skipped.last.0),
            Some(skipped) => span.holds(skipped.first.0) || span.holds(skipped.last.0),
            None => entry.scheduled_at.is_some_and(|at| span.holds(at.0)) || span.holds(entry.created_at.0),
        };
        if of_then {
            findings.push(if entry.skipped.is_some() { skip(entry, terminal) } else { run(entry, terminal) });
        }
    }
    for entry in facts.records.iter().rev().filter(|entry| entry.skipped.is_none()) {
        let started = entry.started_at.unwrap_or(entry.created_at).0;
        let ended = entry.ended_at.map_or(Timestamp::MAX_UTC, |ended| ended.0);
        let is_told = entry.scheduled_at.is_some_and(|at| span.holds(at.0)) || span.holds(entry.created_at.0);
        if !is_told && span.meets(started, ended) && span.from <= terminal.now() {
            let name = entry.run.as_deref().unwrap_or_default();
            let text = format!("{name} was live then, started {}", ago(Time(started), terminal));
            findings.push(Finding::new("live", text).advice(format!("`jobctl show {name}` shows it")));
        }
    }
    findings
}

fn run(entry: &Entry, terminal: &Terminal) -> Finding {
    let name = entry.run.as_deref().unwrap_or_default();
    let cause = match (entry.trigger, entry.scheduled_at, entry.uid) {
        (Some(Trigger::Schedule), Some(at), _) => format!("its schedule said {}", terminal.zone.exact(at.0)),
        (Some(Trigger::CatchUp), Some(at), _) => {
            format!("it made up for the missed occurrence of {}", terminal.zone.exact(at.0))
        }
        (Some(Trigger::Manual), _, Some(uid)) => format!("uid {uid} asked for it"),
        (Some(trigger), ..) => format!("trigger {trigger}"),
        (None, ..) => "nobody noted why".to_owned(),
    };
    let note = entry.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    let began = match (entry.started_at, entry.scheduled_at) {
        (Some(started), Some(at)) => match (started.0 - at.0).to_std() {
            Ok(late) if late >= std::time::Duration::from_secs(1) => format!(", started {} later", span(late)),
            Ok(_) | Err(_) => ", started in time".to_owned(),
        },
        (Some(_), None) => String::new(),
        (None, _) => ", never started".to_owned(),
    };
    let ended = match (entry.outcome, entry.ended_at) {
        (Some(outcome), Some(ended)) => {
            let took = entry.duration_seconds.map(|length| format!(" after {}", span(seconds(length))));
            let why = entry.explanation.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("; {outcome}{}{why}, {}", took.unwrap_or_default(), relative(ended.0, terminal.now()))
        }
        (Some(_), None) | (None, _) => format!("; it is {} now", entry.state),
    };
    let finding = Finding::new("ran", format!("{name} ran: {cause}{note}{began}{ended}"));
    finding.advised(super::look_into(entry.outcome, name))
}

fn skip(entry: &Entry, terminal: &Terminal) -> Finding {
    let why = entry.explanation.as_deref().or(entry.reason.as_deref()).unwrap_or_default();
    let reason = entry.reason.as_deref().unwrap_or_default();
    let which = match &entry.skipped {
        Some(skipped) if skipped.count > 1 => format!(
            "one of {} occurrences from {} to {}",
            skipped.count,
            terminal.zone.exact(skipped.first.0),
            terminal.zone.exact(skipped.last.0)
        ),
        Some(_) | None => "the occurrence".to_owned(),
    };
    let advice = match reason {
        "missed" => "catch_up = \"latest\" or \"all\" in its file runs such occurrences later".to_owned(),
        "too_old" => "a longer catch_up_window in its file takes older ones".to_owned(),
        "catch_up_limit" => format!("one catch-up starts {CATCH_UP_LIMIT} runs at most; start others by `jobctl run`"),
        "overlap" => "overlap = \"queue\", \"allow\" or \"replace\" in its file, or a timeout, lets it run".to_owned(),
        "queue_full" => "find out why its runs take so long, or run it less often".to_owned(),
        "paused" => format!("`jobctl resume {}` ends a pause", entry.job),
        _ => format!("`jobctl history {}` shows what was before and after", entry.job),
    };
    Finding::new("skipped", format!("{which} did not run ({reason}): {why}")).advice(advice)
}

/// Why there is no record of a time that has passed.
fn nothing(facts: &Facts, span: Span, terminal: &Terminal) -> Vec<Finding> {
    let job = &facts.detail.job;
    if span.to <= facts.detail.first_seen.0 {
        let text =
            format!("the daemon did not know the job then: it first saw it {}", ago(facts.detail.first_seen, terminal));
        return vec![Finding::new("unknown_then", text)];
    }
    if job.removed_at.is_some_and(|removed| removed.0 <= span.from) {
        return vec![Finding::new("removed", "its file had been deleted then").advice("put the file back")];
    }
    if let Some(oldest) = facts.oldest.filter(|oldest| span.to <= oldest.0) {
        let text = format!("there are no records of then: the oldest that is kept is from {}", ago(oldest, terminal));
        return vec![Finding::new("not_kept", text).advice("[retention] in its file says how much is kept")];
    }
    by_schedule(facts, "did not run", terminal, || {
        let text = "its schedule names that time now, and there is no record of it: the schedule was another then, or \
                    the job was disabled";
        vec![Finding::new("other_schedule", text).advice(format!("`jobctl history {}` shows its records", job.name))]
    })
}

/// What will be at a time to come.
fn to_come(facts: &Facts, span: Span, terminal: &Terminal) -> Vec<Finding> {
    let job = &facts.detail.job;
    let paused = job.paused.as_ref().filter(|pause| pause.until.is_none_or(|until| span.from < until.0));
    by_schedule(facts, "will not run", terminal, || {
        if !job.enabled {
            return vec![Finding::new("disabled", "it will not run then: its file says enabled = false")];
        }
        if paused.is_some() {
            let text = "it will not run then: it is paused, and the occurrence becomes a skip";
            return vec![Finding::new("paused", text).advice(format!("`jobctl resume {}`", job.name))];
        }
        let occurrences = facts.scheduled.iter().flat_map(|scheduled| &scheduled.occurrences);
        let of = |start: Time, note: Option<&String>| {
            let note = note.map(|note| format!(": {note}")).unwrap_or_default();
            Finding::new("will_run", format!("it will run at {}{note}", ago(start, terminal)))
        };
        occurrences.map(|occurrence| of(occurrence.start, occurrence.note.as_ref())).collect()
    })
}

/// When the schedule has nothing there, or a condition excludes it; else what `otherwise` says.
fn by_schedule(
    facts: &Facts,
    verb: &str,
    terminal: &Terminal,
    otherwise: impl FnOnce() -> Vec<Finding>,
) -> Vec<Finding> {
    let name = &facts.detail.job.name;
    if facts.detail.definition.is_none() {
        let text = format!("it {verb} then: its file is faulty and has never been good");
        return vec![Finding::new("faulty", text).advice(format!("`jobctl why {name}` says what is wrong"))];
    }
    let Some(scheduled) = &facts.scheduled else {
        let text = format!("it {verb} then: its file has no schedule, and nobody asked for a run");
        return vec![Finding::new("no_schedule", text).advice(format!("`jobctl run {name}`"))];
    };
    if !scheduled.occurrences.is_empty() {
        return otherwise();
    }
    if let Some(excluded) = scheduled.excluded.first() {
        let text = format!("it {verb} at {}: {}", terminal.zone.exact(excluded.at.0), excluded.cause);
        return vec![Finding::new("excluded", text)];
    }
    let next = match facts.following {
        Some(next) => format!("; the first one after it is {}", ago(next, terminal)),
        None => String::new(),
    };
    let text = format!("it {verb} then: its schedule has no occurrence at that time{next}");
    vec![Finding::new("no_occurrence", text).advice(format!("`jobctl next {name}` shows when it runs"))]
}
