//! The arrangement of mounts that a job sees.
//!
//! The order in here: first everything is copied that will be needed as it was; then what is general is put in place
//! (the whole file system read-only, private directories); then single paths, those above before those below, so that
//! the more particular word wins.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::MsFlags;

use super::mount::{HARMLESS, Tree, cover_read_only, forbid_writing, mount, part_from_host};
use super::{Obstacle, devices, errno_of};
use crate::spec::{Filesystem, Isolation};

/// What `filesystem = "system-read-only"` protects. Links among them lead into others of them.
const SYSTEM: [&str; 9] = ["/usr", "/boot", "/efi", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];

/// What `filesystem = "read-only"` leaves: `/proc` for what a process writes about itself, `/dev` for devices.
const PROC: &str = "/proc";
const DEV: &str = "/dev";

/// Parts of `/proc` that are about the machine, and so do not stay writable. The kernel need not have them all.
const PROC_OF_THE_MACHINE: [&str; 8] = [
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/irq",
    "/proc/bus",
    "/proc/acpi",
    "/proc/fs",
    "/proc/scsi",
    "/proc/dynamic_debug",
];

/// Where programs keep what need not stay.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// A private directory for temporary files: half of the memory at most, as the kernel has it, then `ENOSPC`.
const TEMPORARY_OPTIONS: &str = "mode=1777,size=50%";

/// Arranges the mounts. The caller has a mount namespace of its own, and is the first process among those that it sees
/// when others are to be invisible.
pub(in crate::supervisor) fn arrange(isolation: &Isolation) -> Result<(), Obstacle> {
    part_from_host()?;
    let mut places = Place::all(isolation)?;
    protect(isolation)?;
    if !isolation.processes_visible {
        mount("proc", Path::new("/proc"), HARMLESS, "")?;
    }
    if isolation.filesystem == Filesystem::ReadOnly {
        for path in PROC_OF_THE_MACHINE.map(Path::new) {
            match cover_read_only(path) {
                Err(Obstacle { errno: Errno::ENOENT, .. }) => {}
                covered => covered?,
            }
        }
    }
    if isolation.private_devices {
        devices::replace()?;
    }
    if isolation.private_tmp {
        for path in TEMPORARY.map(Path::new) {
            match mount("tmpfs", path, MsFlags::MS_NOSUID | MsFlags::MS_NODEV, TEMPORARY_OPTIONS) {
                // Not every system has /var/tmp.
                Err(Obstacle { errno: Errno::ENOENT, .. }) => {}
                mounted => mounted?,
            }
        }
    }
    places.sort_by_key(|place| place.path.components().count());
    for place in places {
        place.arrange(isolation)?;
    }
    Ok(())
}

/// Takes writing away from where it is not wanted.
fn protect(isolation: &Isolation) -> Result<(), Obstacle> {
    match isolation.filesystem {
        Filesystem::Writable => Ok(()),
        Filesystem::SystemReadOnly => {
            for path in SYSTEM.map(Path::new) {
                if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
                    cover_read_only(path)?;
                }
            }
            Ok(())
        }
        Filesystem::ReadOnly => {
            // What is replaced later need not be kept.
            let kept = [(PROC, isolation.processes_visible), (DEV, !isolation.private_devices)];
            let kept: Vec<&Path> = kept.iter().filter(|(_, kept)| *kept).map(|(path, _)| Path::new(*path)).collect();
            let trees: Vec<Tree> = kept.iter().map(|path| Tree::copy(path)).collect::<Result<_, _>>()?;
            forbid_writing(Path::new("/"), true)?;
            kept.into_iter().zip(trees).try_for_each(|(path, tree)| tree.put(path))
        }
    }
}

/// A path with a key of its own.
struct Place {
    path: PathBuf,
    what: What,
}

enum What {
    /// As it was before the rest.
    AsItWas(Tree),
    /// As it was, but read-only.
    ReadOnly(Tree),
    /// Empty.
    Hidden,
}

impl What {
    /// Whether its place has to be a directory. The copy is asked: the path that it was made from may be covered by now.
    fn is_directory(&self) -> Result<bool, Errno> {
        match self {
            Self::AsItWas(tree) | Self::ReadOnly(tree) => tree.is_directory(),
            Self::Hidden => Ok(true),
        }
    }
}

impl Place {
    /// All of them, with what they show copied.
    fn all(isolation: &Isolation) -> Result<Vec<Self>, Obstacle> {
        let mut places = Vec::new();
        for path in &isolation.writable {
            places.push(Self { path: path.clone(), what: What::AsItWas(Tree::copy(path)?) });
        }
        for path in &isolation.read_only {
            places.push(Self { path: path.clone(), what: What::ReadOnly(Tree::copy(path)?) });
        }
        places.extend(isolation.hidden.iter().map(|path| Self { path: path.clone(), what: What::Hidden }));
        for bind in &isolation.bind {
            let tree = Tree::copy(&bind.source)?;
            let what = if bind.read_only { What::ReadOnly(tree) } else { What::AsItWas(tree) };
            places.push(Self { path: bind.target.clone(), what });
        }
        Ok(places)
    }

    fn arrange(self, isolation: &Isolation) -> Result<(), Obstacle> {
        if isolation.private_tmp && TEMPORARY.iter().any(|tmp| self.path.starts_with(tmp)) {
            make_place(&self.path, self.what.is_directory().map_err(Obstacle::at(&self.path))?)?;
        }
        match self.what {
            What::AsItWas(tree) => tree.put(&self.path),
            What::ReadOnly(tree) => {
                tree.forbid_writing().map_err(Obstacle::at(&self.path))?;
                tree.put(&self.path)
            }
            What::Hidden => hide(&self.path),
        }
    }
}

/// Inside of a new, empty directory there is nothing yet that something could be mounted over: directories are made up to
/// it, and a file where a file is shown.
fn make_place(path: &Path, directory: bool) -> Result<(), Obstacle> {
    let above = if directory { Some(path) } else { path.parent() };
    if let Some(above) = above {
        fs::create_dir_all(above).map_err(|fault| Obstacle::at(above)(errno_of(&fault)))?;
    }
    if directory { Ok(()) } else { devices::touch(path) }
}

/// A directory becomes one without entries, anything else becomes `/dev/null`.
fn hide(path: &Path) -> Result<(), Obstacle> {
    let found = fs::metadata(path).map_err(|fault| Obstacle::at(path)(errno_of(&fault)))?;
    if found.is_dir() {
        return Tree::empty().map_err(Obstacle::at(path))?.put(path);
    }
    Tree::copy(Path::new("/dev/null"))?.put(path)
}
