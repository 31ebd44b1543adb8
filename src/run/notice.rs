//! [`Notice`]: one message about a job on its way to one target, and the attempts to deliver it.

use std::time::Duration;

use super::{AttemptId, Outcome, RunId, SkipReason};
use crate::clock::Timestamp;
use crate::spec::{Channel, Identity, JobName, NoticeEvent, RESERVED_NAME};

/// The name under which messages are delivered: the supervisor starts the program of a message as it starts a run, below
/// `runs/jobsd.notices/<number>/<attempt>/`. No job can have it.
pub const NOTICES: &str = RESERVED_NAME;

/// [`NOTICES`] as the supervisor and its directories know it.
pub fn notices() -> JobName {
    JobName::new(NOTICES).expect("the name is in the alphabet")
}

/// One message to one target. It stays in the outbox until its program has succeeded, or it is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number: larger than any before, also of earlier lives of the daemon.
    pub number: u64,
    /// The job that it is about.
    pub job: JobName,
    /// What happened.
    pub event: NoticeEvent,
    /// When it was decided on.
    pub at: Timestamp,
    /// How it is sent.
    pub channel: Channel,
    /// As whom.
    pub sender: Sender,
    /// What it tells.
    pub about: About,
    /// Messages of this event to this job's targets that were held back before it.
    pub held_back: u64,
    /// Deliveries that failed.
    pub failed_attempts: u32,
}

/// As whom a message is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// As the job's user: the job's file named the target.
    Job(Identity),
    /// As the daemon's user, or the one that its configuration names.
    Daemon,
}

/// What a message tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A run, started or ended.
    Run {
        /// The run's number.
        run: u64,
        /// How it ended; absent when it has just started.
        outcome: Option<Outcome>,
        /// Runs in a row that failed, this one included; what came before a success is counted there too.
        failures: u64,
    },
    /// Occurrences that did not run.
    Skipped {
        /// Why.
        reason: SkipReason,
        /// The first of them.
        first: Timestamp,
        /// The last.
        last: Timestamp,
        /// How many.
        count: u64,
    },
    /// `alert_after` is over.
    Overdue {
        /// The newest success, when there was one.
        last_success: Option<Timestamp>,
        /// Since when a success is awaited.
        since: Timestamp,
        /// `alert_after`.
        limit: Duration,
    },
    /// Nothing: somebody tries whether messages arrive.
    Test {
        /// Who.
        uid: u32,
    },
}

impl Notice {
    /// The delivery that is due or under way.
    pub fn attempt(&self) -> AttemptId {
        AttemptId { run: RunId { job: notices(), number: self.number }, attempt: self.failed_attempts + 1 }
    }

    /// The run that it is about, when it is about one.
    pub fn run(&self) -> Option<RunId> {
        match self.about {
            About::Run { run, .. } => Some(RunId { job: self.job.clone(), number: run }),
            About::Skipped { .. } | About::Overdue { .. } | About::Test { .. } => None,
        }
    }

    /// Whether it only tries the way: it is sent once, and counted nowhere.
    pub const fn is_test(&self) -> bool {
        matches!(self.about, About::Test { .. })
    }
}
