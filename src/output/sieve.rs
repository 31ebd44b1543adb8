//! [`Sieve`]: the lines of output that match a pattern.

use std::collections::VecDeque;

use regex::bytes::{Regex, RegexBuilder};

use super::Stream;
use super::index::ReadError;
use super::reader::{Chunk, Filter, Output, Piece};
use crate::clock::Timestamp;

/// Bytes of a pattern: a person typed it.
pub const PATTERN_LIMIT: usize = 1024;

/// Memory of a compiled pattern, and of what is kept while it is matched. Time is linear in the output by the engine's
/// design.
const PATTERN_MEMORY: usize = 1 << 20;

/// Bytes of a line that are looked at together; a longer line is looked at in parts of this size.
const LINE_LIMIT: usize = 64 << 10;

/// Lines from the end that may be asked for with a pattern.
const LAST_LIMIT: u64 = 1_000_000;

/// A regular expression over bytes, in the syntax of the [regex](https://docs.rs/regex/latest/regex/#syntax) crate: as
/// Perl's, without back-references and look-around; `(?i)` in front ignores case, `(?-u)` lets `.` match any byte.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is longer than [`PATTERN_LIMIT`].
    #[error("the pattern is longer than {PATTERN_LIMIT} bytes")]
    Long,
    /// It is not understood, or would need too much memory.
    #[error("{0}")]
    Malformed(String),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is too long, malformed, or needs more than 1 MiB compiled.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_LIMIT {
            return Err(PatternError::Long);
        }
        let built = RegexBuilder::new(text).size_limit(PATTERN_MEMORY).dfa_size_limit(PATTERN_MEMORY).build();
        built.map(Self).map_err(|fault| PatternError::Malformed(fault.to_string()))
    }

    fn matches(&self, line: &[u8]) -> bool {
        self.0.is_match(line.strip_suffix(b"\n").unwrap_or(line))
    }
}

/// Lets the lines through that match. Marks of what is missing pass.
pub struct Sieve {
    pattern: Pattern,
    /// Lines that are not complete, for each stream.
    begun: [Option<Chunk>; 2],
}

impl Sieve {
    /// A sieve for output that is read from its beginning, or from the beginning of a line.
    pub const fn new(pattern: Pattern) -> Self {
        Self { pattern, begun: [None, None] }
    }

    /// Takes a piece, and adds to `found` the lines that it completes.
    pub fn push(&mut self, piece: Piece, found: &mut Vec<Piece>) {
        let chunk = match piece {
            Piece::Printed(chunk) => chunk,
            missing @ Piece::Missing { .. } => return found.push(missing),
        };
        let mut offset = chunk.offset;
        for part in chunk.bytes.split_inclusive(|&byte| byte == b'\n') {
            self.lengthen(chunk.stream, offset, chunk.at, part, found);
            offset += part.len() as u64;
        }
    }

    /// The output has ended, and lines without a newline with it.
    pub fn finish(&mut self, found: &mut Vec<Piece>) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.complete(stream, found);
        }
    }

    fn lengthen(&mut self, stream: Stream, mut offset: u64, at: Timestamp, mut part: &[u8], found: &mut Vec<Piece>) {
        while !part.is_empty() {
            let line =
                self.begun[stream.index()].get_or_insert_with(|| Chunk { offset, at, stream, bytes: Vec::new() });
            let (fits, rest) = part.split_at(part.len().min(LINE_LIMIT - line.bytes.len()));
            line.bytes.extend_from_slice(fits);
            if fits.ends_with(b"\n") || line.bytes.len() == LINE_LIMIT {
                self.complete(stream, found);
            }
            offset += fits.len() as u64;
            part = rest;
        }
    }

    fn complete(&mut self, stream: Stream, found: &mut Vec<Piece>) {
        if let Some(line) = self.begun[stream.index()].take()
            && self.pattern.matches(&line.bytes)
        {
            found.push(Piece::Printed(line));
        }
    }
}

impl Output {
    /// Where the last `lines` lines that match begin: read on from there through a [`Sieve`] of the same pattern. Looks at
    /// everything; `lines` is at most a million.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn last_matches(&self, lines: u64, filter: Filter, pattern: &Pattern) -> Result<u64, ReadError> {
        let lines = lines.min(LAST_LIMIT);
        let mut sieve = Sieve::new(pattern.clone());
        let mut last: VecDeque<u64> = VecDeque::new();
        let mut found = Vec::new();
        let mut pieces = self.read(0, filter);
        loop {
            let piece = pieces.next().transpose()?;
            let end = piece.is_none();
            match piece {
                Some(piece) => sieve.push(piece, &mut found),
                None => sieve.finish(&mut found),
            }
            for piece in found.drain(..) {
                if let Piece::Printed(line) = piece {
                    last.push_back(line.offset);
                    if last.len() as u64 > lines {
                        last.pop_front();
                    }
                }
            }
            if end {
                return Ok(last.front().copied().unwrap_or(pieces.position()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(offset: u64, stream: Stream, bytes: &[u8]) -> Piece {
        let at = Timestamp::from_timestamp_micros(1_793_536_496_000_000).unwrap();
        Piece::Printed(Chunk { offset, at, stream, bytes: bytes.to_vec() })
    }

    fn sieved(pattern: &str, pieces: Vec<Piece>) -> Vec<(u64, Vec<u8>)> {
        let mut sieve = Sieve::new(Pattern::new(pattern).unwrap());
        let mut found = Vec::new();
        for piece in pieces {
            sieve.push(piece, &mut found);
        }
        sieve.finish(&mut found);
        let printed = found.into_iter().map(|piece| match piece {
            Piece::Printed(chunk) => (chunk.offset, chunk.bytes),
            Piece::Missing { .. } => panic!("nothing is missing"),
        });
        printed.collect()
    }

    #[test]
    fn lines_match_whole_whatever_pieces_they_came_in() {
        let pieces = vec![
            chunk(0, Stream::Stdout, b"one\ner"),
            chunk(6, Stream::Stderr, b"error 1\nno"),
            chunk(16, Stream::Stdout, b"ror 2\n"),
            chunk(22, Stream::Stderr, b" error\xff\0"),
        ];
        let found = sieved("^(no )?error", pieces);
        let expected = [(6, b"error 1\n".to_vec()), (4, b"error 2\n".to_vec()), (14, b"no error\xff\0".to_vec())];
        assert_eq!(found, expected);
    }

    #[test]
    fn any_byte_can_be_asked_for() {
        let pieces = vec![chunk(0, Stream::Stdout, b"a\n\xfe\xff\n\0\n")];
        assert_eq!(sieved(r"(?-u)\xff$", pieces.clone()), [(2, b"\xfe\xff\n".to_vec())]);
        assert_eq!(sieved(r"^\x00$", pieces), [(5, b"\0\n".to_vec())]);
    }

    #[test]
    fn a_line_without_end_is_looked_at_in_parts() {
        let long = vec![b'x'; 50_000];
        let pieces = (0..5).map(|number| chunk(number * 50_000, Stream::Stdout, &long)).collect();
        let found = sieved("x", pieces);
        assert_eq!(found.iter().map(|(_, bytes)| bytes.len()).sum::<usize>(), 250_000);
        assert!(found.iter().all(|(_, bytes)| bytes.len() <= LINE_LIMIT));
    }

    #[test]
    fn patterns_are_bounded() {
        assert_eq!(Pattern::new(&"x".repeat(PATTERN_LIMIT + 1)).unwrap_err(), PatternError::Long);
        for text in ["(", r"(a)\1", r"\w{1000}{1000}"] {
            assert!(matches!(Pattern::new(text), Err(PatternError::Malformed(_))), "{text}");
        }
    }
}
