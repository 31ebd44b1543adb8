//! `jobctl health`

use super::moment::{relative, seconds};
use super::session::{Format, Session};
use super::style::Tone;
use super::terminal::Terminal;
use super::{Exit, Failure, counted};
use crate::api::client::ClientError;
use crate::api::types::{Health, JobsHealth, NoticesHealth};
use crate::units::format_duration;

#[derive(Clone, Debug, clap::Args)]
pub struct HealthArgs {}

/// Tells whether all is well; exits with 1 when it is not.
pub async fn run(session: &mut Session, _: HealthArgs) -> Result<Exit, Failure> {
    let answer = session.client().await?.get_bytes("/v1/health").await?;
    let health: Health = serde_json::from_slice(&answer).map_err(|fault| ClientError::NotUnderstood {
        request: "GET /v1/health".to_owned(),
        reason: fault.to_string(),
    })?;
    match session.format {
        Format::Json => session.json(&answer)?,
        Format::Table => show(&health, &mut session.terminal)?,
    }
    Ok(if health.ok { Exit::Done } else { Exit::Failure })
}

fn show(health: &Health, terminal: &mut Terminal) -> std::io::Result<()> {
    let (word, tone) = if health.ok { ("healthy", Tone::Good) } else { ("unhealthy", Tone::Bad) };
    terminal.line(tone.paint(word, terminal.colour))?;
    let supervisor = match health.ready.supervisor_pid {
        Some(pid) => format!("supervisor {pid}"),
        None => "no supervisor".to_owned(),
    };
    let started = relative(health.live.started_at.0, terminal.now());
    terminal.line(format!(
        "daemon   jobsd {}, process {}, started {started}, {supervisor}",
        health.version, health.live.pid
    ))?;
    for problem in &health.ready.problems {
        terminal.line(format!("         {problem}"))?;
    }
    // What keeps runs from starting has been told.
    for problem in health.store.problem.iter().filter(|problem| !health.ready.problems.contains(problem)) {
        terminal.line(format!("state    {problem}"))?;
    }
    for note in &health.store.notes {
        terminal.line(format!("note     {note}"))?;
    }
    if !health.store.notes.is_empty() {
        terminal.line("         `jobctl state acknowledge` ends these notes")?;
    }
    for warning in &health.warnings {
        terminal.line(format!("note     {warning}"))?;
    }
    show_jobs(&health.jobs, terminal)?;
    show_notices(&health.notices, terminal)
}

fn show_jobs(jobs: &JobsHealth, terminal: &mut Terminal) -> std::io::Result<()> {
    terminal.line(format!(
        "jobs     {} in all, {} paused, {} disabled, {} faulty, {} failing; {}",
        jobs.total,
        jobs.paused,
        jobs.disabled,
        jobs.faulty.len(),
        jobs.failing.len(),
        counted(jobs.live_runs, "live run")
    ))?;
    if let Some(fault) = &jobs.jobs_dir_fault {
        terminal.line(format!("files    {fault}; the jobs stay as they were"))?;
    }
    if let Some(fault) = &jobs.config_fault {
        terminal.line(format!("config   {fault}; what it said before is in force"))?;
    }
    if let Some(held) = jobs.held_back {
        terminal.line(format!(
            "held     {} of {} jobs would vanish; `jobctl reload --force` confirms it",
            held.vanishing, held.known
        ))?;
    }
    for faulty in &jobs.faulty {
        let kept = if faulty.last_good { "last good revision in force" } else { "no revision in force" };
        terminal.line(format!("faulty   {}: {} ({kept})", faulty.job, faulty.summary))?;
    }
    for stray in &jobs.strays {
        terminal.line(format!("faulty   {}: {}", stray.path, stray.summary))?;
    }
    for failing in &jobs.failing {
        let ended = relative(failing.ended_at.0, terminal.now());
        terminal.line(format!("failing  {}: {} {} {ended}", failing.job, failing.run, failing.outcome))?;
    }
    for overdue in &jobs.overdue {
        let last = match overdue.last_success {
            Some(at) => format!("the last success was {}", relative(at.0, terminal.now())),
            None => "it has not succeeded yet".to_owned(),
        };
        let limit = overdue.alert_after_seconds.map(|limit| format!(" within {}", format_duration(seconds(limit))));
        terminal.line(format!("overdue  {}: no success{}; {last}", overdue.job, limit.unwrap_or_default()))?;
    }
    Ok(())
}

/// Messages are told of only when something is wrong with them.
fn show_notices(notices: &NoticesHealth, terminal: &mut Terminal) -> std::io::Result<()> {
    let NoticesHealth { ok, waiting, failing, given_up, dropped, .. } = *notices;
    if ok {
        return Ok(());
    }
    terminal.line(format!(
        "messages {waiting} waiting, {failing} of them after a failed delivery; {given_up} given up, {dropped} dropped \
         since the start"
    ))?;
    terminal.line("         `jobctl notify test JOB` shows what the program says that delivers them")
}
