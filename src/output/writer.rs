//! [`Writer`]: keeps what a program prints, within its bound, whatever the disk says.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::index::{
    self, CHUNK_LIMIT, HEADER_BYTES, Index, Kind, MAGIC, Missed, RECORD_BYTES, ReadError, Record, Stream, index_path,
    output_path, packed_path,
};
use super::layout::Layout;
use crate::clock::Timestamp;
use crate::run::OutputSummary;

/// What arrives on one stream within this time of a record's beginning becomes part of it: it bounds the index of a
/// program that writes byte by byte, and nobody reads times finer than this.
const MERGE_WINDOW: Duration = Duration::from_millis(5);

/// The output of one attempt, being written. Nothing is created before the first byte.
///
/// Writing never fails: bytes that the disk does not take are counted, and marked as soon as it takes bytes again.
pub struct Writer {
    dir: PathBuf,
    layout: Layout,
    current: Option<Segment>,
    next_number: u64,
    tail: VecDeque<Closed>,
    /// Absolute offset of the next byte.
    offset: u64,
    /// Bytes right before `offset` that were not kept and are not yet marked.
    unmarked: Unmarked,
    summary: OutputSummary,
}

/// Bytes that were not kept, until they are marked.
#[derive(Clone, Copy)]
struct Unmarked {
    why: Missed,
    bytes: u64,
}

/// A segment of the tail that is complete.
struct Closed {
    number: u64,
    printed_bytes: u64,
}

impl Writer {
    /// A writer for an attempt that has printed nothing yet.
    pub fn new(dir: &Path, limit_bytes: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            layout: Layout::of(limit_bytes),
            current: None,
            next_number: 0,
            tail: VecDeque::new(),
            offset: 0,
            unmarked: Unmarked { why: Missed::Lost, bytes: 0 },
            summary: OutputSummary::default(),
        }
    }

    /// A writer that goes on where another one was cut off, maybe in the middle of a record.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn resume(dir: &Path, limit_bytes: u64) -> Result<Self, ReadError> {
        let mut writer = Self::new(dir, limit_bytes);
        let numbers = index::list(dir)?;
        for &number in &numbers {
            let index = Index::load(&index_path(dir, number))?;
            writer.summary.cut_bytes += index.base.saturating_sub(writer.offset);
            let missed = |why| {
                let those = index.records.iter().filter(move |record| record.kind == Kind::Missed(why));
                those.map(|record| u64::from(record.length)).sum::<u64>()
            };
            writer.summary.lost_bytes += missed(Missed::Lost);
            writer.summary.limited_bytes += missed(Missed::Limited);
            writer.offset = index.end().max(writer.offset);
            writer.next_number = number + 1;
            if !writer.layout.is_head(number) {
                writer.tail.push_back(Closed { number, printed_bytes: index.owned_bytes() });
            }
        }
        // The segment that was being written is closed as it is; its torn end, if any, is where readers stop.
        writer.summary.bytes = writer.offset;
        Ok(writer)
    }

    /// Keeps `bytes`, which arrived on `stream` at `at`.
    pub fn append(&mut self, stream: Stream, mut bytes: &[u8], at: Timestamp) {
        self.summary.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let taken = match self.write(stream, bytes, at) {
                Ok(Placed::Kept(taken)) => taken,
                Ok(Placed::Beyond) => {
                    self.summary.cut_bytes += bytes.len() as u64;
                    bytes.len()
                }
                Err(_) => {
                    self.miss(Missed::Lost, bytes.len() as u64);
                    bytes.len()
                }
            };
            self.offset += taken as u64;
            bytes = &bytes[taken..];
        }
    }

    /// Counts bytes that came too fast and are not kept.
    pub fn drop_limited(&mut self, bytes: u64) {
        self.summary.bytes += bytes;
        self.miss(Missed::Limited, bytes);
        self.offset += bytes;
    }

    /// Counts bytes that are not kept. What was to be marked as something else becomes lost with them: that it is not
    /// marked yet means that the disk took no mark, or that nothing was kept in between.
    fn miss(&mut self, why: Missed, bytes: u64) {
        match why {
            Missed::Lost => self.summary.lost_bytes += bytes,
            Missed::Limited => self.summary.limited_bytes += bytes,
        }
        let pending = self.unmarked;
        if pending.bytes == 0 || pending.why == why {
            self.unmarked = Unmarked { why, bytes: pending.bytes + bytes };
            return;
        }
        let limited = if pending.why == Missed::Limited { pending.bytes } else { bytes };
        self.summary.limited_bytes -= limited;
        self.summary.lost_bytes += limited;
        self.unmarked = Unmarked { why: Missed::Lost, bytes: pending.bytes + bytes };
    }

    /// What was printed until now.
    pub fn summary(&self) -> OutputSummary {
        self.summary
    }

    /// Marks what was lost at the very end, if the disk takes it now, and says what was printed.
    pub fn finish(&mut self, at: Timestamp) -> OutputSummary {
        if self.unmarked.bytes > 0
            && let Err(fault) = self.segment().and_then(|open| open.map_or(Ok(()), |()| self.mark_missed(at)))
        {
            tracing::warn!(dir = %self.dir.display(), %fault, "cannot mark missing output");
        }
        self.summary
    }

    /// Writes as much of `bytes` as one record of the current segment takes.
    fn write(&mut self, stream: Stream, bytes: &[u8], at: Timestamp) -> io::Result<Placed> {
        if self.segment()?.is_none() {
            return Ok(Placed::Beyond);
        }
        if self.unmarked.bytes > 0 {
            self.mark_missed(at)?;
            if self.segment()?.is_none() {
                return Ok(Placed::Beyond);
            }
        }
        let (offset, limit) = (self.offset, self.layout.segment_bytes);
        let segment = self.current.as_mut().expect("it was opened right above");
        segment.write(offset, stream, bytes, at, limit).map(Placed::Kept)
    }

    /// Writes the records that explain the bytes that are not there right before `offset`.
    fn mark_missed(&mut self, at: Timestamp) -> io::Result<()> {
        while self.unmarked.bytes > 0 && self.segment()?.is_some() {
            let length = u32::try_from(self.unmarked.bytes).unwrap_or(u32::MAX);
            let kind = Kind::Missed(self.unmarked.why);
            let record = Record { offset: self.offset - self.unmarked.bytes, length, kind, at };
            self.current.as_mut().expect("it was opened right above").push(record)?;
            self.unmarked.bytes -= u64::from(length);
        }
        Ok(())
    }

    /// Sees to it that the current segment has room for a record and a byte; `None` when the bound allows no more.
    fn segment(&mut self) -> io::Result<Option<()>> {
        if self.current.as_ref().is_some_and(|segment| segment.room(self.layout.segment_bytes) > RECORD_BYTES) {
            return Ok(Some(()));
        }
        if let Some(full) = self.current.take()
            && !self.layout.is_head(full.number)
        {
            self.tail.push_back(Closed { number: full.number, printed_bytes: full.out_bytes });
        }
        if !self.layout.is_head(self.next_number) {
            if self.layout.tail == 0 {
                return Ok(None);
            }
            while self.tail.len() as u64 >= self.layout.tail {
                self.drop_oldest()?;
            }
        }
        let base = self.offset - self.unmarked.bytes;
        self.current = Some(Segment::create(&self.dir, self.next_number, base)?);
        self.next_number += 1;
        Ok(Some(()))
    }

    fn drop_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.tail.front() else { return Ok(()) };
        // The index first: a segment without one does not exist for readers.
        let number = oldest.number;
        let dir = &self.dir;
        for path in [index_path(dir, number), output_path(dir, number), packed_path(dir, number)] {
            match fs::remove_file(&path) {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
                Ok(()) | Err(_) => {}
            }
        }
        self.summary.cut_bytes += oldest.printed_bytes;
        self.tail.pop_front();
        Ok(())
    }
}

/// Where bytes went.
enum Placed {
    /// So many of them are on disk.
    Kept(usize),
    /// The bound allows no more, now and later.
    Beyond,
}

/// The segment being written.
struct Segment {
    number: u64,
    out: File,
    idx: File,
    out_bytes: u64,
    idx_bytes: u64,
    last: Option<Record>,
}

impl Segment {
    fn create(dir: &Path, number: u64, base: u64) -> io::Result<Self> {
        let create = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let (out_path, idx_path) = (output_path(dir, number), index_path(dir, number));
        let open = || -> io::Result<Self> {
            let out = create(&out_path)?;
            let idx = create(&idx_path)?;
            idx.write_all_at(&[MAGIC, base.to_le_bytes()].concat(), 0)?;
            Ok(Self { number, out, idx, out_bytes: 0, idx_bytes: HEADER_BYTES, last: None })
        };
        open().inspect_err(|_| {
            for path in [&idx_path, &out_path] {
                if let Err(fault) = fs::remove_file(path)
                    && fault.kind() != io::ErrorKind::NotFound
                {
                    tracing::warn!(path = %path.display(), %fault, "cannot remove half a segment");
                }
            }
        })
    }

    fn room(&self, limit: u64) -> u64 {
        limit.saturating_sub(self.out_bytes + self.idx_bytes)
    }

    /// Writes the beginning of `bytes` and says how much; there is room for a record and at least one byte.
    fn write(&mut self, offset: u64, stream: Stream, bytes: &[u8], at: Timestamp, limit: u64) -> io::Result<usize> {
        let grown = self.last.filter(|last| last.kind == Kind::Printed(stream) && continues(last, offset, at));
        let (room, most) = match &grown {
            Some(last) => (self.room(limit), CHUNK_LIMIT - last.length),
            None => (self.room(limit) - RECORD_BYTES, CHUNK_LIMIT),
        };
        let length = room.min(most.into()).min(bytes.len() as u64) as usize;
        // A disk that fills up may take a part; what it took is undone, so that the file holds what the index owns.
        let written = self.out.write_all_at(&bytes[..length], self.out_bytes).and_then(|()| {
            let more = u32::try_from(length).expect("it is at most CHUNK_LIMIT");
            match grown {
                Some(last) => self.replace(Record { length: last.length + more, ..last }),
                None => self.push(Record { offset, length: more, kind: Kind::Printed(stream), at }),
            }
        });
        match written {
            Ok(()) => self.out_bytes += length as u64,
            Err(fault) => {
                self.out.set_len(self.out_bytes)?;
                return Err(fault);
            }
        }
        Ok(length)
    }

    fn push(&mut self, record: Record) -> io::Result<()> {
        self.idx.write_all_at(&record.encode(), self.idx_bytes).inspect_err(|_| {
            if let Err(fault) = self.idx.set_len(self.idx_bytes) {
                tracing::warn!(segment = self.number, %fault, "cannot undo half a record");
            }
        })?;
        self.idx_bytes += RECORD_BYTES;
        self.last = Some(record);
        Ok(())
    }

    fn replace(&mut self, record: Record) -> io::Result<()> {
        self.idx.write_all_at(&record.encode(), self.idx_bytes - RECORD_BYTES)?;
        self.last = Some(record);
        Ok(())
    }
}

/// Whether bytes at `offset` that arrived at `at` still belong to the record.
fn continues(last: &Record, offset: u64, at: Timestamp) -> bool {
    let age = (at - last.at).to_std();
    last.end() == offset && last.length < CHUNK_LIMIT && age.is_ok_and(|age| age < MERGE_WINDOW)
}
