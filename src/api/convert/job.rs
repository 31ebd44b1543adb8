//! Jobs.

use super::run::{NOMINAL_FORMAT, live_state, outcome, skip_span};
use super::{seconds, seconds_between};
use crate::api::types::{self, JobState, RunState, Time};
use crate::run::{self, Outcome, RunId};
use crate::scheduler::{Job, LastRun, Snapshot};
use crate::spec::{Backoff, CatchUpPolicy, Command, Fault, JobSpec, Overlap, Source};

/// A job as it stands in a snapshot.
pub fn job(job: &Job, snapshot: &Snapshot) -> types::Job {
    let spec = job.spec.as_deref();
    let live: Vec<types::LiveRun> = live_runs(job, snapshot).map(live_run).collect();
    let next = next_considered(job);
    types::Job {
        name: job.name.to_string(),
        revision: spec.map(|spec| spec.revision.to_string()),
        description: spec.and_then(|spec| spec.description.clone()),
        state: state(job, &live),
        enabled: spec.is_some_and(|spec| spec.enabled),
        next: next.map(|next| Time(next.at)),
        next_start: next.map(|next| Time(next.due)),
        last: job.state.last.as_ref().map(|last| last_run(job, last)),
        last_skip: job.state.open_skip.as_ref().map(skip_span),
        live,
        paused: job.state.paused.as_ref().map(|pause| types::Pause {
            since: Time(pause.since),
            until: pause.until.map(Time),
            uid: pause.uid,
        }),
        overdue_since: job.state.watch.overdue_since.map(Time),
        last_success: job.state.watch.last_success.map(Time),
        fault: job.fault.as_deref().map(fault),
        removed_at: job.state.removed_at.map(Time),
        tags: spec.map(|spec| spec.tags.iter().cloned().collect()).unwrap_or_default(),
        owner: spec.and_then(|spec| spec.owner.clone()),
        ad_hoc_uid: job.state.ad_hoc.map(|ad_hoc| ad_hoc.uid),
        totals: types::Totals {
            succeeded: job.state.totals.succeeded,
            unsuccessful: job.state.totals.unsuccessful,
            skipped: job.state.totals.skipped,
            run_seconds: super::seconds(job.state.totals.run_time),
        },
    }
}

/// A job with its definition; `source` is the text that the definition was read from.
pub fn detail(job: &Job, snapshot: &Snapshot, source: Option<&Source>) -> types::JobDetail {
    types::JobDetail {
        job: self::job(job, snapshot),
        first_seen: Time(job.state.first_seen),
        definition: job.spec.as_deref().map(|spec| definition(spec, source)),
        warning: None,
    }
}

/// What is wrong with a file.
pub fn fault(fault: &Fault) -> types::Fault {
    types::Fault {
        path: fault.path.display().to_string(),
        summary: fault.summary.clone(),
        report: fault.report.clone(),
    }
}

/// The schedules as the file writes them: a [`ScheduleSet`](crate::schedule::ScheduleSet) keeps what they mean and not
/// their text.
fn schedules(spec: &JobSpec, source: Option<&Source>) -> Vec<String> {
    if spec.schedules.is_empty() {
        return Vec::new();
    }
    let table = source.and_then(|source| source.text.parse::<toml::Table>().ok());
    match table.as_ref().and_then(|table| table.get("schedule")) {
        Some(toml::Value::Array(entries)) => entries.iter().map(schedule).collect(),
        Some(entry) => vec![schedule(entry)],
        None => vec!["(its text cannot be read)".to_owned()],
    }
}

fn schedule(entry: &toml::Value) -> String {
    match entry {
        toml::Value::String(short) => short.clone(),
        toml::Value::Table(keys) => {
            keys.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// One instant of a schedule.
pub fn occurrence(occurrence: &crate::schedule::Occurrence) -> types::Occurrence {
    types::Occurrence {
        at: Time(occurrence.at),
        local: occurrence.zone.local(occurrence.at).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false),
        start: Time(occurrence.due),
        nominal: occurrence.nominal.format(NOMINAL_FORMAT).to_string(),
        note: occurrence.note.as_ref().map(ToString::to_string),
    }
}

/// One instant at which nothing runs.
pub fn excluded(excluded: &crate::schedule::Excluded) -> types::ExcludedInstant {
    types::ExcludedInstant {
        at: Time(excluded.at),
        nominal: excluded.nominal.format(NOMINAL_FORMAT).to_string(),
        cause: excluded.cause.to_string(),
    }
}

/// The occurrence that will start a run: none while the schedule is not in force at its instant.
fn next_considered(job: &Job) -> Option<&crate::schedule::Occurrence> {
    let in_force = job.spec.as_ref().is_some_and(|spec| spec.enabled) && job.state.removed_at.is_none();
    let next = job.next.as_ref().filter(|_| in_force)?;
    match &job.state.paused {
        Some(pause) => pause.until.is_some_and(|until| next.at >= until).then_some(next),
        None => Some(next),
    }
}

fn live_runs<'a>(job: &'a Job, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a run::Run> {
    let ids = job.live.iter().map(|&number| RunId { job: job.name.clone(), number });
    ids.filter_map(|id| snapshot.live.get(&id).map(AsRef::as_ref))
}

fn live_run(run: &run::Run) -> types::LiveRun {
    let started_at = match &run.state {
        run::RunState::Running { started_at, .. } | run::RunState::Stopping { started_at, .. } => Some(*started_at),
        run::RunState::Queued { .. }
        | run::RunState::Starting { .. }
        | run::RunState::Backoff { .. }
        | run::RunState::Finished { .. } => None,
    };
    types::LiveRun { run: run.id.to_string(), state: live_state(run), started_at: started_at.map(Time) }
}

fn state(job: &Job, live: &[types::LiveRun]) -> JobState {
    let some_live = |states: &[RunState]| live.iter().any(|run| states.contains(&run.state));
    if some_live(&[RunState::Starting, RunState::Running, RunState::Stopping]) {
        return JobState::Running;
    }
    if some_live(&[RunState::Backoff]) {
        return JobState::Backoff;
    }
    if some_live(&[RunState::Queued]) {
        return JobState::Queued;
    }
    match &job.spec {
        _ if job.state.removed_at.is_some() => JobState::Removed,
        None => JobState::Faulty,
        Some(spec) if !spec.enabled => JobState::Disabled,
        Some(_) if job.state.paused.is_some() => JobState::Paused,
        Some(_) if job.next.is_some() => JobState::Waiting,
        Some(_) => JobState::Idle,
    }
}

fn last_run(job: &Job, last: &LastRun) -> types::LastRun {
    let (told, signal) = match &last.outcome {
        Outcome::Failed { exit_code } => (Some(*exit_code), None),
        Outcome::Signaled { signal, .. } => (None, Some(*signal)),
        Outcome::Succeeded
        | Outcome::OutOfMemory(_)
        | Outcome::TimedOut
        | Outcome::Cancelled
        | Outcome::Replaced
        | Outcome::HostShutdown
        | Outcome::SetupFailed(_)
        | Outcome::Lost => (None, None),
    };
    types::LastRun {
        run: RunId { job: job.name.clone(), number: last.number }.to_string(),
        outcome: outcome(&last.outcome),
        exit_code: last.exit_code.or(told),
        signal,
        started_at: last.started_at.map(Time),
        ended_at: Time(last.ended_at),
        duration_seconds: last.started_at.map(|started| seconds_between(started, last.ended_at)),
    }
}

/// What a job's file says; `source` is its text, in which the schedules are quoted.
pub fn definition(spec: &JobSpec, source: Option<&Source>) -> types::Definition {
    let (overlap, max_concurrent) = match spec.overlap {
        Overlap::Skip => ("skip", 1),
        Overlap::Allow { max_concurrent } => ("allow", max_concurrent.get()),
        Overlap::Queue => ("queue", 1),
        Overlap::Replace => ("replace", 1),
    };
    types::Definition {
        revision: spec.revision.to_string(),
        command: command(&spec.command),
        schedule: schedules(spec, source),
        environment: spec.environment.0.keys().cloned().collect(),
        working_directory: spec.working_directory.as_ref().map(|path| path.display().to_string()),
        user: spec.identity.user.clone(),
        group: spec.identity.group.clone(),
        process: Some(super::process::process(&spec.process)),
        timeout_seconds: spec.timeout.map(seconds),
        stop_signal: spec.stop.signal.as_str().to_owned(),
        stop_grace_seconds: seconds(spec.stop.grace),
        overlap: overlap.to_owned(),
        max_concurrent,
        catch_up: match spec.catch_up.policy {
            CatchUpPolicy::None => "none",
            CatchUpPolicy::Latest => "latest",
            CatchUpPolicy::All => "all",
        }
        .to_owned(),
        catch_up_window_seconds: spec.catch_up.window.map(seconds),
        retry: types::Retry {
            attempts: spec.retry.attempts.get(),
            backoff: match spec.retry.backoff {
                Backoff::Fixed => "fixed",
                Backoff::Linear => "linear",
                Backoff::Exponential => "exponential",
            }
            .to_owned(),
            delay_seconds: seconds(spec.retry.delay),
            max_delay_seconds: seconds(spec.retry.max_delay),
            on_lost: spec.retry.on_lost,
        },
        success_exit_codes: spec.success_exit_codes.iter().copied().collect(),
        output_to: spec.output.to.name().to_owned(),
        output_limit_bytes: spec.output.limit_bytes,
        output_rate_limit: spec.output.rate.map(|rate| rate.to_string()),
        output_timestamps: spec.output.timestamps,
        keep_runs: spec.retention.runs.get(),
        keep_age_seconds: seconds(spec.retention.age),
        alert_after_seconds: spec.alert_after.map(seconds),
        notify: super::targets(&spec.notify),
        notify_per_hour: spec.notify.per_hour.get(),
        keep_output_bytes: spec.retention.output_bytes,
    }
}

fn command(command: &Command) -> types::CommandLine {
    match command {
        Command::Argv(argv) => types::CommandLine { argv: Some(argv.clone()), line: None, shell: None },
        Command::Shell { shell, line } => {
            types::CommandLine { argv: None, line: Some(line.clone()), shell: Some(shell.clone()) }
        }
    }
}
