//! [`Failure`]: why a verb did not do what it was asked, in the form that people read.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group};

use super::Exit;
use crate::api::client::ClientError;
use crate::api::types::ErrorCode;

/// Why a verb ended early.
#[derive(Debug)]
pub enum Failure {
    /// Something to tell.
    Told(Box<Told>),
    /// The reader of our output has gone away, as `head` does. Nobody is left to be told anything.
    PipeClosed,
}

/// An error for people: what failed, why, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The exit code.
    pub exit: Exit,
    /// What failed.
    pub message: String,
    /// Why, one cause a line.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// What failed, with its exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::Told(Box::new(Told { exit, message: message.into(), causes: Vec::new(), hint: None }))
    }

    /// A command line that clap could not see to be wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// No socket led to a daemon.
    pub fn no_daemon(tried: &[(PathBuf, io::Error)]) -> Self {
        let causes = tried.iter().map(|(path, fault)| format!("{}: {}", path.display(), plain(fault)));
        match tried.iter().find(|(_, fault)| fault.kind() == io::ErrorKind::PermissionDenied) {
            Some((path, _)) => Self::new(Exit::Refused, "you may not connect to the daemon")
                .causes(causes)
                .hint(format!("run it as root or as the daemon's user, or {}", how_to_be_let_in(group_of(path)))),
            None => Self::new(Exit::NoDaemon, "no daemon answers")
                .causes(causes)
                .hint("start one with `jobsd --jobs-dir jobs.d`, or name its socket with --socket or JOBCTL_SOCKET"),
        }
    }

    /// The same, with causes.
    #[must_use]
    pub fn causes(mut self, causes: impl IntoIterator<Item = String>) -> Self {
        if let Self::Told(told) = &mut self {
            told.causes.extend(causes);
        }
        self
    }

    /// The same, with a cause.
    #[must_use]
    pub fn cause(self, cause: String) -> Self {
        self.causes([cause])
    }

    /// The same, with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Told(told) = &mut self {
            told.hint = Some(hint.into());
        }
        self
    }

    /// Whether the daemon went away under a request, so that a new connection may succeed.
    pub fn is_lost_connection(error: &ClientError) -> bool {
        match error {
            ClientError::Lost(_) | ClientError::Ended | ClientError::Connect { .. } => true,
            ClientError::Refused { detail, .. } => ErrorCode::from_name(&detail.code) == Some(ErrorCode::GoingDown),
            ClientError::NotUnderstood { .. } => false,
        }
    }
}

/// The group that may use a socket, by its name or number; `None` when it is for one user alone, or cannot be looked at.
fn group_of(socket: &Path) -> Option<String> {
    const GROUP_MAY_CONNECT: u32 = 0o020;
    let metadata = std::fs::metadata(socket).ok().filter(|metadata| metadata.mode() & GROUP_MAY_CONNECT != 0)?;
    let group = Group::from_gid(Gid::from_raw(metadata.gid())).ok().flatten();
    Some(group.map_or_else(|| metadata.gid().to_string(), |group| group.name))
}

fn how_to_be_let_in(group: Option<String>) -> String {
    match group {
        Some(group) => format!("become a member of the group {group} (adduser YOU {group}) and log in again"),
        None => "let [access] in jobsd.toml name you as an operator or a viewer".to_owned(),
    }
}

/// An operating system's error without its number.
pub(super) fn plain(fault: &io::Error) -> String {
    match fault.raw_os_error() {
        Some(errno) => nix::errno::Errno::from_raw(errno).desc().to_owned(),
        None => fault.to_string(),
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { status, detail } => {
                let failure = Self::new(Exit::of_error(&detail.code, status), detail.message);
                match detail.hint {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
            ClientError::Connect { path, source } => Self::no_daemon(&[(path, source)]),
            ClientError::Lost(ref source) => Self::new(Exit::Unavailable, error.to_string())
                .causes([source.to_string()])
                .hint("the daemon went down or was restarted; try again"),
            ClientError::Ended => {
                Self::new(Exit::Unavailable, error.to_string()).hint("the daemon went down or was restarted; try again")
            }
            ClientError::NotUnderstood { .. } => Self::new(Exit::Failure, error.to_string())
                .hint("does something other than jobsd listen there? `jobctl version` compares the versions"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(fault: io::Error) -> Self {
        match fault.kind() {
            io::ErrorKind::BrokenPipe => Self::PipeClosed,
            _ => Self::new(Exit::Failure, "cannot write the output").causes([plain(&fault)]),
        }
    }
}
