//! Making a child, plainly or into a cgroup.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
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

/// Makes a child that has this process's memory, not a copy of it, and waits until the child has executed a program or ended
/// ([vfork(2)]). What the child changes in memory meanwhile is found changed. It goes on in `child`, on a stack of its own, and
/// ends with the code that this returns, if it ever does.
///
/// Whoever could look into one of the two could change the other: both have to have the same rights.
///
/// [vfork(2)]: https://man7.org/linux/man-pages/man2/vfork.2.html
///
/// # Errors
/// When the kernel has no room for another process or its stack.
pub(super) fn fork_waiting<F: FnOnce() -> c_int>(child: F) -> io::Result<Pid> {
    extern "C" fn begin<F: FnOnce() -> c_int>(child: *mut c_void) -> c_int {
        // SAFETY: the pointer is to `child` below, which lives until the parent goes on, and nobody else uses it meanwhile.
        let child = unsafe { &mut *child.cast::<Option<F>>() };
        child.take().map_or(1, |child| child())
    }
    let stack = Stack::new()?;
    let mut child = Some(child);
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the supervisor has one thread and its child too, so that no lock is held and no data half changed. The parent
    // is suspended while the child shares its memory, and the child stays on its own stack: so no frame of one is changed
    // by the other. What the child leaves in memory is whole, as at any call of a function that does not return.
    let pid = unsafe { libc::clone(begin::<F>, stack.top(), flags, (&raw mut child).cast()) };
    Ok(Pid::from_raw(Errno::result(pid)?))
}

/// Room for a child to work in, with an end that cannot be overrun.
struct Stack {
    bottom: *mut c_void,
}

impl Stack {
    /// Bytes, of which those take memory that are used: as a thread has. What happens on it are some steps of a launch.
    const BYTES: usize = 2 << 20;
    /// The last ones, which may not be touched.
    const GUARD: usize = 64 << 10;

    fn new() -> io::Result<Self> {
        let (none, usable) = (std::ptr::null_mut(), libc::PROT_READ | libc::PROT_WRITE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: new memory is asked for, wherever the kernel likes.
        let bottom = unsafe { libc::mmap(none, Self::BYTES, usable, flags, -1, 0) };
        if bottom == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self { bottom };
        // SAFETY: the range lies in memory that nothing uses yet. Stacks grow down.
        Errno::result(unsafe { libc::mprotect(bottom, Self::GUARD, libc::PROT_NONE) })?;
        Ok(stack)
    }

    fn top(&self) -> *mut c_void {
        // SAFETY: one past the end of the same mapping. Its size is a multiple of every alignment.
        unsafe { self.bottom.byte_add(Self::BYTES) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing is on it any more. That it stays would be no harm.
        unsafe { libc::munmap(self.bottom, Self::BYTES) };
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

#[cfg(test)]
mod tests {
    use nix::sys::wait::{WaitStatus, waitpid};

    use super::*;

    #[test]
    fn a_child_that_is_waited_for_changes_our_memory_and_ends_as_it_likes() {
        let mut said = String::new();
        let text = "from a child".to_owned();
        let child = fork_waiting(|| {
            said.push_str(&text);
            7
        });
        let child = child.unwrap();
        assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 7)));
        assert_eq!(said, text);
    }
}
