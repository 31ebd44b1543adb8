//! What goes into [`super::Scheduler::step`], and what comes out.

use std::sync::Arc;
use std::time::Duration;

use super::{AD_HOC_LIMIT, AD_HOC_SHARE, Delivery, Job, JobName, JobState, Outbox};
use crate::clock::{Monotonic, Timestamp};
use crate::run::{AttemptId, LaunchPlan, Notice, Report, Run, RunId, Skip, SkipKey, StopReason};
use crate::spec::{LoadedSpec, NoticeEvent, Revision, Source, SpecSet};

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The jobs directory was read.
    SpecsLoaded(SpecSet),
    /// Time passed: the instant of an earlier [`Wake`] may have come.
    Tick,
    /// The wall clock was set.
    ClockStepped,
    /// A connection to a supervisor stands; it asks for nothing, all live attempts must be told to it again.
    SupervisorConnected,
    /// The supervisor speaks.
    Report(Report),
    /// A client asks.
    Command(Command),
    /// From now on no run could be recorded to its end, or it could again: start none meanwhile, and settle no
    /// occurrence. What comes due waits for the catch-up policy.
    Hold(bool),
    /// A client defines an ad-hoc job.
    Define {
        /// Its definition.
        job: Box<LoadedSpec>,
        /// Who asks.
        uid: u32,
        /// Where its name comes from.
        named: Named,
    },
    /// Retention has let the last record of a job go: an ad-hoc job that is done is forgotten.
    Discard(JobName),
}

/// Where the name of an ad-hoc job comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Whoever asks chose it: it may be that of an earlier one of theirs that is done, whose numbers go on.
    ByCaller,
    /// It was made up, and must be new.
    ByDaemon,
}

/// What a client may ask of the scheduler. Every command is answered by one [`Answer`] or [`Refusal`], after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start a run now, by the overlap policy.
    Trigger {
        /// The job.
        job: JobName,
        /// Who asks.
        uid: u32,
    },
    /// Stop a live run, or take it out of the queue.
    Cancel {
        /// The run.
        run: RunId,
    },
    /// Stop every live run of a job.
    CancelAll {
        /// The job.
        job: JobName,
    },
    /// Start nothing by schedule.
    Pause {
        /// Which jobs.
        jobs: Selector,
        /// When it ends by itself.
        until: Option<Timestamp>,
        /// Who asks.
        uid: u32,
    },
    /// End a pause. Occurrences of the pause are skips already and do not come back.
    Resume {
        /// Which jobs.
        jobs: Selector,
    },
    /// Send a test message to a job's targets.
    TestNotice {
        /// The job.
        job: JobName,
        /// The targets of this event alone; all that the job has when absent.
        event: Option<NoticeEvent>,
        /// Who asks.
        uid: u32,
    },
    /// Start no run any more: the daemon goes down.
    Drain {
        /// Stop live runs too, and finish queued ones as cancelled.
        stop_runs: bool,
    },
}

/// Which jobs a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// One.
    Job(JobName),
    /// Those with a tag.
    Tag(String),
    /// Every one.
    All,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A run was created; it may have to wait.
    Triggered(RunId),
    /// These runs are being stopped, or were taken out of the queue.
    Cancelled(Vec<RunId>),
    /// An ad-hoc job will not start.
    Withdrawn(JobName),
    /// An ad-hoc job is there; its run, unless it waits for its time.
    Defined {
        /// The job.
        job: JobName,
        /// Its run.
        run: Option<RunId>,
    },
    /// These jobs are paused now.
    Paused(Vec<JobName>),
    /// These jobs are no longer paused.
    Resumed(Vec<JobName>),
    /// The directory's content is in force.
    Loaded(LoadSummary),
    /// Test messages with these numbers are on their way.
    Told(Vec<u64>),
    /// No run will be started any more.
    Draining,
}

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadSummary {
    /// New jobs.
    pub added: Vec<JobName>,
    /// Jobs with a new revision.
    pub changed: Vec<JobName>,
    /// Jobs whose file is gone.
    pub removed: Vec<JobName>,
    /// Files that are faulty.
    pub faulty: Vec<JobName>,
    /// Jobs that are as they were.
    pub unchanged: usize,
    /// Set when nothing was taken over because more than half of the jobs would have vanished.
    pub held_back: Option<HeldBack>,
}

/// A load that was not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Jobs in force.
    pub known: usize,
    /// Jobs that would have vanished.
    pub vanishing: usize,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such job.
    #[error("there is no job named {0}")]
    NoSuchJob(JobName),
    /// No job carries the tag.
    #[error("no job has the tag {0:?}")]
    NoSuchTag(String),
    /// The job's file never was good.
    #[error("the job file of {0} is faulty and has never been good")]
    Faulty(JobName),
    /// The overlap policy lets no further run be live.
    #[error("the run {live} is live and overlap = {policy:?} lets no other start")]
    Overlap {
        /// The oldest live run.
        live: RunId,
        /// The policy.
        policy: &'static str,
    },
    /// The job's queue is full.
    #[error("the queue of {0} is full")]
    QueueFull(JobName),
    /// No such live run.
    #[error("the run {0} is not live")]
    NotLive(RunId),
    /// Nothing of the job is live.
    #[error("the job {0} has no live run")]
    NothingLive(JobName),
    /// The job has nobody to tell.
    #[error("the job {job} has no target in [notify]{}", event.map(|event| format!(" for {}", event.key())).unwrap_or_default())]
    NoTarget {
        /// The job.
        job: JobName,
        /// The event that was asked for, when one was.
        event: Option<NoticeEvent>,
    },
    /// `until` is not in the future.
    #[error("the time until which to pause, {0}, has already passed")]
    UntilPassed(Timestamp),
    /// The name of an ad-hoc job is in use.
    #[error("there is a job named {0} already")]
    NameTaken(JobName),
    /// As many ad-hoc jobs are there as may be.
    #[error("{AD_HOC_LIMIT} ad-hoc jobs wait or run, and there can be no more")]
    TooManyAdHoc,
    /// As many of one user's are there as may be.
    #[error("{AD_HOC_SHARE} of your ad-hoc jobs wait or run, and there can be no more")]
    TooManyOfYours,
    /// The daemon goes down.
    #[error("the daemon is shutting down and starts no runs")]
    Draining,
    /// The change could not be made durable.
    #[error("the state could not be written")]
    StoreFailed,
}

/// What follows from an event.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// To be made durable, in one commit, before anything below.
    pub changes: Vec<Change>,
    /// To be done after the commit.
    pub effects: Vec<Effect>,
    /// The answer to a command.
    pub answer: Option<Result<Answer, Refusal>>,
}

/// One durable change. A later one to the same record replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A job's state.
    Job(JobName, Box<JobState>),
    /// A job of which nothing is left.
    ForgetJob(JobName),
    /// A revision's text.
    Source(Revision, JobName, Box<Source>),
    /// A revision that nothing refers to any more.
    ForgetSource(Revision, JobName),
    /// A run, live or finished.
    Run(Box<Run>),
    /// A finished run that retention lets go; its output goes with it.
    ForgetRun(RunId),
    /// A record of skips.
    Skip(Skip),
    /// A record of skips that retention lets go.
    ForgetSkip(JobName, SkipKey),
    /// A message in the outbox.
    Notice(Box<Notice>),
    /// A message that was delivered, given up or dropped.
    ForgetNotice(JobName, u64),
}

impl Change {
    /// The job whose record this is. All changes of one job in one decision are committed together.
    pub fn job(&self) -> &JobName {
        match self {
            Self::Job(job, _)
            | Self::Source(_, job, _)
            | Self::ForgetSource(_, job)
            | Self::ForgetSkip(job, _)
            | Self::ForgetNotice(job, _)
            | Self::ForgetJob(job) => job,
            Self::Notice(notice) => &notice.job,
            Self::Run(run) => &run.id.job,
            Self::ForgetRun(run) => &run.job,
            Self::Skip(skip) => &skip.job,
        }
    }
}

/// One thing to do outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the supervisor to launch. Repeated after a reconnection.
    Launch(Box<LaunchPlan>),
    /// Ask the supervisor what became of an attempt that was launched earlier.
    Find(Box<LaunchPlan>),
    /// Ask the supervisor to stop an attempt by the plan's ladder.
    Stop {
        /// Which.
        attempt: AttemptId,
        /// Why.
        reason: StopReason,
    },
    /// The end is durable: the supervisor may forget it.
    Acknowledge(AttemptId),
    /// Start the program of a message. Repeated after a reconnection.
    Deliver(Arc<Notice>),
    /// Tell whoever listens that a run or a job changed.
    Announce(Announcement),
}

/// A change that listeners are told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A run changed its state.
    Run(Arc<Run>),
    /// Occurrences were skipped.
    Skip(Skip),
    /// A job was added, changed, removed, paused or resumed.
    Job(JobName),
    /// A message was delivered, or was not.
    Delivery(Delivery),
}

/// When the scheduler wants the next [`Event::Tick`] at the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wake {
    /// The earliest instant of a schedule or a pause, by the wall clock.
    pub wall: Option<Timestamp>,
    /// The earliest end of a back-off, by the monotonic clock.
    pub monotonic: Option<Monotonic>,
}

/// A consistent view of everything, cheap to clone and to keep.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// All jobs; tombstones too.
    pub jobs: imbl::OrdMap<JobName, Arc<Job>>,
    /// All runs that are not finished.
    pub live: imbl::OrdMap<RunId, Arc<Run>>,
    /// Messages on their way.
    pub outbox: Outbox,
    /// Set while a load is held back.
    pub held_back: Option<HeldBack>,
    /// Whether the daemon starts no runs any more.
    pub draining: bool,
}

/// Time by which the wall clock must be behind a cursor before the cursor is set back to it.
pub const REBASE_THRESHOLD: Duration = Duration::from_secs(3600);
