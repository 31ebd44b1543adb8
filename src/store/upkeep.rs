//! [`Upkeep`]: backups, exports and compaction of a running store.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use super::aside::size_of;
use super::backup::{Backups, Unsettled};
use super::compact::{CompactError, Compacted, SPARSE_FACTOR};
use super::database::Database;
use super::export::{self, ExportError, ExportSummary};
use super::files::Files;
use super::read::ReadError;
use super::writer::CommitError;
use crate::clock::Timestamp;

/// Age of the newest backup at which [`Upkeep::Routine`] takes another one, if there was a commit since.
pub const BACKUP_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Whatever is due: a backup once a day, compaction of a database that is mostly holes. To be asked for every hour or so.
    Routine {
        /// The time now.
        now: Timestamp,
    },
    /// A backup, beside the others.
    Backup {
        /// The time now.
        now: Timestamp,
    },
    /// An export into a new file.
    Export {
        /// The file; it must not exist.
        path: PathBuf,
        /// The time now.
        now: Timestamp,
    },
    /// Compaction, whatever the size.
    Compact,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The file that was written, with what it holds.
    pub written: Option<(PathBuf, ExportSummary)>,
    /// The sizes, if the database was compacted.
    pub compacted: Option<Compacted>,
}

/// Called once, when it was done or has failed.
pub type UpkeepDone = Box<dyn FnOnce(Result<Done, UpkeepError>) + Send>;

/// Why it was not done. The store is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// It was not begun.
    #[error(transparent)]
    Refused(CommitError),
    /// The store cannot be read at the moment.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The export could not be written.
    #[error("cannot write {}", path.display())]
    Export {
        /// The file, or the directory of backups.
        path: PathBuf,
        /// Why.
        #[source]
        source: ExportError,
    },
    /// Compaction failed.
    #[error("cannot compact the database")]
    Compact(#[from] CompactError),
}

/// Whether a backup is due.
pub(super) fn backup_is_due(files: &Files, sequence: u64, now: Timestamp) -> io::Result<bool> {
    let newest = Backups::new(files.backups.clone()).newest()?;
    Ok(newest.is_none_or(|(of, at)| {
        let age = (now - at).to_std();
        // A backup of the future was taken before the clock was set back.
        of != sequence && age.map_or(true, |age| age >= BACKUP_INTERVAL)
    }))
}

/// Whether compaction is worth its time: not below so many bytes.
pub(super) fn is_sparse(database: &Database, files: &Files, from_bytes: u64) -> Result<bool, ReadError> {
    let size = size_of(&files.database).map_err(|fault| ReadError::Store(fault.to_string()))?;
    if size < from_bytes {
        return Ok(false);
    }
    let mut live = 0_u64;
    for entry in database.all() {
        let (key, value) = entry?;
        live += (key.len() + value.len()) as u64;
    }
    Ok(size > live.saturating_mul(SPARSE_FACTOR))
}

/// Writes a backup, not yet durable.
pub(super) fn backup(database: &Database, files: &Files, now: Timestamp) -> Result<Unsettled, UpkeepError> {
    let path = files.backups.clone();
    Backups::new(path.clone()).write(database, now).map_err(|source| UpkeepError::Export { path, source })
}

/// Writes an export, durably.
pub(super) fn export(database: &Database, path: PathBuf, now: Timestamp) -> Result<Done, UpkeepError> {
    let result = write_export(database, &path, now);
    let summary = result.map_err(|source| UpkeepError::Export { path: path.clone(), source })?;
    Ok(Done { written: Some((path, summary)), compacted: None })
}

fn write_export(database: &Database, path: &std::path::Path, now: Timestamp) -> Result<ExportSummary, ExportError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut out = BufWriter::new(file);
    let summary = export::write(database, &mut out, now)?;
    out.flush()?;
    out.get_ref().sync_all()?;
    Ok(summary)
}
