//! [`Trust`]: whose files are believed.
//!
//! Whoever can change what runs as another user is that user. So everything that defines jobs must belong to root, to
//! the daemon's own user or to an owner named by `--trust-owner`, and nobody else may write it.

use std::collections::HashMap;
use std::path::Path;

use nix::sys::stat::FileStat;
use nix::unistd::{Gid, Group, Uid, User};

/// The owners whose files are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    owners: Owners,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Owners {
    These(Vec<u32>),
    /// What is read is shown and never run.
    Anybody,
}

/// Why a file or a directory is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// It belongs to somebody else.
    #[error("it belongs to {name} (uid {uid}), who is neither root nor the user of this jobsd")]
    Owner {
        /// The owner.
        uid: u32,
        /// The owner's name, or its number.
        name: String,
    },
    /// Others than the owner may write it.
    #[error("{who} may write it (mode {mode:03o})")]
    Writable {
        /// Who.
        who: &'static str,
        /// The permission bits.
        mode: u32,
    },
}

/// One look at some files; remembers what it learned of groups.
pub(crate) struct Inspection<'a> {
    trust: &'a Trust,
    private: HashMap<(u32, u32), bool>,
}

const GROUP_WRITE: u32 = 0o020;
const OTHER_WRITE: u32 = 0o002;

impl Trust {
    /// Root, the daemon's user `daemon`, and `also`.
    pub fn new(daemon: u32, also: &[u32]) -> Self {
        Self { owners: Owners::These([0, daemon].into_iter().chain(also.iter().copied()).collect()) }
    }

    /// Whoever owns a file and may write it: for files that are only checked and do not become jobs.
    pub const fn anybody() -> Self {
        Self { owners: Owners::Anybody }
    }

    /// The uids; none where everybody is believed.
    pub fn owners(&self) -> &[u32] {
        match &self.owners {
            Owners::These(owners) => owners,
            Owners::Anybody => &[],
        }
    }

    pub(crate) fn inspection(&self) -> Inspection<'_> {
        Inspection { trust: self, private: HashMap::new() }
    }
}

impl Inspection<'_> {
    /// Whether an opened file is believed. `stat` must be that of the opened file, not of its name, which may meanwhile
    /// mean another.
    ///
    /// A group that may write is no stranger when it is the owner's private group, which has no other member: where the
    /// umask is 002, every file is like that.
    pub fn check(&mut self, stat: &FileStat) -> Result<(), Distrust> {
        let Owners::These(owners) = &self.trust.owners else { return Ok(()) };
        if !owners.contains(&stat.st_uid) {
            return Err(Distrust::Owner { uid: stat.st_uid, name: user_name(stat.st_uid) });
        }
        let mode = stat.st_mode & 0o7777;
        if mode & OTHER_WRITE != 0 {
            return Err(Distrust::Writable { who: "everybody", mode });
        }
        let (uid, gid) = (stat.st_uid, stat.st_gid);
        if mode & GROUP_WRITE != 0 && !*self.private.entry((uid, gid)).or_insert_with(|| is_private(uid, gid)) {
            return Err(Distrust::Writable { who: "its group", mode });
        }
        Ok(())
    }
}

impl Distrust {
    /// What to do about it.
    pub fn hint(&self, path: &Path) -> String {
        match self {
            Self::Owner { uid, .. } => {
                let path = path.display();
                format!(
                    "chown it: chown root {path}; or start jobsd with --trust-owner {uid}, which lets that user run anything as the user of this jobsd"
                )
            }
            Self::Writable { .. } => format!("chmod go-w {}", path.display()),
        }
    }
}

fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => "an unknown user".to_owned(),
    }
}

/// Whether a group is its user's alone: the user's primary group, of the same name, without another member. What
/// cannot be looked up is not.
fn is_private(uid: u32, gid: u32) -> bool {
    let (Ok(Some(user)), Ok(Some(group))) = (User::from_uid(Uid::from_raw(uid)), Group::from_gid(Gid::from_raw(gid)))
    else {
        return false;
    };
    user.gid == group.gid && user.name == group.name && group.mem.iter().all(|member| *member == user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(uid: u32, gid: u32, mode: u32) -> FileStat {
        let mut stat = nix::sys::stat::stat("/").unwrap();
        (stat.st_uid, stat.st_gid, stat.st_mode) = (uid, gid, 0o100_000 | mode);
        stat
    }

    #[test]
    fn owners_and_modes() {
        let trust = Trust::new(1000, &[2000]);
        let no_group = 3_999_999_999;
        for (uid, mode, expected) in [
            (0, 0o644, Ok(())),
            (1000, 0o600, Ok(())),
            (2000, 0o755, Ok(())),
            (
                3_999_999_998,
                0o644,
                Err("it belongs to an unknown user (uid 3999999998), who is neither root nor the user of this jobsd"),
            ),
            (1000, 0o646, Err("everybody may write it (mode 646)")),
            (1000, 0o666, Err("everybody may write it (mode 666)")),
            (2000, 0o664, Err("its group may write it (mode 664)")),
        ] {
            let judged = trust.inspection().check(&stat(uid, no_group, mode)).map_err(|fault| fault.to_string());
            assert_eq!(judged, expected.map_err(str::to_owned), "{uid} {mode:o}");
        }
    }

    #[test]
    fn a_private_group_may_write() {
        // On any Linux, root's primary group is root's alone.
        assert_eq!(Trust::new(1000, &[]).inspection().check(&stat(0, 0, 0o664)), Ok(()));
        assert!(!is_private(0, 1), "a group that is not the user's primary one");
    }

    #[test]
    fn hints_name_what_to_run() {
        let path = Path::new("/etc/jobsd/jobs.d/a.toml");
        let owner = Distrust::Owner { uid: 1000, name: "alice".into() };
        assert!(owner.hint(path).contains("--trust-owner 1000"), "{}", owner.hint(path));
        let writable = Distrust::Writable { who: "everybody", mode: 0o666 };
        assert_eq!(writable.hint(path), "chmod go-w /etc/jobsd/jobs.d/a.toml");
    }
}
