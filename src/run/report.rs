//! What the supervisor says of an attempt.

use std::path::PathBuf;
use std::time::Duration;

use super::AttemptId;
use crate::clock::Timestamp;
use crate::spec::OutputTo;

/// One message about one attempt. Every report may arrive late, twice, or after a restart of either process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The program runs.
    Started {
        /// Which attempt.
        attempt: AttemptId,
        /// Its main process.
        pid: u32,
        /// When the program was executed.
        at: Timestamp,
    },
    /// The attempt is over. Repeated until acknowledged.
    Ended {
        /// Which attempt.
        attempt: AttemptId,
        /// How.
        end: AttemptEnd,
    },
    /// The supervisor was asked about an attempt of which there is no trace: no directory, no process.
    NoTrace {
        /// Which attempt.
        attempt: AttemptId,
    },
}

impl Report {
    /// Which attempt is spoken of.
    pub fn attempt(&self) -> &AttemptId {
        match self {
            Self::Started { attempt, .. } | Self::Ended { attempt, .. } | Self::NoTrace { attempt } => attempt,
        }
    }
}

/// The raw facts of an attempt's end, as the supervisor saw them. The [`super::Outcome`] classifies them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptEnd {
    /// How it ended.
    pub ending: Ending,
    /// Why it was being stopped, when it was.
    pub stopped: Option<StopReason>,
    /// When the program was executed; absent when it never was, or nobody saw.
    pub started_at: Option<Timestamp>,
    /// When the end was seen.
    pub ended_at: Timestamp,
    /// What it used.
    pub usage: Usage,
    /// What it printed.
    pub output: OutputSummary,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The main process ended; the raw wait status ([wait(2)](https://man7.org/linux/man-pages/man2/wait.2.html)).
    Exited {
        /// As wait4 gave it.
        wait_status: i32,
    },
    /// The program was never executed.
    SetupFailed(SetupFailure),
    /// It ran, and nobody saw its end.
    Unseen,
}

/// Why a program could not be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupFailure {
    /// The step of the launch order that failed, as in `enter working directory`.
    pub step: String,
    /// The path or name that the step was about.
    pub path: Option<PathBuf>,
    /// The error number; 0 when there is none.
    pub errno: i32,
}

/// Why a live attempt is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// Its time was up.
    TimedOut,
    /// Somebody asked.
    Cancelled,
    /// A newer run takes its place.
    Replaced,
    /// The machine, or the supervisor's unit, goes down.
    HostShutdown,
}

/// What an attempt used, from `wait4` ([getrusage(2)](https://man7.org/linux/man-pages/man2/getrusage.2.html)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode, of the main process and its waited-for children.
    pub cpu_user: Duration,
    /// CPU time in kernel mode.
    pub cpu_system: Duration,
    /// Largest resident set of one process.
    pub peak_memory_bytes: u64,
}

/// What an attempt printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputSummary {
    /// Bytes read from its pipes.
    pub bytes: u64,
    /// Bytes of these that were cut by the bound.
    pub cut_bytes: u64,
    /// Bytes of these that could not be written (a full disk, a journal that does not keep up).
    pub lost_bytes: u64,
    /// Bytes of these that were dropped because they came faster than `rate_limit`.
    pub limited_bytes: u64,
    /// Where the rest went.
    pub to: OutputTo,
}
