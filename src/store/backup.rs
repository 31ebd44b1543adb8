//! [`Backups`]: exports kept beside the database, the newest few.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime};

use super::database::Database;
use super::export::{self, ExportError, ExportSummary};
use super::journal::sync_parent;
use crate::clock::Timestamp;

/// Backups that are kept. A damaged newest one still leaves two.
pub const BACKUPS_KEPT: usize = 3;

/// How instants are written in file names.
const STAMP: &str = "%Y%m%dT%H%M%S%.6fZ";

const SUFFIX: &str = ".jsonl";

/// The directory of backups. A file's name is the commit that it holds, then the time: `00000000000000004711-….jsonl`.
#[derive(Clone, Debug)]
pub(super) struct Backups(PathBuf);

/// A backup whose bytes are written and not yet durable.
pub(super) struct Unsettled {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    summary: ExportSummary,
}

impl Backups {
    /// The backups in `dir`, which need not exist.
    pub fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    /// All of them, newest commit first.
    ///
    /// # Errors
    /// When the directory is there and cannot be read.
    pub fn list(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        match fs::read_dir(&self.0) {
            Ok(entries) => {
                for entry in entries {
                    paths.push(entry?.path());
                }
            }
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
            Err(fault) => return Err(fault),
        }
        paths.retain(|path| name_parts(path).is_some());
        paths.sort_unstable();
        paths.reverse();
        Ok(paths)
    }

    /// The newest commit of which there is a backup, and when that was taken.
    ///
    /// # Errors
    /// When the directory is there and cannot be read.
    pub fn newest(&self) -> io::Result<Option<(u64, Timestamp)>> {
        Ok(self.list()?.first().and_then(|path| name_parts(path)))
    }

    /// Writes a backup. [`Unsettled::settle`] makes it count.
    ///
    /// # Errors
    /// When the database cannot be read or the file not be written; then nothing of it stays.
    pub fn write(&self, database: &Database, now: Timestamp) -> Result<Unsettled, ExportError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let partial = self.0.join("partial");
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        let result = write_all(database, file, now);
        let (file, summary) = result.inspect_err(|_| remove(&partial))?;
        let name = format!("{:020}-{}{SUFFIX}", summary.sequence, now.format(STAMP));
        Ok(Unsettled { file, partial, path: self.0.join(name), summary })
    }

    /// Removes all but the newest [`BACKUPS_KEPT`].
    fn prune(&self) -> io::Result<()> {
        for path in self.list()?.into_iter().skip(BACKUPS_KEPT) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

impl Unsettled {
    /// Makes the backup durable, and lets the oldest ones go.
    ///
    /// # Errors
    /// When that fails; then the backups of before stand.
    pub fn settle(self) -> io::Result<(PathBuf, ExportSummary)> {
        let Self { file, partial, path, summary } = self;
        let settled = file.sync_all().and_then(|()| fs::rename(&partial, &path)).and_then(|()| sync_parent(&path));
        settled.inspect_err(|_| remove(&partial))?;
        let dir = path.parent().map(Path::to_owned).unwrap_or_default();
        Backups(dir).prune()?;
        Ok((path, summary))
    }
}

fn write_all(database: &Database, file: File, now: Timestamp) -> Result<(File, ExportSummary), ExportError> {
    let mut out = BufWriter::with_capacity(1 << 16, file);
    let summary = export::write(database, &mut out, now)?;
    out.flush()?;
    let file = out.into_inner().map_err(|fault| fault.into_error())?;
    Ok((file, summary))
}

fn remove(partial: &Path) {
    if let Err(fault) = fs::remove_file(partial) {
        tracing::warn!(%fault, path = %partial.display(), "an unfinished backup stays behind");
    }
}

fn name_parts(path: &Path) -> Option<(u64, Timestamp)> {
    let (sequence, stamp) = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?.split_once('-')?;
    let at = NaiveDateTime::parse_from_str(stamp, STAMP).ok()?;
    (sequence.len() == 20).then_some((sequence.parse().ok()?, DateTime::from_naive_utc_and_offset(at, chrono::Utc)))
}

/// An instant as a part of a file's name.
pub(super) fn stamp(at: Timestamp) -> String {
    at.format(STAMP).to_string()
}
