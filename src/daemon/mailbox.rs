//! [`Mailbox`]: the bounded way into the event loop.

use tokio::sync::oneshot;

use super::handle::{RequestError, ShutdownMode};
use crate::scheduler::{Answer, Command, LoadSummary, Refusal};

/// What reaches the loop.
pub(super) enum Message {
    /// A client's command and where its answer goes.
    Command(Command, oneshot::Sender<Result<Answer, Refusal>>),
    /// The daemon goes down.
    Shutdown(ShutdownMode),
}

/// The sending half.
#[derive(Clone)]
pub struct Mailbox {}

impl Mailbox {
    pub(super) fn send(&self, _message: Message) -> Result<(), RequestError> {
        Err(RequestError::Gone)
    }

    pub(super) fn request_reload(
        &self,
        _force: bool,
        _answer: oneshot::Sender<Result<LoadSummary, RequestError>>,
    ) -> Result<(), RequestError> {
        Err(RequestError::Gone)
    }
}
