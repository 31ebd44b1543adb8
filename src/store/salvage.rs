//! [`Salvage`]: records found in a damaged database by looking at its bytes.
//!
//! sled writes values as they are, uncompressed and in one piece, so every frame in its files can be found by its mark and
//! checked by its checksum, whatever happened around it. Old versions of records lie there too: of each key, the frame
//! of the newest commit counts. What was forgotten since may come back; retention lets it go again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{Frame, Kind, MAGIC, PAYLOAD_LIMIT};
use super::key::Key;
use super::read::assemble;
use super::record::Record;
use crate::spec::NAME_LIMIT;

/// A whole frame is never longer: header, the longest key (of a part of a history record), payload.
const FRAME_LIMIT: usize = 64 + 2 * NAME_LIMIT + PAYLOAD_LIMIT;

/// Bytes looked at at once.
const WINDOW: usize = 4 * 1024 * 1024;

/// Where the newest frame of each key lies.
#[derive(Default)]
pub(super) struct Salvage {
    files: Vec<PathBuf>,
    found: HashMap<Vec<u8>, Found>,
    newest: u64,
}

#[derive(Clone, Copy)]
struct Found {
    sequence: u64,
    kind: Kind,
    parts: u16,
    file: usize,
    offset: u64,
    length: usize,
}

impl Salvage {
    /// Looks through all files of a directory for frames of commits after `after`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn scan(dir: &Path, after: u64) -> io::Result<Self> {
        let mut salvage = Self::default();
        salvage.scan_directory(dir, after)?;
        Ok(salvage)
    }

    /// The newest commit of which there is a trace; 0 when there is none.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Hands every record that is whole to `take`, and says how many are not.
    ///
    /// # Errors
    /// When a file cannot be read, or `take` fails.
    pub fn records<E: From<io::Error>>(&self, mut take: impl FnMut(Record) -> Result<(), E>) -> Result<u64, E> {
        let files = self.files.iter().map(File::open).collect::<io::Result<Vec<File>>>()?;
        let mut broken = 0;
        for (key, found) in &self.found {
            if matches!(found.kind, Kind::Part | Kind::Meta) {
                continue;
            }
            match self.record(&files, key, found)? {
                Some(record) => take(record)?,
                None => broken += 1,
            }
        }
        Ok(broken)
    }

    fn record(&self, files: &[File], key: &[u8], found: &Found) -> io::Result<Option<Record>> {
        let first = bytes(files, found)?;
        let mut parts = Vec::new();
        for index in 0..u32::from(found.parts) {
            let part = self.found.get(&Key::Part(key.to_vec(), index).encode());
            let Some(part) = part.filter(|part| part.sequence == found.sequence) else { return Ok(None) };
            parts.push(bytes(files, part)?);
        }
        Ok(assemble(key, &first, &parts).ok())
    }

    fn scan_directory(&mut self, dir: &Path, after: u64) -> io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.scan_directory(&entry.path(), after)?;
            } else if kind.is_file() {
                self.scan_file(&entry.path(), after)?;
            }
        }
        Ok(())
    }

    fn scan_file(&mut self, path: &Path, after: u64) -> io::Result<()> {
        let file_number = self.files.len();
        self.files.push(path.to_owned());
        let mut file = File::open(path)?;
        let mut window = Vec::with_capacity(WINDOW + FRAME_LIMIT);
        let mut start = 0_u64;
        loop {
            let read = Read::by_ref(&mut file).take(WINDOW as u64).read_to_end(&mut window)?;
            let is_last = read < WINDOW;
            // A frame that begins in the tail may go on in the next window; it is looked at there.
            let end = if is_last { window.len() } else { window.len().saturating_sub(FRAME_LIMIT) };
            let mut at = 0;
            while let Some(offset) = find(&window[at..], end - at) {
                at += offset;
                match Frame::decode_prefix(&window[at..]) {
                    Ok((frame, length)) => {
                        self.note(&frame, file_number, start + at as u64, length, after);
                        at += length;
                    }
                    Err(_) => at += 1,
                }
                if at >= end {
                    break;
                }
            }
            if is_last {
                return Ok(());
            }
            let done = at.max(end);
            window.drain(..done);
            start += done as u64;
        }
    }

    fn note(&mut self, frame: &Frame<'_>, file: usize, offset: u64, length: usize, after: u64) {
        self.newest = self.newest.max(frame.sequence);
        let is_newer = self.found.get(frame.key).is_none_or(|found| found.sequence < frame.sequence);
        if frame.sequence > after && is_newer && Key::decode(frame.key).is_ok() {
            let Frame { kind, parts, sequence, .. } = *frame;
            self.found.insert(frame.key.to_vec(), Found { sequence, kind, parts, file, offset, length });
        }
    }
}

/// Where the next mark begins, before `end`.
fn find(bytes: &[u8], end: usize) -> Option<usize> {
    let mut from = 0;
    while from < end {
        let at = from + bytes[from..end].iter().position(|&byte| byte == MAGIC[0])?;
        if bytes[at..].starts_with(MAGIC) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn bytes(files: &[File], found: &Found) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; found.length];
    files[found.file].read_exact_at(&mut bytes, found.offset)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::VERSION;
    use crate::store::tests::sample::{finished, job, source};

    fn frame(record: &Record, sequence: u64) -> Vec<u8> {
        let key = crate::store::read::key_of(record).encode();
        let payload = record.encode();
        let kind = record.kind();
        Frame { version: VERSION, kind, parts: 0, sequence, key: &key, payload: &payload }.encode()
    }

    fn salvage(bytes: &[u8], after: u64) -> (Vec<Record>, u64) {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("db")).expect("created");
        std::fs::write(dir.path().join("db/any"), bytes).expect("written");
        let mut records = Vec::new();
        let salvage = Salvage::scan(dir.path(), after).expect("readable");
        let broken = salvage
            .records(|record| {
                records.push(record);
                Ok::<(), io::Error>(())
            })
            .expect("readable");
        (records, broken)
    }

    #[test]
    fn the_newest_whole_frame_of_each_key_is_found() {
        let (old, new) = (Record::Run(Box::new(finished("a", 1))), {
            let mut run = finished("a", 1);
            run.created_at += chrono::TimeDelta::seconds(9);
            Record::Run(Box::new(run))
        });
        let mut damaged = frame(&Record::Run(Box::new(finished("a", 2))), 7);
        damaged[40] ^= 1;
        // The newer one lies before the older one: segments are reused.
        let bytes = [&b"JOBJOBRR"[..], &frame(&new, 6), b"JOBR", &damaged, b"\0\xff", &frame(&old, 5), b"JO"].concat();
        assert_eq!(salvage(&bytes, 0), (vec![new.clone()], 0));
        assert_eq!(salvage(&bytes, 5), (vec![new], 0));
        assert_eq!(salvage(&bytes, 6), (vec![], 0));
    }

    #[test]
    fn frames_across_windows_are_found() {
        let record = Record::Run(Box::new(finished("a", 1)));
        let frame = frame(&record, 1);
        for shift in [0, 1, 13, frame.len() / 2, frame.len() - 1, frame.len()] {
            for windows in [1, 2] {
                let before = vec![b'J'; windows * WINDOW - shift];
                assert_eq!(salvage(&[before, frame.clone()].concat(), 0), (vec![record.clone()], 0), "{shift}");
            }
        }
    }

    #[test]
    fn a_record_without_all_its_parts_is_counted() {
        let (revision, text) = source("x");
        let record = Record::Source(revision, job("a"), Box::new(text));
        let key = crate::store::read::key_of(&record).encode();
        let frame = Frame { version: VERSION, kind: Kind::Source, parts: 1, sequence: 1, key: &key, payload: b"{" };
        assert_eq!(salvage(&frame.encode(), 0), (vec![], 1));
    }
}
