//! [`Lock`]: one process per state directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// The exclusive right to a state directory, held until dropped. The kernel gives it up with the process, however that
/// ends ([flock(2)](https://man7.org/linux/man-pages/man2/flock.2.html)).
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held for its drop")] Flock<File>);

/// Why the right was not given.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process has it.
    Held {
        /// Which, when its note could be read.
        pid: Option<u32>,
    },
    /// The file cannot be opened or written.
    Io(io::Error),
}

impl Lock {
    /// Takes the right to the directory in which `path` lies, and notes this process's id in the file.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be written.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, Errno::EWOULDBLOCK)) => return Err(LockError::Held { pid: read_pid(&mut file) }),
            Err((_, errno)) => return Err(LockError::Io(errno.into())),
        };
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self(lock))
    }
}

impl From<io::Error> for LockError {
    fn from(fault: io::Error) -> Self {
        Self::Io(fault)
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    // The note is at most ten digits and a line end; the file is ours, but nobody promises that.
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_is_told_who_has_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        let first = Lock::take(&path).expect("free");
        match Lock::take(&path) {
            Err(LockError::Held { pid }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(first);
        Lock::take(&path).expect("free again");
    }
}
