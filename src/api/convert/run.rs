//! Runs, skips and history.

use super::{seconds, seconds_between};
use crate::api::types::{self, Time};
use crate::run::{
    Attempt, AttemptEnd, Ending, Leftovers, MemoryMeasure, OutOfMemory, Outcome, QueueReason, Run, RunState, Rung,
    SetupFailure, Skip, StopReason, Trigger, meaning, signal_name,
};
use crate::store::HistoryEntry;
use crate::units::format_size;

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
    let exit = run.attempts.last().map(Exit::of).unwrap_or_default();
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
        exit_code: exit.code,
        exit_meaning: exit.meaning(),
        signal: exit.signal,
        signal_name: exit.signal.map(signal_name),
        attempts: u32::try_from(run.attempts.len()).unwrap_or(u32::MAX),
        reason: reason(&run.state).map(str::to_owned),
        explanation: explanation(run),
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
        exit_meaning: None,
        signal: None,
        signal_name: None,
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

/// A run with its attempts.
pub fn run(run: &Run) -> types::Run {
    let (pid, kill_at, next_attempt_at) = match &run.state {
        RunState::Running { pid, .. } => (Some(*pid), None, None),
        RunState::Stopping { pid, kill_at, .. } => (Some(*pid), Some(*kill_at), None),
        RunState::Backoff { until, .. } => (None, None, Some(until.wall)),
        RunState::Queued { .. } | RunState::Starting { .. } | RunState::Finished { .. } => (None, None, None),
    };
    types::Run {
        entry: entry_of_run(run),
        number: run.id.number,
        revision: run.revision.to_string(),
        pid,
        kill_at: kill_at.map(Time),
        next_attempt_at: next_attempt_at.map(Time),
        output_removed_at: run.output_removed_at.map(Time),
        attempt_records: run.attempts.iter().map(attempt).collect(),
    }
}

fn attempt(attempt: &Attempt) -> types::Attempt {
    let end = attempt.end.as_ref().map(|(end, _)| end);
    let usage = end.map(|end| end.usage).unwrap_or_default();
    let stopped = end.and_then(|end| end.stopped);
    let exit = Exit::of(attempt);
    let started = started_at(attempt);
    types::Attempt {
        attempt: attempt.number,
        started_at: started.map(Time),
        ended_at: end.map(|end| Time(end.ended_at)),
        duration_seconds: started.zip(end).map(|(from, end)| seconds_between(from, end.ended_at)),
        outcome: attempt.end.as_ref().map(|(_, outcome)| self::outcome(outcome)),
        exit_code: exit.code,
        exit_meaning: exit.meaning(),
        signal: exit.signal,
        signal_name: exit.signal.map(signal_name),
        core_dumped: exit.signal.map(|_| exit.core_dumped),
        stop_reason: stopped.map(|stopped| stop_reason(stopped.reason).to_owned()),
        stop_rung: stopped.and_then(|stopped| stopped.rung).map(rung),
        out_of_memory: end.and_then(|end| end.out_of_memory).map(out_of_memory),
        leftovers: end.map(|end| &end.leftovers).filter(|left| !left.is_empty()).map(leftovers),
        setup_failure: end.and_then(|end| match &end.ending {
            Ending::SetupFailed(failure) => Some(setup_failure(failure)),
            Ending::Exited { .. } | Ending::Unseen => None,
        }),
        cpu_user_seconds: usage.cpu.map(|cpu| seconds(cpu.user)),
        cpu_system_seconds: usage.cpu.map(|cpu| seconds(cpu.system)),
        peak_memory_bytes: usage.peak_memory.map(|memory| memory.bytes),
        peak_memory_of: usage.peak_memory.map(|memory| memory_measure(memory.of)),
        io_read_bytes: usage.io.map(|io| io.read),
        io_written_bytes: usage.io.map(|io| io.written),
        voluntary_context_switches: usage.context_switches.map(|switches| switches.voluntary),
        involuntary_context_switches: usage.context_switches.map(|switches| switches.involuntary),
        peak_processes: usage.peak_processes,
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

/// How a main process ended, by its raw wait status. Nothing is known of one whose end nobody saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Exit {
    code: Option<u8>,
    signal: Option<i32>,
    core_dumped: bool,
}

impl Exit {
    fn of(attempt: &Attempt) -> Self {
        match attempt.end.as_ref().map(|(end, _)| &end.ending) {
            Some(Ending::Exited { wait_status }) => {
                let status = *wait_status;
                let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
                Self {
                    code: code.and_then(|code| u8::try_from(code).ok()),
                    signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
                    core_dumped: libc::WIFSIGNALED(status) && libc::WCOREDUMP(status),
                }
            }
            Some(Ending::SetupFailed(_) | Ending::Unseen) | None => Self::default(),
        }
    }

    fn meaning(self) -> Option<String> {
        self.code.and_then(meaning).map(|meaning| meaning.to_string())
    }
}

const fn out_of_memory(killed: OutOfMemory) -> types::OutOfMemory {
    types::OutOfMemory { limit_bytes: killed.limit_bytes, peak_bytes: killed.peak_bytes }
}

fn leftovers(killed: &Leftovers) -> types::Leftovers {
    types::Leftovers { count: killed.count, names: killed.names.clone() }
}

const fn rung(rung: Rung) -> types::Rung {
    match rung {
        Rung::Signal => types::Rung::Signal,
        Rung::Kill => types::Rung::Kill,
    }
}

const fn memory_measure(of: MemoryMeasure) -> types::MemoryMeasure {
    match of {
        MemoryMeasure::Tree => types::MemoryMeasure::Tree,
        MemoryMeasure::Process => types::MemoryMeasure::Process,
        MemoryMeasure::AtMost => types::MemoryMeasure::AtMost,
    }
}

fn setup_failure(failure: &SetupFailure) -> types::SetupFailure {
    types::SetupFailure {
        step: failure.step.clone(),
        path: failure.path.as_ref().map(|path| path.display().to_string()),
        errno: failure.errno,
        user: failure.user.clone(),
        message: failure.to_string(),
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
        Outcome::OutOfMemory(_) => types::Outcome::OutOfMemory,
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
        RunState::Starting { stop: Some(reason), .. } | RunState::Stopping { reason, .. } => Some(stop_reason(*reason)),
        RunState::Starting { stop: None, .. }
        | RunState::Running { .. }
        | RunState::Backoff { .. }
        | RunState::Finished { .. } => None,
    }
}

/// Why an attempt is, or was, stopped, in one word.
const fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::TimedOut => "timed_out",
        StopReason::Cancelled => "cancelled",
        StopReason::Replaced => "replaced",
        StopReason::HostShutdown => "host_shutdown",
    }
}

fn explanation(run: &Run) -> Option<String> {
    match &run.state {
        RunState::Finished { outcome, .. } => {
            let end = run.attempts.last().and_then(|attempt| attempt.end.as_ref()).map(|(end, _)| end);
            let killed = end.filter(|end| !end.leftovers.is_empty()).map(|end| explain_leftovers(&end.leftovers));
            match (explain(outcome, end), killed) {
                (Some(why), Some(killed)) => Some(format!("{why}; {killed}")),
                (why, killed) => why.or(killed),
            }
        }
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

/// How a run ended, in words; `None` for success, which needs none. `end` is that of its last attempt.
fn explain(outcome: &Outcome, end: Option<&AttemptEnd>) -> Option<String> {
    let stopped = |cause: &str| Some(format!("{cause}{}", explain_rung(end)));
    match outcome {
        Outcome::Succeeded => None,
        Outcome::Failed { exit_code } => Some(match meaning(*exit_code) {
            Some(meaning) => format!("it exited with code {exit_code} ({meaning})"),
            None => format!("it exited with code {exit_code}"),
        }),
        Outcome::Signaled { signal, core_dumped } => {
            let core = if *core_dumped { " and left a core file" } else { "" };
            Some(format!("{} ended it{core}", signal_name(*signal)))
        }
        Outcome::OutOfMemory(killed) => Some(explain_memory(*killed)),
        Outcome::TimedOut => stopped("its timeout was over"),
        Outcome::Cancelled => stopped("it was cancelled"),
        Outcome::Replaced => stopped("a newer run took its place"),
        Outcome::HostShutdown => stopped("the machine, or the supervisor, went down"),
        Outcome::SetupFailed(failure) => Some(failure.to_string()),
        Outcome::Lost => Some("it may have run, and nobody saw its end".to_owned()),
    }
}

/// As many names as are known.
fn explain_leftovers(killed: &Leftovers) -> String {
    let (what, were) = if killed.count == 1 { ("process", "was") } else { ("processes", "were") };
    let names = killed.names.join(", ");
    let more = if killed.names.len() < Leftovers::NAMES_LIMIT { "" } else { "..." };
    format!("{} {what} that outlived its main one {were} killed ({names}{more})", killed.count)
}

/// In which phase of the stop ladder it ended. One that was never executed had no use for a signal.
fn explain_rung(end: Option<&AttemptEnd>) -> &'static str {
    let ran = end.filter(|end| end.started_at.is_some());
    match ran.and_then(|end| end.stopped).and_then(|stopped| stopped.rung) {
        Some(Rung::Signal) => "; it ended after the stop signal",
        Some(Rung::Kill) => "; it did not end in its grace after the stop signal, and was killed",
        None => "",
    }
}

fn explain_memory(killed: OutOfMemory) -> String {
    let peak = killed.peak_bytes.map(|bytes| format!(" (peak {})", format_size(bytes))).unwrap_or_default();
    match killed.limit_bytes {
        Some(limit) => {
            format!("its memory reached the limit of {}{peak}, and the kernel killed it", format_size(limit))
        }
        None => format!("the machine, or a cgroup above the job, was out of memory{peak}, and the kernel killed it"),
    }
}

#[cfg(test)]
mod tests;
