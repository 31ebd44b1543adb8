//! [`JobSpec`]: a job as the scheduler and the supervisor trust it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{JobName, Notify, OutputPolicy, ProcessSpec, Revision};
use crate::schedule::ScheduleSet;

/// A checked job. Every field is complete: defaults are filled in, units are resolved, contradictions refused.
#[derive(Clone, Debug)]
pub struct JobSpec {
    /// The file's stem.
    pub name: JobName,
    /// Content hash of the file and of the defaults that it was read with.
    pub revision: Revision,
    /// One line for people.
    pub description: Option<String>,
    /// What is executed.
    pub command: Command,
    /// When it is executed; empty for a job that only runs by hand.
    pub schedules: ScheduleSet,
    /// Variables on top of the clean base environment.
    pub environment: Environment,
    /// Where it is executed; the user's home when the file names none.
    pub working_directory: Option<PathBuf>,
    /// As whom it is executed.
    pub identity: Identity,
    /// How its processes are made.
    pub process: ProcessSpec,
    /// How long one attempt may run; unlimited when absent.
    pub timeout: Option<Duration>,
    /// How an attempt is stopped.
    pub stop: StopPolicy,
    /// What happens to an occurrence while earlier runs are live.
    pub overlap: Overlap,
    /// What happens to occurrences that were not started in time.
    pub catch_up: CatchUp,
    /// How much later than its time an occurrence may start, whatever delayed it: downtime, a queue, a full machine.
    /// Beyond it it does not start at all, and is a skip (`expired`). Unlimited when absent.
    pub start_deadline: Option<Duration>,
    /// When an attempt that did not succeed is repeated.
    pub retry: Retry,
    /// Exit codes that count as success; `{0}` unless said.
    pub success_exit_codes: BTreeSet<u8>,
    /// Whether the schedule is in force. A disabled job still runs by hand.
    pub enabled: bool,
    /// Words to select jobs by.
    pub tags: BTreeSet<String>,
    /// Who answers for the job; free text.
    pub owner: Option<String>,
    /// Where what it prints goes, and how much of it.
    pub output: OutputPolicy,
    /// How many finished runs are kept, and for how long.
    pub retention: Retention,
    /// How long the job may be without a success before that counts as a failure of its health; for ever when absent.
    pub alert_after: Option<Duration>,
    /// Who is told of what becomes of it.
    pub notify: Notify,
}

/// Where programs are looked for, unless the job sets PATH.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A list, executed as it is: never empty, the program first.
    Argv(Vec<String>),
    /// A line for a shell: `shell` (program and its options, `/bin/sh -c` unless said), then the line as one argument.
    Shell {
        /// Program and options in front of the line.
        shell: Vec<String>,
        /// The line.
        line: String,
    },
}

impl Command {
    /// The argument vector that `execve` is given.
    pub fn argv(&self) -> Vec<String> {
        match self {
            Self::Argv(argv) => argv.clone(),
            Self::Shell { shell, line } => shell.iter().chain(std::iter::once(line)).cloned().collect(),
        }
    }
}

/// Environment variables. `Debug` shows names only: values may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(pub BTreeMap<String, String>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// As whom a job runs. Names are looked up when it starts, in the child.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User name or number; the daemon's own user when absent.
    pub user: Option<String>,
    /// Group name or number; the user's primary group when absent.
    pub group: Option<String>,
}

/// How an attempt is stopped: `signal`, then SIGKILL to the whole tree after `grace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopPolicy {
    /// The first signal; SIGTERM unless said.
    pub signal: Signal,
    /// Time between the signal and SIGKILL; 10 s unless said.
    pub grace: Duration,
}

/// What happens to an occurrence, or a manual run, while `max_concurrent` runs of the job are live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// The occurrence becomes a skip (`overlap`). The default.
    Skip,
    /// Runs may be live beside each other, as many as `max_concurrent`; beyond it they are skipped.
    Allow {
        /// Runs live at once.
        max_concurrent: NonZeroU32,
    },
    /// The run waits until the one before it has ended; at most [`QUEUE_LIMIT`] wait.
    Queue,
    /// The live run is stopped (`replaced`), then the new one starts.
    Replace,
}

impl Overlap {
    /// The name in job files, in the API and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Allow { .. } => "allow",
            Self::Queue => "queue",
            Self::Replace => "replace",
        }
    }

    /// Runs of the job that may have an attempt, or wait for one in back-off, at once.
    pub const fn max_concurrent(self) -> usize {
        match self {
            Self::Allow { max_concurrent } => max_concurrent.get() as usize,
            Self::Skip | Self::Queue | Self::Replace => 1,
        }
    }
}

/// Runs of one job that may wait in its queue; what comes later is skipped (`queue_full`).
pub const QUEUE_LIMIT: usize = 100;

/// What happens to occurrences that were not started in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatchUp {
    /// Which of them still run.
    pub policy: CatchUpPolicy,
    /// How old an occurrence may be to be caught up; unlimited when absent.
    pub window: Option<Duration>,
    /// Catch-ups start spread over this time, so that a fleet does not start at once after downtime; a schedule's
    /// jitter when absent.
    pub spread: Option<Duration>,
}

/// Which missed occurrences still run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUpPolicy {
    /// None: each is a skip (`missed`).
    None,
    /// The newest; the others are skips. The default.
    Latest,
    /// All, oldest first, at most [`CATCH_UP_LIMIT`]; what exceeds it is a skip.
    All,
}

/// Occurrences of one job that one catch-up may start.
pub const CATCH_UP_LIMIT: usize = 100;

/// An occurrence that starts later than this counts as missed, and its run as a catch-up.
pub const MISFIRE_THRESHOLD: Duration = Duration::from_secs(60);

/// When an attempt that did not succeed is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all; 1 is none repeated.
    pub attempts: NonZeroU32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// Delay before the second attempt.
    pub delay: Duration,
    /// No delay is longer.
    pub max_delay: Duration,
    /// Whether an attempt whose end nobody saw is repeated like a failed one.
    pub on_lost: bool,
}

/// How the delay between attempts grows. Every delay is spread by up to a tenth, so that jobs which failed together do
/// not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// `delay`, always.
    Fixed,
    /// `delay` × 1, 2, 3…
    Linear,
    /// `delay` × 1, 2, 4… The default.
    Exponential,
}

/// Attempts that a job file may ask for at most.
pub const ATTEMPTS_LIMIT: u32 = 100;

/// Which finished runs and skips are kept: those that satisfy both bounds. Of their output, what fits into a third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Finished runs of the job; 100 unless said.
    pub runs: NonZeroU32,
    /// Age since their end; 90 days unless said.
    pub age: Duration,
    /// Bytes on disk of the output of all finished runs; 1 GiB unless said. Beyond it the oldest output goes, and its
    /// run's record says so.
    pub output_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        let runs = NonZeroU32::new(100).expect("a hundred is not zero");
        Self { runs, age: Duration::from_secs(90 * 86_400), output_bytes: 1 << 30 }
    }
}
