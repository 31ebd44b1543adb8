//! [`ConfigError`]: why the daemon cannot know what to do.

use std::path::PathBuf;

use crate::daemon::jobs_dir::Distrust;
use crate::places::{NoHome, SOCKET_PATH_LIMIT};
use crate::spec::Faults;

/// Why there is no configuration. At the start the daemon ends; at a reload the one in force stays.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An ordinary user without a home, who does not say every place.
    #[error(transparent)]
    NoHome(NoHome),
    /// A file cannot be read, or is not there though asked for.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody could change the file who must not.
    #[error("the configuration {} is not safe to use", path.display())]
    Distrusted {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        reason: Distrust,
    },
    /// The file is faulty; [`Faults::plain`] and [`Faults::styled`] show all of it.
    #[error("the configuration is faulty")]
    Faulty(#[source] Faults),
    /// The path of a socket does not fit into an address.
    #[error("the socket path {} has {length} bytes; the kernel takes at most {SOCKET_PATH_LIMIT}", path.display())]
    SocketTooLong {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        length: usize,
        /// The flag that names another.
        flag: &'static str,
    },
    /// A user of `[access]` does not exist, or cannot be looked up.
    #[error("there is no user {name:?}")]
    UserUnknown {
        /// As it was said.
        name: String,
        /// Where it was said.
        file: Option<PathBuf>,
        /// Why it cannot be looked up.
        source: Option<std::io::Error>,
    },
    /// A group of `[access]` does not exist, or cannot be looked up.
    #[error("there is no group {name:?}")]
    GroupUnknown {
        /// As it was said.
        name: String,
        /// Where it was said.
        file: Option<PathBuf>,
        /// Why it cannot be looked up.
        source: Option<std::io::Error>,
    },
}

impl ConfigError {
    /// What to do about it, when that can be told.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoHome(_) => Some("set HOME, or name every place: --jobs-dir, --state-dir and --socket".to_owned()),
            Self::Unreadable { .. } | Self::Faulty(_) => None,
            Self::Distrusted { path, reason } => Some(reason.hint(path)),
            Self::SocketTooLong { flag, .. } => Some(format!("name a shorter one with {flag}")),
            Self::UserUnknown { file, .. } => Some(format!("change {}", section(file.as_ref()))),
            Self::GroupUnknown { name, file, .. } => {
                Some(format!("create it: groupadd --system {name}; or change {}", section(file.as_ref())))
            }
        }
    }
}

fn section(file: Option<&PathBuf>) -> String {
    file.map_or_else(|| "[access]".to_owned(), |file| format!("[access] in {}", file.display()))
}
