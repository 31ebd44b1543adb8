//! The messages of versions 2 and 3. Frozen: fields are neither renamed, removed nor given a new meaning.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use super::process::Process;

/// This version.
pub const VERSION: u32 = 3;

/// The version before it, which is still spoken.
pub const OLDER_VERSION: u32 = 2;

/// What the engine says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToSupervisor {
    /// First of all.
    Hello {
        /// The versions that it speaks.
        versions: Vec<u32>,
        /// Grows with every start of an engine on this state directory.
        generation: u64,
    },
    /// Launch this attempt, unless it was ever launched.
    Launch {
        /// All about it.
        plan: Box<Plan>,
    },
    /// Say what became of an attempt that was launched earlier.
    Find {
        /// All about it.
        plan: Box<Plan>,
    },
    /// Stop an attempt by its ladder.
    Stop {
        /// Which.
        attempt: Attempt,
        /// Why.
        reason: StopReason,
    },
    /// The end of this attempt is durable in the engine's store.
    Acknowledge {
        /// Which.
        attempt: Attempt,
    },
}

/// What the supervisor says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToEngine {
    /// First of all, when it accepts.
    Hello {
        /// The version that it chose.
        version: u32,
        /// Its process.
        pid: u32,
        /// The boot in which it runs.
        boot: String,
        /// The version of its program.
        program: String,
    },
    /// First of all, when it does not; the connection is closed after it.
    Refused {
        /// Why, for people.
        reason: String,
    },
    /// The program runs.
    Started {
        /// Which attempt.
        attempt: Attempt,
        /// Its main process.
        pid: u32,
        /// When the program was executed, in microseconds since 1970.
        at_unix_micros: i64,
    },
    /// The attempt is over.
    Ended {
        /// Which attempt.
        attempt: Attempt,
        /// How.
        end: Box<End>,
    },
    /// There is neither a directory nor a process of this attempt.
    NoTrace {
        /// Which attempt.
        attempt: Attempt,
    },
}

/// An attempt's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The job.
    pub job: String,
    /// The run's number.
    pub number: u64,
    /// The attempt's number.
    pub attempt: u32,
}

/// A launch plan.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Which attempt.
    pub attempt: Attempt,
    /// Argument vector.
    pub argv: Argv,
    /// Variables on top of the base.
    pub environment: Variables,
    /// Where; the user's home when absent.
    pub working_directory: Option<String>,
    /// As whom; name or number.
    pub user: Option<String>,
    /// With which group; name or number.
    pub group: Option<String>,
    /// How its processes are made; absent when nothing is asked for. Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Box<Process>>,
    /// Time from the program's start to the stop ladder, in microseconds.
    pub timeout_micros: Option<u64>,
    /// First signal of the ladder, by name.
    pub stop_signal: String,
    /// Time from the first signal to SIGKILL, in microseconds.
    pub stop_grace_micros: u64,
    /// Bytes of output to keep.
    pub output_limit_bytes: u64,
    /// Where output goes; files when absent. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_to: Option<String>,
    /// What may be printed in a time, as in `1000 lines/s`. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_rate: Option<String>,
}

/// An argument vector. `Debug` shows the program only: arguments may be secrets.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Argv(pub Vec<String>);

impl fmt::Debug for Argv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} and {} arguments", self.0.first(), self.0.len().saturating_sub(1))
    }
}

/// Environment variables. `Debug` shows names only: values may be secrets.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(pub BTreeMap<String, String>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// An attempt's end.
#[derive(Debug, Serialize, Deserialize)]
pub struct End {
    /// How.
    pub ending: Ending,
    /// Why it was being stopped.
    pub stopped: Option<StopReason>,
    /// How far the stop ladder went. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<Rung>,
    /// That the kernel killed it for want of memory. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_memory: Option<OutOfMemory>,
    /// Processes that outlived the main one and were killed. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leftovers: Option<Leftovers>,
    /// When the program was executed, in microseconds since 1970.
    pub started_at_unix_micros: Option<i64>,
    /// When the end was seen, in microseconds since 1970.
    pub ended_at_unix_micros: i64,
    /// CPU time in user mode, in microseconds; 0 when it is not known.
    pub cpu_user_micros: u64,
    /// CPU time in kernel mode, in microseconds; 0 when it is not known.
    pub cpu_system_micros: u64,
    /// Most memory; 0 when it is not known.
    pub peak_memory_bytes: u64,
    /// What it used, of which the three before are a part. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Bytes read from its pipes.
    pub output_bytes: u64,
    /// Bytes of these that the bound cut.
    pub output_cut_bytes: u64,
    /// Bytes of these that could not be written.
    pub output_lost_bytes: u64,
    /// Bytes of these that came too fast. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_limited_bytes: Option<u64>,
    /// Where the rest went; files when absent. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_to: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Its main process ended.
    Exited {
        /// As wait4 gave it.
        wait_status: i32,
    },
    /// The program was never executed.
    SetupFailed {
        /// The step that failed.
        step: String,
        /// What the step was about.
        path: Option<String>,
        /// The error number, or 0.
        errno: i32,
        /// Whose rights decided, when it was the job's user. Since version 3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// What happened, where the number does not tell it. Since version 3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Nobody saw the end.
    Unseen,
}

/// Why an attempt is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Its time was up.
    TimedOut,
    /// Somebody asked.
    Cancelled,
    /// A newer run takes its place.
    Replaced,
    /// The machine goes down.
    HostShutdown,
}

/// A rung of the stop ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// The stop signal.
    Signal,
    /// SIGKILL.
    Kill,
}

/// Processes that were killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftovers {
    /// How many.
    pub count: u64,
    /// Some names.
    pub names: Vec<String>,
}

/// A kill for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfMemory {
    /// The attempt's own limit, when it was that.
    pub limit_bytes: Option<u64>,
    /// The most that it had.
    pub peak_bytes: Option<u64>,
}

/// What an attempt used. What nobody measured is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time in user mode, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_user_micros: Option<u64>,
    /// CPU time in kernel mode, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_system_micros: Option<u64>,
    /// Most memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// Of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_measure: Option<MemoryMeasure>,
    /// Bytes read from disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_read_bytes: Option<u64>,
    /// Bytes written to disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_written_bytes: Option<u64>,
    /// Context switches to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voluntary_switches: Option<u64>,
    /// Context switches for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub involuntary_switches: Option<u64>,
    /// Most processes and threads at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_processes: Option<u64>,
}

/// Of what an amount of memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryMeasure {
    /// The whole tree.
    Tree,
    /// The largest process.
    Process,
    /// No process had more.
    AtMost,
}
