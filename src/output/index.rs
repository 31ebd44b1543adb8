//! A segment's index: its records on disk, and what they mean.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::clock::Timestamp;

/// The first bytes of every index: what it is, and its version.
pub(super) const MAGIC: [u8; 8] = *b"jobsdix1";

/// Bytes of the header: [`MAGIC`] and the absolute offset at which the segment begins.
pub(super) const HEADER_BYTES: u64 = 16;

/// Bytes of one record.
pub(super) const RECORD_BYTES: u64 = 24;

/// Bytes that one record may own, so that a reader can hold them in memory.
pub(super) const CHUNK_LIMIT: u32 = 64 << 10;

/// Which of its two streams a program printed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Its place in pairs, the standard output first.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Stdout => 0,
            Self::Stderr => 1,
        }
    }

    /// The name in the API and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Why output could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct ReadError {
    /// The file or directory.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl ReadError {
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { path: path.to_owned(), source }
    }
}

/// What a record owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes of the segment.
    Printed(Stream),
    /// Nothing.
    Missed(Missed),
}

/// Why bytes were read from the program and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// They could not be written.
    Lost,
    /// They came faster than the job's rate.
    Limited,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub offset: u64,
    pub length: u32,
    pub kind: Kind,
    pub at: Timestamp,
}

impl Record {
    /// The absolute offset after it.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length.into())
    }

    /// Bytes of the segment that it owns.
    pub fn owned_bytes(&self) -> u64 {
        match self.kind {
            Kind::Printed(_) => self.length.into(),
            Kind::Missed(_) => 0,
        }
    }

    pub fn encode(&self) -> [u8; RECORD_BYTES as usize] {
        let mut bytes = [0; RECORD_BYTES as usize];
        bytes[0..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12] = match self.kind {
            Kind::Printed(Stream::Stdout) => 1,
            Kind::Printed(Stream::Stderr) => 2,
            Kind::Missed(Missed::Lost) => 3,
            Kind::Missed(Missed::Limited) => 4,
        };
        bytes[16..24].copy_from_slice(&self.at.timestamp_micros().to_le_bytes());
        bytes
    }

    /// The record, unless the bytes cannot be one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let (at, _) = rest.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes(*length);
        let kind = match kind {
            [1, 0, 0, 0] => Kind::Printed(Stream::Stdout),
            [2, 0, 0, 0] => Kind::Printed(Stream::Stderr),
            [3, 0, 0, 0] => Kind::Missed(Missed::Lost),
            [4, 0, 0, 0] => Kind::Missed(Missed::Limited),
            _ => return None,
        };
        let plausible = length > 0 && (matches!(kind, Kind::Missed(_)) || length <= CHUNK_LIMIT);
        let at = Timestamp::from_timestamp_micros(i64::from_le_bytes(*at))?;
        plausible.then_some(Self { offset: u64::from_le_bytes(*offset), length, kind, at })
    }
}

/// A whole index: the records up to the first torn or impossible one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub base: u64,
    pub records: Vec<Record>,
}

impl Index {
    /// Reads an index from its bytes; `None` when the header is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, records) = bytes.split_first_chunk()?;
        let base = decode_header(header)?;
        let mut index = Self { base, records: Vec::with_capacity(records.len() / RECORD_BYTES as usize) };
        for bytes in records.chunks_exact(RECORD_BYTES as usize) {
            match Record::decode(bytes) {
                Some(record) if record.offset == index.end() => index.records.push(record),
                Some(_) | None => break,
            }
        }
        Some(index)
    }

    /// Reads a segment's index; an empty one when it is damaged from the first byte.
    ///
    /// # Errors
    /// When the file cannot be read, also when it is gone.
    pub fn load(path: &Path) -> Result<Self, ReadError> {
        let bytes = fs::read(path).map_err(ReadError::at(path))?;
        Ok(Self::decode(&bytes).unwrap_or_default())
    }

    /// The absolute offset after its last record.
    pub fn end(&self) -> u64 {
        self.records.last().map_or(self.base, Record::end)
    }

    /// Bytes of the segment's other file that its records own.
    pub fn owned_bytes(&self) -> u64 {
        self.records.iter().map(Record::owned_bytes).sum()
    }
}

/// The absolute offset in a header, unless it is none.
pub(super) fn decode_header(header: &[u8; HEADER_BYTES as usize]) -> Option<u64> {
    let (magic, base) = header.split_first_chunk::<8>()?;
    (*magic == MAGIC).then_some(u64::from_le_bytes(base.try_into().ok()?))
}

/// The index file of a segment.
pub(super) fn index_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number}.idx"))
}

/// The other file of a segment.
pub(super) fn output_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number}.out"))
}

/// What takes the place of that file when it is compressed.
pub(super) fn packed_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number}.out.zst"))
}

/// The numbers of the segments that exist, ascending; none when the directory does not exist.
pub(super) fn list(dir: &Path) -> Result<Vec<u64>, ReadError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(ReadError::at(dir)(fault)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(ReadError::at(dir))?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".idx")).and_then(|stem| stem.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: u64, length: u32, kind: Kind) -> Record {
        Record { offset, length, kind, at: Timestamp::from_timestamp_micros(1_793_536_496_789_012).unwrap() }
    }

    #[test]
    fn the_format_stays() {
        let bytes = record(258, 3, Kind::Printed(Stream::Stderr)).encode();
        assert_eq!(bytes, [2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 20, 102, 200, 65, 54, 95, 6, 0]);
    }

    #[test]
    fn a_damaged_index_ends_before_the_damage() {
        let records = [
            record(7, 3, Kind::Printed(Stream::Stdout)),
            record(10, 5, Kind::Missed(Missed::Lost)),
            record(15, 1, Kind::Printed(Stream::Stderr)),
        ];
        let mut bytes = [MAGIC, 7u64.to_le_bytes()].concat();
        bytes.extend(records.iter().flat_map(Record::encode));
        assert_eq!(Index::decode(&bytes), Some(Index { base: 7, records: records.to_vec() }));
        for length in 0..bytes.len() {
            let read = Index::decode(&bytes[..length]);
            let whole = length.checked_sub(HEADER_BYTES as usize).map(|rest| rest / RECORD_BYTES as usize);
            assert_eq!(read.map(|index| index.records.len()), whole, "cut at {length}");
        }
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0xff;
            if let Some(index) = Index::decode(&damaged) {
                assert!(index.records.len() <= records.len());
            }
        }
        let mut gap = bytes.clone();
        gap[HEADER_BYTES as usize + 24] = 11;
        assert_eq!(Index::decode(&gap).unwrap().records, records[..1]);
    }
}
