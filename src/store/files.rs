//! [`Files`]: what of a state directory belongs to the store.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::aside::remove_if_there;
use super::journal::sync_parent;

/// Paths in a state directory.
///
/// | path | what |
/// |---|---|
/// | `lock` | held by the one process that may write; its id |
/// | `db/` | sled's directory |
/// | `journal` | a large commit under way |
/// | `manifest`, `witness` | what is remembered outside of the database |
/// | `backups/` | exports, the newest few |
/// | `aside/` | damaged databases, the newest few |
/// | `notices` | what was found wrong and nobody has acknowledged |
/// | `reserve` | room for the last records when the disk is full |
/// | `db.copy/` | the database as it was before it was opened after an unclean end |
/// | `db.new/`, `db.ready/`, `db.old/` | another database on its way into the place of the present one |
/// | `db.check/` | a copy that an offline command reads |
/// | `runs/` | output of runs, which is not the store's; only the numbers of runs are read |
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// The state directory.
    pub dir: PathBuf,
    /// sled's directory.
    pub database: PathBuf,
    /// A copy of it.
    pub copy: PathBuf,
    /// Another one, not complete.
    pub fresh: PathBuf,
    /// Another one, complete.
    pub ready: PathBuf,
    /// The one that was replaced.
    pub old: PathBuf,
    /// A copy for an offline command.
    pub scratch: PathBuf,
    /// The journal of a large commit under way.
    pub journal: PathBuf,
    /// The lock.
    pub lock: PathBuf,
    /// The manifest.
    pub manifest: PathBuf,
    /// The witness.
    pub witness: PathBuf,
    /// The directory of backups.
    pub backups: PathBuf,
    /// The directory of damaged databases.
    pub aside: PathBuf,
    /// Notes to be acknowledged.
    pub notices: PathBuf,
    /// The reserve.
    pub reserve: PathBuf,
    /// The directory of runs' output.
    pub runs: PathBuf,
}

impl Files {
    /// The files in a state directory.
    pub fn of(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            database: dir.join("db"),
            copy: dir.join("db.copy"),
            fresh: dir.join("db.new"),
            ready: dir.join("db.ready"),
            old: dir.join("db.old"),
            scratch: dir.join("db.check"),
            journal: dir.join("journal"),
            lock: dir.join("lock"),
            manifest: dir.join("manifest"),
            witness: dir.join("witness"),
            backups: dir.join("backups"),
            aside: dir.join("aside"),
            notices: dir.join("notices"),
            reserve: dir.join("reserve"),
            runs: dir.join("runs"),
        }
    }

    /// sled's file.
    pub fn database_file(&self) -> PathBuf {
        self.database.join("db")
    }

    /// The length of sled's file; 0 when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be looked at.
    pub fn database_bytes(&self) -> io::Result<u64> {
        match fs::metadata(self.database_file()) {
            Ok(metadata) => Ok(metadata.len()),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(fault) => Err(fault),
        }
    }

    /// Puts the database in `fresh`, which is complete and durable, into the place of the present one, if there is one. A
    /// crash on the way leaves what [`Files::finish_swap`] completes.
    ///
    /// # Errors
    /// When a directory cannot be moved.
    pub fn swap_in_fresh(&self) -> io::Result<()> {
        remove_if_there(&self.ready)?;
        fs::rename(&self.fresh, &self.ready)?;
        sync_parent(&self.ready)?;
        self.finish_swap()
    }

    /// Completes a swap that was under way, and removes what swaps leave behind.
    ///
    /// # Errors
    /// When a directory cannot be moved or removed.
    pub fn finish_swap(&self) -> io::Result<()> {
        if self.ready.exists() {
            if self.database.exists() {
                remove_if_there(&self.old)?;
                fs::rename(&self.database, &self.old)?;
            }
            fs::rename(&self.ready, &self.database)?;
            sync_parent(&self.database)?;
        }
        remove_if_there(&self.old)?;
        remove_if_there(&self.fresh)
    }
}

/// Creates a directory that only its owner may look into, durably, unless it is there.
///
/// # Errors
/// When it cannot be created.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    let existed = path.is_dir();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if existed { Ok(()) } else { sync_parent(path) }
}

/// Makes the names of sled's files durable, which sled does not.
///
/// # Errors
/// When that fails.
pub(super) fn sync_new_database(dir: &Path) -> io::Result<()> {
    for name in ["db", "conf", "blobs"] {
        fs::File::open(dir.join(name))?.sync_all()?;
    }
    fs::File::open(dir)?.sync_all()?;
    sync_parent(dir)
}

/// The length of the database below a state directory, in bytes; 0 when there is none.
///
/// # Errors
/// When it is there and cannot be looked at.
pub fn database_bytes(state_dir: &Path) -> io::Result<u64> {
    Files::of(state_dir).database_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever directories a crash left: afterwards there is one database, the new one where it was complete.
    #[test]
    fn a_swap_is_completed_from_every_state() {
        let cases: [(&[&str], &str); 7] = [
            (&["db"], "db"),
            (&["db", "db.new"], "db"),
            (&["db", "db.ready"], "db.ready"),
            (&["db.old", "db.ready"], "db.ready"),
            (&["db", "db.old"], "db"),
            (&["db", "db.old", "db.ready"], "db.ready"),
            (&["db.ready"], "db.ready"),
        ];
        for (there, survivor) in cases {
            let dir = tempfile::tempdir().expect("a directory");
            for name in there {
                fs::create_dir(dir.path().join(name)).expect("created");
                fs::write(dir.path().join(name).join("name"), name).expect("written");
            }
            Files::of(dir.path()).finish_swap().expect("completed");
            let left: Vec<_> =
                fs::read_dir(dir.path()).expect("readable").map(|entry| entry.expect("one").file_name()).collect();
            assert_eq!(left, ["db"], "{there:?}");
            assert_eq!(fs::read_to_string(dir.path().join("db/name")).expect("readable"), survivor, "{there:?}");
        }
    }
}
