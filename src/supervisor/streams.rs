//! [`Streams`]: the two pipes of an attempt and where their bytes go.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::unistd::read;

use super::clock;
use super::token::{Key, Token};
use crate::clock::Timestamp;
use crate::output::{Capture, Stream};
use crate::run::OutputSummary;

/// Bytes read from one pipe before the others get their turn; also what a pipe is made to hold whose program prints much.
/// Writing it to disk takes a tenth of a millisecond.
pub(super) const DRAIN_BYTES: usize = 256 << 10;

/// What a pipe holds unless told otherwise ([pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html)). Of most programs
/// it never sees as much.
const USUAL_BYTES: usize = 64 << 10;

/// Bytes read from one pipe after the last process of its attempt ended. No ordinary pipe holds more
/// (`/proc/sys/fs/pipe-max-size`), so this is all there is, unless a process that does not belong here still writes.
const LAST_BYTES: usize = 1 << 20;

/// Pipes tell once when something comes, not as long as something is there: then epoll returns the two streams of a
/// program in the order in which it printed, as far as that can be told.
pub(super) const PIPE_EVENTS: EpollFlags = EpollFlags::EPOLLIN.union(EpollFlags::EPOLLET);

/// The pipes of an attempt, and where its output goes.
pub(super) struct Streams {
    pipes: [Option<OwnedFd>; 2],
    /// Which of them have been asked to hold more than usual.
    widened: [bool; 2],
    /// None for an attempt whose end was told: nothing is kept any more.
    capture: Option<Capture>,
}

/// What came of reading a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nothing any more: every writer has closed it.
    End,
}

impl Streams {
    /// The reading ends, which do not block, in the order standard output, standard error.
    pub fn new(pipes: [Option<OwnedFd>; 2], capture: Capture) -> Self {
        Self { pipes, widened: [false; 2], capture: Some(capture) }
    }

    /// The reading ends of an attempt whose end was told.
    pub fn dropping(pipes: [Option<OwnedFd>; 2]) -> Self {
        Self { pipes, widened: [false; 2], capture: None }
    }

    /// The reading end, unless it is closed.
    pub fn pipe(&self, stream: Stream) -> Option<&OwnedFd> {
        self.pipes[stream.index()].as_ref()
    }

    /// Reads once, at most what `buffer` takes. Fewer bytes mean that nothing is left now: a pipe gives all it has.
    pub fn read(&mut self, stream: Stream, buffer: &mut [u8]) -> Heard {
        let Some(pipe) = &self.pipes[stream.index()] else { return Heard::End };
        match read(pipe, buffer) {
            Ok(0) => Heard::End,
            Ok(count) => {
                if count >= USUAL_BYTES && !std::mem::replace(&mut self.widened[stream.index()], true) {
                    widen(pipe);
                }
                if let Some(capture) = &mut self.capture {
                    capture.append(stream, &buffer[..count], clock::now());
                }
                Heard::Bytes(count)
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Heard::Nothing,
            Err(errno) => {
                tracing::warn!(%errno, stream = stream.name(), "cannot read a pipe; it is closed");
                Heard::End
            }
        }
    }

    /// Has epoll tell again if something is there.
    pub fn remind(&self, stream: Stream, epoll: &Epoll, key: Key) {
        let mut event = EpollEvent::new(PIPE_EVENTS, Token::Output(key, stream).encode());
        if let Some(pipe) = &self.pipes[stream.index()]
            && let Err(errno) = epoll.modify(pipe, &mut event)
        {
            tracing::error!(%errno, "cannot watch a pipe any more");
        }
    }

    /// Reads what is left after the last process ended.
    pub fn read_rest(&mut self, buffer: &mut [u8]) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let mut left = LAST_BYTES;
            while let Heard::Bytes(count) = self.read(stream, buffer)
                && left > 0
            {
                left = left.saturating_sub(count);
            }
        }
    }

    /// Closes a pipe. A child that is just being set up may hold a copy of it, which would keep waking the supervisor:
    /// so it is taken out of `epoll` first.
    pub fn close(&mut self, stream: Stream, epoll: &Epoll) {
        if let Some(pipe) = self.pipes[stream.index()].take()
            && let Err(errno) = epoll.delete(pipe.as_fd())
        {
            tracing::warn!(%errno, "cannot take a pipe out of epoll");
        }
    }

    /// Closes the output, and says what was printed. The pipes are still read.
    pub fn drop_from_now(&mut self, at: Timestamp) -> OutputSummary {
        self.capture.take().map_or_else(OutputSummary::default, |mut capture| capture.finish(at))
    }

    /// Closes both pipes and the output, and says what was printed.
    pub fn finish(&mut self, epoll: &Epoll, at: Timestamp) -> OutputSummary {
        self.close(Stream::Stdout, epoll);
        self.close(Stream::Stderr, epoll);
        self.drop_from_now(at)
    }
}

/// Has a pipe hold more, so that its program and the supervisor wait less often for each other. That is a favour: beyond what
/// one user may have in pipes (`/proc/sys/fs/pipe-user-pages-soft`) it stays as it was.
fn widen(pipe: &OwnedFd) {
    let bytes = libc::c_int::try_from(DRAIN_BYTES).expect("it is a small number");
    if let Err(errno) = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(bytes)) {
        tracing::debug!(%errno, "a pipe stays as it was");
    }
}
