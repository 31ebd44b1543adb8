//! Copies of the database's directory: one made before a risky opening, and those set aside because they are damaged.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::backup::stamp;
use super::files::Files;
use super::journal::sync_parent;
use crate::clock::Timestamp;

/// Databases that are copied before they are opened after an unclean end. A larger one would hold up the start.
const COPY_LIMIT_BYTES: u64 = 1024 * 1024 * 1024;

/// Damaged databases that are kept; the oldest go.
const ASIDE_LIMIT: usize = 3;

/// Why no copy was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoCopy {
    /// It is larger than [`COPY_LIMIT_BYTES`].
    TooLarge(u64),
    /// The disk has less room than twice its size.
    NoRoom,
    /// Copying failed.
    Failed(String),
}

/// Copies the database's directory, since opening changes what it finds: sled erases what lies behind a cut. The copy
/// shares its blocks where the file system can.
pub(super) fn copy(files: &Files) -> Result<(), NoCopy> {
    let failed = |fault: io::Error| NoCopy::Failed(fault.to_string());
    remove_if_there(&files.copy).map_err(failed)?;
    let size = size_of(&files.database).map_err(failed)?;
    if size > COPY_LIMIT_BYTES {
        return Err(NoCopy::TooLarge(size));
    }
    let room = statvfs(&files.dir).map_err(|errno| failed(errno.into()))?;
    if room.blocks_available().saturating_mul(room.fragment_size()) < size.saturating_mul(2) {
        return Err(NoCopy::NoRoom);
    }
    let copied = copy_directory(&files.database, &files.copy);
    copied.map_err(|fault| {
        if let Err(fault) = remove_if_there(&files.copy) {
            tracing::warn!(%fault, path = %files.copy.display(), "half a copy stays behind");
        }
        failed(fault)
    })
}

/// Moves the damaged database, or the copy that was made before it was opened, and the journal out of the way, and says
/// where they lie now. Nothing when there is no database.
///
/// # Errors
/// When a file cannot be moved or removed.
pub(super) fn set_aside(files: &Files, now: Timestamp) -> io::Result<Option<PathBuf>> {
    let place = files.aside.join(stamp(now));
    let has_copy = files.copy.exists();
    let evidence = if has_copy { &files.copy } else { &files.database };
    if !evidence.exists() {
        return newest(files);
    }
    remove_if_there(&place)?;
    DirBuilder::new().recursive(true).mode(0o700).create(&place)?;
    if files.journal.exists() {
        fs::rename(&files.journal, place.join("journal"))?;
    }
    fs::rename(evidence, place.join("db"))?;
    sync_parent(&place.join("db"))?;
    sync_parent(&place)?;
    if has_copy {
        remove_if_there(&files.database)?;
    }
    sync_parent(&files.database)?;
    prune(files)?;
    Ok(Some(place))
}

/// The one set aside last: of a repair that did not come to its end.
fn newest(files: &Files) -> io::Result<Option<PathBuf>> {
    Ok(list(files)?.pop())
}

fn prune(files: &Files) -> io::Result<()> {
    let places = list(files)?;
    for place in &places[..places.len().saturating_sub(ASIDE_LIMIT)] {
        fs::remove_dir_all(place)?;
    }
    Ok(())
}

fn list(files: &Files) -> io::Result<Vec<PathBuf>> {
    let mut places = Vec::new();
    match fs::read_dir(&files.aside) {
        Ok(entries) => {
            for entry in entries {
                places.push(entry?.path());
            }
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
        Err(fault) => return Err(fault),
    }
    places.sort_unstable();
    Ok(places)
}

/// Copies a directory and what is in it.
///
/// # Errors
/// When something cannot be read or written; then half a copy is there.
pub(super) fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Bytes of all files in a directory; 0 when there is none.
///
/// # Errors
/// When it cannot be read.
pub(super) fn size_of(dir: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(fault) => return Err(fault),
    };
    let mut size = 0;
    for entry in entries {
        let entry = entry?;
        let metadata = entry.metadata()?;
        size += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(size)
}

/// Removes a directory with all that is in it, if it is there.
///
/// # Errors
/// When it is there and cannot be removed.
pub(super) fn remove_if_there(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    }
}
