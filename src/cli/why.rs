//! `jobctl why`

mod at;

use serde::Serialize;

use super::moment::{relative, seconds, span};
use super::session::Session;
use super::style::Tone;
use super::target::job_path;
use super::terminal::Terminal;
use super::{Exit, Failure, complete};
use crate::api::types::{
    ExcludedInstant, Health, HistoryPage, Job, JobDetail, Occurrences, Outcome, Run, RunState, Time,
};
use crate::run::SkipReason;
use crate::units::format_duration;

#[derive(Clone, Debug, clap::Args)]
pub struct WhyArgs {
    /// The job
    #[arg(add = complete::job())]
    job: String,
    /// Explain what happened then, or will: a time (`02:30`: the last one), a date and time in the local zone, a
    /// duration (`2h`: that long ago), or RFC 3339. A time without seconds means its whole minute
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// One thing that explains where a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// A stable word.
    code: &'static str,
    /// A sentence.
    text: String,
    /// What to do about it, when something can be done.
    advice: Option<String>,
}

impl Finding {
    fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), advice: None }
    }

    fn advice(self, advice: impl Into<String>) -> Self {
        self.advised(Some(advice.into()))
    }

    fn advised(self, advice: Option<String>) -> Self {
        Self { advice, ..self }
    }
}

#[derive(Serialize)]
struct Explanation<'a> {
    job: &'a str,
    state: String,
    findings: &'a [Finding],
}

/// Everything that the explanation follows from.
struct Facts {
    detail: JobDetail,
    health: Health,
    live: Vec<Run>,
    history: HistoryPage,
    /// What a condition excludes before the next occurrence.
    excluded: Vec<ExcludedInstant>,
}

/// Explains where a job stands.
pub async fn run(session: &mut Session, args: WhyArgs) -> Result<Exit, Failure> {
    let (job, findings) = match &args.at {
        None => {
            let facts = fetch(session, &args.job).await?;
            let findings = explain(&facts, &session.terminal);
            (facts.detail.job, findings)
        }
        Some(at) => at::explain(session, &args.job, at).await?,
    };
    if session.is_json() {
        let explanation = Explanation { job: &job.name, state: job.state.to_string(), findings: &findings };
        session.json(&serde_json::to_vec(&explanation).expect("plain data"))?;
        return Ok(Exit::Done);
    }
    let colour = session.terminal.colour;
    let head = format!("{}: {}", job.name, Tone::of_job(job.state).paint(job.state.name(), colour));
    session.terminal.line(head)?;
    for finding in &findings {
        session.terminal.line(format!("- {}", finding.text))?;
        if let Some(advice) = &finding.advice {
            session.terminal.line(format!("  {} {advice}", Tone::Strong.paint("do:", colour)))?;
        }
    }
    Ok(Exit::Done)
}

async fn fetch(session: &mut Session, job: &str) -> Result<Facts, Failure> {
    let path = job_path(job);
    let client = session.client().await?;
    let detail: JobDetail = client.get(&path).await?;
    let history = client.get(&format!("{path}/runs?limit=1")).await?;
    let health: Health = client.get("/v1/health").await?;
    let excluded = match detail.definition.as_ref().is_some_and(|definition| !definition.schedule.is_empty()) {
        true => client.get::<Occurrences>(&format!("{path}/next?count=1&excluded=true")).await?.excluded,
        false => Vec::new(),
    };
    let mut live = Vec::new();
    for run in &detail.job.live {
        let number = run.run.rsplit_once('/').map_or("", |(_, number)| number);
        live.push(client.get(&format!("{path}/runs/{number}")).await?);
    }
    Ok(Facts { detail, health, live, history, excluded })
}

/// In the order in which a person would ask: does anything run, what stands in its way, what was, what comes.
fn explain(facts: &Facts, terminal: &Terminal) -> Vec<Finding> {
    let job = &facts.detail.job;
    let mut findings: Vec<Finding> = facts.live.iter().map(|run| live(run, terminal)).collect();
    findings.extend(removed(job, terminal));
    findings.extend(faulty(facts));
    findings.extend(daemon(&facts.health));
    if job.removed_at.is_none() {
        findings.extend(disabled(facts));
        findings.extend(paused(job, terminal));
        findings.extend(overdue(facts, terminal));
    }
    findings.extend(skipped(job, terminal));
    findings.extend(last(facts, terminal));
    if job.removed_at.is_none() {
        findings.extend(excluded(facts, terminal));
        findings.extend(next(facts, terminal));
    }
    findings
}

fn live(run: &Run, terminal: &Terminal) -> Finding {
    let entry = &run.entry;
    let name = entry.run.as_deref().unwrap_or_default();
    let reason = entry.reason.as_deref().unwrap_or("cancelled");
    let cancel = format!("`jobctl cancel {name}` stops it");
    match entry.state {
        RunState::Queued => Finding::new("queued", format!("{name} waits until earlier runs have ended ({reason})"))
            .advice(format!("`jobctl cancel {name}` takes it out of the queue")),
        RunState::Starting => Finding::new("starting", format!("{name} is being started")).advice(cancel),
        RunState::Running => {
            let since = entry.started_at.map(|at| format!(" since {}", ago(at, terminal))).unwrap_or_default();
            let pid = run.pid.map(|pid| format!(" as process {pid}")).unwrap_or_default();
            Finding::new("running", format!("{name} runs{since}{pid}"))
                .advice(format!("`jobctl logs -f {name}` shows what it prints; {cancel}"))
        }
        RunState::Stopping => {
            let kill = run.kill_at.map(|at| format!("; SIGKILL follows {}", ago(at, terminal))).unwrap_or_default();
            Finding::new("stopping", format!("{name} is being stopped ({reason}){kill}"))
        }
        RunState::Backoff => {
            let failed = run.attempt_records.last().and_then(|attempt| attempt.outcome);
            let failed = failed.map(|outcome| format!(" after one that ended as {outcome}")).unwrap_or_default();
            let due = run.next_attempt_at.map(|at| format!(", due {}", ago(at, terminal))).unwrap_or_default();
            let attempt = run.attempt_records.len() + 1;
            Finding::new("backoff", format!("{name} waits for attempt {attempt}{failed}{due}"))
                .advice(format!("`jobctl logs {name}` shows what the last attempt printed; {cancel}"))
        }
        RunState::Finished | RunState::Skipped | RunState::Other => {
            Finding::new("ended", format!("{name} has just ended"))
        }
    }
}

fn ago(at: Time, terminal: &Terminal) -> String {
    format!("{} ({})", terminal.zone.short_with_seconds(at.0, terminal.now()), relative(at.0, terminal.now()))
}

fn removed(job: &Job, terminal: &Terminal) -> Option<Finding> {
    if job.ad_hoc_uid.is_some() {
        return job.removed_at.map(|at| {
            Finding::new(
                "done",
                format!("it was an ad-hoc job, and ended {}; it does not run again", ago(at, terminal)),
            )
        });
    }
    job.removed_at.map(|at| {
        Finding::new("removed", format!("its file was deleted {}; it does not run any more", ago(at, terminal)))
            .advice("put the file back into the jobs directory")
    })
}

fn faulty(facts: &Facts) -> Option<Finding> {
    facts.detail.job.fault.as_ref().map(|fault| {
        let kept = match &facts.detail.definition {
            Some(_) => "its last good revision stays in force",
            None => "it cannot run",
        };
        Finding::new("faulty", format!("its file {} is faulty: {}; {kept}", fault.path, fault.summary))
            .advice(format!("mend the file; `jobctl show {}` shows every fault", facts.detail.job.name))
    })
}

/// What is wrong with the daemon, and stands in the way of every job.
fn daemon(health: &Health) -> Vec<Finding> {
    let advice = "`jobctl health` shows more";
    let of = |problem: &String| Finding::new("daemon", format!("the daemon starts no runs: {problem}")).advice(advice);
    let mut findings: Vec<Finding> = health.ready.problems.iter().map(of).collect();
    findings.extend(health.jobs.jobs_dir_fault.as_ref().map(|fault| {
        Finding::new(
            "jobs_directory",
            format!("the jobs directory is not read: {fault}; changes of its file do nothing"),
        )
        .advice(advice)
    }));
    findings.extend(health.jobs.held_back.map(|held| {
        let text = format!(
            "the jobs directory is held back, since {} of {} jobs would vanish; changes of its file do nothing",
            held.vanishing, held.known
        );
        Finding::new("held_back", text).advice("`jobctl reload --force` takes the directory as it is")
    }));
    findings
}

fn disabled(facts: &Facts) -> Option<Finding> {
    let disabled = facts.detail.definition.is_some() && !facts.detail.job.enabled;
    disabled.then(|| {
        Finding::new("disabled", "its file says enabled = false, so its schedule is not in force")
            .advice(format!("set enabled = true, or `jobctl run {}`", facts.detail.job.name))
    })
}

fn paused(job: &Job, terminal: &Terminal) -> Option<Finding> {
    job.paused.as_ref().map(|pause| {
        let since = ago(pause.since, terminal);
        let until = match pause.until {
            Some(until) => format!("until {}", ago(until, terminal)),
            None => "until somebody resumes it".to_owned(),
        };
        Finding::new("paused", format!("uid {} paused it {since}, {until}", pause.uid))
            .advice(format!("`jobctl resume {}`", job.name))
    })
}

fn overdue(facts: &Facts, terminal: &Terminal) -> Option<Finding> {
    let job = &facts.detail.job;
    let since = job.overdue_since?;
    let limit = facts.detail.definition.as_ref().and_then(|definition| definition.alert_after_seconds);
    let limit = limit.map(|limit| format!(" for {}", format_duration(seconds(limit)))).unwrap_or_default();
    let last = match job.last_success {
        Some(at) => format!("its last success was {}", ago(at, terminal)),
        None => "it has not succeeded yet".to_owned(),
    };
    let text = format!("it is overdue since {}: no success{limit}; {last}", ago(since, terminal));
    Some(Finding::new("overdue", text).advice(format!("`jobctl history {}` shows what it did instead", job.name)))
}

fn skipped(job: &Job, terminal: &Terminal) -> Option<Finding> {
    let skip = job.last_skip.as_ref()?;
    let reason = SkipReason::ALL.into_iter().find(|reason| reason.name() == skip.reason);
    let why = reason.map_or_else(|| skip.reason.clone(), |reason| reason.explain().to_owned());
    let what = match skip.count {
        1 => format!("the occurrence of {} did not run", ago(skip.first, terminal)),
        count => format!(
            "the last {count} occurrences, from {} to {}, did not run",
            ago(skip.first, terminal),
            ago(skip.last, terminal)
        ),
    };
    Some(Finding::new("skipped", format!("{what}: {why}")).advice(format!("`jobctl history {}` shows more", job.name)))
}

fn last(facts: &Facts, terminal: &Terminal) -> Option<Finding> {
    let job = &facts.detail.job;
    let Some(last) = &job.last else {
        return job.live.is_empty().then(|| Finding::new("never_ran", "it has not run yet"));
    };
    let newest = facts.history.entries.iter().find(|entry| entry.run.as_ref() == Some(&last.run));
    let why = newest.and_then(|entry| entry.explanation.as_ref()).map(|why| format!(": {why}")).unwrap_or_default();
    let took = last.duration_seconds.map(|length| format!(", after {}", span(seconds(length)))).unwrap_or_default();
    let text = format!("its last run, {}: {}, {}{took}{why}", last.run, last.outcome, ago(last.ended_at, terminal));
    let finding = Finding::new("last_run", text);
    Some(finding.advised(look_into(Some(last.outcome), &last.run)))
}

/// Where to look for the cause of an end.
fn look_into(outcome: Option<Outcome>, run: &str) -> Option<String> {
    match outcome {
        Some(Outcome::Succeeded) => None,
        Some(Outcome::SetupFailed) => {
            Some(format!("nothing was executed: mend its file or the machine, then `jobctl run {}`", job_of(run)))
        }
        _ => Some(format!("`jobctl logs {run}` shows what it printed")),
    }
}

fn job_of(run: &str) -> &str {
    run.rsplit_once('/').map_or(run, |(job, _)| job)
}

fn excluded(facts: &Facts, terminal: &Terminal) -> Option<Finding> {
    let first = facts.excluded.first()?;
    let more = match facts.excluded.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more before the next one"),
    };
    let text = format!("it does not run at {}: {}{more}", ago(first.at, terminal), first.cause);
    Some(Finding::new("excluded", text))
}

fn next(facts: &Facts, terminal: &Terminal) -> Option<Finding> {
    let job = &facts.detail.job;
    let definition = facts.detail.definition.as_ref()?;
    if let Some(next) = job.next_start.or(job.next) {
        return Some(Finding::new("next", format!("it runs next at {}", ago(next, terminal))));
    }
    if definition.schedule.is_empty() {
        return Some(
            Finding::new("no_schedule", "its file has no schedule: it runs when somebody asks")
                .advice(format!("`jobctl run {}`", job.name)),
        );
    }
    let in_force = job.enabled && job.paused.is_none();
    in_force.then(|| Finding::new("no_occurrence", "its schedule has no occurrence to come"))
}
