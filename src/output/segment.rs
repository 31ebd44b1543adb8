//! [`SegmentReader`]: one segment, read while it may still grow.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::index::{self, HEADER_BYTES, RECORD_BYTES, ReadError, Record, index_path, output_path, packed_path};
use super::pack;

/// Records read from an index at once.
const BLOCK_RECORDS: u64 = 256;

/// An open segment and a place in it. Stays readable when the segment is deleted meanwhile.
pub(super) struct SegmentReader {
    pub number: u64,
    /// The absolute offset at which it begins.
    pub base: u64,
    contents: Contents,
    out_path: PathBuf,
    idx: File,
    idx_path: PathBuf,
    /// Where the first record of `ahead` begins.
    idx_place: u64,
    /// Where the bytes of that record begin.
    out_place: u64,
    /// The absolute offset that the record must have.
    expected: u64,
    ahead: VecDeque<Record>,
    /// Whether the last record of `ahead` is the last of the index, which may still grow.
    last_may_grow: bool,
    /// What follows makes no sense.
    damaged: bool,
}

/// Where the bytes of a segment are.
enum Contents {
    /// As they were written.
    Plain(File),
    /// Compressed, and not read yet.
    Packed(File),
    /// Compressed, and read: a segment is small enough.
    Unpacked(Vec<u8>),
}

impl SegmentReader {
    /// Opens a segment; `None` when it is gone, or was damaged from its first byte.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn open(dir: &Path, number: u64) -> Result<Option<Self>, ReadError> {
        let idx_path = index_path(dir, number);
        let (Some(idx), Some((contents, out_path))) = (open(&idx_path)?, contents(dir, number)?) else {
            return Ok(None);
        };
        let mut header = [0; HEADER_BYTES as usize];
        let read = idx.read_exact_at(&mut header, 0);
        let base = match read {
            Ok(()) => index::decode_header(&header),
            Err(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(fault) => return Err(ReadError::at(&idx_path)(fault)),
        };
        Ok(base.map(|base| Self {
            number,
            base,
            contents,
            out_path,
            idx,
            idx_path,
            idx_place: HEADER_BYTES,
            out_place: 0,
            expected: base,
            ahead: VecDeque::new(),
            last_may_grow: true,
            damaged: false,
        }))
    }

    /// The first record that reaches beyond the absolute offset `from`, as it is now, and where its bytes begin.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn record_beyond(&mut self, from: u64) -> Result<Option<(Record, u64)>, ReadError> {
        loop {
            match self.ahead.front() {
                Some(record) if record.end() > from => return Ok(Some((*record, self.out_place))),
                Some(record) if self.ahead.len() > 1 || !self.last_may_grow => {
                    self.idx_place += RECORD_BYTES;
                    self.out_place += record.owned_bytes();
                    self.expected = record.end();
                    self.ahead.pop_front();
                }
                Some(_) | None => {
                    let before = self.ahead.clone();
                    self.fill()?;
                    if self.ahead == before {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Reads the next records. Every record but the last one of the index has its final length: the writer adds one
    /// only when it is done with the one before. So the length of the file is asked first.
    fn fill(&mut self) -> Result<(), ReadError> {
        self.ahead.clear();
        if self.damaged {
            return Ok(());
        }
        let length = self.idx.metadata().map_err(ReadError::at(&self.idx_path))?.len();
        let waiting = length.saturating_sub(self.idx_place) / RECORD_BYTES;
        let count = waiting.min(BLOCK_RECORDS);
        let mut bytes = vec![0; (count * RECORD_BYTES) as usize];
        self.idx.read_exact_at(&mut bytes, self.idx_place).map_err(ReadError::at(&self.idx_path))?;
        let mut expected = self.expected;
        for bytes in bytes.chunks_exact(RECORD_BYTES as usize) {
            match Record::decode(bytes).filter(|record| record.offset == expected) {
                Some(record) => {
                    expected = record.end();
                    self.ahead.push_back(record);
                }
                None => {
                    self.damaged = true;
                    break;
                }
            }
        }
        self.last_may_grow = count == waiting && !self.damaged;
        Ok(())
    }

    /// The bytes of a record from `skip` on, as many as are there: fewer than the record says when the file is damaged.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn bytes(&mut self, record: &Record, place: u64, skip: u64) -> Result<Vec<u8>, ReadError> {
        let length = (u64::from(record.length) - skip) as usize;
        let unreadable = || ReadError::at(&self.out_path);
        if let Contents::Packed(file) = &self.contents {
            let file = file.try_clone().map_err(unreadable())?;
            self.contents = Contents::Unpacked(pack::decompress(file).map_err(unreadable())?);
        }
        match &self.contents {
            Contents::Plain(out) | Contents::Packed(out) => read_at(out, place + skip, length).map_err(unreadable()),
            Contents::Unpacked(bytes) => {
                let start = usize::try_from(place + skip).unwrap_or(usize::MAX).min(bytes.len());
                let end = start.saturating_add(length).min(bytes.len());
                Ok(bytes[start..end].to_vec())
            }
        }
    }
}

/// As many bytes as are there.
fn read_at(file: &File, place: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], place + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The bytes of a segment, in whichever form they are; the plain one goes last.
fn contents(dir: &Path, number: u64) -> Result<Option<(Contents, PathBuf)>, ReadError> {
    let (plain, packed) = (output_path(dir, number), packed_path(dir, number));
    if let Some(file) = open(&plain)? {
        return Ok(Some((Contents::Plain(file), plain)));
    }
    Ok(open(&packed)?.map(|file| (Contents::Packed(file), packed)))
}

fn open(path: &Path) -> Result<Option<File>, ReadError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(ReadError::at(path)(fault)),
    }
}
