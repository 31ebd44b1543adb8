//! A `/dev` of one's own: what every program needs, and no disk.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::MsFlags;

use super::mount::{Tree, forbid_writing, mount};
use super::{Obstacle, errno_of};

/// The devices that are there. In a user namespace none can be made, so that the machine's own are shown.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

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
    let dev = Path::new(DEV);
    let place = |name: &str| dev.join(name);
    let nodes = DEVICES.map(|name| (name, Tree::copy(&place(name))));
    let log = Log::find(&place("log"))?;
    // Nodes are bound into it, so that it may not be nodev itself.
    mount("tmpfs", dev, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "mode=0755,size=64k,nr_inodes=64")?;
    for (name, node) in nodes {
        touch(&place(name))?;
        node?.put(&place(name))?;
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
