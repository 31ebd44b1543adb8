//! Processes as `/proc` shows them, and handles that cannot hit the wrong one.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::socket::{getsockopt, sockopt::PeerPidfd};
use nix::unistd::Pid;

use crate::clock::BootId;

/// The boot in which this process runs.
///
/// # Errors
/// When `/proc` is not mounted.
pub(super) fn boot_id() -> io::Result<BootId> {
    Ok(BootId::new(&fs::read_to_string("/proc/sys/kernel/random/boot_id")?))
}

/// What `/proc/PID/stat` says ([proc_pid_stat(5)]).
///
/// [proc_pid_stat(5)]: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub pid: Pid,
    pub parent: Pid,
    pub group: Pid,
    pub session: Pid,
    /// Dead, and only its parent has not asked for its status yet.
    pub zombie: bool,
    /// When it was born, in clock ticks since boot: with the pid, its name for this boot.
    pub start_ticks: u64,
}

impl Stat {
    /// Reads the state of one process.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn read(pid: Pid) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Reads the state of this process, with its numbers as they are where `/proc` was mounted: the host's, also in a
    /// process namespace.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn read_own() -> io::Result<Self> {
        let text = fs::read("/proc/self/stat")?;
        Self::parse(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// When it was born, as a number by which two processes can be compared. In a time namespace
    /// ([time_namespaces(7)](https://man7.org/linux/man-pages/man7/time_namespaces.7.html)) processes can be older than its
    /// clock: the kernel's nanoseconds are then below zero, and `start_ticks` is what is left of them without a sign.
    pub fn born(&self) -> i128 {
        /// Nanoseconds of a clock tick, of which user space always sees a hundred in a second.
        const TICK: i128 = 10_000_000;
        let nanos = i128::from(self.start_ticks) * TICK;
        if nanos > i128::from(i64::MAX) { nanos - (1 << 64) } else { nanos }
    }

    /// The program's name, in parentheses, may hold anything; what follows the last `)` is fields 3 and on.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let pid = text.split(|&byte| byte == b' ').next()?;
        let pid = std::str::from_utf8(pid).ok()?.parse().ok()?;
        let mut fields = std::str::from_utf8(text.get(close + 1..)?).ok()?.split_ascii_whitespace();
        let state = fields.next()?;
        let mut number = || fields.next()?.parse().ok().map(Pid::from_raw);
        let (parent, group, session) = (number()?, number()?, number()?);
        let start_ticks = fields.nth(15)?.parse().ok()?;
        Some(Self { pid: Pid::from_raw(pid), parent, group, session, zombie: matches!(state, "Z" | "X"), start_ticks })
    }
}

/// The children of this process, which has one thread
/// ([proc_tid_children(5)](https://man7.org/linux/man-pages/man5/proc_tid_children.5.html)). Some may be missing when others
/// end at the same time.
///
/// # Errors
/// When `/proc` is not mounted, or the kernel was built without the file.
pub(super) fn children() -> io::Result<Vec<Pid>> {
    let text = fs::read_to_string("/proc/thread-self/children")?;
    Ok(text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect())
}

/// Where a process is in the unified hierarchy ([cgroups(7)], `/proc/PID/cgroup`), seen from this process's cgroup namespace;
/// nothing when the kernel has none.
///
/// [cgroups(7)]: https://man7.org/linux/man-pages/man7/cgroups.7.html
///
/// # Errors
/// When there is no such process, or it is not to be seen.
pub(super) fn cgroup_of(pid: Pid) -> io::Result<Option<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    Ok(text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned))
}

/// Whether a process has children; so it is said, too, when the kernel does not tell (as above).
pub(super) fn may_have_children(pid: Pid) -> bool {
    fs::read(format!("/proc/{pid}/task/{pid}/children")).map_or(true, |list| !list.is_empty())
}

/// The name of a process's program, as the kernel has it; nothing when it has ended.
pub(super) fn name(pid: Pid) -> Option<String> {
    let stat = Stat::read(pid).ok().filter(|stat| !stat.zombie)?;
    let name = fs::read(format!("/proc/{}/comm", stat.pid)).ok()?;
    Some(String::from_utf8_lossy(name.strip_suffix(b"\n").unwrap_or(&name)).into_owned())
}

/// All processes at about one moment.
pub(super) struct ProcessTable(HashMap<Pid, Stat>);

impl ProcessTable {
    /// Reads `/proc`. Processes that end meanwhile may be missing.
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub fn read() -> io::Result<Self> {
        let mut table = HashMap::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let pid: Option<i32> = name.to_str().and_then(|name| name.parse().ok());
            if let Some(stat) = pid.and_then(|pid| Stat::read(Pid::from_raw(pid)).ok()) {
                table.insert(stat.pid, stat);
            }
        }
        Ok(Self(table))
    }

    /// Every process that has not ended.
    pub fn living(&self) -> impl Iterator<Item = &Stat> {
        self.0.values().filter(|stat| !stat.zombie)
    }

    /// The process and its ancestors, from itself upwards.
    pub fn lineage(&self, pid: Pid) -> impl Iterator<Item = &Stat> {
        // Entries are read one after another, so parents could in theory form a ring: a lineage is at most all of them.
        std::iter::successors(self.0.get(&pid), |stat| self.0.get(&stat.parent)).take(self.0.len())
    }
}

/// Whether a process was started with this variable. A process whose environment cannot be read was not.
pub(super) fn has_variable(pid: Pid, variable: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|&byte| byte == 0).any(|entry| entry == variable))
}

/// A handle to one process, and never to another that got its number later ([pidfd_open(2)]).
///
/// [pidfd_open(2)]: https://man7.org/linux/man-pages/man2/pidfd_open.2.html
#[derive(Debug)]
pub(super) struct Pidfd(OwnedFd);

impl Pidfd {
    /// A handle to the process that has this number now.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(pid: Pid) -> io::Result<Self> {
        // SAFETY: the call takes two integers and touches no memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = i32::try_from(fd).expect("descriptors are small");
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// A handle to the process that connected to the other end of a Unix socket, also when it has ended meanwhile; `None`
    /// before Linux 6.5, which has no such thing (`SO_PEERPIDFD`, [unix(7)]).
    ///
    /// [unix(7)]: https://man7.org/linux/man-pages/man7/unix.7.html
    ///
    /// # Errors
    /// When the process has ended and was reaped (some kernels), or there is no room for a descriptor.
    pub fn of_peer(socket: &impl AsFd) -> io::Result<Option<Self>> {
        match getsockopt(socket, PeerPidfd) {
            Ok(handle) => Ok(Some(Self(handle))),
            Err(Errno::ENOPROTOOPT) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Whether the process still has its number: it lives, or its parent has not asked for its status yet.
    pub fn has_number(&self) -> bool {
        let none: *const libc::siginfo_t = std::ptr::null();
        // SAFETY: as in `signal`. Signal 0 is none: it only asks whether there is somebody to take one.
        let asked = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), 0, none, 0) };
        asked == 0 || Errno::last() != Errno::ESRCH
    }

    /// Sends a signal. That the process has ended is no error.
    ///
    /// # Errors
    /// When it may not be signalled.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let none: *const libc::siginfo_t = std::ptr::null();
        // SAFETY: a null siginfo is allowed by pidfd_send_signal(2); the descriptor lives as long as self.
        let sent =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal as libc::c_int, none, 0) };
        match io::Error::last_os_error() {
            _ if sent == 0 => Ok(()),
            fault if fault.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            fault => Err(fault),
        }
    }

    /// Whether the process has ended, be it reaped or not.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn has_ended(&self) -> Result<bool, Errno> {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
    }

    /// The wait status, once the process has ended *and* its parent has asked for it; kernels since 6.15 keep it in the
    /// handle for whoever else wants to know (`PIDFD_GET_INFO` in linux/pidfd.h). `None` before, and on older ones.
    pub fn wait_status(&self) -> Option<i32> {
        let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, rest: [0; 13], exit_code: 0 };
        // SAFETY: the request writes at most the size that is encoded in its number, which is that of PidfdInfo.
        let done = unsafe { libc::ioctl(self.0.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
        (done == 0 && info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_code)
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `struct pidfd_info` as of its first version, 64 bytes.
#[repr(C)]
struct PidfdInfo {
    mask: u64,
    rest: [u32; 13],
    exit_code: i32,
}

const PIDFD_INFO_EXIT: u64 = 1 << 3;

/// `_IOWR(0xFF, 11, struct pidfd_info)`.
const PIDFD_GET_INFO: libc::Ioctl = nix::request_code_readwrite!(0xff, 11, size_of::<PidfdInfo>());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_named_anything() {
        let text = b"42 (a) S (b\n) Z 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 1 1\n";
        let stat = Stat::parse(text).unwrap();
        let raw = |pid: Pid| pid.as_raw();
        assert_eq!((raw(stat.pid), raw(stat.parent), raw(stat.group), raw(stat.session)), (42, 7, 8, 9));
        assert_eq!((stat.zombie, stat.start_ticks), (true, 12345));
        assert_eq!(Stat::parse(b"42 (cut"), None);
    }

    #[test]
    fn who_is_older_than_the_clock_is_older_than_all() {
        let stat = |start_ticks| Stat { start_ticks, ..Stat::read_own().unwrap() };
        let [older, old, young, younger] =
            [1_844_674_407_245, 1_844_674_407_369, 0, 131].map(|ticks| stat(ticks).born());
        assert!(older < old && old < young && young < younger, "{older} {old} {young} {younger}");
    }

    #[test]
    fn this_process_is_in_the_table_below_its_parents() {
        let table = ProcessTable::read().unwrap();
        let me = Pid::this();
        assert!(table.living().any(|stat| stat.pid == me));
        assert_eq!(table.lineage(me).nth(1).unwrap().pid, Pid::parent());
        assert_eq!(Stat::read(me).unwrap().start_ticks, table.lineage(me).next().unwrap().start_ticks);
    }

    #[test]
    fn a_handle_knows_that_its_process_ended() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let handle = Pidfd::open(Pid::from_raw(child.id() as i32)).unwrap();
        assert_eq!((handle.wait_status(), handle.has_ended()), (None, Ok(false)));
        handle.signal(Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        assert_eq!(handle.has_ended(), Ok(true));
        handle.signal(Signal::SIGKILL).unwrap();
        // Kernels before 6.15 do not tell.
        assert!(matches!(handle.wait_status(), Some(9) | None));
    }
}
