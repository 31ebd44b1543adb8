//! [`Messages`]: output as messages to another program on this machine, one a line.

mod journal;
mod syslog;

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use super::Stream;
use crate::clock::Timestamp;
use crate::run::{AttemptId, OutputSummary};
use crate::spec::OutputTo;
use crate::units::format_size;

/// Sends each line that an attempt prints as a datagram. A line that the receiver does not take at once is lost: the
/// supervisor waits for nobody and keeps no queue. The first line that it takes again follows a mark that says how much
/// is missing.
pub(super) struct Messages {
    receiver: Receiver,
    path: PathBuf,
    /// None until the first line.
    socket: Option<UnixDatagram>,
    attempt: AttemptId,
    /// Lines that are not complete, for each stream.
    begun: [Vec<u8>; 2],
    /// Bytes that are not there and not yet marked.
    unmarked: Unmarked,
    summary: OutputSummary,
}

#[derive(Clone, Copy, Default)]
struct Unmarked {
    lost: u64,
    limited: u64,
}

/// To whom.
#[derive(Clone, Copy)]
enum Receiver {
    Journal,
    Syslog,
}

/// One message.
struct Message<'a> {
    attempt: &'a AttemptId,
    source: Source,
    text: &'a [u8],
    at: Timestamp,
}

/// Whose words a message holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Printed(Stream),
    /// Our own, about what is missing.
    Mark,
}

/// What every cron says it is ([syslog(3)](https://man7.org/linux/man-pages/man3/syslog.3.html), `LOG_CRON`).
const FACILITY: u8 = 9;

impl Source {
    /// Standard output is information. Standard error is a warning: much of what goes there is no error.
    const fn priority(self) -> u8 {
        const WARNING: u8 = 4;
        const INFORMATION: u8 = 6;
        match self {
            Self::Printed(Stream::Stdout) => INFORMATION,
            Self::Printed(Stream::Stderr) | Self::Mark => WARNING,
        }
    }
}

impl Receiver {
    /// Bytes of one message's text; a longer line is cut into several. As systemd's own `LineMax=`, and as the usual
    /// bound of a message in rsyslog.
    const fn line_limit(self) -> usize {
        match self {
            Self::Journal => 48 << 10,
            Self::Syslog => 8 << 10,
        }
    }

    fn encode(self, message: &Message<'_>) -> Vec<u8> {
        match self {
            Self::Journal => journal::encode(message),
            Self::Syslog => syslog::encode(message),
        }
    }

    const fn to(self) -> OutputTo {
        match self {
            Self::Journal => OutputTo::Journal,
            Self::Syslog => OutputTo::Syslog,
        }
    }
}

impl Messages {
    /// To the systemd journal of this machine.
    pub fn to_journal(attempt: &AttemptId) -> Self {
        Self::new(Receiver::Journal, journal::SOCKET.into(), attempt)
    }

    /// To the syslog daemon of this machine.
    pub fn to_syslog(attempt: &AttemptId) -> Self {
        Self::new(Receiver::Syslog, syslog::SOCKET.into(), attempt)
    }

    fn new(receiver: Receiver, path: PathBuf, attempt: &AttemptId) -> Self {
        Self {
            receiver,
            path,
            socket: None,
            attempt: attempt.clone(),
            begun: [Vec::new(), Vec::new()],
            unmarked: Unmarked::default(),
            summary: OutputSummary { to: receiver.to(), ..OutputSummary::default() },
        }
    }

    pub fn append(&mut self, stream: Stream, bytes: &[u8], at: Timestamp) {
        self.summary.bytes += bytes.len() as u64;
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, whole) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            self.lengthen(stream, text, at);
            if whole {
                self.flush(stream, at, 1);
            }
        }
    }

    /// Counts bytes that came too fast.
    pub fn drop_limited(&mut self, bytes: u64) {
        self.summary.bytes += bytes;
        self.summary.limited_bytes += bytes;
        self.unmarked.limited += bytes;
    }

    pub fn finish(&mut self, at: Timestamp) -> OutputSummary {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.begun[stream.index()].is_empty() {
                self.flush(stream, at, 0);
            }
        }
        // What is not taken now stays counted.
        self.mark(at);
        self.summary
    }

    /// Adds to a line, which goes out in parts when it is longer than a message.
    fn lengthen(&mut self, stream: Stream, mut text: &[u8], at: Timestamp) {
        let limit = self.receiver.line_limit();
        loop {
            let room = limit - self.begun[stream.index()].len();
            let (fits, rest) = text.split_at(room.min(text.len()));
            self.begun[stream.index()].extend_from_slice(fits);
            if rest.is_empty() {
                return;
            }
            self.flush(stream, at, 0);
            text = rest;
        }
    }

    /// Sends a line, which ended with so many bytes that are not part of it.
    fn flush(&mut self, stream: Stream, at: Timestamp, ending: u64) {
        let text = std::mem::take(&mut self.begun[stream.index()]);
        if !(self.mark(at) && self.send(Source::Printed(stream), &text, at)) {
            let bytes = text.len() as u64 + ending;
            self.summary.lost_bytes += bytes;
            self.unmarked.lost += bytes;
        }
    }

    /// Says what is missing; false when that is not taken either.
    fn mark(&mut self, at: Timestamp) -> bool {
        let Unmarked { lost, limited } = self.unmarked;
        let mut words = Vec::new();
        if lost > 0 {
            words.push(format!("{} of output were not taken in time and are lost", format_size(lost)));
        }
        if limited > 0 {
            words.push(format!("{} of output were dropped by the job's rate limit", format_size(limited)));
        }
        if words.is_empty() {
            return true;
        }
        let text = format!("jobsd: {} of {}", words.join("; "), self.attempt.run);
        let taken = self.send(Source::Mark, text.as_bytes(), at);
        if taken {
            self.unmarked = Unmarked::default();
        }
        taken
    }

    /// False when it was not taken: nobody listens, or too much waits there. Both may pass, and are tried with each line.
    fn send(&mut self, source: Source, text: &[u8], at: Timestamp) -> bool {
        if self.socket.is_none() {
            let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
            match socket {
                Ok(socket) => self.socket = Some(socket),
                Err(fault) => {
                    tracing::warn!(attempt = %self.attempt, %fault, "cannot make a socket for output");
                    return false;
                }
            }
        }
        let message = self.receiver.encode(&Message { attempt: &self.attempt, source, text, at });
        // By path, so that a receiver that was restarted is found again.
        self.socket.as_ref().is_some_and(|socket| socket.send_to(&message, &self.path).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> AttemptId {
        AttemptId { run: "backup/42".parse().unwrap(), attempt: 1 }
    }

    fn at() -> Timestamp {
        Timestamp::from_timestamp_micros(1_793_536_496_789_012).unwrap()
    }

    /// A receiver, and messages to it.
    fn receiver(receiver: Receiver) -> (tempfile::TempDir, UnixDatagram, Messages) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        (dir, socket, Messages::new(receiver, path, &attempt()))
    }

    fn heard(socket: &UnixDatagram) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        let mut buffer = vec![0; 256 << 10];
        while let Ok(length) = socket.recv(&mut buffer) {
            messages.push(buffer[..length].to_vec());
        }
        messages
    }

    /// The text of a message to the journal, as journald reads it.
    fn text(message: &[u8]) -> Vec<u8> {
        let rest = message.strip_prefix(b"MESSAGE\n").expect("the text comes first");
        let (length, rest) = rest.split_first_chunk().expect("a length");
        rest[..u64::from_le_bytes(*length) as usize].to_vec()
    }

    #[test]
    fn each_line_is_a_message_whatever_its_bytes() {
        let (_dir, socket, mut messages) = receiver(Receiver::Journal);
        messages.append(Stream::Stdout, b"one\ntw", at());
        messages.append(Stream::Stderr, b"\xff\0\n", at());
        messages.append(Stream::Stdout, b"o\n", at());
        messages.append(Stream::Stdout, b"no end", at());
        let summary = messages.finish(at());
        assert_eq!((summary.bytes, summary.lost_bytes, summary.to), (17, 0, OutputTo::Journal));
        let texts: Vec<Vec<u8>> = heard(&socket).iter().map(|message| text(message)).collect();
        assert_eq!(texts, [&b"one"[..], b"\xff\0", b"two", b"no end"]);
    }

    #[test]
    fn the_fields_name_the_run() {
        let (_dir, socket, mut messages) = receiver(Receiver::Journal);
        messages.append(Stream::Stderr, b"x\n", at());
        let message = String::from_utf8(heard(&socket).remove(0)).unwrap();
        let fields: Vec<&str> = message.lines().skip(2).collect();
        let expected = [
            "PRIORITY=4",
            "SYSLOG_FACILITY=9",
            "SYSLOG_IDENTIFIER=backup",
            "JOBSD_JOB=backup",
            "JOBSD_RUN=backup/42",
            "JOBSD_ATTEMPT=1",
            "JOBSD_STREAM=stderr",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_line_without_end_goes_out_in_parts_and_grows_nothing() {
        let (_dir, socket, mut messages) = receiver(Receiver::Journal);
        let mut received = 0;
        for _ in 0..100 {
            messages.append(Stream::Stdout, &[b'x'; 10_000], at());
            received += heard(&socket).iter().map(|message| text(message).len()).sum::<usize>();
            assert!(messages.begun[0].capacity() <= 2 * Receiver::Journal.line_limit());
        }
        messages.finish(at());
        received += heard(&socket).iter().map(|message| text(message).len()).sum::<usize>();
        assert_eq!(received, 1_000_000);
    }

    #[test]
    fn what_is_not_taken_is_counted_and_marked() {
        let (_dir, socket, mut messages) = receiver(Receiver::Journal);
        let mut sent = 0;
        // Nobody reads: the queue fills, and nothing waits for it.
        while messages.summary.lost_bytes < 2 * 1012 {
            messages.append(Stream::Stdout, format!("{sent:01011}\n").as_bytes(), at());
            sent += 1;
            assert!(sent < 100_000, "a queue has an end");
        }
        let taken = heard(&socket).len();
        messages.drop_limited(5);
        messages.append(Stream::Stdout, b"after\n", at());
        let summary = messages.finish(at());
        assert_eq!(summary.bytes, sent * 1012 + 5 + 6);
        assert_eq!((summary.lost_bytes, summary.limited_bytes), ((sent - taken as u64) * 1012, 5));
        let texts: Vec<String> =
            heard(&socket).iter().map(|message| String::from_utf8(text(message)).unwrap()).collect();
        let mark = "jobsd: 2.0 KiB of output were not taken in time and are lost; \
                    5 B of output were dropped by the job's rate limit of backup/42";
        assert_eq!(texts, [mark, "after"]);
    }

    #[test]
    fn a_receiver_that_comes_back_is_found_again() {
        let (dir, socket, mut messages) = receiver(Receiver::Syslog);
        let path = dir.path().join("socket");
        drop(socket);
        std::fs::remove_file(&path).unwrap();
        messages.append(Stream::Stdout, b"lost\n", at());
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        messages.append(Stream::Stdout, b"heard\n", at());
        assert_eq!(messages.finish(at()).lost_bytes, 5);
        let all: Vec<String> = heard(&socket).into_iter().map(|message| String::from_utf8(message).unwrap()).collect();
        assert_eq!(all.len(), 2);
        assert!(all[0].starts_with("<76>") && all[0].contains(": jobsd: 5 B of output were not taken"), "{all:?}");
        assert!(all[1].starts_with("<78>") && all[1].ends_with(" backup[42]: heard"), "{all:?}");
    }
}
