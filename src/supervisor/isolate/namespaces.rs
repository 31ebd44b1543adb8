//! Namespaces: which ones a plan needs, and user numbers in one's own
//! ([namespaces(7)](https://man7.org/linux/man-pages/man7/namespaces.7.html)).

use std::fs;
use std::path::Path;

use nix::sched::CloneFlags;
use nix::unistd::{Gid, Uid};

use super::{Obstacle, errno_of};
use crate::spec::{Isolation, Network};

/// The namespaces in which a child has to be born. Its process numbers must be its own before it can be the first
/// process among them; and an ordinary user may make every other namespace only inside of a user namespace.
pub(in crate::supervisor) fn at_birth(isolation: &Isolation, is_root: bool) -> CloneFlags {
    let mut flags = CloneFlags::empty();
    flags.set(CloneFlags::CLONE_NEWPID, !isolation.processes_visible);
    flags.set(CloneFlags::CLONE_NEWUSER, !is_root && isolation.needs_namespace());
    flags
}

/// The namespaces that the child makes for itself. `own_mounts` says that there are credentials to be mounted.
pub(in crate::supervisor) fn in_child(isolation: &Isolation, own_mounts: bool) -> CloneFlags {
    let mut flags = CloneFlags::empty();
    flags.set(CloneFlags::CLONE_NEWNS, isolation.arranges_mounts() || own_mounts);
    flags.set(CloneFlags::CLONE_NEWNET, isolation.network != Network::Host);
    flags.set(CloneFlags::CLONE_NEWUTS, isolation.hostname.is_some());
    flags
}

/// In a new user namespace: the process's own user and group keep their numbers, and nobody else has one
/// ([user_namespaces(7)]). That needs no right, as long as the supplementary groups are given up for good first.
///
/// [user_namespaces(7)]: https://man7.org/linux/man-pages/man7/user_namespaces.7.html
pub(in crate::supervisor) fn map_own_user(uid: Uid, gid: Gid) -> Result<(), Obstacle> {
    let write = |path: &str, text: String| {
        fs::write(path, text).map_err(|fault| Obstacle::at(Path::new(path))(errno_of(&fault)))
    };
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    write("/proc/self/uid_map", format!("{uid} {uid} 1"))
}
