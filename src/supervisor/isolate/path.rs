//! Paths that root follows for a job, and on which somebody else may have a hand.
//!
//! Mounts are made, and credentials are read, with root's rights, and a path that they name may lie in a directory of the
//! job's own user. There he could put a symbolic link in the place of what is named: to a directory behind others that are
//! closed to him, to a secret, or to `/etc`, over which his own files would then be mounted. So a link that does not belong
//! to root leads only to what belongs to the link's own owner; any other ends the set-up with `EACCES`. Links of root, as
//! `/lib`, lead anywhere.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat, openat2, readlinkat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::geteuid;

use super::{Obstacle, errno_of};

/// Links in one path, as for the kernel (path_resolution(7)).
const LINKS_LIMIT: usize = 40;

const ROOT: u32 = 0;

/// Finds a place and holds it: what is put at its path later does not change it. An ordinary user's supervisor has no right
/// that a job of the same user lacks, and follows every link.
pub(super) fn find(path: &Path) -> Result<OwnedFd, Obstacle> {
    if !geteuid().is_root() {
        return open(path, place(), Mode::empty()).map_err(Obstacle::at(path));
    }
    find_as_root(path).map_err(|lost| match lost {
        Lost::Kernel(errno) => Obstacle::at(path)(errno),
        Lost::Foreign { name, owner } => Obstacle::at(path)(Errno::EACCES).because(format!(
            "{} in it is a link of user {owner}, which leads to what is not that user's",
            name.display()
        )),
    })
}

/// Opens a file for reading.
pub(super) fn open_file(path: &Path) -> Result<File, Obstacle> {
    let found = find(path)?;
    // A place is no file yet; its link in /proc leads to it and nowhere else.
    File::open(format!("/proc/self/fd/{}", found.as_raw_fd())).map_err(|fault| Obstacle::at(path)(errno_of(&fault)))
}

fn place() -> OFlag {
    OFlag::O_PATH | OFlag::O_CLOEXEC
}

/// Why a place was not found.
#[derive(Debug, PartialEq, Eq)]
enum Lost {
    Kernel(Errno),
    /// A link that is not followed.
    Foreign {
        name: OsString,
        owner: u32,
    },
}

impl From<Errno> for Lost {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

fn find_as_root(path: &Path) -> Result<OwnedFd, Lost> {
    // Nearly always there is no link, which one call tells.
    let how = OpenHow::new().flags(place()).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    match openat2(AT_FDCWD, path, how) {
        // A kernel of before 5.6, or a filter round all of us.
        Err(Errno::ELOOP | Errno::ENOSYS | Errno::EPERM) => walk(path),
        found => Ok(found?),
    }
}

/// A link of somebody's that is being followed.
struct Followed {
    name: OsString,
    owner: u32,
    /// How many names are left when it has been followed to its end.
    names_left: usize,
}

/// Goes from name to name.
fn walk(path: &Path) -> Result<OwnedFd, Lost> {
    let root = || open("/", place(), Mode::empty());
    let mut here = root()?;
    let mut names = names_of(path);
    let (mut followed, mut links): (Vec<Followed>, _) = (Vec::new(), 0);
    while let Some(name) = names.pop_front() {
        let next = openat(&here, name.as_os_str(), place() | OFlag::O_NOFOLLOW, Mode::empty())?;
        let found = fstat(&next)?;
        if found.st_mode & libc::S_IFMT == libc::S_IFLNK {
            links += 1;
            if links > LINKS_LIMIT {
                return Err(Errno::ELOOP.into());
            }
            if found.st_uid != ROOT {
                followed.push(Followed { name, owner: found.st_uid, names_left: names.len() });
            }
            let target = readlinkat(&next, OsStr::new(""))?;
            if Path::new(&target).is_absolute() {
                here = root()?;
            }
            for name in names_of(Path::new(&target)).into_iter().rev() {
                names.push_front(name);
            }
        } else {
            here = next;
        }
        // Links to links end together.
        while let Some(link) = followed.pop_if(|link| names.len() <= link.names_left) {
            if fstat(&here)?.st_uid != link.owner {
                return Err(Lost::Foreign { name: link.name, owner: link.owner });
            }
        }
    }
    Ok(here)
}

fn names_of(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, lchown, symlink};

    use super::*;

    fn inode(found: Result<OwnedFd, Lost>) -> Result<u64, Lost> {
        found.map(|place| fstat(&place).unwrap().st_ino)
    }

    #[test]
    fn a_walk_finds_what_the_kernel_finds() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("a/b/c")).unwrap();
        fs::write(path("a/file"), "").unwrap();
        for (target, name) in
            [("a/b", "up"), ("../up/../file", "a/odd"), (".", "same"), ("loop", "loop"), ("gone", "no")]
        {
            symlink(target, path(name)).unwrap();
        }
        symlink(path("up"), path("a/far")).unwrap();
        for name in ["a", "a/b/c", "up/c", "up/../file", "a/odd", "a/far/c", "same/same/up/c/..", "a/file"] {
            let expected = fs::metadata(path(name)).unwrap().ino();
            assert_eq!(inode(walk(&path(name))), Ok(expected), "{name}");
        }
        for (name, errno) in [("loop", Errno::ELOOP), ("no", Errno::ENOENT), ("a/file/x", Errno::ENOTDIR)] {
            assert_eq!(inode(walk(&path(name))), Err(Lost::Kernel(errno)), "{name}");
        }
    }

    #[test]
    fn links_of_others_lead_to_what_is_theirs() {
        if !geteuid().is_root() {
            return eprintln!("links_of_others_lead_to_what_is_theirs: not tested, because only root gives links away");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let give = |name: &str| lchown(path(name), Some(1000), Some(1000)).unwrap();
        for name in ["own", "own/deep", "roots", "roots/deep"] {
            fs::create_dir(path(name)).unwrap();
        }
        give("own");
        for (target, name) in [
            ("own", "to-own"),
            ("roots", "to-roots"),
            ("to-own", "to-link"),
            ("to-roots", "to-bad-link"),
            ("own/deep", "beneath"),
        ] {
            symlink(target, path(name)).unwrap();
            give(name);
        }
        symlink("to-roots", path("of-root")).unwrap();
        symlink("roots", path("plain")).unwrap();
        for name in ["to-own", "to-link", "plain", "plain/deep", "to-own/deep"] {
            let expected = fs::metadata(path(name)).unwrap().ino();
            assert_eq!(inode(find_as_root(&path(name))), Ok(expected), "{name}");
        }
        for (name, link) in [
            ("to-roots", "to-roots"),
            ("to-roots/deep", "to-roots"),
            ("to-roots/..", "to-roots"),
            ("to-bad-link", "to-roots"),
            ("beneath", "beneath"),
            ("of-root", "to-roots"),
        ] {
            let foreign = Lost::Foreign { name: link.into(), owner: 1000 };
            assert_eq!(inode(find_as_root(&path(name))), Err(foreign), "{name}");
        }
    }
}
