//! Attempts and how they ended, version 1. Frozen.

use serde::{Deserialize, Serialize};

use super::usage::{Early, Leftovers, OutOfMemory, Rung, Used};
use super::{FilePath, Micros, Span, is_default, is_false, timestamp};
use crate::clock::BootId;
use crate::run;
use crate::spec;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attempt {
    number: u32,
    boot: String,
    asked_at: Micros,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<Micros>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<End>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    outcome: Outcome,
    ending: Ending,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<StopReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rung: Option<Rung>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    out_of_memory: Option<OutOfMemory>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leftovers: Option<Leftovers>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<Micros>,
    ended_at: Micros,
    #[serde(default, skip_serializing_if = "is_default")]
    cpu_user: Span,
    #[serde(default, skip_serializing_if = "is_default")]
    cpu_system: Span,
    #[serde(default, skip_serializing_if = "is_default")]
    peak_memory_bytes: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    used: Used,
    #[serde(default, skip_serializing_if = "is_default")]
    output_bytes: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    output_cut_bytes: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    output_lost_bytes: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    output_limited_bytes: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    output_to: OutputTo,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutputTo {
    #[default]
    Files,
    Journal,
    Syslog,
    Null,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ending {
    Exited { wait_status: i32 },
    SetupFailed(SetupFailure),
    Unseen,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetupFailure {
    step: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<FilePath>,
    errno: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StopReason {
    TimedOut,
    Cancelled,
    Replaced,
    HostShutdown,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Succeeded,
    Failed {
        exit_code: u8,
    },
    Signaled {
        signal: i32,
        #[serde(default, skip_serializing_if = "is_false")]
        core_dumped: bool,
    },
    OutOfMemory(OutOfMemory),
    TimedOut,
    Cancelled,
    Replaced,
    HostShutdown,
    SetupFailed(SetupFailure),
    Lost,
}

impl From<&run::Attempt> for Attempt {
    fn from(attempt: &run::Attempt) -> Self {
        Self {
            number: attempt.number,
            boot: attempt.boot.as_str().to_owned(),
            asked_at: attempt.asked_at.into(),
            started_at: attempt.started_at.map(Micros::from),
            end: attempt.end.as_ref().map(|(end, outcome)| End::new(end, outcome)),
        }
    }
}

impl Attempt {
    pub(super) fn into_domain(self) -> Result<run::Attempt, String> {
        Ok(run::Attempt {
            number: self.number,
            boot: BootId::new(&self.boot),
            asked_at: self.asked_at.timestamp()?,
            started_at: timestamp(self.started_at)?,
            end: self.end.map(End::into_domain).transpose()?,
        })
    }
}

impl End {
    fn new(end: &run::AttemptEnd, outcome: &run::Outcome) -> Self {
        let (early, used) = Used::split(&end.usage);
        Self {
            outcome: outcome.into(),
            ending: (&end.ending).into(),
            stopped: end.stopped.map(|stopped| stopped.reason.into()),
            rung: end.stopped.and_then(|stopped| stopped.rung).map(Rung::from),
            out_of_memory: end.out_of_memory.map(OutOfMemory::from),
            leftovers: Leftovers::of(&end.leftovers),
            started_at: end.started_at.map(Micros::from),
            ended_at: end.ended_at.into(),
            cpu_user: early.cpu_user,
            cpu_system: early.cpu_system,
            peak_memory_bytes: early.peak_memory_bytes,
            used,
            output_bytes: end.output.bytes,
            output_cut_bytes: end.output.cut_bytes,
            output_lost_bytes: end.output.lost_bytes,
            output_limited_bytes: end.output.limited_bytes,
            output_to: end.output.to.into(),
        }
    }

    fn into_domain(self) -> Result<(run::AttemptEnd, run::Outcome), String> {
        let (cpu_user, cpu_system) = (self.cpu_user, self.cpu_system);
        let early = Early { cpu_user, cpu_system, peak_memory_bytes: self.peak_memory_bytes };
        let rung = self.rung.map(Rung::into_domain);
        let end = run::AttemptEnd {
            ending: self.ending.into_domain(),
            stopped: self.stopped.map(|reason| run::Stopped { reason: reason.into_domain(), rung }),
            out_of_memory: self.out_of_memory.map(OutOfMemory::into_domain),
            leftovers: self.leftovers.map(Leftovers::into_domain).unwrap_or_default(),
            started_at: timestamp(self.started_at)?,
            ended_at: self.ended_at.timestamp()?,
            usage: self.used.join(early),
            output: run::OutputSummary {
                bytes: self.output_bytes,
                cut_bytes: self.output_cut_bytes,
                lost_bytes: self.output_lost_bytes,
                limited_bytes: self.output_limited_bytes,
                to: self.output_to.into(),
            },
        };
        Ok((end, self.outcome.into_domain()))
    }
}

impl From<&run::Ending> for Ending {
    fn from(ending: &run::Ending) -> Self {
        match ending {
            run::Ending::Exited { wait_status } => Self::Exited { wait_status: *wait_status },
            run::Ending::SetupFailed(failure) => Self::SetupFailed(failure.into()),
            run::Ending::Unseen => Self::Unseen,
        }
    }
}

impl Ending {
    fn into_domain(self) -> run::Ending {
        match self {
            Self::Exited { wait_status } => run::Ending::Exited { wait_status },
            Self::SetupFailed(failure) => run::Ending::SetupFailed(failure.into_domain()),
            Self::Unseen => run::Ending::Unseen,
        }
    }
}

impl From<&run::SetupFailure> for SetupFailure {
    fn from(failure: &run::SetupFailure) -> Self {
        let run::SetupFailure { step, path, errno, user, detail } = failure.clone();
        Self { step, path: path.as_deref().map(FilePath::from), errno, user, detail }
    }
}

impl SetupFailure {
    fn into_domain(self) -> run::SetupFailure {
        let Self { step, path, errno, user, detail } = self;
        run::SetupFailure { step, path: path.map(FilePath::into), errno, user, detail }
    }
}

impl From<run::StopReason> for StopReason {
    fn from(reason: run::StopReason) -> Self {
        match reason {
            run::StopReason::TimedOut => Self::TimedOut,
            run::StopReason::Cancelled => Self::Cancelled,
            run::StopReason::Replaced => Self::Replaced,
            run::StopReason::HostShutdown => Self::HostShutdown,
        }
    }
}

impl StopReason {
    pub(super) fn into_domain(self) -> run::StopReason {
        match self {
            Self::TimedOut => run::StopReason::TimedOut,
            Self::Cancelled => run::StopReason::Cancelled,
            Self::Replaced => run::StopReason::Replaced,
            Self::HostShutdown => run::StopReason::HostShutdown,
        }
    }
}

impl From<&run::Outcome> for Outcome {
    fn from(outcome: &run::Outcome) -> Self {
        match outcome {
            run::Outcome::Succeeded => Self::Succeeded,
            run::Outcome::Failed { exit_code } => Self::Failed { exit_code: *exit_code },
            run::Outcome::Signaled { signal, core_dumped } => {
                Self::Signaled { signal: *signal, core_dumped: *core_dumped }
            }
            run::Outcome::OutOfMemory(killed) => Self::OutOfMemory((*killed).into()),
            run::Outcome::TimedOut => Self::TimedOut,
            run::Outcome::Cancelled => Self::Cancelled,
            run::Outcome::Replaced => Self::Replaced,
            run::Outcome::HostShutdown => Self::HostShutdown,
            run::Outcome::SetupFailed(failure) => Self::SetupFailed(failure.into()),
            run::Outcome::Lost => Self::Lost,
        }
    }
}

impl Outcome {
    pub(super) fn into_domain(self) -> run::Outcome {
        match self {
            Self::Succeeded => run::Outcome::Succeeded,
            Self::Failed { exit_code } => run::Outcome::Failed { exit_code },
            Self::Signaled { signal, core_dumped } => run::Outcome::Signaled { signal, core_dumped },
            Self::OutOfMemory(killed) => run::Outcome::OutOfMemory(killed.into_domain()),
            Self::TimedOut => run::Outcome::TimedOut,
            Self::Cancelled => run::Outcome::Cancelled,
            Self::Replaced => run::Outcome::Replaced,
            Self::HostShutdown => run::Outcome::HostShutdown,
            Self::SetupFailed(failure) => run::Outcome::SetupFailed(failure.into_domain()),
            Self::Lost => run::Outcome::Lost,
        }
    }
}

impl From<spec::OutputTo> for OutputTo {
    fn from(to: spec::OutputTo) -> Self {
        match to {
            spec::OutputTo::Files => Self::Files,
            spec::OutputTo::Journal => Self::Journal,
            spec::OutputTo::Syslog => Self::Syslog,
            spec::OutputTo::Null => Self::Null,
        }
    }
}

impl From<OutputTo> for spec::OutputTo {
    fn from(to: OutputTo) -> Self {
        match to {
            OutputTo::Files => Self::Files,
            OutputTo::Journal => Self::Journal,
            OutputTo::Syslog => Self::Syslog,
            OutputTo::Null => Self::Null,
        }
    }
}
