//! [`Output`]: what an attempt printed, read from any place, live or finished.

use std::path::{Path, PathBuf};

use super::index::{self, Kind, ReadError, Record, Stream};
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
    /// The files were damaged later.
    Damaged,
}

impl Missing {
    /// The name in the API and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Lost => "lost",
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
    fn covers(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    fn wants(&self, record: &Record) -> bool {
        let stream = match record.kind {
            Kind::Printed(stream) => self.stream.is_none_or(|wanted| wanted == stream),
            Kind::Lost => true,
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
        Pieces { dir: self.dir.clone(), from, filter, segment: None, jumped: false }
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
                if record.kind == Kind::Lost {
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
        let (Kind::Printed(stream), Some(segment)) = (record.kind, &self.segment) else {
            self.from = end;
            return Ok(missing(Missing::Lost));
        };
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Writer;
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_timestamp_micros(1_793_536_496_000_000 + micros).unwrap()
    }

    fn everything(dir: &Path) -> Vec<Piece> {
        Output::new(dir).read(0, Filter::default()).map(Result::unwrap).collect()
    }

    /// The bytes of all pieces, and what is missing between them.
    fn flat(pieces: &[Piece]) -> (Vec<u8>, u64) {
        let mut bytes = Vec::new();
        let mut missing = 0;
        for piece in pieces {
            match piece {
                Piece::Printed(chunk) => bytes.extend(&chunk.bytes),
                Piece::Missing { bytes, .. } => missing += bytes,
            }
        }
        (bytes, missing)
    }

    fn disk_bytes(dir: &Path) -> u64 {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }

    #[test]
    fn what_was_printed_is_read_with_stream_and_time() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path(), 1 << 20);
        writer.append(Stream::Stdout, b"one\0", at(0));
        writer.append(Stream::Stdout, b"two\n", at(100));
        writer.append(Stream::Stderr, b"\xff\n", at(200));
        writer.append(Stream::Stderr, b"late", at(1_000_000));
        let chunk = |offset, micros, stream, bytes: &[u8]| {
            Piece::Printed(Chunk { offset, at: at(micros), stream, bytes: bytes.to_vec() })
        };
        let pieces = [
            chunk(0, 0, Stream::Stdout, b"one\0two\n"),
            chunk(8, 200, Stream::Stderr, b"\xff\n"),
            chunk(10, 1_000_000, Stream::Stderr, b"late"),
        ];
        assert_eq!(everything(dir.path()), pieces);
        let read = |from, filter| Output::new(dir.path()).read(from, filter).map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(read(5, Filter::default())[0], chunk(5, 0, Stream::Stdout, b"wo\n"));
        assert_eq!(read(0, Filter { stream: Some(Stream::Stderr), ..Filter::default() }), pieces[1..]);
        assert_eq!(read(0, Filter { since: Some(at(201)), ..Filter::default() }), pieces[2..]);
        assert_eq!(read(0, Filter { until: Some(at(200)), ..Filter::default() }), pieces[..1]);
        assert_eq!(read(14, Filter::default()), []);
    }

    #[test]
    fn nothing_printed_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path(), 1 << 20);
        assert_eq!(writer.finish(at(0)), Default::default());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(everything(dir.path()), []);
        assert_eq!(everything(&dir.path().join("never made")), []);
    }

    #[test]
    fn the_first_and_the_last_part_are_kept_within_the_bound() {
        for limit in [0, 100, 512, 1024, 4096, 100_000, 1 << 20] {
            let dir = tempfile::tempdir().unwrap();
            let mut writer = Writer::new(dir.path(), limit);
            let mut printed: Vec<u8> = Vec::new();
            for number in 0..60_000u32 {
                let line = format!("{number}\n");
                let stream = if number % 7 == 0 { Stream::Stderr } else { Stream::Stdout };
                writer.append(stream, line.as_bytes(), at(number.into()));
                printed.extend(line.as_bytes());
                if number % 5_000 == 0 {
                    assert!(disk_bytes(dir.path()) <= limit, "{limit}");
                }
            }
            let summary = writer.finish(at(99_999));
            assert!(disk_bytes(dir.path()) <= limit, "{limit}");
            assert_eq!((summary.bytes, summary.lost_bytes), (printed.len() as u64, 0));
            let pieces = everything(dir.path());
            let mut kept = 0;
            for piece in &pieces {
                match piece {
                    Piece::Printed(chunk) => {
                        let place = chunk.offset as usize;
                        assert_eq!(chunk.bytes, printed[place..place + chunk.bytes.len()]);
                        kept += chunk.bytes.len() as u64;
                    }
                    Piece::Missing { why, .. } => assert_eq!(*why, Missing::Cut),
                }
            }
            assert_eq!(kept + summary.cut_bytes, summary.bytes, "{limit}");
            assert_eq!(summary.cut_bytes > 0, limit < 1 << 20, "{limit}");
            if limit >= 1024 {
                let gaps = pieces.iter().filter(|piece| matches!(piece, Piece::Missing { .. })).count();
                assert_eq!((gaps, pieces.last().unwrap().end()), (usize::from(limit < 1 << 20), summary.bytes));
            }
            if limit == 100_000 {
                let head = pieces.iter().take_while(|piece| matches!(piece, Piece::Printed(_))).last().unwrap().end();
                let tail = summary.bytes - head - summary.cut_bytes;
                assert!(head > 0 && head * 2 < tail, "{head} {tail}");
            }
        }
    }

    #[test]
    fn what_the_disk_does_not_take_is_counted_and_marked() {
        let dir = tempfile::tempdir().unwrap();
        let obstacle = dir.path().join("0.out");
        fs::create_dir(&obstacle).unwrap();
        let mut writer = Writer::new(dir.path(), 1 << 20);
        writer.append(Stream::Stdout, b"lost", at(0));
        writer.append(Stream::Stderr, b", too", at(1));
        assert_eq!(everything(dir.path()), []);
        fs::remove_dir(&obstacle).unwrap();
        writer.append(Stream::Stdout, b"kept", at(10));
        let kept = Chunk { offset: 9, at: at(10), stream: Stream::Stdout, bytes: b"kept".to_vec() };
        let expected = [Piece::Missing { offset: 0, bytes: 9, why: Missing::Lost }, Piece::Printed(kept)];
        assert_eq!(everything(dir.path()), expected);
        assert_eq!(writer.summary().lost_bytes, 9);
        assert_eq!(Writer::resume(dir.path(), 1 << 20).unwrap().summary(), writer.summary());
    }

    #[test]
    fn what_is_lost_at_the_very_end_is_marked_too() {
        let dir = tempfile::tempdir().unwrap();
        let obstacle = dir.path().join("0.out");
        fs::create_dir(&obstacle).unwrap();
        let mut writer = Writer::new(dir.path(), 1 << 20);
        writer.append(Stream::Stdout, b"lost", at(0));
        fs::remove_dir(&obstacle).unwrap();
        let summary = writer.finish(at(1));
        assert_eq!((summary.bytes, summary.lost_bytes), (4, 4));
        assert_eq!(everything(dir.path()), [Piece::Missing { offset: 0, bytes: 4, why: Missing::Lost }]);
    }

    #[test]
    fn the_last_lines_are_found_backwards() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path(), 1 << 20);
        for (index, text) in ["a\nb", "b\n", "e1\n", "\nc\n", "e2\n", "open"].into_iter().enumerate() {
            let stream = if text.starts_with('e') { Stream::Stderr } else { Stream::Stdout };
            writer.append(stream, text.as_bytes(), at(index as i64 * 1_000_000));
        }
        let text = "a\nbb\ne1\n\nc\ne2\nopen";
        let last = |lines, filter| {
            let output = Output::new(dir.path());
            let from = output.last_lines(lines, filter).unwrap();
            let pieces: Vec<Piece> = output.read(from, filter).map(Result::unwrap).collect();
            String::from_utf8(flat(&pieces).0).unwrap()
        };
        let table =
            [(0, ""), (1, "open"), (2, "e2\nopen"), (4, "\nc\ne2\nopen"), (6, "bb\ne1\n\nc\ne2\nopen"), (99, text)];
        for (lines, expected) in table {
            assert_eq!(last(lines, Filter::default()), expected, "{lines}");
        }
        let stderr = Filter { stream: Some(Stream::Stderr), ..Filter::default() };
        assert_eq!((last(1, stderr).as_str(), last(2, stderr).as_str()), ("e2\n", "e1\ne2\n"));
    }

    #[test]
    fn what_grows_is_read_on_without_repeating() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path(), 50_000);
        let mut pieces = Output::new(dir.path()).read(0, Filter::default());
        let (mut printed, mut read, mut missing) = (Vec::new(), Vec::new(), 0);
        for number in 0..20_000u32 {
            let line = format!("{number} ");
            writer.append(Stream::Stdout, line.as_bytes(), at(number.into()));
            printed.extend(line.as_bytes());
            // Sometimes the reader falls so far behind that its segment is deleted.
            if number % 3 == 0 && !(8_000..16_000).contains(&number) {
                let (bytes, gap) = flat(&pieces.by_ref().map(Result::unwrap).collect::<Vec<_>>());
                read.extend(bytes);
                missing += gap;
                assert_eq!(pieces.position(), printed.len() as u64);
            }
        }
        let (bytes, gap) = flat(&pieces.map(Result::unwrap).collect::<Vec<_>>());
        read.extend(bytes);
        assert_eq!(read.len() as u64 + missing + gap, printed.len() as u64);
        assert!(missing > 0 && printed.ends_with(&read[read.len() - 100..]));
    }

    #[test]
    fn a_writer_goes_on_where_another_was_killed() {
        let dir = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..5_000u32).flat_map(|number| format!("{number}\n").into_bytes()).collect();
        let mut writer = Writer::new(dir.path(), 16_000);
        for (index, piece) in text.chunks(37).enumerate() {
            if index % 50 == 49 {
                let before = writer.summary();
                writer = Writer::resume(dir.path(), 16_000).unwrap();
                assert_eq!(writer.summary(), before);
            }
            writer.append(Stream::Stdout, piece, at(index as i64 * 10_000));
            assert!(disk_bytes(dir.path()) <= 16_000);
        }
        let pieces = everything(dir.path());
        let (bytes, missing) = flat(&pieces);
        assert_eq!((missing, bytes.len() as u64 + missing), (writer.summary().cut_bytes, text.len() as u64));
        assert!(text.ends_with(&bytes[bytes.len() - 1000..]) && text.starts_with(&bytes[..1000]));
    }

    #[test]
    fn damaged_files_give_what_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path(), 10_000);
        for number in 0..500u32 {
            writer.append(Stream::Stdout, b"0123456789", at(i64::from(number) * 10_000));
        }
        let names: Vec<PathBuf> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let whole = everything(dir.path());
        for name in &names {
            let content = fs::read(name).unwrap();
            for place in [0, 7, 8, 15, 16, 20, 28, 29, 30, 39, 45, content.len() - 1] {
                for damaged in [content[..place].to_vec(), [&content[..place], b"\xff", &content[place + 1..]].concat()]
                {
                    fs::write(name, &damaged).unwrap();
                    let pieces = everything(dir.path());
                    // Nothing is invented: what is said to be missing and what is there still make up everything.
                    let ends: Vec<u64> = pieces.iter().map(Piece::end).collect();
                    assert!(ends.is_sorted() && ends.len() <= whole.len() + 1, "{name:?} at {place}");
                    Output::new(dir.path()).last_lines(10, Filter::default()).unwrap();
                    Writer::resume(dir.path(), 10_000).unwrap();
                }
            }
            fs::write(name, content).unwrap();
        }
        assert_eq!(everything(dir.path()), whole);
    }
}
