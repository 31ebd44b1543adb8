//! The kernel's mount calls, the newer ones included, which neither the C library nor nix knows everywhere.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sys::stat::{SFlag, fstat};

use super::{Obstacle, path};

/// From linux/mount.h.
const OPEN_TREE_CLONE: u32 = 1;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
const MOUNT_ATTR_RDONLY: u64 = 0x1;
const MOUNT_ATTR_NOSUID: u64 = 0x2;
const MOUNT_ATTR_NODEV: u64 = 0x4;
const MOUNT_ATTR_NOEXEC: u64 = 0x8;
const FSOPEN_CLOEXEC: u32 = 0x1;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const FSMOUNT_CLOEXEC: u32 = 0x1;

/// Nothing in it is a device, gains rights or is executed.
pub(in crate::supervisor) const HARMLESS: MsFlags =
    MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// A copy of a tree of mounts, not yet anywhere ([open_tree(2)], since Linux 5.2). What is mounted over the original
/// later does not change it.
///
/// [open_tree(2)]: https://man7.org/linux/man-pages/man2/open_tree.2.html
pub(in crate::supervisor) struct Tree(OwnedFd);

impl Tree {
    /// Copies what is seen at `path`.
    pub fn copy(path: &Path) -> Result<Self, Obstacle> {
        Self::open(path::find(path)?.as_fd(), c"").map_err(Obstacle::at(path))
    }

    /// Copies what is seen under this name in `directory`.
    pub fn copy_at(directory: BorrowedFd<'_>, name: &Path) -> Result<Self, Obstacle> {
        Self::open(directory, &c_path(name)?).map_err(Obstacle::at(name))
    }

    fn open(directory: BorrowedFd<'_>, name: &CStr) -> Result<Self, Errno> {
        let of_place = libc::AT_RECURSIVE | libc::AT_EMPTY_PATH | libc::O_CLOEXEC;
        let flags = OPEN_TREE_CLONE | of_place.cast_unsigned();
        // SAFETY: the name lives through the call; the others are integers.
        let fd = unsafe { libc::syscall(libc::SYS_open_tree, directory.as_raw_fd(), name.as_ptr(), flags) };
        owned(fd).map(Self)
    }

    /// A new file system in memory, in which nothing can be made ([fsopen(2)], since Linux 5.2).
    ///
    /// [fsopen(2)]: https://man7.org/linux/man-pages/man2/fsopen.2.html
    pub fn empty() -> Result<Self, Errno> {
        // SAFETY: the name lives through the call.
        let context = unsafe { libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), FSOPEN_CLOEXEC) };
        let context = owned(context)?;
        for (key, value) in [(c"mode", c"000"), (c"size", c"4k"), (c"nr_inodes", c"2")] {
            configure(&context, FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr())?;
        }
        configure(&context, FSCONFIG_CMD_CREATE, std::ptr::null(), std::ptr::null())?;
        let attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        // SAFETY: three integers.
        let made = unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attributes) };
        Ok(Self(owned(made)?))
    }

    /// Whether its top is a directory, and not a single file.
    pub fn is_directory(&self) -> Result<bool, Errno> {
        let kind = SFlag::from_bits_truncate(fstat(&self.0)?.st_mode) & SFlag::S_IFMT;
        Ok(kind == SFlag::S_IFDIR)
    }

    /// Makes all of it read-only, where it will be put.
    pub fn forbid_writing(&self) -> Result<(), Errno> {
        set_read_only(self.0.as_raw_fd(), c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE)
    }

    /// Puts it at `path`, over what is there.
    pub fn put(self, path: &Path) -> Result<(), Obstacle> {
        let (place, empty) = (path::find(path)?, c"".as_ptr());
        let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
        // SAFETY: both paths live through the call; the others are integers.
        let moved =
            unsafe { libc::syscall(libc::SYS_move_mount, self.0.as_raw_fd(), empty, place.as_raw_fd(), empty, flags) };
        Errno::result(moved).map(drop).map_err(Obstacle::at(path))
    }
}

/// Makes what is seen at `path` read-only, with all that is mounted below it.
pub(in crate::supervisor) fn cover_read_only(path: &Path) -> Result<(), Obstacle> {
    let none: Option<&str> = None;
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    nix::mount::mount(Some(path), path, none, bind, none).map_err(Obstacle::at(path))?;
    forbid_writing(path, true)
}

/// The descriptor that a system call has made.
fn owned(made: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = i32::try_from(Errno::result(made)?).expect("descriptors are small");
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn configure(
    context: &OwnedFd,
    command: u32,
    key: *const libc::c_char,
    value: *const libc::c_char,
) -> Result<(), Errno> {
    // SAFETY: key and value are null, as the command wants it, or strings of the caller's, whose memory the kernel reads.
    let done = unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0) };
    Errno::result(done).map(drop)
}

/// Makes what is mounted at `path` read-only, with all that is below it or, without `deep`, alone.
pub(in crate::supervisor) fn forbid_writing(path: &Path, deep: bool) -> Result<(), Obstacle> {
    let flags = if deep { libc::AT_RECURSIVE } else { 0 };
    set_read_only(libc::AT_FDCWD, &c_path(path)?, flags).map_err(Obstacle::at(path))
}

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// [mount_setattr(2)](https://man7.org/linux/man-pages/man2/mount_setattr.2.html), since Linux 5.12.
fn set_read_only(directory: i32, path: &std::ffi::CStr, flags: libc::c_int) -> Result<(), Errno> {
    let attributes = MountAttributes { set: MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, user_namespace: 0 };
    // SAFETY: path and attributes live through the call, and the size is that of the attributes.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            directory,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    Errno::result(done).map(drop)
}

/// Mounts a file system of this kind.
pub(in crate::supervisor) fn mount(kind: &str, path: &Path, flags: MsFlags, options: &str) -> Result<(), Obstacle> {
    nix::mount::mount(Some(kind), path, Some(kind), flags, Some(options)).map_err(Obstacle::at(path))
}

/// Has mounts of the host still appear here, and none of those made here appear on the host.
pub(in crate::supervisor) fn part_from_host() -> Result<(), Obstacle> {
    let none: Option<&str> = None;
    nix::mount::mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none).map_err(Obstacle::at("/"))
}

fn c_path(path: &Path) -> Result<CString, Obstacle> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Obstacle::at(path)(Errno::EINVAL))
}
