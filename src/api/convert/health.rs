//! Health.

use std::sync::Arc;

use crate::api::access::Reach;
use crate::api::types::{self, Time};
use crate::daemon::{Handle, SupervisorState, Warnings};
use crate::run::{Outcome, RunId};
use crate::schedule::Zone;
use crate::scheduler::{HeldBack, Job, Snapshot};
use crate::spec::Fault;
use crate::store::{Note, WriteState};

/// The whole report, as far as it reaches: `seen` is what of the snapshot may be seen.
pub fn health(handle: &Handle, seen: &Snapshot, reach: Reach) -> types::Health {
    let (ready, store, jobs) = (ready(handle), store(handle, reach), jobs(handle, seen, reach));
    let notices = super::outbox(&seen.outbox);
    types::Health {
        ok: ready.ok && store.ok && jobs.ok && notices.ok,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        live: live(handle),
        ready,
        store,
        jobs,
        notices,
        warnings: tz_warning(handle.about().machine_tz_database.as_deref())
            .into_iter()
            .chain(missing(&handle.warnings(), seen))
            .collect(),
    }
}

/// Jobs that are told of one by one; the others are counted.
const MISSING_TOLD: usize = 20;

/// What job files name and the machine does not have.
fn missing(warnings: &Warnings, seen: &Snapshot) -> Vec<String> {
    let told = warnings.iter().filter(|entry| seen.jobs.contains_key(entry.0));
    let mut lines: Vec<String> = told.map(|(job, warning)| format!("{job}: {}", warning.summary)).collect();
    let more = lines.len().saturating_sub(MISSING_TOLD);
    if more > 0 {
        lines.truncate(MISSING_TOLD);
        lines.push(format!("and {more} more jobs name what this machine does not have; `jobctl check` shows all"));
    }
    lines
}

/// Whether the machine knows newer time zones than this program. Releases are a year and a letter, as in `2025b`, so that
/// their order is that of text.
fn tz_warning(machine: Option<&str>) -> Option<String> {
    let carried = Zone::database_version();
    let machine = machine.filter(|machine| *machine > carried)?;
    Some(format!(
        "the machine's time zone database is {machine}, this jobsd carries {carried}: after a change of law local times \
         may differ; a newer jobsd brings newer zones"
    ))
}

/// The process.
pub fn live(handle: &Handle) -> types::Live {
    types::Live { ok: true, pid: std::process::id(), started_at: Time(handle.about().started_at) }
}

/// Whether runs are started.
pub fn ready(handle: &Handle) -> types::Ready {
    readiness(&handle.supervisor(), &handle.store_health(), handle.snapshot().draining)
}

fn readiness(supervisor: &SupervisorState, store: &WriteState, draining: bool) -> types::Ready {
    let mut problems = Vec::new();
    let supervisor_pid = match supervisor {
        SupervisorState::Connected { pid, since: _ } => Some(*pid),
        SupervisorState::Missing { reason } => {
            problems.push(format!("there is no connection to the supervisor: {reason}"));
            None
        }
    };
    // A start is durable before it is asked for, and there must be room for its end.
    problems.extend(store_problem(store));
    if draining {
        problems.push("the daemon is going down and starts no runs".to_owned());
    }
    types::Ready { ok: problems.is_empty(), problems, supervisor_pid }
}

fn store(handle: &Handle, reach: Reach) -> types::StoreHealth {
    let state = handle.store_health();
    let word = match &state {
        WriteState::Writing => "writing",
        WriteState::OnReserve => "on_reserve",
        WriteState::Failing { .. } => "failing",
        WriteState::Closed => "closed",
    };
    types::StoreHealth {
        ok: state == WriteState::Writing && !handle.store_notes().iter().any(Note::is_loss),
        state: word.to_owned(),
        problem: store_problem(&state),
        // They may name any job.
        notes: match reach {
            Reach::All => handle.store_notes().iter().map(ToString::to_string).collect(),
            Reach::Own | Reach::None => Vec::new(),
        },
    }
}

fn store_problem(state: &WriteState) -> Option<String> {
    match state {
        WriteState::Writing => None,
        WriteState::OnReserve => Some(
            "the disk of the state directory is full: live runs are recorded on the reserve, and none is started"
                .to_owned(),
        ),
        WriteState::Failing { reason, disk_full, failures } => {
            let what =
                if *disk_full { "the disk of the state directory is full" } else { "the state cannot be written" };
            let times = if *failures == 1 { "once" } else { &format!("{failures} times") };
            Some(format!("{what}, tried {times}: {reason}"))
        }
        WriteState::Closed => Some("the state was closed".to_owned()),
    }
}

/// The jobs of `seen`; the directory and files that are no jobs too where that is all.
pub fn jobs(handle: &Handle, seen: &Snapshot, reach: Reach) -> types::JobsHealth {
    match reach {
        Reach::All => {
            let told = |fault: Option<Arc<String>>| fault.map(|fault| fault.as_ref().clone());
            let (jobs_dir_fault, config_fault) = (told(handle.jobs_dir_fault()), told(handle.config_fault()));
            let health = jobs_health(seen, jobs_dir_fault, &handle.strays());
            types::JobsHealth { ok: health.ok && config_fault.is_none(), config_fault, ..health }
        }
        Reach::Own | Reach::None => jobs_health(seen, None, &[]),
    }
}

fn jobs_health(snapshot: &Snapshot, jobs_dir_fault: Option<String>, strays: &[Fault]) -> types::JobsHealth {
    let jobs: Vec<&Job> =
        snapshot.jobs.values().map(AsRef::as_ref).filter(|job| job.state.removed_at.is_none()).collect();
    let faulty: Vec<_> = jobs.iter().filter_map(|job| faulty(job)).collect();
    let failing: Vec<_> = jobs.iter().filter_map(|job| failing(job)).collect();
    let overdue: Vec<_> = jobs.iter().filter_map(|job| overdue(job)).collect();
    let held_back =
        snapshot.held_back.map(|held: HeldBack| types::HeldBack { known: held.known, vanishing: held.vanishing });
    let strays: Vec<_> = strays.iter().map(stray).collect();
    let files_good = faulty.is_empty() && strays.is_empty() && jobs_dir_fault.is_none() && held_back.is_none();
    types::JobsHealth {
        ok: files_good && failing.is_empty() && overdue.is_empty(),
        total: jobs.len(),
        live_runs: snapshot.live.len(),
        paused: jobs.iter().filter(|job| job.state.paused.is_some()).count(),
        disabled: jobs.iter().filter(|job| job.spec.as_ref().is_some_and(|spec| !spec.enabled)).count(),
        faulty,
        strays,
        failing,
        overdue,
        jobs_dir_fault,
        config_fault: None,
        held_back,
    }
}

fn stray(fault: &Fault) -> types::StrayFile {
    types::StrayFile { path: fault.path.display().to_string(), summary: fault.summary.clone() }
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

fn overdue(job: &Job) -> Option<types::OverdueJob> {
    let since = job.state.watch.overdue_since?;
    Some(types::OverdueJob {
        job: job.name.to_string(),
        since: Time(since),
        last_success: job.state.watch.last_success.map(Time),
        alert_after_seconds: job.spec.as_ref().and_then(|spec| spec.alert_after).map(super::seconds),
    })
}

/// Whether a job whose newest run ended so needs somebody's attention.
pub const fn is_failure(outcome: &Outcome) -> bool {
    outcome.is_failure()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Monotonic;

    #[test]
    fn whatever_keeps_runs_from_starting_is_told() {
        let connected =
            SupervisorState::Connected { pid: 7, since: Monotonic::from_duration(std::time::Duration::ZERO) };
        let missing = SupervisorState::Missing { reason: "Connection refused".to_owned() };
        let failing =
            WriteState::Failing { reason: "No space left on device".to_owned(), disk_full: true, failures: 3 };
        for (supervisor, store, draining, problem) in [
            (&connected, &WriteState::Writing, false, None),
            (&connected, &WriteState::OnReserve, false, Some("none is started")),
            (&connected, &failing, false, Some("state directory is full, tried 3 times: No space left")),
            (&connected, &WriteState::Closed, false, Some("was closed")),
            (&connected, &WriteState::Writing, true, Some("going down")),
            (&missing, &WriteState::Writing, false, Some("no connection to the supervisor: Connection refused")),
        ] {
            let ready = readiness(supervisor, store, draining);
            assert_eq!(ready.ok, problem.is_none(), "{store:?} {draining}");
            assert_eq!(ready.supervisor_pid.is_some(), *supervisor == connected);
            let told = ready.problems.first().map(String::as_str);
            assert!(
                told.is_none() == problem.is_none() && told.unwrap_or("").contains(problem.unwrap_or("")),
                "{told:?}"
            );
        }
    }

    #[test]
    fn a_directory_or_a_name_that_cannot_be_is_no_health() {
        let empty = Snapshot::default();
        assert!(jobs_health(&empty, None, &[]).ok);
        assert!(!jobs_health(&empty, Some("cannot read".to_owned()), &[]).ok);
        let stray = Fault { path: "/j/Bad.toml".into(), summary: "no name".to_owned(), report: String::new() };
        let health = jobs_health(&empty, None, &[stray]);
        assert_eq!((health.ok, health.strays[0].path.as_str()), (false, "/j/Bad.toml"));
    }

    #[test]
    fn only_a_newer_database_of_the_machine_is_worth_a_warning() {
        let carried = Zone::database_version();
        assert_eq!(tz_warning(None), None);
        assert_eq!(tz_warning(Some(carried)), None);
        assert_eq!(tz_warning(Some("2019c")), None);
        assert!(tz_warning(Some("2099a")).is_some_and(|told| told.contains("2099a") && told.contains(carried)));
    }
}
