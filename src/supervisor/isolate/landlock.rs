//! Landlock beneath the mounts ([landlock(7)](https://man7.org/linux/man-pages/man7/landlock.7.html)): a second lock on
//! the same door. What may not be written stays unwritten also for a job that finds a way to mount.

use std::path::Path;
use std::sync::OnceLock;

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
};
use nix::errno::Errno;

use super::Obstacle;
use crate::spec::{Filesystem, Isolation};

/// The newest interface whose rights are asked for; older kernels (before 6.2) know fewer of them, and those of before
/// 5.19 none that would leave renaming between directories possible.
const NEWEST: ABI = ABI::V3;
const OLDEST: i64 = 2;

/// `LANDLOCK_CREATE_RULESET_VERSION` of linux/landlock.h.
const ASK_VERSION: u32 = 1;

/// The version of the kernel's interface; `None` where it has none, or it is switched off. It is asked once, which the
/// supervisor does at its start.
pub(in crate::supervisor) fn version() -> Option<i64> {
    static VERSION: OnceLock<Option<i64>> = OnceLock::new();
    *VERSION.get_or_init(ask_version)
}

fn ask_version() -> Option<i64> {
    let none: *const libc::c_void = std::ptr::null();
    // SAFETY: with this flag the kernel looks at no memory.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, ASK_VERSION) };
    (version > 0).then_some(version)
}

/// Whether it can stand beneath this isolation: it adds to a file system that is read-only, and the kernel wants that no
/// program gains rights.
pub(in crate::supervisor) fn stands_beneath(isolation: &Isolation) -> bool {
    isolation.filesystem == Filesystem::ReadOnly
        && isolation.no_new_privileges
        && version().is_some_and(|version| version >= OLDEST)
}

/// Forbids writing but to the places that the mounts leave.
pub(in crate::supervisor) fn forbid_writing(isolation: &Isolation) -> Result<(), Obstacle> {
    let mut left: Vec<&Path> = vec![Path::new("/proc"), Path::new("/dev")];
    if isolation.private_tmp {
        left.extend(["/tmp", "/var/tmp"].map(Path::new).into_iter().filter(|path| path.exists()));
    }
    left.extend(isolation.writable.iter().map(|path| path.as_path()));
    left.extend(isolation.bind.iter().filter(|bind| !bind.read_only).map(|bind| bind.target.as_path()));
    let writing = AccessFs::from_write(NEWEST);
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(writing)
        .and_then(Ruleset::create)
        .map_err(refused)?;
    let mut ruleset = ruleset;
    for path in left {
        let place = PathFd::new(path).map_err(|_| Obstacle::at(path)(Errno::last()))?;
        let rights = if path.is_dir() { writing } else { writing & AccessFs::from_file(NEWEST) };
        ruleset = ruleset.add_rule(PathBeneath::new(place, rights)).map_err(refused)?;
    }
    ruleset.restrict_self().map(drop).map_err(refused)
}

/// The crate's errors end in the one of the system call.
fn refused(fault: RulesetError) -> Obstacle {
    let mut cause: Option<&dyn std::error::Error> = Some(&fault);
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref::<std::io::Error>() {
            return super::errno_of(fault).into();
        }
        cause = error.source();
    }
    Errno::EINVAL.into()
}
