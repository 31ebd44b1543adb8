//! [`JobsDirError`]: why a jobs directory gives no set at all.

use std::path::PathBuf;

use super::FILES_LIMIT;
use super::trust::Distrust;

/// Why a jobs directory could not be read. The last set stays in force.
#[derive(Debug, thiserror::Error)]
pub enum JobsDirError {
    /// It is not there.
    #[error("the jobs directory {} does not exist", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be opened or listed.
    #[error("cannot read the jobs directory {}", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody could put jobs into it who must not.
    #[error("the jobs directory {} is not safe to use", path.display())]
    Distrusted {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        reason: Distrust,
    },
    /// It holds more than [`FILES_LIMIT`] job files.
    #[error("the jobs directory {} holds more than {FILES_LIMIT} job files", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
}

impl JobsDirError {
    /// What to do about it, when that can be told.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { path } => {
                Some(format!("create it: mkdir -p {}; or name another with --jobs-dir", path.display()))
            }
            Self::Unreadable { .. } => None,
            Self::Distrusted { path, reason } => Some(reason.hint(path)),
            Self::TooMany { .. } => Some("is it the right directory? name another with --jobs-dir".to_owned()),
        }
    }
}
