//! Compaction: sled's file never shrinks, so now and then all keys are copied into a new one.

use std::path::PathBuf;

use super::aside::{remove_if_there, size_of};
use super::database::{Database, DatabaseError, Operation};
use super::faults::Faults;
use super::files::{Files, make_directory, sync_new_database};
use super::journal::{BATCH_KEYS, apply_bounded};
use crate::causes::chain;

/// A database is compacted when it is larger than this many times what it holds.
pub(super) const SPARSE_FACTOR: u64 = 3;

/// A smaller database is not worth it.
pub(super) const WORTHWHILE_BYTES: u64 = 64 * 1024 * 1024;

/// sled's memory while the copy is written.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Why a database could not be compacted. It stands as it was.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// It cannot be read, or the new one not be written.
    #[error("{0}")]
    Database(String),
    /// Directories cannot be made, moved or removed.
    #[error("cannot {step} {}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

impl From<DatabaseError> for CompactError {
    fn from(fault: DatabaseError) -> Self {
        Self::Database(chain(&fault))
    }
}

/// Size of a database before and after compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes on disk before.
    pub before_bytes: u64,
    /// Bytes on disk after.
    pub after_bytes: u64,
}

/// Copies all keys and values into a complete, durable database in `files.fresh`. Nothing may be written to `database`
/// meanwhile. [`Files::swap_in_fresh`] then puts it in place.
pub(super) fn copy_into_fresh(database: &Database, files: &Files, faults: &Faults) -> Result<Compacted, CompactError> {
    let fault = |step, path: &PathBuf| {
        let path = path.clone();
        move |source| CompactError::File { step, path, source }
    };
    let before_bytes = size_of(&files.database).map_err(fault("look at", &files.database))?;
    remove_if_there(&files.fresh).map_err(fault("remove", &files.fresh))?;
    make_directory(&files.fresh).map_err(fault("create", &files.fresh))?;
    let fresh = Database::open(&files.fresh, CACHE_BYTES, faults)?;
    let mut operations: Vec<Operation> = Vec::with_capacity(BATCH_KEYS);
    for entry in database.all() {
        let (key, value) = entry?;
        operations.push((key.to_vec(), Some(value.to_vec())));
        if operations.len() == BATCH_KEYS {
            apply_bounded(&fresh, &operations)?;
            operations.clear();
        }
    }
    apply_bounded(&fresh, &operations)?;
    fresh.settle()?;
    drop(fresh);
    sync_new_database(&files.fresh).map_err(fault("sync", &files.fresh))?;
    let after_bytes = size_of(&files.fresh).map_err(fault("look at", &files.fresh))?;
    Ok(Compacted { before_bytes, after_bytes })
}
