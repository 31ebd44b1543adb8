//! Landlock beneath the mounts ([landlock(7)](https://man7.org/linux/man-pages/man7/landlock.7.html)): a second lock on
//! the same door. What may not be written stays unwritten also for a job that finds a way to mount.

use std::path::Path;

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
};
use nix::errno::Errno;

use super::Obstacle;
use crate::machine;
use crate::spec::{Filesystem, Isolation};

/// The newest interface whose rights are asked for; older kernels (before 6.2) know fewer of them.
const NEWEST: ABI = ABI::V3;

/// Whether it can stand beneath this isolation: it adds to a file system that is read-only, and the kernel wants that no
/// program gains rights.
pub(in crate::supervisor) fn stands_beneath(isolation: &Isolation) -> bool {
    isolation.filesystem == Filesystem::ReadOnly
        && isolation.no_new_privileges
        && machine::landlock_version().is_some_and(|version| version >= machine::LANDLOCK_OLDEST)
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
