//! [`Caretaker`]: asks a running store for upkeep, from anywhere.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError};

use super::notes;
use super::upkeep::{Upkeep, UpkeepDone};
use super::writer::{CommitError, Request};

/// A handle to a running store for what is to be done now and then. Clones are cheap and reach the same store.
#[derive(Clone)]
pub struct Caretaker {
    pub(super) requests: SyncSender<Request>,
    pub(super) notices: PathBuf,
}

impl Caretaker {
    /// Has something done, from the writer's thread, and calls `done`. Commits wait meanwhile: about a second for a million
    /// records. Never blocks.
    pub fn ask(&self, what: Upkeep, done: UpkeepDone) {
        send(&self.requests, Request::Upkeep(what, done));
    }

    /// Somebody has seen the notes: they are not told again when the store is opened next.
    ///
    /// # Errors
    /// When the file of notes cannot be removed.
    pub fn acknowledge_notes(&self) -> io::Result<()> {
        notes::acknowledge(&self.notices)
    }
}

/// Hands a request to the writer, or answers it at once.
pub(super) fn send(requests: &SyncSender<Request>, request: Request) {
    match requests.try_send(request) {
        Ok(()) => {}
        Err(TrySendError::Full(request)) => request.refuse(CommitError::Busy),
        Err(TrySendError::Disconnected(request)) => request.refuse(CommitError::Closed),
    }
}
