//! A `/dev` of one's own: what every program needs, and no disk.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::MsFlags;
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};

use super::mount::{Tree, forbid_writing, mount};
use super::{Obstacle, errno_of};

/// The devices that are there, and their numbers ([devices.txt](https://docs.kernel.org/admin-guide/devices.html)).
const DEVICES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// As udev and systemd make them.
const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

const DEV: &str = "/dev";

/// Covers `/dev`.
pub(in crate::supervisor) fn replace() -> Result<(), Obstacle> {
    // Everybody may use what is in it, whatever the job gives its own files.
    let of_the_job = umask(Mode::empty());
    let replaced = cover();
    umask(of_the_job);
    replaced
}

fn cover() -> Result<(), Obstacle> {
    let dev = Path::new(DEV);
    let place = |name: &str| dev.join(name);
    let machines: OwnedFd =
        open(dev, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).map_err(Obstacle::at(dev))?;
    let log = Log::find(&place("log"))?;
    // The nodes are in it, so that it may not be nodev itself.
    mount("tmpfs", dev, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "mode=0755,size=64k,nr_inodes=64")?;
    for (name, major, minor) in DEVICES {
        node(machines.as_fd(), name, makedev(major, minor))?;
    }
    for (name, target) in LINKS {
        link(target, &place(name))?;
    }
    for directory in ["pts", "shm"] {
        fs::create_dir(place(directory)).map_err(|fault| Obstacle::at(place(directory))(errno_of(&fault)))?;
    }
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount("devpts", &place("pts"), quiet, "newinstance,ptmxmode=0666,mode=0620")?;
    mount("tmpfs", &place("shm"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777")?;
    log.put(&place("log"))?;
    forbid_writing(dev, false)
}

/// Makes a device or, as in a user namespace and in many containers nobody may, shows the machine's own.
fn node(machines: BorrowedFd<'_>, name: &str, number: libc::dev_t) -> Result<(), Obstacle> {
    let path = Path::new(DEV).join(name);
    match mknod(&path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), number) {
        Err(Errno::EPERM) => {
            touch(&path)?;
            Tree::copy_at(machines, Path::new(name))?.put(&path)
        }
        made => made.map_err(Obstacle::at(path)),
    }
}

/// The socket of the system's log, if there is one.
enum Log {
    None,
    Link(PathBuf),
    Socket(Tree),
}

impl Log {
    fn find(path: &Path) -> Result<Self, Obstacle> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => match fs::read_link(path) {
                Ok(target) => Ok(Self::Link(target)),
                Err(fault) => Err(Obstacle::at(path)(errno_of(&fault))),
            },
            Ok(_) => Tree::copy(path).map(Self::Socket),
            Err(_) => Ok(Self::None),
        }
    }

    fn put(self, path: &Path) -> Result<(), Obstacle> {
        match self {
            Self::None => Ok(()),
            Self::Link(target) => link(&target, path),
            Self::Socket(tree) => {
                touch(path)?;
                tree.put(path)
            }
        }
    }
}

fn link(target: impl AsRef<Path>, path: &Path) -> Result<(), Obstacle> {
    symlink(target, path).map_err(|fault| Obstacle::at(path)(errno_of(&fault)))
}

/// A file to mount something over.
pub(in crate::supervisor) fn touch(path: &Path) -> Result<(), Obstacle> {
    match fs::File::create(path).map(drop).map_err(|fault| errno_of(&fault)) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(Obstacle::at(path)(errno)),
    }
}
