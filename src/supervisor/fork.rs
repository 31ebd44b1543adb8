//! Making a child, plainly or into a cgroup.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sched::CloneFlags;
use nix::unistd::{ForkResult, Pid};

/// Which of the two one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fork {
    /// The new process. It must leave by `exec` or [`exit_now`], never by returning into the supervisor's loop.
    Child,
    /// The old one, and the number of the new.
    Parent(Pid),
}

/// From linux/sched.h; the constant in `libc` is too narrow.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Makes a child.
///
/// # Errors
/// When the kernel has no room for another process.
pub(super) fn fork() -> io::Result<Fork> {
    // SAFETY: the supervisor has one thread, so the child finds no lock held and no data half changed: it may run
    // ordinary code.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => Ok(Fork::Child),
        ForkResult::Parent { child } => Ok(Fork::Parent(child)),
    }
}

/// Makes a child that is born into new namespaces.
///
/// # Errors
/// When the kernel has no room for another process or does not let the namespaces be made.
pub(super) fn fork_apart(namespaces: CloneFlags) -> io::Result<Fork> {
    if namespaces.is_empty() {
        return fork();
    }
    let flags = libc::c_long::from(namespaces.bits() | libc::SIGCHLD);
    // SAFETY: as in `fork_into`. A null stack is the parent's own, copied; the other arguments belong to flags that are
    // not set. clone(2) rather than clone3(2), which some sandboxes forbid.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    forked(child)
}

/// Makes a child that is born into the cgroup, and into new namespaces ([clone(2)], `CLONE_INTO_CGROUP`, since Linux 5.7).
///
/// [clone(2)]: https://man7.org/linux/man-pages/man2/clone.2.html
///
/// # Errors
/// When the kernel has no room, does not know the call, or does not let a process into the cgroup.
pub(super) fn fork_into(cgroup: BorrowedFd<'_>, namespaces: CloneFlags) -> io::Result<Fork> {
    // SAFETY: all fields of clone_args are integers, for which zero means "not asked for".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = CLONE_INTO_CGROUP | u64::from(namespaces.bits().cast_unsigned());
    args.exit_signal = libc::SIGCHLD as u64;
    args.cgroup = u64::try_from(cgroup.as_raw_fd()).expect("an open descriptor is not negative");
    // SAFETY: without CLONE_VM and CLONE_THREAD this is fork(2), and the same holds as in `fork`. The C library is not
    // told: its fork handlers (there is one thread, no lock is held) do not run, and the thread number that it caches
    // for raise(3) and recursive locks stays the parent's, which is consistent within the child.
    let child = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    forked(child)
}

fn forked(child: libc::c_long) -> io::Result<Fork> {
    match child {
        0 => Ok(Fork::Child),
        -1 => Err(io::Error::last_os_error()),
        child => Ok(Fork::Parent(Pid::from_raw(i32::try_from(child).expect("process numbers are small")))),
    }
}

/// Ends this process at once, without running anything that the supervisor registered for its own end.
pub(super) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) has no preconditions.
    unsafe { libc::_exit(code) }
}
