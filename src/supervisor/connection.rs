//! [`Connection`]: one engine's socket, which never makes the supervisor wait.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;
use serde::Serialize;

use super::program::File;
use super::protocol::wire::ToSupervisor;
use super::protocol::{FrameBuffer, FrameError, encode};

/// Bytes that may wait for an engine to read them: some ten thousand reports. An engine that lets more pile up is cut
/// off; what it has not acknowledged is said again when it comes back.
pub(super) const OUTGOING_LIMIT: usize = 4 << 20;

/// Bytes read from an engine before the others get their turn, about sixteen launches.
const READ_BYTES: usize = 16 << 10;

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closing {
    /// The engine went away.
    #[error("the engine closed the connection")]
    ByPeer,
    /// The socket failed.
    #[error("the connection failed")]
    Socket(#[source] io::Error),
    /// The engine does not read.
    #[error("the engine let more than {OUTGOING_LIMIT} bytes wait")]
    NotReading,
    /// What it says is no message.
    #[error("the engine sent what is no message")]
    Frame(#[source] FrameError),
}

/// A connection.
pub(super) struct Connection {
    stream: UnixStream,
    incoming: FrameBuffer,
    outgoing: Vec<u8>,
    /// What the peer executes, as far as that is to be seen.
    program: Option<File>,
}

impl Connection {
    /// Takes a connection that was accepted.
    ///
    /// # Errors
    /// When the peer is neither root nor the supervisor's own user, or the socket fails.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        let peer = getsockopt(&stream, PeerCredentials)?;
        if peer.uid() != 0 && peer.uid() != geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        stream.set_nonblocking(true)?;
        let program = File::of_process(peer.pid());
        Ok(Self { stream, incoming: FrameBuffer::default(), outgoing: Vec::new(), program })
    }

    /// What the peer executes.
    pub fn program(&self) -> Option<File> {
        self.program
    }

    /// Reads once and returns the messages that became whole. The end of the connection comes after the last of them.
    pub fn read(&mut self) -> (Vec<ToSupervisor>, Option<Closing>) {
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => return (Vec::new(), Some(Closing::ByPeer)),
            Ok(count) => self.incoming.push(&bytes[..count]),
            Err(fault) if is_transient(&fault) => return (Vec::new(), None),
            Err(fault) => return (Vec::new(), Some(Closing::Socket(fault))),
        }
        let mut messages = Vec::new();
        loop {
            match self.incoming.message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, None),
                Err(fault) => return (messages, Some(Closing::Frame(fault))),
            }
        }
    }

    /// Puts a message into the queue.
    pub fn say<T: Serialize>(&mut self, message: &T) {
        match encode(message) {
            Ok(frame) => self.outgoing.extend(frame),
            Err(fault) => tracing::error!(%fault, "a report cannot be said"),
        }
    }

    /// Writes as much of the queue as the socket takes, and says whether something is left.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn flush(&mut self) -> Result<bool, Closing> {
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing) {
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => break,
                Err(fault) => return Err(Closing::Socket(fault)),
            }
        }
        if self.outgoing.len() > OUTGOING_LIMIT {
            return Err(Closing::NotReading);
        }
        Ok(!self.outgoing.is_empty())
    }
}

fn is_transient(fault: &io::Error) -> bool {
    matches!(fault.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
