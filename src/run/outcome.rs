//! How runs and attempts ended, and why occurrences did not run.

use std::collections::BTreeSet;

use super::report::{AttemptEnd, Ending, OutOfMemory, SetupFailure, StopReason};

/// How an attempt, and with its last attempt a run, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with a code that counts as success.
    Succeeded,
    /// It exited with another code.
    Failed {
        /// The code.
        exit_code: u8,
    },
    /// A signal that was not ours ended it.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// Whether it left a core file.
        core_dumped: bool,
    },
    /// It, or a process of it, was killed because its memory was used up.
    OutOfMemory(OutOfMemory),
    /// Its time was up, and it was stopped.
    TimedOut,
    /// Somebody stopped it, or took it out of the queue.
    Cancelled,
    /// A newer run took its place.
    Replaced,
    /// The machine went down.
    HostShutdown,
    /// The program could not be executed.
    SetupFailed(SetupFailure),
    /// It may have run, and nobody saw its end.
    Lost,
}

impl Outcome {
    /// The name in the API, in JSON and in tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Signaled { .. } => "signaled",
            Self::OutOfMemory(_) => "out_of_memory",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
            Self::HostShutdown => "host_shutdown",
            Self::SetupFailed(_) => "setup_failed",
            Self::Lost => "lost",
        }
    }

    /// Classifies an attempt's raw end. A stop that was asked for explains whatever followed it, a clean exit included:
    /// what a job does after its signal is not the work that it was started for.
    pub fn classify(end: &AttemptEnd, success_exit_codes: &BTreeSet<u8>) -> Self {
        match (end.stopped.map(|stopped| stopped.reason), &end.ending) {
            (Some(StopReason::TimedOut), _) => Self::TimedOut,
            (Some(StopReason::Cancelled), _) => Self::Cancelled,
            (Some(StopReason::Replaced), _) => Self::Replaced,
            (Some(StopReason::HostShutdown), _) => Self::HostShutdown,
            (None, Ending::SetupFailed(failure)) => Self::SetupFailed(failure.clone()),
            (None, Ending::Unseen) => Self::Lost,
            (None, &Ending::Exited { wait_status }) => {
                match (Self::of_wait_status(wait_status, success_exit_codes), end.out_of_memory) {
                    // One that came to a good end all the same, because the kernel chose another process, has done its work.
                    (Self::Failed { .. } | Self::Signaled { .. }, Some(out_of_memory)) => {
                        Self::OutOfMemory(out_of_memory)
                    }
                    (outcome, _) => outcome,
                }
            }
        }
    }

    /// Reads a wait status as [wait(2)] lays it out.
    ///
    /// [wait(2)]: https://man7.org/linux/man-pages/man2/wait.2.html
    fn of_wait_status(wait_status: i32, success_exit_codes: &BTreeSet<u8>) -> Self {
        if libc::WIFSIGNALED(wait_status) {
            let core_dumped = libc::WCOREDUMP(wait_status);
            return Self::Signaled { signal: libc::WTERMSIG(wait_status), core_dumped };
        }
        let exit_code = u8::try_from(libc::WEXITSTATUS(wait_status)).expect("WEXITSTATUS masks eight bits");
        if success_exit_codes.contains(&exit_code) { Self::Succeeded } else { Self::Failed { exit_code } }
    }

    /// Whether a job whose run ended so needs somebody's attention: not when a person, a newer run or the machine's
    /// shutdown ended it.
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::Failed { .. }
            | Self::Signaled { .. }
            | Self::OutOfMemory(_)
            | Self::TimedOut
            | Self::SetupFailed(_)
            | Self::Lost => true,
            Self::Succeeded | Self::Cancelled | Self::Replaced | Self::HostShutdown => false,
        }
    }

    /// Whether the job did what it was for.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Succeeded)
    }
}

/// Why an occurrence did not become a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// It was not started in time, and the catch-up policy did not want it.
    Missed,
    /// It was missed by more than the catch-up window.
    TooOld,
    /// It was missed together with more than a catch-up may start.
    CatchUpLimit,
    /// Earlier runs were live.
    Overlap,
    /// The job's queue was full.
    QueueFull,
    /// The job was paused.
    Paused,
    /// It could not start before its `start_deadline`.
    Expired,
    /// The job's file was deleted while the run was queued.
    Removed,
    /// Somebody took the ad-hoc job back before its time.
    Cancelled,
    /// The job's schedule changed while the occurrence waited for its jitter.
    Rescheduled,
    /// The wall clock went back by more than an hour, and the cursor was set to it.
    ClockRebased,
    /// A restored backup does not know what happened here.
    Unknown,
}

impl SkipReason {
    /// All reasons, for documentation and parsing.
    pub const ALL: [Self; 12] = [
        Self::Missed,
        Self::TooOld,
        Self::CatchUpLimit,
        Self::Overlap,
        Self::QueueFull,
        Self::Paused,
        Self::Expired,
        Self::Removed,
        Self::Cancelled,
        Self::Rescheduled,
        Self::ClockRebased,
        Self::Unknown,
    ];

    /// The name in the API, in JSON and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::TooOld => "too_old",
            Self::CatchUpLimit => "catch_up_limit",
            Self::Overlap => "overlap",
            Self::QueueFull => "queue_full",
            Self::Paused => "paused",
            Self::Expired => "expired",
            Self::Removed => "removed",
            Self::Cancelled => "cancelled",
            Self::Rescheduled => "rescheduled",
            Self::ClockRebased => "clock_rebased",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the occurrence should have run: `notify.on_missed` tells of it. What the overlap policy, a person or a
    /// change of the job turned away was meant not to run.
    pub const fn is_missed(self) -> bool {
        match self {
            Self::Missed | Self::TooOld | Self::CatchUpLimit | Self::QueueFull | Self::Expired => true,
            Self::Overlap
            | Self::Paused
            | Self::Removed
            | Self::Cancelled
            | Self::Rescheduled
            | Self::ClockRebased
            | Self::Unknown => false,
        }
    }

    /// One sentence for people.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Missed => "it was not started in time and catch_up did not ask for it",
            Self::TooOld => "it was missed by more than catch_up_window",
            Self::CatchUpLimit => "more occurrences were missed than one catch-up may start",
            Self::Overlap => "an earlier run was still live",
            Self::QueueFull => "the job's queue was full",
            Self::Paused => "the job was paused",
            Self::Expired => "it could not start before its start_deadline",
            Self::Removed => "the job's file was deleted",
            Self::Cancelled => "it was cancelled before its time",
            Self::Rescheduled => "the schedule changed before its jitter was over",
            Self::ClockRebased => "the clock was set back",
            Self::Unknown => "a restored backup does not cover this time",
        }
    }
}
