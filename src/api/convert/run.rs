//! Runs, skips and history.

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::{seconds, seconds_between};
use crate::api::types::{self, Time};
use crate::run::{
    Attempt, AttemptEnd, Ending, Outcome, QueueReason, Run, RunState, SetupFailure, Skip, StopReason, Trigger,
};
use crate::store::HistoryEntry;

/// A record of history.
pub fn history_entry(entry: &HistoryEntry) -> types::Entry {
    match entry {
        HistoryEntry::Run(run) => entry_of_run(run),
        HistoryEntry::Skip(skip) => entry_of_skip(skip),
    }
}

/// A run, in short.
pub fn entry_of_run(run: &Run) -> types::Entry {
    let scheduled = run.trigger.scheduled();
    let started_at = run.attempts.iter().find_map(started_at);
    let (outcome, ended_at) = match &run.state {
        RunState::Finished { outcome, ended_at } => (Some(outcome), Some(*ended_at)),
        RunState::Queued { .. }
        | RunState::Starting { .. }
        | RunState::Running { .. }
        | RunState::Stopping { .. }
        | RunState::Backoff { .. } => (None, None),
    };
    let (exit_code, signal) = run.attempts.last().map(exit_of).unwrap_or_default();
    types::Entry {
        run: Some(run.id.to_string()),
        job: run.id.job.to_string(),
        state: state(&run.state),
        outcome: outcome.map(self::outcome),
        trigger: Some(trigger(&run.trigger)),
        uid: match run.trigger {
            Trigger::Manual { uid } => Some(uid),
            Trigger::Schedule(_) | Trigger::CatchUp(_) => None,
        },
        scheduled_at: scheduled.map(|scheduled| Time(scheduled.at)),
        nominal: scheduled.map(|scheduled| scheduled.nominal.format(NOMINAL_FORMAT).to_string()),
        note: scheduled.and_then(|scheduled| scheduled.note.clone()),
        created_at: Time(run.created_at),
        started_at: started_at.map(Time),
        ended_at: ended_at.map(Time),
        duration_seconds: started_at.zip(ended_at).map(|(from, to)| seconds_between(from, to)),
        exit_code,
        signal,
        attempts: u32::try_from(run.attempts.len()).unwrap_or(u32::MAX),
        reason: reason(&run.state).map(str::to_owned),
        explanation: explanation(run, None),
        skipped: None,
    }
}

/// How local times without an offset are written.
pub(super) const NOMINAL_FORMAT: &str = "%Y-%m-%dT%H:%M:%S";

/// Occurrences that did not run.
pub fn entry_of_skip(skip: &Skip) -> types::Entry {
    types::Entry {
        run: None,
        job: skip.job.to_string(),
        state: types::RunState::Skipped,
        outcome: Some(types::Outcome::Skipped),
        trigger: None,
        uid: None,
        scheduled_at: Some(Time(skip.first)),
        nominal: None,
        note: None,
        created_at: Time(skip.recorded_at),
        started_at: None,
        ended_at: None,
        duration_seconds: None,
        exit_code: None,
        signal: None,
        attempts: 0,
        reason: Some(skip.reason.name().to_owned()),
        explanation: Some(skip.reason.explain().to_owned()),
        skipped: Some(skip_span(skip)),
    }
}

/// Which occurrences a skip covers.
pub(super) fn skip_span(skip: &Skip) -> types::SkipSpan {
    types::SkipSpan {
        reason: skip.reason.name().to_owned(),
        first: Time(skip.first),
        last: Time(skip.last),
        count: skip.count,
    }
}

/// A run with its attempts. `user` is as whom its definition runs, where that is known and somebody else than the daemon.
pub fn run(run: &Run, user: Option<&str>) -> types::Run {
    let (pid, kill_at, next_attempt_at) = match &run.state {
        RunState::Running { pid, .. } => (Some(*pid), None, None),
        RunState::Stopping { pid, kill_at, .. } => (Some(*pid), Some(*kill_at), None),
        RunState::Backoff { until, .. } => (None, None, Some(until.wall)),
        RunState::Queued { .. } | RunState::Starting { .. } | RunState::Finished { .. } => (None, None, None),
    };
    types::Run {
        entry: types::Entry { explanation: explanation(run, user), ..entry_of_run(run) },
        number: run.id.number,
        revision: run.revision.to_string(),
        pid,
        kill_at: kill_at.map(Time),
        next_attempt_at: next_attempt_at.map(Time),
        output_removed_at: run.output_removed_at.map(Time),
        attempt_records: run.attempts.iter().map(|one| attempt(one, user)).collect(),
    }
}

fn attempt(attempt: &Attempt, user: Option<&str>) -> types::Attempt {
    let end = attempt.end.as_ref().map(|(end, _)| end);
    let (exit_code, signal) = exit_of(attempt);
    let started = started_at(attempt);
    types::Attempt {
        attempt: attempt.number,
        started_at: started.map(Time),
        ended_at: end.map(|end| Time(end.ended_at)),
        duration_seconds: started.zip(end).map(|(from, end)| seconds_between(from, end.ended_at)),
        outcome: attempt.end.as_ref().map(|(_, outcome)| self::outcome(outcome)),
        exit_code,
        signal,
        setup_failure: end.and_then(|end| match &end.ending {
            Ending::SetupFailed(failure) => Some(setup_failure(failure, user)),
            Ending::Exited { .. } | Ending::Unseen => None,
        }),
        cpu_user_seconds: end.map(|end| seconds(end.usage.cpu_user)),
        cpu_system_seconds: end.map(|end| seconds(end.usage.cpu_system)),
        peak_memory_bytes: end.map(|end| end.usage.peak_memory_bytes),
        output: end.map(output_bytes),
    }
}

/// When an attempt's program was executed: as reported at its start, or, when that report was missed, at its end.
pub(super) fn started_at(attempt: &Attempt) -> Option<crate::clock::Timestamp> {
    attempt.started_at.or_else(|| attempt.end.as_ref().and_then(|(end, _)| end.started_at))
}

fn output_bytes(end: &AttemptEnd) -> types::OutputBytes {
    let crate::run::OutputSummary { bytes, cut_bytes, lost_bytes, limited_bytes, to } = end.output;
    types::OutputBytes { bytes, cut_bytes, lost_bytes, limited_bytes, to: to.name().to_owned() }
}

/// Exit code and signal of an attempt, by its raw wait status.
fn exit_of(attempt: &Attempt) -> (Option<u8>, Option<i32>) {
    match attempt.end.as_ref().map(|(end, _)| &end.ending) {
        Some(Ending::Exited { wait_status }) => {
            let status = *wait_status;
            let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
            let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
            (code.and_then(|code| u8::try_from(code).ok()), signal)
        }
        Some(Ending::SetupFailed(_) | Ending::Unseen) | None => (None, None),
    }
}

fn setup_failure(failure: &SetupFailure, user: Option<&str>) -> types::SetupFailure {
    types::SetupFailure {
        step: failure.step.clone(),
        path: failure.path.as_ref().map(|path| path.display().to_string()),
        errno: failure.errno,
        message: explain_setup(failure, user),
    }
}

/// Where a run stands, in the word of the wire.
pub const fn state(state: &RunState) -> types::RunState {
    match state {
        RunState::Queued { .. } => types::RunState::Queued,
        RunState::Starting { .. } => types::RunState::Starting,
        RunState::Running { .. } => types::RunState::Running,
        RunState::Stopping { .. } => types::RunState::Stopping,
        RunState::Backoff { .. } => types::RunState::Backoff,
        RunState::Finished { .. } => types::RunState::Finished,
    }
}

/// Where a run stands.
pub fn live_state(run: &Run) -> types::RunState {
    state(&run.state)
}

/// An outcome, in one word.
pub(super) const fn outcome(outcome: &Outcome) -> types::Outcome {
    match outcome {
        Outcome::Succeeded => types::Outcome::Succeeded,
        Outcome::Failed { .. } => types::Outcome::Failed,
        Outcome::Signaled { .. } => types::Outcome::Signaled,
        Outcome::TimedOut => types::Outcome::TimedOut,
        Outcome::Cancelled => types::Outcome::Cancelled,
        Outcome::Replaced => types::Outcome::Replaced,
        Outcome::HostShutdown => types::Outcome::HostShutdown,
        Outcome::SetupFailed(_) => types::Outcome::SetupFailed,
        Outcome::Lost => types::Outcome::Lost,
    }
}

const fn trigger(trigger: &Trigger) -> types::Trigger {
    match trigger {
        Trigger::Schedule(_) => types::Trigger::Schedule,
        Trigger::CatchUp(_) => types::Trigger::CatchUp,
        Trigger::Manual { .. } => types::Trigger::Manual,
    }
}

/// What a live run waits for, or why it is being stopped, in one word.
const fn reason(state: &RunState) -> Option<&'static str> {
    match state {
        RunState::Queued { reason: QueueReason::Overlap, .. } => Some("overlap"),
        RunState::Queued { reason: QueueReason::Replacing, .. } => Some("replacing"),
        RunState::Starting { stop: Some(reason), .. } | RunState::Stopping { reason, .. } => Some(match reason {
            StopReason::TimedOut => "timed_out",
            StopReason::Cancelled => "cancelled",
            StopReason::Replaced => "replaced",
            StopReason::HostShutdown => "host_shutdown",
        }),
        RunState::Starting { stop: None, .. }
        | RunState::Running { .. }
        | RunState::Backoff { .. }
        | RunState::Finished { .. } => None,
    }
}

fn explanation(run: &Run, user: Option<&str>) -> Option<String> {
    match &run.state {
        RunState::Finished { outcome, .. } => explain(outcome, user),
        RunState::Queued { .. }
        | RunState::Starting { .. }
        | RunState::Running { .. }
        | RunState::Stopping { .. }
        | RunState::Backoff { .. } => None,
    }
}

/// How a run ended, in words; `None` for success, which needs none.
pub fn explain_outcome(outcome: &Outcome) -> Option<String> {
    explain(outcome, None)
}

fn explain(outcome: &Outcome, user: Option<&str>) -> Option<String> {
    match outcome {
        Outcome::Succeeded => None,
        Outcome::Failed { exit_code } => Some(format!("it exited with code {exit_code}")),
        Outcome::Signaled { signal, core_dumped } => {
            let core = if *core_dumped { " and left a core file" } else { "" };
            Some(format!("{} ended it{core}", signal_name(*signal)))
        }
        Outcome::TimedOut => Some("its timeout was over".to_owned()),
        Outcome::Cancelled => Some("it was cancelled".to_owned()),
        Outcome::Replaced => Some("a newer run took its place".to_owned()),
        Outcome::HostShutdown => Some("the machine went down".to_owned()),
        Outcome::SetupFailed(failure) => Some(explain_setup(failure, user)),
        Outcome::Lost => Some("it may have run, and nobody saw its end".to_owned()),
    }
}

/// Steps that the rights of the job's user decide, by the supervisor's names (`supervisor::child`).
const STEPS_OF_USER: [&str; 5] =
    ["create working directory", "enter working directory", "open standard input", "read environment file", "execute"];

fn explain_setup(failure: &SetupFailure, user: Option<&str>) -> String {
    // The steps' names are the supervisor's (`supervisor::child`); the number would speak of a file.
    if let (Some(name), libc::ENOENT) = (&failure.path, failure.errno) {
        match failure.step.as_str() {
            "look up user" => return format!("there is no user {}", name.display()),
            "look up group" => return format!("there is no group {}", name.display()),
            _ => {}
        }
    }
    let about = failure.path.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default();
    let cause = match failure.errno {
        0 => String::new(),
        errno => format!(": {}", Errno::from_raw(errno).desc()),
    };
    let denied = matches!(failure.errno, libc::EACCES | libc::EPERM) && STEPS_OF_USER.contains(&failure.step.as_str());
    let whose = user.filter(|_| denied).map(|user| format!(" as user {user}")).unwrap_or_default();
    format!("cannot {}{about}{whose}{cause}", failure.step)
}

/// A signal's name, as in `SIGTERM`; a real-time signal's number.
fn signal_name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |signal| signal.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::{at, attempt_ended, finished_run};

    #[test]
    fn a_timed_out_run_keeps_what_its_process_said() {
        let mut run = finished_run("backup", 3, Outcome::TimedOut);
        run.attempts = vec![attempt_ended(1, Ending::Exited { wait_status: 15 }, Outcome::TimedOut)];
        let entry = entry_of_run(&run);
        assert_eq!(entry.outcome, Some(types::Outcome::TimedOut));
        assert_eq!((entry.exit_code, entry.signal), (None, Some(15)));
        assert_eq!(entry.started_at, Some(Time(at("2026-11-21T02:30:00.25Z"))));
        assert_eq!(entry.duration_seconds, Some(9.75));
        assert_eq!(entry.explanation.as_deref(), Some("its timeout was over"));
    }

    #[test]
    fn a_setup_failure_names_step_path_and_cause() {
        let failure = SetupFailure {
            step: "enter working directory".to_owned(),
            path: Some("/srv/gone".into()),
            errno: libc::ENOENT,
        };
        assert_eq!(
            explain_setup(&failure, None),
            "cannot enter working directory /srv/gone: No such file or directory"
        );
        let failure = SetupFailure { step: "look up user nobodyhome".to_owned(), path: None, errno: 0 };
        assert_eq!(explain_setup(&failure, None), "cannot look up user nobodyhome");
    }

    #[test]
    fn a_right_is_lacking_to_somebody() {
        let failure = |step: &str, errno| SetupFailure { step: step.to_owned(), path: Some("/srv/app".into()), errno };
        let table = [
            ("execute", libc::EACCES, "cannot execute /srv/app as user www: Permission denied"),
            ("execute", libc::ENOENT, "cannot execute /srv/app: No such file or directory"),
            // The daemon does this.
            ("fetch credentials", libc::EACCES, "cannot fetch credentials /srv/app: Permission denied"),
        ];
        for (step, errno, expected) in table {
            let mut run = finished_run("backup", 3, Outcome::SetupFailed(failure(step, errno)));
            run.attempts[0] = attempt_ended(1, Ending::SetupFailed(failure(step, errno)), Outcome::Lost);
            let wire = super::run(&run, Some("www"));
            assert_eq!(wire.entry.explanation.as_deref(), Some(expected));
            assert_eq!(wire.attempt_records[0].setup_failure.as_ref().unwrap().message, expected);
        }
        assert_eq!(
            explain_setup(&failure("execute", libc::EACCES), None),
            "cannot execute /srv/app: Permission denied"
        );
    }

    #[test]
    fn an_unknown_account_is_no_missing_file() {
        let failure =
            |step: &str, errno| SetupFailure { step: step.to_owned(), path: Some("nobodyhome".into()), errno };
        assert_eq!(explain_setup(&failure("look up user", libc::ENOENT), None), "there is no user nobodyhome");
        assert_eq!(explain_setup(&failure("look up group", libc::ENOENT), None), "there is no group nobodyhome");
        let other = explain_setup(&failure("look up user", libc::EIO), None);
        assert_eq!(other, "cannot look up user nobodyhome: I/O error");
    }

    #[test]
    fn exit_code_and_signal_follow_the_wait_status() {
        for (wait_status, code, signal) in [(0, Some(0), None), (0x0300, Some(3), None), (9, None, Some(9))] {
            let attempt = attempt_ended(1, Ending::Exited { wait_status }, Outcome::Succeeded);
            assert_eq!(exit_of(&attempt), (code, signal), "{wait_status:#x}");
        }
    }
}
