//! [`Output`]: what an attempt printed, read from any place, live or finished.

use std::path::{Path, PathBuf};

use super::index::{self, Kind, ReadError, Record, Stream};
use super::pieces::Pieces;
use super::segment::SegmentReader;
use crate::clock::Timestamp;

/// The output of one attempt, in its directory.
#[derive(Clone, Debug)]
pub struct Output {
    dir: PathBuf,
}

/// Which part of it is wanted; everything by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// One stream only.
    pub stream: Option<Stream>,
    /// What was printed at this time or later.
    pub since: Option<Timestamp>,
    /// What was printed before this time.
    pub until: Option<Timestamp>,
}

/// A piece of output. Pieces come in the order in which they were printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes as they were printed.
    Printed(Chunk),
    /// Bytes that were printed and are not there.
    Missing {
        /// The absolute offset of the first.
        offset: u64,
        /// How many; of both streams, whatever the filter says.
        bytes: u64,
        /// Why.
        why: Missing,
    },
}

/// Bytes that arrived together on one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes printed before it, on both streams together.
    pub offset: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// Where.
    pub stream: Stream,
    /// The bytes; never empty, at most 64 KiB.
    pub bytes: Vec<u8>,
}

/// Why bytes are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// There were more than the job's limit; the first and the last part are kept.
    Cut,
    /// They could not be written, as on a full disk.
    Lost,
    /// They came faster than the job's rate.
    Limited,
    /// The files were damaged later.
    Damaged,
}

impl Missing {
    /// The name in the API and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Lost => "lost",
            Self::Limited => "limited",
            Self::Damaged => "damaged",
        }
    }
}

impl Piece {
    /// The absolute offset after it: where to read on.
    pub fn end(&self) -> u64 {
        match self {
            Self::Printed(chunk) => chunk.offset + chunk.bytes.len() as u64,
            Self::Missing { offset, bytes, .. } => offset.saturating_add(*bytes),
        }
    }
}

impl Filter {
    pub(super) fn covers(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    pub(super) fn wants(&self, record: &Record) -> bool {
        let stream = match record.kind {
            Kind::Printed(stream) => self.stream.is_none_or(|wanted| wanted == stream),
            Kind::Missed(_) => true,
        };
        stream && self.covers(record.at)
    }
}

impl Output {
    /// The output in an attempt's directory, which need not exist yet.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Reads from the absolute offset `from`, which may be in the middle of a chunk.
    pub fn read(&self, from: u64, filter: Filter) -> Pieces {
        Pieces::new(self.dir.clone(), from, filter)
    }

    /// Where the last `lines` lines begin, counted in what the filter wants: read on from there with the same filter. A
    /// last line without a newline counts.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn last_lines(&self, lines: u64, filter: Filter) -> Result<u64, ReadError> {
        let mut count = LineCount { wanted: lines, seen: 0, begun: false };
        let mut earliest = None;
        for number in index::list(&self.dir)?.into_iter().rev() {
            let Some(mut segment) = SegmentReader::open(&self.dir, number)? else { continue };
            let records = all_records(&mut segment)?;
            let end = records.last().map(|(record, _)| record.end());
            if lines == 0 && end.is_some() {
                return Ok(end.unwrap_or_default());
            }
            for (record, place) in records.iter().rev().filter(|(record, _)| filter.wants(record)) {
                if matches!(record.kind, Kind::Missed(_)) {
                    continue;
                }
                let bytes = segment.bytes(record, *place, 0)?;
                if let Some(index) = count.backwards(&bytes) {
                    return Ok(record.offset + index as u64);
                }
                earliest = Some(record.offset);
            }
        }
        Ok(earliest.unwrap_or_default())
    }
}

fn all_records(segment: &mut SegmentReader) -> Result<Vec<(Record, u64)>, ReadError> {
    let mut records: Vec<(Record, u64)> = Vec::new();
    while let Some(found) = segment.record_beyond(records.last().map_or(0, |(record, _)| record.end()))? {
        match records.last_mut() {
            // The newest record grew while it was read.
            Some(last) if last.0.offset == found.0.offset => *last = found,
            Some(_) | None => records.push(found),
        }
    }
    Ok(records)
}

/// Counts lines from the end.
struct LineCount {
    wanted: u64,
    seen: u64,
    begun: bool,
}

impl LineCount {
    /// Goes through bytes from their end; says where the wanted lines begin, when it is in here.
    fn backwards(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, byte) in bytes.iter().enumerate().rev() {
            // The newline at the very end ends the last line and begins none.
            if *byte == b'\n' && self.begun {
                self.seen += 1;
                if self.seen == self.wanted {
                    return Some(index + 1);
                }
            }
            self.begun = true;
        }
        None
    }
}
