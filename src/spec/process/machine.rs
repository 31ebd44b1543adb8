//! [`Machine`]: what the kernel lets the daemon do for its jobs, as far as job files depend on it.

use std::collections::{BTreeMap, BTreeSet};

use super::attributes::Rlimit;
use super::limits::Controller;

/// What the machine cannot do, and why. The default can do everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Each feature that is missing, with the reason for people.
    pub lacks: BTreeMap<Feature, String>,
    /// How far limits may be raised, where there is a bound: for a daemon of an ordinary user.
    pub hard_limits: BTreeMap<Rlimit, u64>,
    /// The least `nice` that a job may have, where there is a bound: as above.
    pub least_nice: Option<i32>,
    /// The least `oom_score_adjust` that a job may have, where there is a bound: as above.
    pub least_oom_score: Option<i32>,
    /// The processors that there are, also those that are switched off; `None` where nobody says, and any may be named.
    pub processors: Option<BTreeSet<u32>>,
}

/// Something that a key of a job file may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Mounts of one's own, with attributes set on whole trees (Linux 5.12).
    Mounts,
    /// Process numbers of one's own, with a `/proc` that shows them.
    Processes,
    /// A network of one's own.
    Network,
    /// A host name of one's own.
    Hostname,
    /// User numbers of one's own.
    Users,
    /// Filters of system calls.
    SystemCalls,
    /// A cgroup controller.
    Controller(Controller),
    /// Shares of the disks, which take a policy of the kernel's beside the io controller.
    DiskWeights,
    /// A cgroup for each run, by which its processes are found and killed.
    Cgroups,
    /// Rules of the kernel's beneath a read-only file system.
    Landlock,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Cgroups,
        Self::Mounts,
        Self::Processes,
        Self::Network,
        Self::Hostname,
        Self::Users,
        Self::SystemCalls,
        Self::Landlock,
        Self::Controller(Controller::Memory),
        Self::Controller(Controller::Pids),
        Self::Controller(Controller::Cpu),
        Self::Controller(Controller::Io),
        Self::DiskWeights,
    ];

    /// The keys of job files that need it, those of tables with a dot. What needs none is used where it is there.
    pub const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Mounts => &[
                "isolation.private_tmp",
                "isolation.private_devices",
                "isolation.filesystem",
                "isolation.writable",
                "isolation.read_only",
                "isolation.hidden",
                "isolation.bind",
            ],
            Self::Processes => &["isolation.processes_visible"],
            Self::Network => &["isolation.network"],
            Self::Hostname => &["isolation.hostname"],
            Self::Users => &["isolation.private_users"],
            Self::SystemCalls => &[
                "isolation.syscalls",
                "isolation.lock_personality",
                "isolation.restrict_namespaces",
                "isolation.restrict_address_families",
            ],
            Self::Controller(Controller::Memory) => &["limits.memory", "limits.memory_swap"],
            Self::Controller(Controller::Pids) => &["limits.processes"],
            Self::Controller(Controller::Cpu) => &["limits.cpus"],
            Self::Controller(Controller::Io) => &["limits.io_read", "limits.io_write"],
            Self::DiskWeights => &["limits.io_weight"],
            Self::Cgroups | Self::Landlock => &[],
        }
    }

    /// What is done without it, where no key needs it.
    pub const fn instead(self) -> Option<&'static str> {
        match self {
            Self::Cgroups => Some(
                "processes of a run are found by their own namespace (processes_visible = false), otherwise by \
                 parent, session, group and variable",
            ),
            Self::Landlock => Some("what filesystem makes read-only rests on mounts alone"),
            Self::Mounts
            | Self::Processes
            | Self::Network
            | Self::Hostname
            | Self::Users
            | Self::SystemCalls
            | Self::Controller(_)
            | Self::DiskWeights => None,
        }
    }

    /// What it is, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mounts => "private mounts",
            Self::Processes => "private process numbers",
            Self::Network => "private networks",
            Self::Hostname => "private host names",
            Self::Users => "private users",
            Self::SystemCalls => "system call filters",
            Self::Controller(Controller::Memory) => "memory limits",
            Self::Controller(Controller::Pids) => "process limits",
            Self::Controller(Controller::Cpu) => "processor limits",
            Self::Controller(Controller::Io) => "disk limits",
            Self::DiskWeights => "disk weights",
            Self::Cgroups => "a cgroup for each run, to find and kill its processes",
            Self::Landlock => "Landlock beneath read-only file systems",
        }
    }
}
