//! Runs and skips, version 1. Frozen.

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, Outcome, StopReason};
use super::{Micros, Span, timestamp};
use crate::clock::{BootId, Monotonic};
use crate::run;
use crate::spec::{JobName, Revision};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store::record) struct Run {
    job: String,
    number: u64,
    revision: String,
    trigger: Trigger,
    created_at: Micros,
    state: RunState,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<Attempt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_removed_at: Option<Micros>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Trigger {
    Schedule(Scheduled),
    CatchUp(Scheduled),
    Manual { uid: u32 },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scheduled {
    at: Micros,
    nominal: Micros,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum RunState {
    Queued {
        since: Micros,
        reason: QueueReason,
    },
    Starting {
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop: Option<StopReason>,
    },
    Running {
        attempt: u32,
        pid: u32,
        started_at: Micros,
    },
    Stopping {
        attempt: u32,
        pid: u32,
        started_at: Micros,
        reason: StopReason,
        kill_at: Micros,
    },
    Backoff {
        next_attempt: u32,
        boot: String,
        monotonic: Span,
        wall: Micros,
    },
    Finished {
        outcome: Outcome,
        ended_at: Micros,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum QueueReason {
    Overlap,
    Replacing,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store::record) struct Skip {
    pub(super) job: String,
    after_run: u64,
    index: u32,
    reason: SkipReason,
    first: Micros,
    last: Micros,
    count: u64,
    recorded_at: Micros,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SkipReason {
    Missed,
    TooOld,
    CatchUpLimit,
    Overlap,
    QueueFull,
    Paused,
    Expired,
    Removed,
    Cancelled,
    Rescheduled,
    ClockRebased,
    Unknown,
}

impl From<&run::Run> for Run {
    fn from(run: &run::Run) -> Self {
        Self {
            job: run.id.job.as_str().to_owned(),
            number: run.id.number,
            revision: run.revision.as_str().to_owned(),
            trigger: (&run.trigger).into(),
            created_at: run.created_at.into(),
            state: (&run.state).into(),
            attempts: run.attempts.iter().map(Attempt::from).collect(),
            output_removed_at: run.output_removed_at.map(Micros::from),
        }
    }
}

impl Run {
    pub(in crate::store::record) fn into_domain(self) -> Result<run::Run, String> {
        Ok(run::Run {
            id: run::RunId { job: name(&self.job)?, number: self.number },
            revision: Revision::from_hex(&self.revision),
            trigger: self.trigger.into_domain()?,
            created_at: self.created_at.timestamp()?,
            state: self.state.into_domain()?,
            attempts: self.attempts.into_iter().map(Attempt::into_domain).collect::<Result<_, _>>()?,
            output_removed_at: timestamp(self.output_removed_at)?,
        })
    }
}

/// The name of a job, checked.
pub(super) fn name(text: &str) -> Result<JobName, String> {
    JobName::new(text).map_err(|fault| fault.to_string())
}

impl From<&run::Trigger> for Trigger {
    fn from(trigger: &run::Trigger) -> Self {
        match trigger {
            run::Trigger::Schedule(scheduled) => Self::Schedule(scheduled.into()),
            run::Trigger::CatchUp(scheduled) => Self::CatchUp(scheduled.into()),
            run::Trigger::Manual { uid } => Self::Manual { uid: *uid },
        }
    }
}

impl Trigger {
    fn into_domain(self) -> Result<run::Trigger, String> {
        match self {
            Self::Schedule(scheduled) => scheduled.into_domain().map(run::Trigger::Schedule),
            Self::CatchUp(scheduled) => scheduled.into_domain().map(run::Trigger::CatchUp),
            Self::Manual { uid } => Ok(run::Trigger::Manual { uid }),
        }
    }
}

impl From<&run::Scheduled> for Scheduled {
    fn from(scheduled: &run::Scheduled) -> Self {
        Self { at: scheduled.at.into(), nominal: Micros::local(scheduled.nominal), note: scheduled.note.clone() }
    }
}

impl Scheduled {
    fn into_domain(self) -> Result<run::Scheduled, String> {
        Ok(run::Scheduled { at: self.at.timestamp()?, nominal: self.nominal.naive()?, note: self.note })
    }
}

impl From<&run::RunState> for RunState {
    fn from(state: &run::RunState) -> Self {
        match state {
            run::RunState::Queued { since, reason } => {
                let reason = match reason {
                    run::QueueReason::Overlap => QueueReason::Overlap,
                    run::QueueReason::Replacing => QueueReason::Replacing,
                };
                Self::Queued { since: (*since).into(), reason }
            }
            run::RunState::Starting { attempt, stop } => {
                Self::Starting { attempt: *attempt, stop: stop.map(StopReason::from) }
            }
            run::RunState::Running { attempt, pid, started_at } => {
                Self::Running { attempt: *attempt, pid: *pid, started_at: (*started_at).into() }
            }
            run::RunState::Stopping { attempt, pid, started_at, reason, kill_at } => Self::Stopping {
                attempt: *attempt,
                pid: *pid,
                started_at: (*started_at).into(),
                reason: (*reason).into(),
                kill_at: (*kill_at).into(),
            },
            run::RunState::Backoff { next_attempt, until } => Self::Backoff {
                next_attempt: *next_attempt,
                boot: until.boot.as_str().to_owned(),
                monotonic: until.monotonic.as_duration().into(),
                wall: until.wall.into(),
            },
            run::RunState::Finished { outcome, ended_at } => {
                Self::Finished { outcome: outcome.into(), ended_at: (*ended_at).into() }
            }
        }
    }
}

impl RunState {
    fn into_domain(self) -> Result<run::RunState, String> {
        Ok(match self {
            Self::Queued { since, reason } => {
                let reason = match reason {
                    QueueReason::Overlap => run::QueueReason::Overlap,
                    QueueReason::Replacing => run::QueueReason::Replacing,
                };
                run::RunState::Queued { since: since.timestamp()?, reason }
            }
            Self::Starting { attempt, stop } => {
                run::RunState::Starting { attempt, stop: stop.map(StopReason::into_domain) }
            }
            Self::Running { attempt, pid, started_at } => {
                run::RunState::Running { attempt, pid, started_at: started_at.timestamp()? }
            }
            Self::Stopping { attempt, pid, started_at, reason, kill_at } => run::RunState::Stopping {
                attempt,
                pid,
                started_at: started_at.timestamp()?,
                reason: reason.into_domain(),
                kill_at: kill_at.timestamp()?,
            },
            Self::Backoff { next_attempt, boot, monotonic, wall } => {
                let monotonic = Monotonic::from_duration(monotonic.into());
                let until = run::Deadline { boot: BootId::new(&boot), monotonic, wall: wall.timestamp()? };
                run::RunState::Backoff { next_attempt, until }
            }
            Self::Finished { outcome, ended_at } => {
                run::RunState::Finished { outcome: outcome.into_domain(), ended_at: ended_at.timestamp()? }
            }
        })
    }
}

impl From<&run::Skip> for Skip {
    fn from(skip: &run::Skip) -> Self {
        Self {
            job: skip.job.as_str().to_owned(),
            after_run: skip.key.after_run,
            index: skip.key.index,
            reason: skip.reason.into(),
            first: skip.first.into(),
            last: skip.last.into(),
            count: skip.count,
            recorded_at: skip.recorded_at.into(),
        }
    }
}

impl Skip {
    pub(in crate::store::record) fn into_domain(self) -> Result<run::Skip, String> {
        Ok(run::Skip {
            job: name(&self.job)?,
            key: run::SkipKey { after_run: self.after_run, index: self.index },
            reason: self.reason.into(),
            first: self.first.timestamp()?,
            last: self.last.timestamp()?,
            count: self.count,
            recorded_at: self.recorded_at.timestamp()?,
        })
    }
}

impl From<run::SkipReason> for SkipReason {
    fn from(reason: run::SkipReason) -> Self {
        match reason {
            run::SkipReason::Missed => Self::Missed,
            run::SkipReason::TooOld => Self::TooOld,
            run::SkipReason::CatchUpLimit => Self::CatchUpLimit,
            run::SkipReason::Overlap => Self::Overlap,
            run::SkipReason::QueueFull => Self::QueueFull,
            run::SkipReason::Paused => Self::Paused,
            run::SkipReason::Expired => Self::Expired,
            run::SkipReason::Removed => Self::Removed,
            run::SkipReason::Cancelled => Self::Cancelled,
            run::SkipReason::Rescheduled => Self::Rescheduled,
            run::SkipReason::ClockRebased => Self::ClockRebased,
            run::SkipReason::Unknown => Self::Unknown,
        }
    }
}

impl From<SkipReason> for run::SkipReason {
    fn from(reason: SkipReason) -> Self {
        match reason {
            SkipReason::Missed => Self::Missed,
            SkipReason::TooOld => Self::TooOld,
            SkipReason::CatchUpLimit => Self::CatchUpLimit,
            SkipReason::Overlap => Self::Overlap,
            SkipReason::QueueFull => Self::QueueFull,
            SkipReason::Paused => Self::Paused,
            SkipReason::Expired => Self::Expired,
            SkipReason::Removed => Self::Removed,
            SkipReason::Cancelled => Self::Cancelled,
            SkipReason::Rescheduled => Self::Rescheduled,
            SkipReason::ClockRebased => Self::ClockRebased,
            SkipReason::Unknown => Self::Unknown,
        }
    }
}
