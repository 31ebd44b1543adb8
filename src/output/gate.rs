//! [`Gate`]: lets so much through in a time.

use super::Stream;
use crate::clock::Monotonic;
use crate::spec::{OutputRate, OutputUnit};

/// A bucket that fills with time, of one attempt, for both of its streams.
///
/// Lines pass or are dropped whole: one that was begun without credit is dropped to its end, however long that takes.
pub(super) struct Gate {
    rate: OutputRate,
    /// What may pass now, in nanoseconds of the period times the rate's amount, so that no fraction is ever lost.
    credit: u128,
    /// The time to which `credit` belongs.
    at: Monotonic,
    lines: [Line; 2],
}

/// Where a stream stands in its lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Between two.
    Between,
    /// In one that passes.
    Passing,
    /// In one that does not.
    Dropped,
}

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// So many of them pass.
    Pass(usize),
    /// So many of them are dropped.
    Drop(usize),
}

impl Gate {
    /// A full bucket.
    pub fn new(rate: OutputRate, now: Monotonic) -> Self {
        let mut gate = Self { rate, credit: 0, at: now, lines: [Line::Between; 2] };
        gate.credit = gate.most();
        gate
    }

    /// Lets time pass; to be called before [`Gate::next`].
    pub fn refill(&mut self, now: Monotonic) {
        let passed = now.saturating_since(self.at).as_nanos();
        let earned = passed.saturating_mul(self.rate.amount.get().into());
        self.credit = self.credit.saturating_add(earned).min(self.most());
        self.at = now;
    }

    /// What becomes of the beginning of `bytes`, which are not empty; ask again for what is after it.
    pub fn next(&mut self, stream: Stream, bytes: &[u8]) -> Verdict {
        match self.rate.unit {
            OutputUnit::Bytes => self.next_bytes(bytes),
            OutputUnit::Lines => self.next_lines(stream, bytes),
        }
    }

    fn most(&self) -> u128 {
        self.price() * u128::from(self.rate.amount.get())
    }

    /// The credit that one line or byte costs.
    fn price(&self) -> u128 {
        self.rate.per.duration().as_nanos()
    }

    fn next_bytes(&mut self, bytes: &[u8]) -> Verdict {
        let affordable = usize::try_from(self.credit / self.price()).unwrap_or(usize::MAX);
        if affordable == 0 {
            return Verdict::Drop(bytes.len());
        }
        let count = affordable.min(bytes.len());
        self.credit -= self.price() * count as u128;
        Verdict::Pass(count)
    }

    fn next_lines(&mut self, stream: Stream, bytes: &[u8]) -> Verdict {
        let place = stream.index();
        let mut end = 0;
        let mut passes = None;
        while end < bytes.len() {
            let line = match self.lines[place] {
                Line::Between if self.credit >= self.price() => Line::Passing,
                Line::Between => Line::Dropped,
                begun => begun,
            };
            // Lines of one fate go together.
            if passes.is_some_and(|passes| passes != (line == Line::Passing)) {
                break;
            }
            if self.lines[place] == Line::Between && line == Line::Passing {
                self.credit -= self.price();
            }
            passes = Some(line == Line::Passing);
            match bytes[end..].iter().position(|&byte| byte == b'\n') {
                Some(newline) => {
                    end += newline + 1;
                    self.lines[place] = Line::Between;
                }
                None => {
                    end = bytes.len();
                    self.lines[place] = line;
                }
            }
        }
        if passes == Some(true) { Verdict::Pass(end) } else { Verdict::Drop(end) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_duration(Duration::from_millis(millis))
    }

    fn passed(gate: &mut Gate, now: u64, stream: Stream, mut bytes: &[u8]) -> String {
        gate.refill(at(now));
        let mut text = String::new();
        while !bytes.is_empty() {
            let count = match gate.next(stream, bytes) {
                Verdict::Pass(count) => {
                    text += std::str::from_utf8(&bytes[..count]).unwrap();
                    count
                }
                Verdict::Drop(count) => count,
            };
            assert!(count > 0);
            bytes = &bytes[count..];
        }
        text
    }

    #[test]
    fn bytes_pass_as_time_does() {
        let mut gate = Gate::new("10B/s".parse().unwrap(), at(0));
        assert_eq!(passed(&mut gate, 0, Stream::Stdout, b"0123456789abc"), "0123456789");
        assert_eq!(passed(&mut gate, 50, Stream::Stdout, b"x"), "");
        assert_eq!(passed(&mut gate, 100, Stream::Stderr, b"yz"), "y", "a tenth of a second earns one");
        assert_eq!(passed(&mut gate, 60_000, Stream::Stdout, b"0123456789abc"), "0123456789", "silence is not hoarded");
    }

    #[test]
    fn lines_pass_whole_or_not_at_all() {
        let mut gate = Gate::new("2 lines/s".parse().unwrap(), at(0));
        assert_eq!(passed(&mut gate, 0, Stream::Stdout, b"one\ntwo"), "one\ntwo");
        assert_eq!(passed(&mut gate, 0, Stream::Stderr, b"no\nha"), "");
        assert_eq!(passed(&mut gate, 0, Stream::Stdout, b" goes on\nthree\n"), " goes on\n");
        assert_eq!(passed(&mut gate, 600, Stream::Stderr, b"lf\nwhole\nmore\n"), "whole\n", "half a line is none");
        assert_eq!(passed(&mut gate, 600, Stream::Stdout, b"\n"), "");
    }
}
