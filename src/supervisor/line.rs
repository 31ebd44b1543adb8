//! [`Line`]: one line of an attempt's record, as it lies on disk. Version 1, frozen; what was added since is absent from
//! the records of attempts that do not use it.
//!
//! `asked` is written before the fork; `process` and `executing` by the child itself, so that no program runs that is
//! not recorded; `stopping` when the stop ladder begins; then `setup_failed` or not; then `ended`. The child says
//! `executing` and `setup_failed` to the supervisor in the same form.

mod used;

use std::time::Duration;

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::protocol::{self, ConversionError, micros, signal, timestamp, usage_before_3};
use super::record::{self, Facts};
use crate::clock::{BootId, Monotonic};
use crate::run::{AttemptEnd, OutputSummary, SetupFailure, Stopped};
use crate::spec::{OnLeftover, StopPolicy};
use used::{Leftovers, OutOfMemory, Rung, Used};

const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(super) enum Line {
    /// The attempt is about to be launched.
    Asked(Asked),
    /// Its main process exists.
    Process(Process),
    /// Its program is about to be executed.
    Executing(Executing),
    /// Its program has ended, seen by the first process among the job's own.
    Exited(Exited),
    /// It is being stopped.
    Stopping(Stopping),
    /// Its program was not executed.
    SetupFailed(SetupFailed),
    /// It is over.
    Ended(Box<Ended>),
}

/// What is known before the fork. No arguments, no environment: they may hold secrets.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    version: u32,
    boot: String,
    asked_monotonic_nanos: u64,
    invocation: String,
    timeout_micros: Option<u64>,
    stop_signal: String,
    stop_grace_micros: u64,
    output_limit_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_rate: Option<String>,
    cgroup: Option<String>,
    stdout_pipe: u64,
    stderr_pipe: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_leftover: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    own_processes: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credentials: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    no_control_socket: bool,
}

/// The main process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Process {
    pid: i32,
    start_ticks: u64,
}

/// The moment of execution.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Executing {
    unix_micros: i64,
    monotonic_nanos: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resident_bytes: Option<u64>,
}

/// The program's end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Exited {
    /// As waitpid gave it.
    wait_status: i32,
    /// Processes that outlived it and are killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leftovers: Option<Leftovers>,
    /// What it and its descendants used that had been waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<Used>,
}

/// The stop ladder.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stopping {
    reason: StopReason,
    kill_monotonic_nanos: u64,
}

/// Why the program was not executed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SetupFailed {
    step: String,
    path: Option<String>,
    errno: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// The end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    ending: Ending,
    stopped: Option<StopReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rung: Option<Rung>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    out_of_memory: Option<OutOfMemory>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leftovers: Option<Leftovers>,
    started_at_unix_micros: Option<i64>,
    ended_at_unix_micros: i64,
    cpu_user_micros: u64,
    cpu_system_micros: u64,
    peak_memory_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<Used>,
    output_bytes: u64,
    output_cut_bytes: u64,
    output_lost_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_limited_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_to: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ending {
    Exited { wait_status: i32 },
    SetupFailed(SetupFailed),
    Unseen,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StopReason {
    TimedOut,
    Cancelled,
    Replaced,
    HostShutdown,
}

impl Line {
    /// The line with its newline.
    pub fn encode(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("lines have text keys");
        line.push(b'\n');
        line
    }

    /// A whole line with its newline; `None` for a torn or unknown one.
    pub fn parse(line: &[u8]) -> Option<Self> {
        line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice(line).ok())
    }
}

/// A monotonic reading in nanoseconds; they suffice for five centuries of uptime.
fn nanos(reading: Monotonic) -> u64 {
    u64::try_from(reading.as_duration().as_nanos()).unwrap_or(u64::MAX)
}

fn monotonic(nanos: u64) -> Monotonic {
    Monotonic::from_duration(Duration::from_nanos(nanos))
}

impl From<&Facts> for Asked {
    fn from(facts: &Facts) -> Self {
        Self {
            version: VERSION,
            boot: facts.boot.as_str().to_owned(),
            asked_monotonic_nanos: nanos(facts.asked),
            invocation: facts.invocation.clone(),
            timeout_micros: facts.timeout.map(micros),
            stop_signal: facts.stop.signal.as_str().to_owned(),
            stop_grace_micros: micros(facts.stop.grace),
            output_limit_bytes: facts.output.limit_bytes,
            output_to: protocol::to_word(facts.output.to),
            output_rate: facts.output.rate.map(|rate| rate.to_string()),
            cgroup: facts.cgroup.as_ref().map(|path| path.to_string_lossy().into_owned()),
            stdout_pipe: facts.pipes[0],
            stderr_pipe: facts.pipes[1],
            on_leftover: (facts.on_leftover != OnLeftover::Kill).then(|| facts.on_leftover.name().to_owned()),
            own_processes: facts.own_processes,
            credentials: facts.credentials.as_ref().map(|path| path.to_string_lossy().into_owned()),
            no_control_socket: !facts.control_socket,
        }
    }
}

impl TryFrom<Asked> for Facts {
    type Error = ConversionError;
    fn try_from(asked: Asked) -> Result<Self, ConversionError> {
        Ok(Self {
            boot: BootId::new(&asked.boot),
            asked: monotonic(asked.asked_monotonic_nanos),
            invocation: asked.invocation,
            timeout: asked.timeout_micros.map(Duration::from_micros),
            stop: StopPolicy {
                signal: signal(&asked.stop_signal)?,
                grace: Duration::from_micros(asked.stop_grace_micros),
            },
            output: protocol::output(asked.output_limit_bytes, asked.output_to, asked.output_rate)?,
            cgroup: asked.cgroup.map(Into::into),
            pipes: [asked.stdout_pipe, asked.stderr_pipe],
            on_leftover: match asked.on_leftover {
                Some(word) => OnLeftover::from_name(&word).ok_or(ConversionError::Word(word))?,
                None => OnLeftover::Kill,
            },
            own_processes: asked.own_processes,
            credentials: asked.credentials.map(Into::into),
            control_socket: !asked.no_control_socket,
        })
    }
}

impl From<&record::Exited> for Exited {
    fn from(exited: &record::Exited) -> Self {
        let leftovers = (!exited.leftovers.is_empty()).then(|| (&exited.leftovers).into());
        Self { wait_status: exited.wait_status, leftovers, usage: exited.usage.as_ref().map(Into::into) }
    }
}

impl From<Exited> for record::Exited {
    fn from(exited: Exited) -> Self {
        let leftovers = exited.leftovers.map(Into::into).unwrap_or_default();
        Self { wait_status: exited.wait_status, leftovers, usage: exited.usage.map(Into::into) }
    }
}

impl From<record::Process> for Process {
    fn from(process: record::Process) -> Self {
        Self { pid: process.pid.as_raw(), start_ticks: process.start_ticks }
    }
}

impl From<Process> for record::Process {
    fn from(process: Process) -> Self {
        Self { pid: Pid::from_raw(process.pid), start_ticks: process.start_ticks }
    }
}

impl From<record::Executed> for Executing {
    fn from(executed: record::Executed) -> Self {
        Self {
            unix_micros: executed.wall.timestamp_micros(),
            monotonic_nanos: nanos(executed.monotonic),
            resident_bytes: executed.resident_bytes,
        }
    }
}

impl TryFrom<Executing> for record::Executed {
    type Error = ConversionError;
    fn try_from(executing: Executing) -> Result<Self, ConversionError> {
        Ok(Self {
            wall: timestamp(executing.unix_micros)?,
            monotonic: monotonic(executing.monotonic_nanos),
            resident_bytes: executing.resident_bytes,
        })
    }
}

impl From<record::Stopping> for Stopping {
    fn from(stopping: record::Stopping) -> Self {
        Self { reason: stopping.reason.into(), kill_monotonic_nanos: nanos(stopping.kill_at) }
    }
}

impl From<Stopping> for record::Stopping {
    fn from(stopping: Stopping) -> Self {
        Self { reason: stopping.reason.into(), kill_at: monotonic(stopping.kill_monotonic_nanos) }
    }
}

impl From<&SetupFailure> for SetupFailed {
    fn from(failure: &SetupFailure) -> Self {
        Self {
            step: failure.step.clone(),
            path: failure.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
            errno: failure.errno,
            user: failure.user.clone(),
            detail: failure.detail.clone(),
        }
    }
}

impl From<SetupFailed> for SetupFailure {
    fn from(failed: SetupFailed) -> Self {
        let SetupFailed { step, path, errno, user, detail } = failed;
        Self { step, path: path.map(Into::into), errno, user, detail }
    }
}

impl From<&AttemptEnd> for Ended {
    fn from(end: &AttemptEnd) -> Self {
        let used = Used::from(&end.usage);
        Self {
            ending: match &end.ending {
                crate::run::Ending::Exited { wait_status } => Ending::Exited { wait_status: *wait_status },
                crate::run::Ending::SetupFailed(failure) => Ending::SetupFailed(failure.into()),
                crate::run::Ending::Unseen => Ending::Unseen,
            },
            stopped: end.stopped.map(|stopped| stopped.reason.into()),
            rung: end.stopped.and_then(|stopped| stopped.rung).map(Into::into),
            out_of_memory: end.out_of_memory.map(Into::into),
            leftovers: (!end.leftovers.is_empty()).then(|| (&end.leftovers).into()),
            started_at_unix_micros: end.started_at.map(|at| at.timestamp_micros()),
            ended_at_unix_micros: end.ended_at.timestamp_micros(),
            cpu_user_micros: used.cpu_user_micros.unwrap_or(0),
            cpu_system_micros: used.cpu_system_micros.unwrap_or(0),
            peak_memory_bytes: used.peak_memory_bytes.unwrap_or(0),
            usage: (used != Used::default()).then_some(used),
            output_bytes: end.output.bytes,
            output_cut_bytes: end.output.cut_bytes,
            output_lost_bytes: end.output.lost_bytes,
            output_limited_bytes: (end.output.limited_bytes > 0).then_some(end.output.limited_bytes),
            output_to: protocol::to_word(end.output.to),
        }
    }
}

impl TryFrom<Ended> for AttemptEnd {
    type Error = ConversionError;
    fn try_from(end: Ended) -> Result<Self, ConversionError> {
        let early = || usage_before_3(end.cpu_user_micros, end.cpu_system_micros, end.peak_memory_bytes);
        Ok(Self {
            ending: match end.ending {
                Ending::Exited { wait_status } => crate::run::Ending::Exited { wait_status },
                Ending::SetupFailed(failed) => crate::run::Ending::SetupFailed(failed.into()),
                Ending::Unseen => crate::run::Ending::Unseen,
            },
            stopped: end.stopped.map(|reason| Stopped { reason: reason.into(), rung: end.rung.map(Into::into) }),
            out_of_memory: end.out_of_memory.map(Into::into),
            leftovers: end.leftovers.map(Into::into).unwrap_or_default(),
            started_at: end.started_at_unix_micros.map(timestamp).transpose()?,
            ended_at: timestamp(end.ended_at_unix_micros)?,
            usage: end.usage.map_or_else(early, Into::into),
            output: OutputSummary {
                bytes: end.output_bytes,
                cut_bytes: end.output_cut_bytes,
                lost_bytes: end.output_lost_bytes,
                limited_bytes: end.output_limited_bytes.unwrap_or(0),
                to: protocol::to(end.output_to)?,
            },
        })
    }
}

impl From<crate::run::StopReason> for StopReason {
    fn from(reason: crate::run::StopReason) -> Self {
        match reason {
            crate::run::StopReason::TimedOut => Self::TimedOut,
            crate::run::StopReason::Cancelled => Self::Cancelled,
            crate::run::StopReason::Replaced => Self::Replaced,
            crate::run::StopReason::HostShutdown => Self::HostShutdown,
        }
    }
}

impl From<StopReason> for crate::run::StopReason {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::TimedOut => Self::TimedOut,
            StopReason::Cancelled => Self::Cancelled,
            StopReason::Replaced => Self::Replaced,
            StopReason::HostShutdown => Self::HostShutdown,
        }
    }
}
