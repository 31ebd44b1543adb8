//! Writing files whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// Why a file was not written; what stood there stands there still.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file of the name is there, and must not be overwritten.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    /// It is not what it was when it was read.
    #[error("{} was changed in the meantime", .0.display())]
    Changed(PathBuf),
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Puts a new file in place. It has its name only when it is whole and on disk.
///
/// # Errors
/// When it cannot be written, or is there and `overwrite` is false.
pub fn create(path: &Path, text: &[u8], mode: u32, overwrite: bool) -> Result<(), WriteError> {
    let fault = |source| WriteError::Io { path: path.to_owned(), source };
    let part = part_of(path);
    let written = (|| {
        let file = write_part(&part, text, mode)?;
        file.sync_all()?;
        if overwrite { fs::rename(&part, path) } else { fs::hard_link(&part, path) }
    })();
    let removed = fs::remove_file(&part);
    match written {
        Ok(()) => {}
        Err(error) if !overwrite && error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(WriteError::Exists(path.to_owned()));
        }
        Err(error) => return Err(fault(error)),
    }
    match removed {
        Ok(()) => {}
        // A rename took it away.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fault(error)),
    }
    sync_directory(path).map_err(fault)
}

/// Replaces a file that held `before`, keeping its owner and mode.
///
/// # Errors
/// When it cannot be written, or holds something else by now.
pub fn replace(path: &Path, before: &[u8], after: &[u8]) -> Result<(), WriteError> {
    let fault = |source| WriteError::Io { path: path.to_owned(), source };
    // A crontab may be a symlink, as configuration management makes them: what it leads to is replaced.
    let path = fs::canonicalize(path).map_err(fault)?;
    let part = part_of(&path);
    let replaced = (|| {
        let metadata = fs::metadata(&path)?;
        let file = write_part(&part, after, metadata.mode() & 0o7777)?;
        fchown(&file, Some(metadata.uid()), Some(metadata.gid()))?;
        // Again: a change of the owner takes special bits away.
        file.set_permissions(Permissions::from_mode(metadata.mode() & 0o7777))?;
        file.sync_all()?;
        if fs::read(&path)? != before {
            return Ok(false);
        }
        fs::rename(&part, &path)?;
        sync_directory(&path)?;
        Ok(true)
    })();
    match replaced {
        Ok(true) => Ok(()),
        Ok(false) => {
            fs::remove_file(&part).map_err(fault)?;
            Err(WriteError::Changed(path))
        }
        Err(error) => {
            // What cannot be written can perhaps not be removed either; the first fault is the one to tell.
            fs::remove_file(&part).ok();
            Err(fault(error))
        }
    }
}

/// The name under which a file is written. cron and jobsd pass over names with a dot in front.
fn part_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

fn write_part(part: &Path, text: &[u8], mode: u32) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(part)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text)?;
    Ok(file)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn nothing_is_overwritten_unasked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("job.toml");
        create(&path, b"one", 0o640, false).unwrap();
        assert!(matches!(create(&path, b"two", 0o600, false), Err(WriteError::Exists(_))));
        assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().mode() & 0o777), (b"one".to_vec(), 0o640));
        create(&path, b"two", 0o600, true).unwrap();
        assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().mode() & 0o777), (b"two".to_vec(), 0o600));
        assert_eq!(names(directory.path()), ["job.toml"]);
    }

    #[test]
    fn a_file_that_changed_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("crontab");
        create(&path, b"before", 0o604, false).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(replace(&path, b"other", b"after"), Err(WriteError::Changed(_))));
        assert_eq!(fs::read(&path).unwrap(), b"before");
        replace(&link, b"before", b"after").unwrap();
        assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().mode() & 0o777), (b"after".to_vec(), 0o604));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(directory.path()).len(), 2);
    }
}
