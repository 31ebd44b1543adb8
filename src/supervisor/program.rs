//! [`Program`]: which file a process executes, so that an upgrade is noticed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file, whatever its name is by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct File {
    device: u64,
    inode: u64,
}

impl File {
    /// The file that the path leads to.
    fn at(path: impl AsRef<Path>) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self { device: found.dev(), inode: found.ino() })
    }

    /// What a process executes; nothing when that is not to be seen.
    pub fn of_process(pid: i32) -> Option<Self> {
        Self::at(format!("/proc/{pid}/exe"))
    }
}

/// The supervisor's own program.
pub(super) struct Program {
    /// Where it was when the supervisor began.
    path: PathBuf,
    own: Option<File>,
}

impl Program {
    /// That of this process.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn own() -> io::Result<Self> {
        Ok(Self { path: fs::read_link("/proc/self/exe")?, own: File::at("/proc/self/exe") })
    }

    /// Whether `other`, an engine's program, is what has taken the place of this one: then so may the supervisor's. An engine
    /// from elsewhere changes nothing, and neither does a new file that no engine executes yet.
    pub fn is_replaced_by(&self, other: File) -> bool {
        self.own.is_some_and(|own| own != other) && File::at(&self.path) == Some(other)
    }
}
