//! [`JobFiles`]: job files read and written one by one, for clients that create, change and delete jobs.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, renameat2};
use sha2::{Digest, Sha256};

use crate::spec::{FILE_LIMIT, JobName};

/// The directory of job files, as a place to write to. One change at a time: what is compared is what is replaced, unless
/// somebody writes past the daemon in the same instant.
#[derive(Debug)]
pub struct JobFiles {
    directory: PathBuf,
    writing: Mutex<()>,
}

/// What is in a job file.
#[derive(Clone, PartialEq, Eq)]
pub struct JobText {
    /// Its bytes; a file that was written by hand need not be UTF-8.
    pub bytes: Vec<u8>,
    /// What tells them from others.
    pub tag: FileTag,
}

/// The SHA-256 of a file's bytes, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTag(String);

/// What must be so for a file to be written or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is none.
    Absent,
    /// There is one, whatever is in it.
    Present,
    /// It has one of these tags.
    Tagged(Vec<FileTag>),
}

/// Why a file was not read, written or deleted. What stood there stands there still.
#[derive(Debug, thiserror::Error)]
pub enum JobFileError {
    /// There is no such file.
    #[error("there is no job file {}", .0.display())]
    Absent(PathBuf),
    /// There is one already.
    #[error("there is a job file {} already", .0.display())]
    Present(PathBuf),
    /// It is not what the client has seen.
    #[error("{} is not what it was when it was read", .0.display())]
    Changed(PathBuf),
    /// It is a symlink, a directory or something else that is not to be replaced by a file.
    #[error("{} is not a plain file", .0.display())]
    NotPlain(PathBuf),
    /// A system call failed.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Of a new file: job files hold environments, and what the API keeps from viewers is not to be read past it. Whoever wants
/// it more open says so by chmod(1), which later changes keep.
const MODE: u32 = 0o600;

/// What is kept of a file's mode: who may read it. Nobody but its owner may write.
const MODE_KEPT: u32 = 0o644;

const GROUP_READ: u32 = 0o040;

impl JobFiles {
    /// The directory, which need not exist yet.
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory, writing: Mutex::new(()) }
    }

    /// Where the file of a job is.
    pub fn path(&self, job: &JobName) -> PathBuf {
        self.directory.join(format!("{job}.toml"))
    }

    /// Reads the file of a job. Blocking.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(&self, job: &JobName) -> Result<JobText, JobFileError> {
        let path = self.path(job);
        self.look(&path)?.map(|(text, _)| text).ok_or(JobFileError::Absent(path))
    }

    /// Puts a file in place, whole and on disk before it has its name. Gives whether it is a new one. Blocking.
    ///
    /// # Errors
    /// When the condition does not hold, or it cannot be written.
    pub fn write(&self, job: &JobName, text: &str, condition: &Condition) -> Result<bool, JobFileError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(job);
        let before = self.look(&path)?;
        condition.check(before.as_ref().map(|(text, _)| &text.tag), &path)?;
        let fresh = path.with_file_name(fresh_name(job));
        let written = self.put(&fresh, &path, text, before.as_ref().map(|(_, metadata)| metadata));
        if written.is_err() {
            // The first fault is the one to tell; after a rename there is nothing to remove.
            fs::remove_file(&fresh).ok();
        }
        written?;
        self.sync()?;
        Ok(before.is_none())
    }

    /// Deletes the file of a job. Blocking.
    ///
    /// # Errors
    /// When the condition does not hold, or it cannot be deleted.
    pub fn delete(&self, job: &JobName, condition: &Condition) -> Result<(), JobFileError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(job);
        let (text, _) = self.look(&path)?.ok_or_else(|| JobFileError::Absent(path.clone()))?;
        condition.check(Some(&text.tag), &path)?;
        fs::remove_file(&path).map_err(failed("delete", &path))?;
        self.sync()
    }

    /// `None` when there is none.
    fn look(&self, path: &Path) -> Result<Option<(JobText, fs::Metadata)>, JobFileError> {
        // Not blocking, should it be a pipe.
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
        let mut file = match File::options().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) if fault.raw_os_error() == Some(Errno::ELOOP as i32) => {
                return Err(JobFileError::NotPlain(path.to_owned()));
            }
            Err(fault) => return Err(failed("open", path)(fault)),
        };
        let metadata = file.metadata().map_err(failed("look at", path))?;
        if !metadata.is_file() {
            return Err(JobFileError::NotPlain(path.to_owned()));
        }
        let mut bytes = Vec::new();
        // What is larger is no job file; so much is enough to tell it from others.
        (&mut file).take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
        let tag = FileTag::of(&bytes);
        Ok(Some((JobText { bytes, tag }, metadata)))
    }

    fn put(&self, fresh: &Path, path: &Path, text: &str, before: Option<&fs::Metadata>) -> Result<(), JobFileError> {
        match fs::remove_file(fresh) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove the leftover", fresh)(fault));
            }
            Ok(()) | Err(_) => {}
        }
        let mut file =
            File::options().write(true).create_new(true).mode(MODE).open(fresh).map_err(failed("create", fresh))?;
        file.write_all(text.as_bytes()).map_err(failed("write", fresh))?;
        let mode = before.map_or(MODE, |before| mode_after(&file, before));
        file.set_permissions(Permissions::from_mode(mode)).map_err(failed("set the mode of", fresh))?;
        file.sync_all().map_err(failed("write", fresh))?;
        let renamed = match before {
            Some(_) => fs::rename(fresh, path),
            // Somebody may have put one there meanwhile.
            None => renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RenameFlags::RENAME_NOREPLACE).map_err(io::Error::from),
        };
        renamed.map_err(|fault| match fault.kind() {
            io::ErrorKind::AlreadyExists => JobFileError::Present(path.to_owned()),
            _ => failed("put in place", path)(fault),
        })
    }

    fn sync(&self) -> Result<(), JobFileError> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(failed("write", &self.directory))
    }
}

/// Who may read the successor of a file: those who may read it now, as far as that can be had.
fn mode_after(file: &File, before: &fs::Metadata) -> u32 {
    let mode = (before.mode() & MODE_KEPT) | MODE;
    let is_in_group = || fchown(file, None, Some(before.gid())).is_ok();
    if mode & GROUP_READ == 0 || is_in_group() { mode } else { mode & !GROUP_READ }
}

/// The daemon passes over names with a dot in front.
fn fresh_name(job: &JobName) -> OsString {
    format!(".{job}.toml.new").into()
}

fn failed<'a>(step: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> JobFileError + 'a {
    move |source| JobFileError::Io { step, path: path.to_owned(), source }
}

impl Condition {
    fn check(&self, is: Option<&FileTag>, path: &Path) -> Result<(), JobFileError> {
        match (self, is) {
            (Self::Absent, None) | (Self::Present, Some(_)) => Ok(()),
            (Self::Absent, Some(_)) => Err(JobFileError::Present(path.to_owned())),
            (Self::Present | Self::Tagged(_), None) => Err(JobFileError::Absent(path.to_owned())),
            (Self::Tagged(tags), Some(is)) if tags.contains(is) => Ok(()),
            (Self::Tagged(_), Some(_)) => Err(JobFileError::Changed(path.to_owned())),
        }
    }
}

impl FileTag {
    /// The tag of a text.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// One that a client names; it need not be any file's.
    pub fn named(digits: &str) -> Self {
        Self(digits.to_owned())
    }
}

impl fmt::Display for FileTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobText {
    /// Without the text, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobText").field("tag", &self.tag).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn name() -> JobName {
        JobName::new("backup").unwrap()
    }

    #[test]
    fn a_file_is_written_under_its_condition_alone() {
        let directory = tempfile::tempdir().unwrap();
        let files = JobFiles::new(directory.path().to_owned());
        let (job, path) = (name(), files.path(&name()));
        let tagged = |text: &str| Condition::Tagged(vec![FileTag::of(text.as_bytes())]);
        assert!(matches!(files.read(&job), Err(JobFileError::Absent(_))));
        assert!(matches!(files.write(&job, "one", &Condition::Present), Err(JobFileError::Absent(_))));
        assert!(matches!(files.write(&job, "one", &tagged("")), Err(JobFileError::Absent(_))));
        assert!(files.write(&job, "one", &Condition::Absent).unwrap());
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("one", 0o600));
        assert!(matches!(files.write(&job, "two", &Condition::Absent), Err(JobFileError::Present(_))));
        assert!(matches!(files.write(&job, "two", &tagged("other")), Err(JobFileError::Changed(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert!(!files.write(&job, "two", &tagged("one")).unwrap());
        assert_eq!(files.read(&job).unwrap().tag, FileTag::of(b"two"));
        assert!(matches!(files.delete(&job, &tagged("one")), Err(JobFileError::Changed(_))));
        files.delete(&job, &tagged("two")).unwrap();
        assert!(matches!(files.delete(&job, &Condition::Present), Err(JobFileError::Absent(_))));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left over");
    }

    #[test]
    fn who_may_read_it_stays_so_and_nobody_else_may_write() {
        let directory = tempfile::tempdir().unwrap();
        let files = JobFiles::new(directory.path().to_owned());
        let path = files.path(&name());
        for (before, after) in [(0o644, 0o644), (0o666, 0o644), (0o640, 0o640), (0o400, 0o600), (0o4755, 0o644)] {
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            files.write(&name(), "new", &Condition::Present).unwrap();
            assert_eq!(mode(&path), after, "{before:o}");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn what_is_no_plain_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let files = JobFiles::new(directory.path().to_owned());
        let (path, target) = (files.path(&name()), directory.path().join("target"));
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(matches!(files.read(&name()), Err(JobFileError::NotPlain(_))));
        assert!(matches!(files.write(&name(), "new", &Condition::Present), Err(JobFileError::NotPlain(_))));
        assert!(matches!(files.delete(&name(), &Condition::Present), Err(JobFileError::NotPlain(_))));
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(matches!(files.read(&name()), Err(JobFileError::NotPlain(_))), "and nobody waits for a writer");
    }

    #[test]
    fn a_leftover_of_a_killed_daemon_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let files = JobFiles::new(directory.path().to_owned());
        fs::write(directory.path().join(fresh_name(&name())), "half").unwrap();
        files.write(&name(), "whole", &Condition::Absent).unwrap();
        assert_eq!(files.read(&name()).unwrap().bytes, b"whole");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
