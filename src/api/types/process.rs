//! How a job's processes are made, on the wire. Nothing of it is a secret: of credentials there are the names alone, and
//! of a text on standard input its length.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that a job file says about how its processes are made, its profile filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// File mode bits that new files do not get, in octal digits; null for `0022`.
    pub umask: Option<String>,
    /// From -20, the most favourable, to 19; null for the supervisor's.
    pub nice: Option<i32>,
    /// Class and level of disk accesses, as in `best-effort:7`; null for the supervisor's.
    pub io_class: Option<String>,
    /// The processors that it may run on; all when empty.
    pub cpu_affinity: Vec<u32>,
    /// The scheduling policy, as in `batch` or `fifo:10`; null for the supervisor's.
    pub cpu_scheduling: Option<String>,
    /// From -1000, never killed for memory, to 1000; null for the supervisor's.
    pub oom_score_adjust: Option<i32>,
    /// Limits of each single process.
    pub rlimits: Vec<Rlimit>,
    /// The file that standard input comes from.
    pub stdin_file: Option<String>,
    /// The length of the text that standard input is.
    pub stdin_bytes: Option<u64>,
    /// Files of variables, a leading `-` for one that may be missing.
    pub environment_files: Vec<String>,
    /// Variables that are taken over from the supervisor.
    pub pass_environment: Vec<String>,
    /// Names of secrets.
    pub credentials: Vec<String>,
    /// Whether its working directory is made when it is missing.
    pub create_working_directory: bool,
    /// `kill`, `wait` or `leave`: what happens to processes that outlive the main one.
    pub on_leftover: String,
    /// How much of the machine all its processes together may use.
    pub limits: Limits,
    /// What it may use and touch.
    pub isolation: Isolation,
}

/// A limit of each process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rlimit {
    /// Its name, as in `nofile`.
    pub limit: String,
    /// What holds; null for unlimited.
    pub soft: Option<u64>,
    /// How far the process may raise it; null for unlimited.
    pub hard: Option<u64>,
}

/// Bounds of the whole tree of processes; null for unlimited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Memory.
    pub memory_bytes: Option<u64>,
    /// Swap beside it.
    pub memory_swap_bytes: Option<u64>,
    /// Processors, whole or not.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub processes: Option<u32>,
    /// Share of the disks; others have 100.
    pub io_weight: Option<u32>,
    /// Reading from disks.
    pub io_read: Vec<Bandwidth>,
    /// Writing to disks.
    pub io_write: Vec<Bandwidth>,
    /// Whether it runs without those limits that the machine cannot enforce.
    pub best_effort: bool,
}

/// How fast a disk may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bandwidth {
    /// A path on the disk.
    pub path: String,
    /// Bytes a second.
    pub bytes_per_second: u64,
}

/// What a job may use and touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Isolation {
    /// `host`, `loopback` or `none`.
    pub network: String,
    /// Whether `/tmp` and `/var/tmp` are its own.
    pub private_tmp: bool,
    /// `writable`, `system-read-only` or `read-only`.
    pub filesystem: String,
    /// What it may write to all the same.
    pub writable: Vec<String>,
    /// What it may only read.
    pub read_only: Vec<String>,
    /// What it finds empty.
    pub hidden: Vec<String>,
    /// What it finds elsewhere, as in `/source:/target:ro`.
    pub bind: Vec<String>,
    /// Whether `/dev` holds only what every program needs.
    pub private_devices: bool,
    /// Whether every user but its own is nobody to it.
    pub private_users: bool,
    /// Whether it sees processes that are not its own.
    pub processes_visible: bool,
    /// The machine's name as it sees it; null for the true one.
    pub hostname: Option<String>,
    /// `all`: those of its user; `within`: those of its user that are in the list; `given`: those of the list.
    pub capabilities: String,
    /// The list.
    pub capability_list: Vec<String>,
    /// Whether no program that it executes gains rights.
    pub no_new_privileges: bool,
    /// Groups of system calls that it may use; all when empty.
    pub syscalls_allowed: Vec<String>,
    /// Groups that it may not use.
    pub syscalls_denied: Vec<String>,
    /// Whether it may not pretend to be on another kind of system.
    pub lock_personality: bool,
    /// Whether it may not make or enter namespaces.
    pub restrict_namespaces: bool,
    /// The families of sockets that it may make; null for all.
    pub restrict_address_families: Option<Vec<String>>,
    /// Whether its processes may use jobsd.
    #[serde(default = "unless_told")]
    pub control_socket: bool,
}

/// What a daemon lets its jobs do that does not say whether they may.
const fn unless_told() -> bool {
    true
}
