//! [`Isolation`]: what a job may use and touch.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::names::{AddressFamily, Capability, SyscallGroup};

/// The whole of it. The default restricts nothing.
///
/// ```
/// use jobsd::spec::{Filesystem, Isolation, Profile};
/// assert!(!Isolation::default().restricts());
/// let strict = Isolation::of_profile(Profile::Strict);
/// assert_eq!(strict.filesystem, Filesystem::ReadOnly);
/// assert!(strict.private_tmp && !strict.processes_visible);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// Which network it has.
    pub network: Network,
    /// Whether `/tmp` and `/var/tmp` are its own, empty at the start and gone at the end. They lie in memory.
    pub private_tmp: bool,
    /// What it may write to.
    pub filesystem: Filesystem,
    /// What it may write to all the same.
    pub writable: Vec<PathBuf>,
    /// What it may only read.
    pub read_only: Vec<PathBuf>,
    /// What it finds empty.
    pub hidden: Vec<PathBuf>,
    /// What it finds elsewhere.
    pub bind: Vec<Bind>,
    /// Whether `/dev` holds only what every program needs, as `null` and `urandom`.
    pub private_devices: bool,
    /// Whether every user but its own, root included, is nobody to it.
    pub private_users: bool,
    /// Whether it sees and may signal processes that are not its own.
    pub processes_visible: bool,
    /// The machine's name as it sees it.
    pub hostname: Option<String>,
    /// Which of root's rights it may have.
    pub capabilities: Capabilities,
    /// Whether no program that it executes gains rights, as by a setuid bit.
    pub no_new_privileges: bool,
    /// Which system calls it may use.
    pub syscalls: Syscalls,
    /// Whether it may not pretend to be on another kind of system (`personality(2)`).
    pub lock_personality: bool,
    /// Whether it may not make or enter namespaces.
    pub restrict_namespaces: bool,
    /// The families of sockets that it may make; all when absent.
    pub restrict_address_families: Option<BTreeSet<AddressFamily>>,
    /// Whether its processes may use jobsd: `jobctl`, and whatever else speaks to the daemon's socket. What they have it do is
    /// done outside of all of the above.
    pub control_socket: bool,
}

/// A list of keys under one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Nothing is restricted.
    #[default]
    None,
    /// What next to no job notices.
    Basic,
    /// What a job needs to be told about: where it may write.
    Strict,
}

/// Which network a job has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The machine's.
    #[default]
    Host,
    /// One of its own, in which only 127.0.0.1 and ::1 are.
    Loopback,
    /// None.
    None,
}

/// What a job may write to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filesystem {
    /// Everything that its user may.
    #[default]
    Writable,
    /// Not to `/usr`, `/boot`, `/efi` and `/etc`.
    SystemReadOnly,
    /// To nothing but `writable`, private directories, `/dev`, and `/proc` without what is about the machine.
    ReadOnly,
}

/// A path that shows up elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// What is shown.
    pub source: PathBuf,
    /// Where; it must exist.
    pub target: PathBuf,
    /// Whether it can only be read there.
    pub read_only: bool,
}

/// Which of root's rights a job may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Capabilities {
    /// Whatever its user has.
    #[default]
    All,
    /// At most these, as a profile says: an ordinary user gets none by it.
    Within(BTreeSet<Capability>),
    /// These, as the job says: an ordinary user is given them.
    Given(BTreeSet<Capability>),
}

/// Which system calls a job may use. Those that it may not fail with `EPERM`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Syscalls {
    /// Only these groups; all system calls when empty.
    pub allowed: BTreeSet<SyscallGroup>,
    /// And none of these.
    pub denied: BTreeSet<SyscallGroup>,
}

impl Syscalls {
    /// Whether every system call is allowed.
    pub fn is_open(&self) -> bool {
        self.allowed.is_empty() && self.denied.is_empty()
    }
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            network: Network::Host,
            private_tmp: false,
            filesystem: Filesystem::Writable,
            writable: Vec::new(),
            read_only: Vec::new(),
            hidden: Vec::new(),
            bind: Vec::new(),
            private_devices: false,
            private_users: false,
            processes_visible: true,
            hostname: None,
            capabilities: Capabilities::All,
            no_new_privileges: false,
            syscalls: Syscalls::default(),
            lock_personality: false,
            restrict_namespaces: false,
            restrict_address_families: None,
            control_socket: true,
        }
    }
}

/// What a strict job that runs as root keeps: what working with other users' files and processes takes.
const STRICT_CAPABILITIES: [&str; 8] =
    ["chown", "dac_override", "fowner", "fsetid", "kill", "net_bind_service", "setgid", "setuid"];

/// The families that ordinary programs use; netlink is how they ask for addresses.
const STRICT_FAMILIES: [&str; 4] = ["unix", "inet", "inet6", "netlink"];

impl Isolation {
    /// What hides a path of the machine from the job: a hidden path, or a private directory that is empty at the start. What a
    /// bind gives back is there.
    pub fn cover_of(&self, path: &Path) -> Option<&Path> {
        if self.bind.iter().any(|bind| path.starts_with(&bind.target)) {
            return None;
        }
        let hidden = self.hidden.iter().map(PathBuf::as_path).find(|hidden| path.starts_with(hidden));
        let private = |is: bool, covers: &'static [&'static str]| {
            let covers = covers.iter().map(Path::new).filter(move |_| is);
            covers.into_iter().find(|cover| path.starts_with(cover) && path != *cover)
        };
        hidden
            .or_else(|| private(self.private_tmp, &["/tmp", "/var/tmp"]))
            .or_else(|| private(self.private_devices, &["/dev"]))
    }

    /// The keys that a profile stands for. The manual page jobs.d-process(5) lists them, too.
    pub fn of_profile(profile: Profile) -> Self {
        let basic = Self {
            private_tmp: true,
            filesystem: Filesystem::SystemReadOnly,
            no_new_privileges: true,
            lock_personality: true,
            ..Self::default()
        };
        match profile {
            Profile::None => Self::default(),
            Profile::Basic => basic,
            Profile::Strict => Self {
                filesystem: Filesystem::ReadOnly,
                private_devices: true,
                processes_visible: false,
                capabilities: Capabilities::Within(
                    STRICT_CAPABILITIES.iter().filter_map(|name| Capability::from_name(name)).collect(),
                ),
                syscalls: Syscalls { allowed: [SyscallGroup::SystemService].into(), denied: BTreeSet::new() },
                restrict_namespaces: true,
                restrict_address_families: Some(
                    STRICT_FAMILIES.iter().filter_map(|name| AddressFamily::from_name(name)).collect(),
                ),
                // Not of `basic`, which leaves other processes open to a job of root or of the daemon's own user (ptrace(2)): it
                // could speak through one of them, and the promise would be empty.
                control_socket: false,
                ..basic
            },
        }
    }

    /// Whether anything is restricted.
    pub fn restricts(&self) -> bool {
        *self != Self::default()
    }

    /// Whether the job sees its own arrangement of mounts.
    pub fn arranges_mounts(&self) -> bool {
        self.private_tmp
            || self.private_devices
            || !self.processes_visible
            || self.filesystem != Filesystem::Writable
            || self.paths().next().is_some()
    }

    /// Every path that is named by a key, with the key.
    pub fn paths(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let plain = |key: &'static str| move |path| (key, path);
        (self.writable.iter().map(PathBuf::as_path).map(plain("writable")))
            .chain(self.read_only.iter().map(PathBuf::as_path).map(plain("read_only")))
            .chain(self.hidden.iter().map(PathBuf::as_path).map(plain("hidden")))
            .chain(self.bind.iter().map(|bind| bind.target.as_path()).map(plain("bind")))
    }

    /// Whether it takes a namespace to do it, for which an ordinary user first needs a user namespace.
    pub fn needs_namespace(&self) -> bool {
        self.arranges_mounts() || self.network != Network::Host || self.hostname.is_some() || self.private_users
    }

    /// Whether system calls are looked at, which takes that no program gains rights.
    pub fn filters_syscalls(&self) -> bool {
        !self.syscalls.is_open()
            || self.lock_personality
            || self.restrict_namespaces
            || self.restrict_address_families.is_some()
    }
}

impl Profile {
    /// The name in job files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "basic",
            Self::Strict => "strict",
        }
    }
}

impl Bind {
    /// Reads `/source:/target` or `/source:/target:ro`: paths without `..`, and a target below the root.
    pub fn parse(text: &str) -> Option<Self> {
        let (paths, read_only) = text.strip_suffix(":ro").map_or((text, false), |paths| (paths, true));
        let (source, target) = paths.split_once(':')?;
        let plain = |path: &str| {
            let is_plain =
                path.starts_with('/') && !path.contains(['\0', ':']) && path.split('/').all(|part| part != "..");
            is_plain.then(|| Path::new(path).components().collect::<PathBuf>())
        };
        let (source, target) = (plain(source)?, plain(target)?);
        target.parent().is_some().then_some(Self { source, target, read_only })
    }

    /// As [`Bind::parse`] reads it.
    pub fn text(&self) -> String {
        format!("{}:{}{}", self.source.display(), self.target.display(), if self.read_only { ":ro" } else { "" })
    }
}
