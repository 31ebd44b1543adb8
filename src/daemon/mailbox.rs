//! [`Mailbox`]: the bounded way into the event loop, and [`Bell`], which wakes it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::oneshot;

use super::event_loop::Input;
use super::handle::RequestError;
use super::shutdown::ShutdownMode;
use crate::run::LaunchPlan;
use crate::scheduler::{Answer, Change, Command, Event, LoadSummary, Named, Refusal};
use crate::spec::LoadedSpec;
use crate::supervisor::Link;

/// Messages that wait for the loop at most. Clients beyond it are told that the daemon is busy; the supervisor's
/// reader and the store's writer wait for room.
const MAILBOX_LIMIT: usize = 4096;

/// Where the answer of an event goes.
pub enum Ticket {
    /// To a client's command.
    Command(oneshot::Sender<Result<Answer, Refusal>>),
    /// To the log, and to a client that asked for the reload.
    Reload(Option<oneshot::Sender<Result<LoadSummary, RequestError>>>),
}

/// What reaches the loop from other threads.
pub(super) enum Message {
    /// For the loop itself.
    Input(Input<Ticket>),
    /// A supervisor answered.
    SupervisorConnected(Box<Link>),
    /// The program of a message is to be started.
    Deliver(Box<LaunchPlan>),
    /// The connection to the supervisor is gone.
    SupervisorLost {
        /// Why, in words.
        reason: String,
    },
}

/// The sending half.
#[derive(Clone)]
pub struct Mailbox {
    messages: SyncSender<Message>,
    bell: Bell,
}

impl Mailbox {
    /// A mailbox and the loop's end of it.
    ///
    /// # Errors
    /// When the kernel gives no descriptor.
    pub(super) fn new() -> Result<(Self, Receiver<Message>, Bell), Errno> {
        let (messages, receiver) = mpsc::sync_channel(MAILBOX_LIMIT);
        let bell = Bell::new()?;
        Ok((Self { messages, bell: bell.clone() }, receiver, bell))
    }

    /// For clients: never waits.
    pub(super) fn try_send(&self, message: Message) -> Result<(), RequestError> {
        self.messages.try_send(message).map_err(|fault| match fault {
            TrySendError::Full(_) => RequestError::Busy,
            TrySendError::Disconnected(_) => RequestError::Gone,
        })?;
        self.bell.ring();
        Ok(())
    }

    /// For the daemon's own threads: waits for room. False when the loop has ended.
    pub(super) fn send(&self, message: Message) -> bool {
        let taken = self.messages.send(message).is_ok();
        self.bell.ring();
        taken
    }

    pub(super) fn command(
        &self,
        command: Command,
        answer: oneshot::Sender<Result<Answer, Refusal>>,
    ) -> Result<(), RequestError> {
        let ticket = Ticket::Command(answer);
        self.try_send(Message::Input(Input::Event(Event::Command(command), Some(ticket))))
    }

    pub(super) fn define(
        &self,
        job: LoadedSpec,
        uid: u32,
        named: Named,
        answer: oneshot::Sender<Result<Answer, Refusal>>,
    ) -> Result<(), RequestError> {
        let event = Event::Define { job: Box::new(job), uid, named };
        self.try_send(Message::Input(Input::Event(event, Some(Ticket::Command(answer)))))
    }

    pub(super) fn shutdown(&self, mode: ShutdownMode) -> Result<(), RequestError> {
        self.try_send(Message::Input(Input::Shutdown(mode)))
    }

    /// For records that are no business of the scheduler any more: it has finished with them.
    pub(super) fn forget(&self, changes: Vec<Change>) -> bool {
        self.send(Message::Input(Input::Forget(changes)))
    }
}

/// An eventfd that the loop polls beside its timer.
#[derive(Clone)]
pub(super) struct Bell(Arc<EventFd>);

impl Bell {
    fn new() -> Result<Self, Errno> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        EventFd::from_value_and_flags(0, flags).map(|fd| Self(Arc::new(fd)))
    }

    fn ring(&self) {
        // It fails only when the counter is at its end, and then the loop is awake anyway.
        if let Err(errno) = self.0.write(1) {
            debug_assert_eq!(errno, Errno::EAGAIN, "an eventfd takes a write");
        }
    }

    pub(super) fn silence(&self) {
        if let Err(errno) = self.0.read() {
            debug_assert_eq!(errno, Errno::EAGAIN, "an eventfd gives a read");
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
