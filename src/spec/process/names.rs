//! Names of the kernel's that job files use: capabilities, address families, groups of system calls.

/// A capability ([capabilities(7)](https://man7.org/linux/man-pages/man7/capabilities.7.html)), by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(u8);

/// In order of their numbers.
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

impl Capability {
    /// All that this version knows.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        (0..).take(CAPABILITIES.len()).map(Self)
    }

    /// The capability of this name, with or without `CAP_`, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let bare = lower.strip_prefix("cap_").unwrap_or(&lower);
        Self::all().find(|capability| capability.name() == bare)
    }

    /// Its name, in lower case without `cap_`.
    pub fn name(self) -> &'static str {
        CAPABILITIES[usize::from(self.0)]
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A family of sockets ([address_families(7)](https://man7.org/linux/man-pages/man7/address_families.7.html)), by its
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressFamily(i32);

const FAMILIES: [(&str, i32); 12] = [
    ("unix", libc::AF_UNIX),
    ("inet", libc::AF_INET),
    ("inet6", libc::AF_INET6),
    ("netlink", libc::AF_NETLINK),
    ("packet", libc::AF_PACKET),
    ("bluetooth", libc::AF_BLUETOOTH),
    ("can", libc::AF_CAN),
    ("alg", libc::AF_ALG),
    ("vsock", libc::AF_VSOCK),
    ("tipc", libc::AF_TIPC),
    ("xdp", libc::AF_XDP),
    ("key", libc::AF_KEY),
];

impl AddressFamily {
    /// All that this version knows.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        FAMILIES.iter().map(|&(_, number)| Self(number))
    }

    /// The family of this name, with or without `AF_`, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let bare = lower.strip_prefix("af_").unwrap_or(&lower);
        FAMILIES.iter().find(|(known, _)| *known == bare).map(|&(_, number)| Self(number))
    }

    /// Its name, in lower case without `af_`.
    pub fn name(self) -> &'static str {
        FAMILIES.iter().find(|(_, number)| *number == self.0).expect("families are made from the list").0
    }

    /// Its number for socket(2).
    pub const fn number(self) -> i32 {
        self.0
    }
}

/// A group of system calls, named as systemd names it ([systemd.exec(5)], `SystemCallFilter=`).
///
/// [systemd.exec(5)]: https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#System%20Call%20Filtering
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyscallGroup {
    /// `@system-service`: everything but the groups `@clock` to `@swap` below.
    SystemService,
    /// `@clock`: setting clocks.
    Clock,
    /// `@cpu-emulation`: for emulators of old processors.
    CpuEmulation,
    /// `@debug`: tracing and profiling.
    Debug,
    /// `@module`: kernel modules.
    Module,
    /// `@mount`: file systems.
    Mount,
    /// `@obsolete`: what no program needs any more.
    Obsolete,
    /// `@raw-io`: ports of the machine.
    RawIo,
    /// `@reboot`: rebooting and kexec.
    Reboot,
    /// `@swap`: swap space.
    Swap,
    /// `@privileged`: what an ordinary user may not do anyway: all of the above that needs a right, `bpf`, `chroot`,
    /// changing owners and users, quotas.
    Privileged,
    /// `@keyring`: the kernel's keys.
    Keyring,
    /// `@resources`: limits, priorities, memory policy.
    Resources,
    /// `@setuid`: changing users and groups.
    Setuid,
    /// `@chown`: changing owners of files.
    Chown,
    /// `@memlock`: locking memory.
    Memlock,
    /// `@sandbox`: restricting oneself: seccomp and landlock.
    Sandbox,
    /// `@aio`: asynchronous reading and writing, `io_uring` included.
    Aio,
    /// `@network-io`: sockets.
    NetworkIo,
}

impl SyscallGroup {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::SystemService,
        Self::Clock,
        Self::CpuEmulation,
        Self::Debug,
        Self::Module,
        Self::Mount,
        Self::Obsolete,
        Self::RawIo,
        Self::Reboot,
        Self::Swap,
        Self::Privileged,
        Self::Keyring,
        Self::Resources,
        Self::Setuid,
        Self::Chown,
        Self::Memlock,
        Self::Sandbox,
        Self::Aio,
        Self::NetworkIo,
    ];

    /// What `@system-service` leaves out.
    pub const NO_SERVICE: [Self; 9] = [
        Self::Clock,
        Self::CpuEmulation,
        Self::Debug,
        Self::Module,
        Self::Mount,
        Self::Obsolete,
        Self::RawIo,
        Self::Reboot,
        Self::Swap,
    ];

    /// The group of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.name() == name)
    }

    /// Its name, with the `@`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SystemService => "@system-service",
            Self::Clock => "@clock",
            Self::CpuEmulation => "@cpu-emulation",
            Self::Debug => "@debug",
            Self::Module => "@module",
            Self::Mount => "@mount",
            Self::Obsolete => "@obsolete",
            Self::RawIo => "@raw-io",
            Self::Reboot => "@reboot",
            Self::Swap => "@swap",
            Self::Privileged => "@privileged",
            Self::Keyring => "@keyring",
            Self::Resources => "@resources",
            Self::Setuid => "@setuid",
            Self::Chown => "@chown",
            Self::Memlock => "@memlock",
            Self::Sandbox => "@sandbox",
            Self::Aio => "@aio",
            Self::NetworkIo => "@network-io",
        }
    }
}
