//! [`Reserve`]: room on the disk that is given up when there is no other, so that running runs can be recorded to their end.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;

/// Room in the reserve unless said otherwise, in bytes: 16 of the segments by which sled takes it, some thousand records.
pub(super) const RESERVE_BYTES: u64 = 8 * 1024 * 1024;

/// A file that only takes room.
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// The reserve at `path`, with so many bytes; none with 0.
    pub fn new(path: PathBuf, bytes: u64) -> Self {
        let held = bytes > 0 && path.metadata().is_ok_and(|metadata| metadata.len() >= bytes);
        Self { path, bytes, held }
    }

    /// Whether the room is given up at the moment.
    pub fn is_given_up(&self) -> bool {
        self.bytes > 0 && !self.held
    }

    /// Takes the room, if there is as much again beside it: the last room is for records.
    pub fn take(&mut self) {
        if !self.is_given_up() {
            return;
        }
        match self.allocate() {
            Ok(held) => self.held = held,
            Err(fault) => tracing::debug!(%fault, "no room yet for the reserve"),
        }
    }

    /// Gives the room up. Says whether there was any.
    pub fn give_up(&mut self) -> bool {
        if !self.held {
            return false;
        }
        self.held = false;
        let emptied = OpenOptions::new().write(true).open(&self.path).and_then(|file| file.set_len(0));
        if let Err(fault) = &emptied {
            tracing::error!(%fault, path = %self.path.display(), "the reserve cannot be given up");
        }
        emptied.is_ok()
    }

    fn allocate(&self) -> io::Result<bool> {
        let dir = self.path.parent().map_or_else(|| PathBuf::from("."), PathBuf::from);
        let room = statvfs(&dir)?;
        if room.blocks_available().saturating_mul(room.fragment_size()) < self.bytes.saturating_mul(2) {
            return Ok(false);
        }
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        self.fill(&file).inspect_err(|_| {
            if let Err(fault) = file.set_len(0) {
                tracing::warn!(%fault, "half a reserve stays behind");
            }
        })?;
        Ok(true)
    }

    fn fill(&self, file: &File) -> io::Result<()> {
        let length = i64::try_from(self.bytes).map_err(io::Error::other)?;
        posix_fallocate(file, 0, length)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_given_up_and_taken_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("reserve");
        let mut reserve = Reserve::new(path.clone(), 1 << 20);
        assert!(reserve.is_given_up());
        reserve.take();
        assert!(!reserve.is_given_up());
        assert_eq!(path.metadata().expect("there").len(), 1 << 20);
        assert!(!Reserve::new(path.clone(), 1 << 20).is_given_up(), "found again after a restart");
        assert!(reserve.give_up());
        assert_eq!(path.metadata().expect("there").len(), 0);
        assert!(!reserve.give_up(), "only once");
        reserve.take();
        assert!(!reserve.is_given_up());
    }

    #[test]
    fn no_reserve_is_never_missing() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut reserve = Reserve::new(dir.path().join("reserve"), 0);
        assert!(!reserve.is_given_up());
        assert!(!reserve.give_up());
    }
}
