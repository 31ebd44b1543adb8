//! [`Run`], its states, and the records that stay of it.

use chrono::NaiveDateTime;

use super::report::{AttemptEnd, StopReason};
use super::{Outcome, RunId, SkipReason};
use crate::clock::{BootId, Monotonic, Timestamp};
use crate::spec::{JobName, Revision};

/// One firing of a job, from the decision to start it to its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// The definition that it and its retries use, whatever the file says by now.
    pub revision: Revision,
    /// Why it exists.
    pub trigger: Trigger,
    /// When the scheduler decided on it.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: RunState,
    /// Its launches, oldest first; at most [`crate::spec::ATTEMPTS_LIMIT`].
    pub attempts: Vec<Attempt>,
    /// When its output was removed to stay within a bound, if it was.
    pub output_removed_at: Option<Timestamp>,
}

/// Why a run exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// An occurrence, started in time.
    Schedule(Scheduled),
    /// An occurrence that was missed and is made up for.
    CatchUp(Scheduled),
    /// Somebody asked.
    Manual {
        /// The caller's uid.
        uid: u32,
    },
}

impl Trigger {
    /// The name in the API, in JSON and in tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Schedule(_) => "schedule",
            Self::CatchUp(_) => "catch_up",
            Self::Manual { .. } => "manual",
        }
    }

    /// The occurrence that it answers to, when it does.
    pub const fn scheduled(&self) -> Option<&Scheduled> {
        match self {
            Self::Schedule(scheduled) | Self::CatchUp(scheduled) => Some(scheduled),
            Self::Manual { .. } => None,
        }
    }
}

/// The occurrence that a run covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The instant of the schedule.
    pub at: Timestamp,
    /// The local time that the schedule names.
    pub nominal: NaiveDateTime,
    /// What moved it, in words, when something did.
    pub note: Option<String>,
}

/// Where a run stands. What belongs to a state lies in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It waits for its turn.
    Queued {
        /// Since when.
        since: Timestamp,
        /// For what.
        reason: QueueReason,
    },
    /// The supervisor was, or is about to be, asked to launch it.
    Starting {
        /// The attempt.
        attempt: u32,
        /// Why it is to be stopped as soon as it can be, when it is.
        stop: Option<StopReason>,
    },
    /// The program runs.
    Running {
        /// The attempt.
        attempt: u32,
        /// Its main process.
        pid: u32,
        /// When the program was executed.
        started_at: Timestamp,
    },
    /// It was asked to stop.
    Stopping {
        /// The attempt.
        attempt: u32,
        /// Its main process, once known.
        pid: u32,
        /// When the program was executed.
        started_at: Timestamp,
        /// Why.
        reason: StopReason,
        /// When SIGKILL follows.
        kill_at: Timestamp,
    },
    /// It waits for its next attempt. It holds its place in the overlap policy.
    Backoff {
        /// The attempt to come.
        next_attempt: u32,
        /// When it is due.
        until: Deadline,
    },
    /// It is over.
    Finished {
        /// How.
        outcome: Outcome,
        /// When.
        ended_at: Timestamp,
    },
}

/// For what a queued run waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueReason {
    /// Earlier runs of the same job (`overlap = "queue"`).
    Overlap,
    /// The run that it replaces has not ended yet (`overlap = "replace"`).
    Replacing,
}

/// A monotonic deadline that survives restarts: within its boot the monotonic reading counts, after it the wall time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The boot in which it was set.
    pub boot: BootId,
    /// The deadline by that boot's monotonic clock.
    pub monotonic: Monotonic,
    /// The deadline by the wall clock of the moment it was set.
    pub wall: Timestamp,
}

/// One launch inside a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// The boot in which it was asked for.
    pub boot: BootId,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When the program was executed, once known.
    pub started_at: Option<Timestamp>,
    /// The end and its classification, once known.
    pub end: Option<(AttemptEnd, Outcome)>,
}

/// The record of occurrences that did not run: consecutive ones of one job for one reason are one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The job.
    pub job: JobName,
    /// Its place in the job's history.
    pub key: SkipKey,
    /// Why.
    pub reason: SkipReason,
    /// The first occurrence, or for a manual run the time it was asked for.
    pub first: Timestamp,
    /// The last occurrence; `first` when there is one.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
    /// When the record was last written.
    pub recorded_at: Timestamp,
}

/// A skip's place in its job's history: after the run `after_run` (0: before the first), in order of `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SkipKey {
    /// The newest run's number when the record was begun.
    pub after_run: u64,
    /// Counts the records after that run, from 1.
    pub index: u32,
}
