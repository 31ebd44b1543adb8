//! Isolation, one concern a file: each takes something away from the calling process, for good.

pub(super) mod capabilities;
pub(super) mod credentials;
pub(super) mod devices;
pub(super) mod init;
pub(super) mod landlock;
pub(super) mod mount;
pub(super) mod mounts;
pub(super) mod namespaces;
pub(super) mod network;
mod path;
pub(super) mod program;
pub(super) mod syscall_groups;
pub(super) mod syscalls;

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::run::SetupFailure;

/// What could not be done, about which path.
#[derive(Debug)]
pub(super) struct Obstacle {
    pub path: Option<PathBuf>,
    pub errno: Errno,
    /// What happened, where the number does not tell it.
    pub detail: Option<String>,
}

impl Obstacle {
    /// An error about this path.
    pub fn at(path: impl AsRef<Path>) -> impl FnOnce(Errno) -> Self {
        let path = Some(path.as_ref().to_owned());
        move |errno| Self { path, errno, detail: None }
    }

    /// The same, in words: no more than so many bytes of them.
    pub fn because(self, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        while detail.len() > SetupFailure::DETAIL_LIMIT {
            detail.pop();
        }
        Self { detail: Some(detail), ..self }
    }
}

impl From<Errno> for Obstacle {
    fn from(errno: Errno) -> Self {
        Self { path: None, errno, detail: None }
    }
}

/// The error number of a standard library's error.
pub(super) fn errno_of(fault: &std::io::Error) -> Errno {
    Errno::from_raw(fault.raw_os_error().unwrap_or(libc::EIO))
}
