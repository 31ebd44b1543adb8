//! The daemon: configuration, loads, health.

use crate::api::types::{self, Time};
use crate::daemon::{About, ShutdownMode, SupervisorState};
use crate::run::{Outcome, RunId};
use crate::scheduler::{HeldBack, Job, LoadSummary, Snapshot};
use crate::spec::JobName;
use crate::store::WriteState;

/// Paths and rights in force.
pub fn config(about: &About) -> types::Config {
    types::Config {
        jobs_dir: about.jobs_dir.display().to_string(),
        state_dir: about.state_dir.display().to_string(),
        socket: about.socket.display().to_string(),
        config: about.config.as_ref().map(|path| path.display().to_string()),
        operator_gid: about.operator_group,
    }
}

/// What a load changed.
pub fn load_summary(summary: &LoadSummary) -> types::Reloaded {
    let names = |names: &[JobName]| names.iter().map(ToString::to_string).collect();
    types::Reloaded {
        added: names(&summary.added),
        changed: names(&summary.changed),
        removed: names(&summary.removed),
        faulty: names(&summary.faulty),
        unchanged: summary.unchanged,
    }
}

/// How to go down, from the wire to the daemon.
pub const fn shutdown_mode(mode: types::ShutdownMode) -> ShutdownMode {
    match mode {
        types::ShutdownMode::LeaveRuns => ShutdownMode::LeaveRuns,
        types::ShutdownMode::Drain => ShutdownMode::Drain,
        types::ShutdownMode::StopRuns => ShutdownMode::StopRuns,
    }
}

/// The whole health report.
pub fn health(
    about: &About,
    supervisor: &SupervisorState,
    store: &WriteState,
    state: types::StateHealth,
    snapshot: &Snapshot,
) -> types::Health {
    let ready = ready(supervisor, store, snapshot);
    let jobs = jobs_health(snapshot);
    types::Health {
        ok: ready.ok && state.ok && jobs.ok,
        live: types::Live { ok: true, started_at: Time(about.started_at) },
        ready,
        state,
        jobs,
    }
}

/// Whether runs are started.
fn ready(supervisor: &SupervisorState, store: &WriteState, snapshot: &Snapshot) -> types::Ready {
    let mut problems = Vec::new();
    let supervisor_pid = match supervisor {
        SupervisorState::Connected { pid } => Some(*pid),
        SupervisorState::Missing { reason } => {
            problems.push(format!("there is no connection to the supervisor: {reason}"));
            None
        }
    };
    problems.extend(super::state::write_problem(store));
    if snapshot.draining {
        problems.push("the daemon is going down and starts no runs".to_owned());
    }
    types::Ready { ok: problems.is_empty(), problems, supervisor_pid }
}

fn jobs_health(snapshot: &Snapshot) -> types::JobsHealth {
    let jobs: Vec<&Job> =
        snapshot.jobs.values().map(AsRef::as_ref).filter(|job| job.state.removed_at.is_none()).collect();
    let faulty: Vec<_> = jobs.iter().filter_map(|job| faulty(job)).collect();
    let failing: Vec<_> = jobs.iter().filter_map(|job| failing(job)).collect();
    let held_back =
        snapshot.held_back.map(|held: HeldBack| types::HeldBack { known: held.known, vanishing: held.vanishing });
    types::JobsHealth {
        ok: faulty.is_empty() && failing.is_empty() && held_back.is_none(),
        total: jobs.len(),
        live_runs: snapshot.live.len(),
        paused: jobs.iter().filter(|job| job.state.paused.is_some()).count(),
        disabled: jobs.iter().filter(|job| job.spec.as_ref().is_some_and(|spec| !spec.enabled)).count(),
        faulty,
        failing,
        held_back,
    }
}

fn faulty(job: &Job) -> Option<types::FaultyJob> {
    job.fault.as_ref().map(|fault| types::FaultyJob {
        job: job.name.to_string(),
        path: fault.path.display().to_string(),
        summary: fault.summary.clone(),
        last_good: job.spec.is_some(),
    })
}

fn failing(job: &Job) -> Option<types::FailingJob> {
    let last = job.state.last.as_ref().filter(|last| is_failure(&last.outcome))?;
    Some(types::FailingJob {
        job: job.name.to_string(),
        run: RunId { job: job.name.clone(), number: last.number }.to_string(),
        outcome: super::run::outcome(&last.outcome),
        ended_at: Time(last.ended_at),
    })
}

/// Whether a job whose newest run ended so needs somebody's attention.
pub const fn is_failure(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed { .. }
        | Outcome::Signaled { .. }
        | Outcome::TimedOut
        | Outcome::SetupFailed(_)
        | Outcome::Lost => true,
        Outcome::Succeeded | Outcome::Cancelled | Outcome::Replaced | Outcome::HostShutdown => false,
    }
}
