//! What the supervisor says of an attempt.

use std::fmt;
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
        end: Box<AttemptEnd>,
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
    /// Why and how far it was being stopped, when it was.
    pub stopped: Option<Stopped>,
    /// What the kernel killed it for, when its memory was used up and the attempt had a cgroup that counts.
    pub out_of_memory: Option<OutOfMemory>,
    /// When the program was executed; absent when it never was, or nobody saw.
    pub started_at: Option<Timestamp>,
    /// When the end was seen.
    pub ended_at: Timestamp,
    /// Processes that outlived its main process and were killed.
    pub leftovers: Leftovers,
    /// What it used.
    pub usage: Usage,
    /// What it printed.
    pub output: OutputSummary,
}

/// Processes that outlived the main process of their attempt and were killed for it. Those that ended by themselves, were
/// waited for, left alone or stopped with the attempt are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// How many.
    pub count: u64,
    /// Their programs' names, as the kernel has them (at most 15 bytes), each once; of the first [`Leftovers::NAMES_LIMIT`].
    pub names: Vec<String>,
}

impl Leftovers {
    /// Names that are kept: enough to see who it was; a fork bomb has thousands, of one name.
    pub const NAMES_LIMIT: usize = 8;

    /// Counts one more. A process may name itself as it likes: what would disturb a terminal or a line is replaced.
    pub fn add(&mut self, name: &str) {
        self.count += 1;
        let name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        if self.names.len() < Self::NAMES_LIMIT && !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl AttemptEnd {
    /// The exit code of the main process, when it exited.
    pub fn exit_code(&self) -> Option<u8> {
        match self.ending {
            Ending::Exited { wait_status } if libc::WIFEXITED(wait_status) => {
                u8::try_from(libc::WEXITSTATUS(wait_status)).ok()
            }
            Ending::Exited { .. } | Ending::SetupFailed(_) | Ending::Unseen => None,
        }
    }
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
    /// Whose rights decided, when it was the job's user; `None` for what the daemon does, or an older one recorded.
    pub user: Option<String>,
    /// What happened, in words, where the error number does not tell it: at most [`SetupFailure::DETAIL_LIMIT`] bytes.
    pub detail: Option<String>,
}

impl SetupFailure {
    /// Bytes of a [detail](SetupFailure::detail); more of what a job file or a program's first line says is cut off.
    pub const DETAIL_LIMIT: usize = 400;

    /// A step that the daemon does in its own name.
    pub fn of_daemon(step: &str, path: Option<PathBuf>, errno: i32) -> Self {
        Self { step: step.to_owned(), path, errno, user: None, detail: None }
    }

    /// What happened, in words; nothing when only the step is known.
    pub fn cause(&self) -> Option<&str> {
        if let Some(detail) = &self.detail {
            return Some(detail);
        }
        match (self.errno, self.step.as_str()) {
            (0, _) => None,
            // The kernel's own words, "try again", are for programs.
            (libc::EAGAIN, "fork" | "fork into namespaces") => {
                Some("the limit of processes of the user, of the cgroup or of the machine is reached")
            }
            (errno, _) => Some(nix::errno::Errno::from_raw(errno).desc()),
        }
    }
}

impl fmt::Display for SetupFailure {
    /// All of it in words, as in `cannot enter working directory /srv/x as user backup: Permission denied`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The steps' names are the supervisor's (`supervisor::child`), and these two are none: nobody saw which one it was.
        match (self.step.as_str(), &self.path, self.errno) {
            ("set-up deadline", ..) => {
                return f.write_str(
                    "its set-up took too long: a credential's command, a user database or a file system does not answer",
                );
            }
            ("set-up", ..) => return f.write_str("its process died before the program began"),
            // The number would speak of a file.
            ("look up user", Some(name), libc::ENOENT) => return write!(f, "there is no user {}", name.display()),
            ("look up group", Some(name), libc::ENOENT) => return write!(f, "there is no group {}", name.display()),
            _ => {}
        }
        write!(f, "cannot {}", self.step)?;
        if let Some(path) = &self.path {
            let place = if self.step == "arrange mounts" { "at " } else { "" };
            write!(f, " {place}{}", path.display())?;
        }
        if let (Some(user), libc::EACCES | libc::EPERM) = (&self.user, self.errno) {
            write!(f, " as user {user}")?;
        }
        self.cause().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
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
    /// The machine, or the supervisor's unit, goes down; or a supervisor died, and its runs are not to outlive it.
    HostShutdown,
}

/// How an attempt was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stopped {
    /// Why.
    pub reason: StopReason,
    /// How far the stop ladder went; `None` where an older version did not write it down.
    pub rung: Option<Rung>,
}

/// A rung of the stop ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rung {
    /// The stop signal was enough.
    Signal,
    /// The grace was over, or there was none, and SIGKILL was sent.
    Kill,
}

/// A kill by the kernel for want of memory, as the attempt's own cgroup counted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutOfMemory {
    /// The attempt's own limit, when it was that which was reached; `None` when the memory of the machine, or of a cgroup
    /// above, was used up.
    pub limit_bytes: Option<u64>,
    /// The most that the attempt had, where the kernel counts it (since Linux 5.19).
    pub peak_bytes: Option<u64>,
}

/// What an attempt used. What nobody measured is `None`, never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on processors: of the whole tree where the attempt has a cgroup, else of the main process and its
    /// waited-for descendants.
    pub cpu: Option<CpuTime>,
    /// The most memory that it had.
    pub peak_memory: Option<PeakMemory>,
    /// Bytes read from and written to disks: of the whole tree where its cgroup counts them, else of the main process
    /// and its waited-for descendants. What came from the page cache, or is still in it, is not counted.
    pub io: Option<IoBytes>,
    /// Switches between processes, of the main process and its waited-for descendants.
    pub context_switches: Option<ContextSwitches>,
    /// The most processes and threads at once, where the cgroup counts them.
    pub peak_processes: Option<u64>,
}

/// Time on processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In user mode.
    pub user: Duration,
    /// In kernel mode.
    pub system: Duration,
}

/// An amount of memory, and what it is the amount of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeakMemory {
    /// Bytes.
    pub bytes: u64,
    /// Of what.
    pub of: MemoryMeasure,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryMeasure {
    /// The whole tree of processes with its page cache, as its cgroup counts (`memory.peak`).
    Tree,
    /// The largest resident set of one process ([getrusage(2)](https://man7.org/linux/man-pages/man2/getrusage.2.html)).
    Process,
    /// No process had more than this. Before it becomes the program, the child is a copy of the supervisor, and the
    /// kernel counts that, too: what is not larger cannot be told from it.
    AtMost,
}

impl MemoryMeasure {
    /// The name in the API and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Process => "process",
            Self::AtMost => "at_most",
        }
    }
}

/// Bytes to and from disks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoBytes {
    /// Read.
    pub read: u64,
    /// Written.
    pub written: u64,
}

/// How often processes gave up their processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextSwitches {
    /// To wait for something.
    pub voluntary: u64,
    /// Because their time was up, or somebody more urgent came.
    pub involuntary: u64,
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
