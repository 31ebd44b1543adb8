//! [`Capture`]: takes what an attempt prints where its job wants it.

use std::path::Path;

use super::gate::{Gate, Verdict};
use super::messages::Messages;
use super::{ReadError, Stream, Writer};
use crate::clock::{Monotonic, Now, Timestamp};
use crate::run::{AttemptId, OutputSummary};
use crate::spec::{OutputPolicy, OutputTo};

/// The output of one attempt, being taken. Nothing of it ever blocks or fails: what is not kept is counted and marked.
pub struct Capture {
    gate: Option<Gate>,
    sink: Sink,
}

enum Sink {
    Files(Writer),
    Messages(Messages),
    Nothing(OutputSummary),
}

impl Capture {
    /// For an attempt that has printed nothing yet, and whose directory is `dir`.
    pub fn new(dir: &Path, attempt: &AttemptId, policy: &OutputPolicy, now: Monotonic) -> Self {
        let sink = match policy.to {
            OutputTo::Files => Sink::Files(Writer::new(dir, policy.limit_bytes)),
            OutputTo::Journal => Sink::Messages(Messages::to_journal(attempt)),
            OutputTo::Syslog => Sink::Messages(Messages::to_syslog(attempt)),
            OutputTo::Null => Sink::Nothing(OutputSummary { to: OutputTo::Null, ..OutputSummary::default() }),
        };
        Self { gate: policy.rate.map(|rate| Gate::new(rate, now)), sink }
    }

    /// Goes on where another one was cut off. What that one counted is known for files alone.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn resume(dir: &Path, attempt: &AttemptId, policy: &OutputPolicy, now: Monotonic) -> Result<Self, ReadError> {
        match policy.to {
            OutputTo::Files => {
                let gate = policy.rate.map(|rate| Gate::new(rate, now));
                Ok(Self { gate, sink: Sink::Files(Writer::resume(dir, policy.limit_bytes)?) })
            }
            OutputTo::Journal | OutputTo::Syslog | OutputTo::Null => Ok(Self::new(dir, attempt, policy, now)),
        }
    }

    /// Takes `bytes`, which arrived on `stream`.
    pub fn append(&mut self, stream: Stream, mut bytes: &[u8], now: Now) {
        let Some(gate) = &mut self.gate else { return self.sink.append(stream, bytes, now.wall) };
        gate.refill(now.monotonic);
        while !bytes.is_empty() {
            let count = match gate.next(stream, bytes) {
                Verdict::Pass(count) => {
                    self.sink.append(stream, &bytes[..count], now.wall);
                    count
                }
                Verdict::Drop(count) => {
                    self.sink.drop_limited(count as u64);
                    count
                }
            };
            bytes = &bytes[count..];
        }
    }

    /// Ends it, and says what was printed.
    pub fn finish(&mut self, at: Timestamp) -> OutputSummary {
        match &mut self.sink {
            Sink::Files(writer) => writer.finish(at),
            Sink::Messages(messages) => messages.finish(at),
            Sink::Nothing(summary) => *summary,
        }
    }
}

impl Sink {
    fn append(&mut self, stream: Stream, bytes: &[u8], at: Timestamp) {
        match self {
            Self::Files(writer) => writer.append(stream, bytes, at),
            Self::Messages(messages) => messages.append(stream, bytes, at),
            Self::Nothing(summary) => summary.bytes += bytes.len() as u64,
        }
    }

    fn drop_limited(&mut self, bytes: u64) {
        match self {
            Self::Files(writer) => writer.drop_limited(bytes),
            Self::Messages(messages) => messages.drop_limited(bytes),
            Self::Nothing(summary) => {
                summary.bytes += bytes;
                summary.limited_bytes += bytes;
            }
        }
    }
}
