//! Trials: what a launch does, tried in a child that ends right after.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getegid, geteuid};

/// From linux/mount.h.
const OPEN_TREE_CLONE: u32 = 1;

/// Tries something in a child.
pub(super) fn attempt(namespaces: CloneFlags, act: fn() -> Result<(), Errno>) -> Result<(), String> {
    let is_root = geteuid().is_root();
    let failed = |errno: Errno| Err(reason(errno, is_root));
    // SAFETY: the process has one thread, so that the child may run ordinary code; it leaves by _exit.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let tried = enter(namespaces, is_root).and_then(|()| act());
            let code = tried.err().map_or(0, |errno| errno as i32);
            // SAFETY: _exit(2) has no preconditions.
            unsafe { libc::_exit(code) }
        }
        Ok(ForkResult::Parent { child }) => loop {
            match waitpid(child, None) {
                Err(Errno::EINTR) => {}
                Ok(WaitStatus::Exited(_, 0)) => return Ok(()),
                Ok(WaitStatus::Exited(_, code)) => return failed(Errno::from_raw(code)),
                Ok(_) => return Err("trying it was killed".to_owned()),
                Err(errno) => return failed(errno),
            }
        },
        Err(errno) => failed(errno),
    }
}

fn reason(errno: Errno, is_root: bool) -> String {
    let cause = errno.desc().to_lowercase();
    match (errno, is_root) {
        (Errno::EPERM | Errno::EACCES | Errno::ENOSPC | Errno::EUSERS, false) => {
            format!("the kernel does not let an ordinary user have it: {cause}; see user.max_user_namespaces(5)")
        }
        (Errno::ENOSYS | Errno::EINVAL, _) => format!("the kernel is too old, or was built without: {cause}"),
        _ => format!("the kernel refuses: {cause}"),
    }
}

/// Makes the namespaces as a launch does.
fn enter(namespaces: CloneFlags, is_root: bool) -> Result<(), Errno> {
    let mut namespaces = namespaces;
    if !is_root && !namespaces.is_empty() {
        let (uid, gid) = (geteuid(), getegid());
        unshare(CloneFlags::CLONE_NEWUSER)?;
        let write = |path: &str, text: String| fs::write(path, text).map_err(|fault| errno_of(&fault));
        write("/proc/self/setgroups", "deny".to_owned())?;
        write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
        write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        namespaces.remove(CloneFlags::CLONE_NEWUSER);
    }
    if namespaces.is_empty() { Ok(()) } else { unshare(namespaces) }
}

fn errno_of(fault: &io::Error) -> Errno {
    Errno::from_raw(fault.raw_os_error().unwrap_or(libc::EIO))
}

/// Parts from the host's mounts, sets an attribute of a tree, with attributes that say nothing, copies the tree, and mounts
/// something: each as a launch does it.
pub(super) fn mounts() -> Result<(), Errno> {
    use nix::mount::{MsFlags, mount};
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    let nothing = [0u64; 4];
    // SAFETY: path and attributes live through the call, and the size is theirs.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            c"/".as_ptr(),
            libc::AT_RECURSIVE,
            nothing.as_ptr(),
            size_of_val(&nothing),
        )
    };
    Errno::result(done)?;
    // The whole tree: in a user namespace a mount may not be taken away from what lies beneath it, so that the kernel lets
    // nobody copy it alone (mount_namespaces(7), "Restrictions on mount namespaces").
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC.cast_unsigned() | libc::AT_RECURSIVE.cast_unsigned();
    // SAFETY: the path lives through the call; the descriptor goes with the process.
    Errno::result(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c"/".as_ptr(), flags) })?;
    mount(Some("tmpfs"), "/tmp", Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, none)
}

/// Mounts a /proc of the new process namespace, in which only a child is.
pub(super) fn processes() -> Result<(), Errno> {
    mounts()?;
    // SAFETY: as in `attempt`.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let none: Option<&str> = None;
            let mounted = nix::mount::mount(Some("proc"), "/proc", Some("proc"), nix::mount::MsFlags::empty(), none);
            // SAFETY: _exit(2) has no preconditions.
            unsafe { libc::_exit(mounted.err().map_or(0, |errno| errno as i32)) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, code) => Err(Errno::from_raw(code)),
            _ => Err(Errno::ECHILD),
        },
    }
}

/// Asks whether calls can be made to fail with a number (`SECCOMP_GET_ACTION_AVAIL`).
pub(super) fn filters() -> Result<(), Errno> {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the pointer is to a live value, which the kernel reads.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    Errno::result(done).map(drop)
}
