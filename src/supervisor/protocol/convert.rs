//! Between the messages and what the rest of the program means by them.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::usage::{leftovers_heard, leftovers_said, stopped, usage_before_3};
use super::wire;
use crate::clock::Timestamp;
use crate::run::{AttemptEnd, AttemptId, Ending, LaunchPlan, OutputSummary, Report, RunId, SetupFailure};
use crate::spec::{Environment, Identity, JobName, NameError, OutputPolicy, OutputTo, ProcessSpec, StopPolicy};

/// A message that is well formed and means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    /// No such job can exist.
    #[error("a message names an impossible job")]
    Job(#[source] NameError),
    /// This system has no such signal.
    #[error("a message names the unknown signal {0:?}")]
    Signal(String),
    /// A word that this version does not know.
    #[error("a message holds the unknown word {0:?}")]
    Word(String),
    /// An instant outside of what the calendar can say.
    #[error("a message holds the impossible instant {0} µs")]
    Instant(i64),
}

/// A duration in whole microseconds; the longest that fits, half a million years, when it does not.
pub(in crate::supervisor) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// An instant from microseconds since 1970.
pub(in crate::supervisor) fn timestamp(unix_micros: i64) -> Result<Timestamp, ConversionError> {
    Timestamp::from_timestamp_micros(unix_micros).ok_or(ConversionError::Instant(unix_micros))
}

/// A signal from its name.
pub(in crate::supervisor) fn signal(name: &str) -> Result<Signal, ConversionError> {
    name.parse().map_err(|_| ConversionError::Signal(name.to_owned()))
}

/// The word for where output goes; none for files, as older versions say nothing.
pub(in crate::supervisor) fn to_word(to: OutputTo) -> Option<String> {
    (to != OutputTo::Files).then(|| to.name().to_owned())
}

/// Where output goes, from its word.
pub(in crate::supervisor) fn to(word: Option<String>) -> Result<OutputTo, ConversionError> {
    word.map_or(Ok(OutputTo::Files), |word| OutputTo::from_name(&word).ok_or(ConversionError::Word(word)))
}

/// The policy of these words. Whether times are shown is no business of who keeps the output.
pub(in crate::supervisor) fn output(
    limit_bytes: u64,
    to_word: Option<String>,
    rate: Option<String>,
) -> Result<OutputPolicy, ConversionError> {
    let rate = rate.map(|word| word.parse().map_err(|_| ConversionError::Word(word))).transpose()?;
    Ok(OutputPolicy { to: to(to_word)?, limit_bytes, rate, timestamps: false })
}

impl From<&AttemptId> for wire::Attempt {
    fn from(id: &AttemptId) -> Self {
        Self { job: id.run.job.to_string(), number: id.run.number, attempt: id.attempt }
    }
}

impl TryFrom<wire::Attempt> for AttemptId {
    type Error = ConversionError;
    fn try_from(name: wire::Attempt) -> Result<Self, ConversionError> {
        let job = JobName::new(&name.job).map_err(ConversionError::Job)?;
        Ok(Self { run: RunId { job, number: name.number }, attempt: name.attempt })
    }
}

impl From<&LaunchPlan> for wire::Plan {
    fn from(plan: &LaunchPlan) -> Self {
        Self {
            attempt: (&plan.attempt).into(),
            argv: wire::Argv(plan.argv.clone()),
            environment: wire::Variables(plan.environment.0.clone()),
            working_directory: plan.working_directory.as_ref().map(|path| path.to_string_lossy().into_owned()),
            user: plan.identity.user.clone(),
            group: plan.identity.group.clone(),
            process: (plan.process != ProcessSpec::default()).then(|| Box::new((&plan.process).into())),
            timeout_micros: plan.timeout.map(micros),
            stop_signal: plan.stop.signal.as_str().to_owned(),
            stop_grace_micros: micros(plan.stop.grace),
            output_limit_bytes: plan.output.limit_bytes,
            output_to: to_word(plan.output.to),
            output_rate: plan.output.rate.map(|rate| rate.to_string()),
        }
    }
}

impl TryFrom<wire::Plan> for LaunchPlan {
    type Error = ConversionError;
    fn try_from(plan: wire::Plan) -> Result<Self, ConversionError> {
        Ok(Self {
            attempt: plan.attempt.try_into()?,
            argv: plan.argv.0,
            environment: Environment(plan.environment.0),
            working_directory: plan.working_directory.map(Into::into),
            identity: Identity { user: plan.user, group: plan.group },
            process: plan.process.map(|process| (*process).try_into()).transpose()?.unwrap_or_default(),
            timeout: plan.timeout_micros.map(Duration::from_micros),
            stop: StopPolicy {
                signal: signal(&plan.stop_signal)?,
                grace: Duration::from_micros(plan.stop_grace_micros),
            },
            output: output(plan.output_limit_bytes, plan.output_to, plan.output_rate)?,
        })
    }
}

impl From<&Report> for wire::ToEngine {
    fn from(report: &Report) -> Self {
        match report {
            Report::Started { attempt, pid, at } => {
                Self::Started { attempt: attempt.into(), pid: *pid, at_unix_micros: at.timestamp_micros() }
            }
            Report::Ended { attempt, end } => Self::Ended { attempt: attempt.into(), end: Box::new((&**end).into()) },
            Report::NoTrace { attempt } => Self::NoTrace { attempt: attempt.into() },
        }
    }
}

impl From<&AttemptEnd> for wire::End {
    fn from(end: &AttemptEnd) -> Self {
        let usage = wire::Usage::from(&end.usage);
        Self {
            ending: (&end.ending).into(),
            stopped: end.stopped.map(|stopped| stopped.reason.into()),
            rung: end.stopped.and_then(|stopped| stopped.rung).map(Into::into),
            out_of_memory: end.out_of_memory.map(Into::into),
            leftovers: leftovers_said(&end.leftovers),
            started_at_unix_micros: end.started_at.map(|at| at.timestamp_micros()),
            ended_at_unix_micros: end.ended_at.timestamp_micros(),
            cpu_user_micros: usage.cpu_user_micros.unwrap_or(0),
            cpu_system_micros: usage.cpu_system_micros.unwrap_or(0),
            peak_memory_bytes: usage.peak_memory_bytes.unwrap_or(0),
            usage: (usage != wire::Usage::default()).then_some(usage),
            output_bytes: end.output.bytes,
            output_cut_bytes: end.output.cut_bytes,
            output_lost_bytes: end.output.lost_bytes,
            output_limited_bytes: (end.output.limited_bytes > 0).then_some(end.output.limited_bytes),
            output_to: to_word(end.output.to),
        }
    }
}

impl TryFrom<wire::End> for AttemptEnd {
    type Error = ConversionError;
    fn try_from(end: wire::End) -> Result<Self, ConversionError> {
        let before_3 = || usage_before_3(end.cpu_user_micros, end.cpu_system_micros, end.peak_memory_bytes);
        Ok(Self {
            ending: end.ending.into(),
            stopped: stopped(end.stopped, end.rung),
            out_of_memory: end.out_of_memory.map(Into::into),
            leftovers: leftovers_heard(end.leftovers),
            started_at: end.started_at_unix_micros.map(timestamp).transpose()?,
            ended_at: timestamp(end.ended_at_unix_micros)?,
            usage: end.usage.map_or_else(before_3, Into::into),
            output: OutputSummary {
                bytes: end.output_bytes,
                cut_bytes: end.output_cut_bytes,
                lost_bytes: end.output_lost_bytes,
                limited_bytes: end.output_limited_bytes.unwrap_or(0),
                to: to(end.output_to)?,
            },
        })
    }
}

impl From<&Ending> for wire::Ending {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Exited { wait_status } => Self::Exited { wait_status: *wait_status },
            Ending::SetupFailed(SetupFailure { step, path, errno, user, detail }) => Self::SetupFailed {
                step: step.clone(),
                path: path.as_ref().map(|path| path.to_string_lossy().into_owned()),
                errno: *errno,
                user: user.clone(),
                detail: detail.clone(),
            },
            Ending::Unseen => Self::Unseen,
        }
    }
}

impl From<wire::Ending> for Ending {
    fn from(ending: wire::Ending) -> Self {
        match ending {
            wire::Ending::Exited { wait_status } => Self::Exited { wait_status },
            wire::Ending::SetupFailed { step, path, errno, user, detail } => {
                Self::SetupFailed(SetupFailure { step, path: path.map(Into::into), errno, user, detail })
            }
            wire::Ending::Unseen => Self::Unseen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{IoBytes, Leftovers, MemoryMeasure, OutOfMemory, PeakMemory, Rung, StopReason, Stopped, Usage};

    /// The very bytes of versions 2 and 3: what an engine or a supervisor of another build says and must be understood.
    const LAUNCH: &str = r#"{"type":"launch","plan":{"attempt":{"job":"backup","number":42,"attempt":1},"argv":["sh","-c","pg_dump app"],"environment":{"PGPASSWORD":"hunter2"},"working_directory":"/srv","user":"postgres","group":null,"timeout_micros":7200000000,"stop_signal":"SIGINT","stop_grace_micros":10000000,"output_limit_bytes":16777216}}"#;
    const ENDED: &str = r#"{"type":"ended","attempt":{"job":"backup","number":42,"attempt":1},"end":{"ending":{"setup_failed":{"step":"execute","path":"/bin/nothing","errno":2}},"stopped":"timed_out","started_at_unix_micros":null,"ended_at_unix_micros":1793536496789012,"cpu_user_micros":1,"cpu_system_micros":2,"peak_memory_bytes":3,"output_bytes":4,"output_cut_bytes":5,"output_lost_bytes":6}}"#;

    fn id() -> AttemptId {
        AttemptId { run: "backup/42".parse().unwrap(), attempt: 1 }
    }

    #[test]
    fn a_plan_of_version_2_without_attributes_stays() {
        let plan = LaunchPlan {
            attempt: id(),
            argv: vec!["sh".into(), "-c".into(), "pg_dump app".into()],
            environment: Environment([("PGPASSWORD".into(), "hunter2".into())].into()),
            working_directory: Some("/srv".into()),
            identity: Identity { user: Some("postgres".into()), group: None },
            process: ProcessSpec::default(),
            timeout: Some(Duration::from_secs(7200)),
            stop: StopPolicy { signal: Signal::SIGINT, grace: Duration::from_secs(10) },
            output: OutputPolicy::default(),
        };
        let message = wire::ToSupervisor::Launch { plan: Box::new((&plan).into()) };
        assert_eq!(serde_json::to_string(&message).unwrap(), LAUNCH);
        assert!(!format!("{message:?}").contains("hunter2"));
        let wire::ToSupervisor::Launch { plan: back } = serde_json::from_str(LAUNCH).unwrap() else { panic!("launch") };
        assert_eq!(LaunchPlan::try_from(*back), Ok(plan));
    }

    const ENDED_3: &str = r#"{"type":"ended","attempt":{"job":"backup","number":42,"attempt":1},"end":{"ending":{"setup_failed":{"step":"execute","path":"/bin/nothing","errno":13,"user":"www"}},"stopped":"timed_out","rung":"kill","out_of_memory":{"limit_bytes":7,"peak_bytes":null},"leftovers":{"count":2,"names":["nc"]},"started_at_unix_micros":null,"ended_at_unix_micros":1793536496789012,"cpu_user_micros":1,"cpu_system_micros":2,"peak_memory_bytes":3,"usage":{"cpu_user_micros":1,"cpu_system_micros":2,"peak_memory_bytes":3,"memory_measure":"tree","io_read_bytes":8,"io_written_bytes":9},"output_bytes":4,"output_cut_bytes":5,"output_lost_bytes":6}}"#;

    fn end() -> AttemptEnd {
        AttemptEnd {
            ending: Ending::SetupFailed(SetupFailure::of_daemon("execute", Some("/bin/nothing".into()), 2)),
            stopped: Some(Stopped { reason: StopReason::TimedOut, rung: None }),
            out_of_memory: None,
            leftovers: Leftovers::default(),
            started_at: None,
            ended_at: timestamp(1_793_536_496_789_012).unwrap(),
            usage: usage_before_3(1, 2, 3),
            output: OutputSummary { bytes: 4, cut_bytes: 5, lost_bytes: 6, ..OutputSummary::default() },
        }
    }

    fn read(text: &str) -> (AttemptId, AttemptEnd) {
        let wire::ToEngine::Ended { attempt, end } = serde_json::from_str(text).unwrap() else { panic!("ended") };
        (attempt.try_into().unwrap(), (*end).try_into().unwrap())
    }

    #[test]
    fn version_2_of_an_end_is_understood() {
        assert_eq!(read(ENDED), (id(), end()));
    }

    #[test]
    fn version_3_of_an_end_stays() {
        let failure = SetupFailure {
            user: Some("www".to_owned()),
            ..SetupFailure::of_daemon("execute", Some("/bin/nothing".into()), 13)
        };
        let end = AttemptEnd {
            ending: Ending::SetupFailed(failure),
            stopped: Some(Stopped { reason: StopReason::TimedOut, rung: Some(Rung::Kill) }),
            out_of_memory: Some(OutOfMemory { limit_bytes: Some(7), peak_bytes: None }),
            leftovers: Leftovers { count: 2, names: vec!["nc".to_owned()] },
            usage: Usage {
                peak_memory: Some(PeakMemory { bytes: 3, of: MemoryMeasure::Tree }),
                io: Some(IoBytes { read: 8, written: 9 }),
                ..usage_before_3(1, 2, 3)
            },
            ..end()
        };
        let report = Report::Ended { attempt: id(), end: Box::new(end.clone()) };
        assert_eq!(serde_json::to_string(&wire::ToEngine::from(&report)).unwrap(), ENDED_3);
        assert_eq!(read(ENDED_3), (id(), end));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let name = wire::Attempt { job: "../etc".into(), number: 1, attempt: 1 };
        assert_eq!(AttemptId::try_from(name), Err(ConversionError::Job(NameError::Start('.'))));
        assert_eq!(signal("SIGSOON"), Err(ConversionError::Signal("SIGSOON".into())));
        assert_eq!(timestamp(i64::MAX), Err(ConversionError::Instant(i64::MAX)));
    }
}
