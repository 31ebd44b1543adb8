//! [`Database`]: sled, opened and written in the only way in which it keeps its word.
//!
//! - `flush()` alone does not survive a power cut (it is [sync_file_range(2)], which flushes no disk cache and no
//!   metadata): [`Database::settle`] adds `fdatasync` of sled's file.
//! - `flush_async` can deadlock and is never called. sled's own flusher thread is off.
//! - Its errors stick: after one, nothing is written any more until the database was dropped and opened again.
//! - It panics on some damage: every call is guarded.
//!
//! [sync_file_range(2)]: https://man7.org/linux/man-pages/man2/sync_file_range.2.html

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::faults::{Faults, Step};
use super::guard::{Panicked, guarded};
use crate::threads;

/// Threads that sled starts when it is opened first, and one to spare. It does not notice when it gets none, and then
/// waits for their work for ever, which nobody may take for damage.
const THREADS: usize = 8;

/// sled on one directory.
pub(super) struct Database {
    db: sled::Db,
    file: File,
    faults: Faults,
}

/// Why sled could not do it.
#[derive(Debug, thiserror::Error)]
pub(super) enum DatabaseError {
    /// Another process, or a handle of this one, has it open.
    #[error("another process has the database in {} open", .0.display())]
    Locked(PathBuf),
    /// The system refused.
    #[error("cannot {step} the database")]
    Io {
        /// What was tried.
        step: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// sled found damage, or a fault of its own.
    #[error("cannot {step} the database: {reason}")]
    Broken {
        /// What was tried.
        step: &'static str,
        /// sled's words.
        reason: String,
    },
}

impl DatabaseError {
    /// Whether there was no room: the disk, the quota or the file size limit.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_full(source),
            Self::Locked(_) | Self::Broken { .. } => false,
        }
    }
}

/// Whether the error says that there was no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// One key to set, or to remove.
pub(super) type Operation = (Vec<u8>, Option<Vec<u8>>);

/// One key with its value, as sled hands them out.
pub(super) type Entry = Result<(sled::IVec, sled::IVec), DatabaseError>;

impl Database {
    /// Opens sled in `dir`, or creates it.
    ///
    /// # Errors
    /// When it is open elsewhere, cannot be read or created, or is damaged in a way that sled notices.
    pub fn open(dir: &Path, cache_bytes: u64, faults: &Faults) -> Result<Self, DatabaseError> {
        faults.before(Step::Open).map_err(io_error("open"))?;
        threads::try_to_start(THREADS).map_err(io_error("start the threads of"))?;
        let config =
            sled::Config::new().path(dir).cache_capacity(cache_bytes).mode(sled::Mode::LowSpace).flush_every_ms(None);
        let db = call("open", || config.open()).map_err(|fault| match fault {
            // fs2's error has no kind of its own; sled's text is all there is.
            DatabaseError::Io { source, .. } if source.to_string().starts_with("could not acquire lock") => {
                DatabaseError::Locked(dir.to_owned())
            }
            other => other,
        })?;
        let file = File::open(dir.join("db")).map_err(io_error("open"))?;
        Ok(Self { db, file, faults: faults.clone() })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, DatabaseError> {
        call("read", || self.db.get(key))
    }

    /// All keys with a prefix, in order; from the end with `.rev()`.
    pub fn prefix(&self, prefix: &[u8]) -> Scan {
        Scan(self.db.scan_prefix(prefix))
    }

    /// All keys in a range, in order; from the end with `.rev()`.
    pub fn range(&self, range: impl std::ops::RangeBounds<Vec<u8>>) -> Scan {
        Scan(self.db.range(range))
    }

    /// All keys, in order.
    pub fn all(&self) -> Scan {
        Scan(self.db.iter())
    }

    /// Does all operations at once, or after a crash none. Not durable before [`Database::settle`].
    ///
    /// # Errors
    /// When it fails; then the database must be opened again.
    pub fn apply<'a>(&self, operations: impl IntoIterator<Item = &'a Operation>) -> Result<(), DatabaseError> {
        self.faults.before(Step::Apply).map_err(io_error("write"))?;
        let mut batch = sled::Batch::default();
        for (key, value) in operations {
            match value {
                Some(value) => batch.insert(&key[..], &value[..]),
                None => batch.remove(&key[..]),
            }
        }
        call("write", || self.db.apply_batch(batch))
    }

    /// Hands what was applied to the kernel. Survives the end of the process, not of the machine.
    ///
    /// # Errors
    /// When it fails; then the database must be opened again.
    pub fn flush(&self) -> Result<(), DatabaseError> {
        self.faults.before(Step::Flush).map_err(io_error("write"))?;
        call("write", || self.db.flush()).map(|_bytes| ())
    }

    /// Makes all that was applied durable.
    ///
    /// # Errors
    /// When it fails; then the database must be opened again.
    pub fn settle(&self) -> Result<(), DatabaseError> {
        self.flush()?;
        self.faults.before(Step::Sync).map_err(io_error("sync"))?;
        self.file.sync_data().map_err(io_error("sync"))
    }

    /// Closes sled after a failure, and drops what the page cache holds of its file: after a failed write-back the kernel
    /// marks pages clean that are not on disk ([fsync(2)], EIO), and what is read next must be what the disk has.
    ///
    /// [fsync(2)]: https://man7.org/linux/man-pages/man2/fsync.2.html
    pub fn abandon(self) {
        use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
        let Self { db, file, faults: _ } = self;
        if let Err(fault) = guarded(move || drop(db)) {
            tracing::warn!(%fault, "the database did not close cleanly");
        }
        if let Err(errno) = posix_fadvise(file.as_fd(), 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED) {
            tracing::warn!(%errno, "the kernel keeps its cache of the database");
        }
    }
}

/// Keys and values, guarded.
pub(super) struct Scan(sled::Iter);

impl Iterator for Scan {
    type Item = Entry;
    fn next(&mut self) -> Option<Entry> {
        call("read", || self.0.next().transpose()).transpose()
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Entry> {
        call("read", || self.0.next_back().transpose()).transpose()
    }
}

fn call<T>(step: &'static str, work: impl FnOnce() -> sled::Result<T>) -> Result<T, DatabaseError> {
    match guarded(work) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(source))) => Err(DatabaseError::Io { step, source }),
        Ok(Err(fault)) => Err(DatabaseError::Broken { step, reason: fault.to_string() }),
        Err(Panicked(reason)) => Err(DatabaseError::Broken { step, reason }),
    }
}

fn io_error(step: &'static str) -> impl Fn(io::Error) -> DatabaseError {
    move |source| DatabaseError::Io { step, source }
}
