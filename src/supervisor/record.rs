//! [`Record`]: what an attempt's directory tells a later supervisor.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::line::{Asked, Line};
use super::process::Stat;
use crate::clock::{BootId, Monotonic, Timestamp};
use crate::run::{AttemptEnd, Leftovers, SetupFailure, StopReason, Usage};
use crate::spec::{OnLeftover, OutputPolicy, StopPolicy};

/// The file's name in the attempt's directory.
const NAME: &str = "record";

/// Everything that was written about an attempt.
#[derive(Debug)]
pub(super) struct Record {
    pub facts: Facts,
    pub process: Option<Process>,
    pub executed: Option<Executed>,
    pub exited: Option<Exited>,
    pub stopping: Option<Stopping>,
    pub setup_failure: Option<SetupFailure>,
    pub end: Option<AttemptEnd>,
}

/// What was known before the fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub boot: BootId,
    pub asked: Monotonic,
    /// The value of `JOBSD_INVOCATION`, by which processes of this attempt are known.
    pub invocation: String,
    pub timeout: Option<std::time::Duration>,
    pub stop: StopPolicy,
    pub output: OutputPolicy,
    pub cgroup: Option<PathBuf>,
    /// Inode numbers of the pipes of standard output and standard error.
    pub pipes: [u64; 2],
    /// What happens to processes that outlive the main one.
    pub on_leftover: OnLeftover,
    /// Whether the main process is the first among the job's own, which writes the program's status into the record.
    pub own_processes: bool,
    /// The directory of its credentials, to be removed at the end.
    pub credentials: Option<PathBuf>,
    /// Whether its processes may use jobsd.
    pub control_socket: bool,
}

/// A main process, named for its boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub pid: Pid,
    pub start_ticks: u64,
}

impl Process {
    /// Whether this is the process that is seen.
    pub fn is(self, seen: &Stat) -> bool {
        self.pid == seen.pid && self.start_ticks == seen.start_ticks
    }
}

/// When the program was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Executed {
    pub wall: Timestamp,
    pub monotonic: Monotonic,
    /// The largest resident set of the child until then; absent in records of older versions.
    pub resident_bytes: Option<u64>,
}

/// The program's end, as the first process among its own saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exited {
    pub wait_status: i32,
    /// What outlived the program and was killed.
    pub leftovers: Leftovers,
    /// What the program and its descendants used; absent in records of older versions.
    pub usage: Option<Usage>,
}

/// How far the stop ladder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopping {
    pub reason: StopReason,
    pub kill_at: Monotonic,
}

impl Record {
    /// Reads the record in an attempt's directory; `None` when its first line never became whole.
    ///
    /// # Errors
    /// When it exists and cannot be read.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(dir.join(NAME)) {
            Ok(text) => text,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        // A line is what a newline ends; a torn or unknown one says nothing.
        let mut lines = text.split_inclusive(|&byte| byte == b'\n').filter_map(Line::parse);
        let Some(Line::Asked(asked)) = lines.next() else { return Ok(None) };
        let Ok(facts) = Facts::try_from(asked) else { return Ok(None) };
        let empty =
            Self { facts, process: None, executed: None, exited: None, stopping: None, setup_failure: None, end: None };
        Ok(Some(lines.fold(empty, Self::with)))
    }

    fn with(mut self, line: Line) -> Self {
        match line {
            Line::Asked(_) => {}
            Line::Process(process) => self.process = Some(process.into()),
            Line::Executing(executed) => self.executed = executed.try_into().ok(),
            Line::Exited(exited) => self.exited = Some(exited.into()),
            Line::Stopping(stopping) => self.stopping = Some(stopping.into()),
            Line::SetupFailed(failure) => self.setup_failure = Some(failure.into()),
            Line::Ended(end) => self.end = (*end).try_into().ok(),
        }
        self
    }
}

/// Begins the record of a new attempt and leaves it open for the child.
///
/// # Errors
/// When it cannot be written whole.
pub(super) fn begin(dir: &Path, facts: &Facts) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create_new(true).mode(0o600).open(dir.join(NAME))?;
    file.write_all(&Line::Asked(Asked::from(facts)).encode())?;
    Ok(file)
}

/// Adds a line.
///
/// # Errors
/// When it cannot be written whole.
pub(super) fn add(dir: &Path, line: &Line) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(dir.join(NAME))?;
    // The newline in front ends what an earlier write, cut off by a full disk or a kill, may have left of a line.
    file.write_all(&[b"\n", line.encode().as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::sys::signal::Signal;

    use super::*;
    use crate::run::{
        ContextSwitches, CpuTime, Ending, IoBytes, MemoryMeasure, OutOfMemory, OutputSummary, PeakMemory, Rung, Stopped,
    };

    fn facts() -> Facts {
        Facts {
            boot: BootId::new("277c367e"),
            asked: Monotonic::from_duration(Duration::from_nanos(1_000_000_007)),
            invocation: "00ff".into(),
            timeout: Some(Duration::from_secs(60)),
            stop: StopPolicy { signal: Signal::SIGINT, grace: Duration::from_secs(10) },
            output: OutputPolicy { limit_bytes: 1024, ..OutputPolicy::default() },
            cgroup: Some("/sys/fs/cgroup/jobsd-1/a.1.1".into()),
            pipes: [11, 12],
            on_leftover: OnLeftover::Kill,
            own_processes: false,
            credentials: None,
            control_socket: true,
        }
    }

    fn end() -> AttemptEnd {
        AttemptEnd {
            ending: Ending::Exited { wait_status: 256 },
            stopped: Some(Stopped { reason: StopReason::Cancelled, rung: Some(Rung::Kill) }),
            out_of_memory: Some(OutOfMemory { limit_bytes: Some(7), peak_bytes: Some(8) }),
            leftovers: Leftovers { count: 2, names: vec!["sleep".to_owned()] },
            started_at: Some(Timestamp::from_timestamp_micros(1_793_536_496_789_012).unwrap()),
            ended_at: Timestamp::from_timestamp_micros(1_793_536_496_789_013).unwrap(),
            usage: Usage {
                cpu: Some(CpuTime { user: Duration::from_micros(1), system: Duration::from_micros(2) }),
                peak_memory: Some(PeakMemory { bytes: 3, of: MemoryMeasure::AtMost }),
                io: Some(IoBytes { read: 9, written: 10 }),
                context_switches: Some(ContextSwitches { voluntary: 11, involuntary: 12 }),
                peak_processes: Some(13),
            },
            output: OutputSummary { bytes: 4, cut_bytes: 5, lost_bytes: 6, ..OutputSummary::default() },
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let executed = Executed {
            wall: Timestamp::from_timestamp_micros(1_793_536_496_789_012).unwrap(),
            monotonic: Monotonic::from_duration(Duration::from_nanos(5)),
            resident_bytes: Some(4096),
        };
        let process = Process { pid: Pid::from_raw(7), start_ticks: 99 };
        let stopping =
            Stopping { reason: StopReason::TimedOut, kill_at: Monotonic::from_duration(Duration::from_secs(9)) };
        let failure =
            SetupFailure { user: Some("www".into()), ..SetupFailure::of_daemon("execute", Some("/bin/no".into()), 2) };
        drop(begin(dir.path(), &facts()).unwrap());
        add(dir.path(), &Line::Process(process.into())).unwrap();
        add(dir.path(), &Line::Executing(executed.into())).unwrap();
        let exited = Exited { wait_status: 9, leftovers: end().leftovers, usage: Some(end().usage) };
        add(dir.path(), &Line::Exited((&exited).into())).unwrap();
        add(dir.path(), &Line::Stopping(stopping.into())).unwrap();
        add(dir.path(), &Line::SetupFailed((&failure).into())).unwrap();
        add(dir.path(), &Line::Ended(Box::new((&end()).into()))).unwrap();
        let record = Record::read(dir.path()).unwrap().unwrap();
        assert_eq!(record.facts, facts());
        assert_eq!(record.process, Some(process));
        assert_eq!(record.executed, Some(executed));
        assert_eq!(record.exited, Some(exited));
        assert_eq!(record.stopping, Some(stopping));
        assert_eq!(record.setup_failure, Some(failure));
        assert_eq!(record.end, Some(end()));
    }

    /// The very bytes of version 1: what a supervisor of another build wrote and this one must find.
    #[test]
    fn version_1_stays() {
        let text = concat!(
            r#"{"line":"asked","version":1,"boot":"277c367e","asked_monotonic_nanos":1000000007,"invocation":"00ff","#,
            r#""timeout_micros":60000000,"stop_signal":"SIGINT","stop_grace_micros":10000000,"output_limit_bytes":1024,"#,
            r#""cgroup":"/sys/fs/cgroup/jobsd-1/a.1.1","stdout_pipe":11,"stderr_pipe":12}"#,
            "\n\n",
            r#"{"line":"ended","ending":{"exited":{"wait_status":256}},"stopped":"cancelled","#,
            r#""started_at_unix_micros":1793536496789012,"ended_at_unix_micros":1793536496789013,"cpu_user_micros":1,"#,
            r#""cpu_system_micros":2,"peak_memory_bytes":3,"output_bytes":4,"output_cut_bytes":5,"output_lost_bytes":6}"#,
            "\n",
        );
        let dir = tempfile::tempdir().unwrap();
        drop(begin(dir.path(), &facts()).unwrap());
        let begun = fs::read_to_string(dir.path().join(NAME)).unwrap();
        assert_eq!(text.split_inclusive('\n').next(), Some(begun.as_str()));
        fs::write(dir.path().join(NAME), text).unwrap();
        let early = AttemptEnd {
            stopped: Some(Stopped { reason: StopReason::Cancelled, rung: None }),
            out_of_memory: None,
            leftovers: Leftovers::default(),
            usage: Usage { io: None, context_switches: None, peak_processes: None, ..end().usage },
            ..end()
        };
        assert_eq!(Record::read(dir.path()).unwrap().unwrap().end, Some(early));
    }

    #[test]
    fn torn_lines_say_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Record::read(dir.path()).unwrap().is_none());
        drop(begin(dir.path(), &facts()).unwrap());
        add(dir.path(), &Line::Ended(Box::new((&end()).into()))).unwrap();
        let whole = fs::read(dir.path().join(NAME)).unwrap();
        let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for length in 0..whole.len() {
            fs::write(dir.path().join(NAME), &whole[..length]).unwrap();
            let record = Record::read(dir.path()).unwrap();
            assert_eq!(record.is_some(), length >= first, "cut at {length}");
            assert!(record.is_none_or(|record| record.end.is_none()), "cut at {length}");
        }
        // A later line after a torn one counts.
        fs::write(dir.path().join(NAME), &whole[..whole.len() - 9]).unwrap();
        add(dir.path(), &Line::Ended(Box::new((&end()).into()))).unwrap();
        assert_eq!(Record::read(dir.path()).unwrap().unwrap().end, Some(end()));
    }
}
