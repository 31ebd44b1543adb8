//! [`JobState`]: what the scheduler remembers of a job, beside its definition.

use std::sync::Arc;

use super::{AdHoc, JobName, Watch};
use crate::clock::Timestamp;
use crate::run::{Outcome, Skip};
use crate::schedule::Occurrence;
use crate::spec::{Fault, JobSpec, Revision, Source};

/// A job as it stands. `state` is durable; the rest follows from it and from the jobs directory.
#[derive(Clone, Debug)]
pub struct Job {
    /// The name.
    pub name: JobName,
    /// The definition in force: the file's, or the last good one; absent for a file that never was good, and for a
    /// tombstone.
    pub spec: Option<Arc<JobSpec>>,
    /// What is durable.
    pub state: JobState,
    /// What is wrong with the file as it is now, when something is.
    pub fault: Option<Arc<Fault>>,
    /// The next occurrence that will be considered.
    pub next: Option<Occurrence>,
    /// Numbers of the runs that are not finished, oldest first.
    pub live: Vec<u64>,
    /// Until when its catch-up waits, so that a fleet does not start at once; after a restart it is chosen again.
    pub(super) held_until: Option<Timestamp>,
    /// When the scheduler looks at the job again: the next occurrence or the end of a pause.
    pub(super) wake: Option<Timestamp>,
    /// Whether the store has a record of it: one that was there once is never forgotten by leaving it out.
    pub(super) recorded: bool,
}

impl Job {
    pub(super) const fn new(name: JobName, state: JobState) -> Self {
        Self {
            name,
            spec: None,
            state,
            fault: None,
            next: None,
            live: Vec::new(),
            held_until: None,
            wake: None,
            recorded: false,
        }
    }

    /// Whether the job's file is gone and only its history is left.
    pub const fn is_removed(&self) -> bool {
        self.state.removed_at.is_some()
    }
}

/// The durable part of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// The revision in force.
    pub revision: Option<Revision>,
    /// The schedule is evaluated through here (inclusive).
    pub cursor: Timestamp,
    /// When the job was first seen; anchors schedules that count from it.
    pub first_seen: Timestamp,
    /// The newest run's number; 0 before the first.
    pub last_number: u64,
    /// In force since, and until, when paused.
    pub paused: Option<Pause>,
    /// When the file was deleted, for a tombstone.
    pub removed_at: Option<Timestamp>,
    /// The newest finished run.
    pub last: Option<LastRun>,
    /// The newest record of skips; it grows until a run or another reason comes between.
    pub open_skip: Option<Skip>,
    /// Counts since the job was first seen.
    pub totals: Totals,
    /// What its health and its messages follow from.
    pub watch: Watch,
    /// Set for a job that no file defines.
    pub ad_hoc: Option<AdHoc>,
}

impl JobState {
    /// A job nobody has seen before: it starts at `now` and invents no misses.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            revision: None,
            cursor: now,
            first_seen: now,
            last_number: 0,
            paused: None,
            removed_at: None,
            last: None,
            open_skip: None,
            totals: Totals::default(),
            watch: Watch::default(),
            ad_hoc: None,
        }
    }
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it was asked for.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Who asked.
    pub uid: u32,
}

impl Pause {
    /// Whether an occurrence due at `due` falls into it.
    pub fn covers(&self, due: Timestamp) -> bool {
        self.since <= due && self.until.is_none_or(|until| due < until)
    }
}

/// The newest finished run of a job, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// Its number.
    pub number: u64,
    /// Its outcome.
    pub outcome: Outcome,
    /// The exit code of its last attempt, when that exited and a version that keeps it wrote it down.
    pub exit_code: Option<u8>,
    /// When its first attempt started, when one did.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// Counts of a job; retention does not shrink them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Finished runs that succeeded.
    pub succeeded: u64,
    /// Finished runs with any other outcome.
    pub unsuccessful: u64,
    /// Skipped occurrences.
    pub skipped: u64,
    /// Time of all finished runs from the start of their first attempt to their end.
    pub run_time: std::time::Duration,
}

/// What a restart gives back to the scheduler.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Every job, tombstones included.
    pub jobs: Vec<(JobName, JobState)>,
    /// Every run that is not finished.
    pub live: Vec<crate::run::Run>,
    /// Messages that are not delivered yet.
    pub notices: Vec<crate::run::Notice>,
    /// The text of every revision that a job or a live run refers to.
    pub sources: Vec<(Revision, JobName, Source)>,
}
