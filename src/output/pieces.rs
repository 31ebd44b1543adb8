//! [`Pieces`]: goes through the output of an attempt, segment after segment.

use std::path::PathBuf;

use super::index::{self, Kind, Missed, ReadError, Record};
use super::reader::{Chunk, Filter, Missing, Piece};
use super::segment::SegmentReader;

/// Bytes returned at once, about; a reader that is far behind gets them one batch after another.
const BATCH_BYTES: usize = 256 << 10;

/// Iterates over pieces. At the end of what is there it returns `None`; ask again when there may be more.
pub struct Pieces {
    dir: PathBuf,
    from: u64,
    filter: Filter,
    segment: Option<SegmentReader>,
    /// Whether segments between this one and the one before were deleted.
    jumped: bool,
}

impl Iterator for Pieces {
    type Item = Result<Piece, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl Pieces {
    pub(super) fn new(dir: PathBuf, from: u64, filter: Filter) -> Self {
        Self { dir, from, filter, segment: None, jumped: false }
    }

    /// The next pieces, so many that they make a good message; none at the end of what is there.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn batch(&mut self) -> Result<Vec<Piece>, ReadError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES
            && let Some(piece) = self.step()?
        {
            if let Piece::Printed(chunk) = &piece {
                bytes += chunk.bytes.len();
            }
            batch.push(piece);
        }
        Ok(batch)
    }

    /// The absolute offset through which everything was returned or filtered out.
    pub fn position(&self) -> u64 {
        self.from
    }

    fn step(&mut self) -> Result<Option<Piece>, ReadError> {
        while let Some((record, place)) = self.next_record()? {
            let (offset, bytes) = (self.from, record.offset.saturating_sub(self.from));
            if bytes > 0 {
                self.from = record.offset;
                if self.filter.covers(record.at) {
                    let why = if self.jumped { Missing::Cut } else { Missing::Damaged };
                    return Ok(Some(Piece::Missing { offset, bytes, why }));
                }
            }
            if self.filter.wants(&record) {
                return self.piece(&record, place).map(Some);
            }
            self.from = record.end();
        }
        Ok(None)
    }

    fn piece(&mut self, record: &Record, place: u64) -> Result<Piece, ReadError> {
        let (offset, end) = (self.from, record.end());
        let missing = |why| Piece::Missing { offset, bytes: end - offset, why };
        let stream = match record.kind {
            Kind::Printed(stream) => stream,
            Kind::Missed(why) => {
                self.from = end;
                return Ok(missing(match why {
                    Missed::Lost => Missing::Lost,
                    Missed::Limited => Missing::Limited,
                }));
            }
        };
        let segment = self.segment.as_mut().expect("the record came from it");
        let bytes = segment.bytes(record, place, offset - record.offset)?;
        if bytes.is_empty() {
            self.from = end;
            return Ok(missing(Missing::Damaged));
        }
        self.from = offset + bytes.len() as u64;
        Ok(Piece::Printed(Chunk { offset, at: record.at, stream, bytes }))
    }

    /// The next record beyond the position, in this segment or a later one.
    fn next_record(&mut self) -> Result<Option<(Record, u64)>, ReadError> {
        loop {
            if let Some(found) = self.record_here()? {
                return Ok(Some(found));
            }
            let Some(later) = self.later_segment()? else { return Ok(None) };
            // That a later segment exists makes this one final; it may have grown since the look above.
            if let Some(found) = self.record_here()? {
                return Ok(Some(found));
            }
            self.jumped = self.segment.as_ref().map_or(0, |segment| segment.number + 1) != later.number;
            self.segment = Some(later);
        }
    }

    fn record_here(&mut self) -> Result<Option<(Record, u64)>, ReadError> {
        match &mut self.segment {
            Some(segment) => segment.record_beyond(self.from),
            None => Ok(None),
        }
    }

    /// The segment to read after this one: the next that can be read, or, at the beginning, the last that does not begin
    /// beyond the position.
    fn later_segment(&self) -> Result<Option<SegmentReader>, ReadError> {
        let here = self.segment.as_ref().map(|segment| segment.number);
        let mut found = None;
        for number in index::list(&self.dir)?.into_iter().filter(|&number| here.is_none_or(|here| number > here)) {
            // One that is gone was deleted since it was listed.
            let Some(segment) = SegmentReader::open(&self.dir, number)? else { continue };
            match (here, &found) {
                (Some(_), _) => return Ok(Some(segment)),
                (None, Some(_)) if segment.base > self.from => break,
                (None, _) => found = Some(segment),
            }
        }
        Ok(found)
    }
}
