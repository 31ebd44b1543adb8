//! Old output, compressed where it lies.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::index::{self, ReadError, output_path, packed_path};
use super::layout::SEGMENT_LIMIT;

/// A good middle between size and time; zstd's own default.
const LEVEL: i32 = 3;

/// Segments smaller than this stay as they are: they take a block of the disk in either form.
pub(super) const WORTH_BYTES: u64 = 4096;

/// The same as zstd's own default for what it reads without being asked: 2^27 bytes, far beyond a segment. A damaged file
/// cannot ask for more memory.
const WINDOW_LOG_LIMIT: u32 = 27;

/// Compresses the finished output in an attempt's directory, segment by segment; says how many bytes became free.
///
/// Readers see either form at any moment. What was cut off by a crash is done again: a file under its final name is whole.
///
/// # Errors
/// When a file cannot be read or written; what was done until then stays.
pub fn compress(dir: &Path) -> Result<u64, ReadError> {
    let mut freed = 0;
    for number in index::list(dir)? {
        let plain = output_path(dir, number);
        match compress_segment(&plain, &packed_path(dir, number)) {
            Ok(bytes) => freed += bytes,
            // Already done.
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
            Err(fault) => return Err(ReadError::at(&plain)(fault)),
        }
    }
    Ok(freed)
}

fn compress_segment(plain: &Path, packed: &Path) -> io::Result<u64> {
    let bytes = fs::metadata(plain)?.len();
    if bytes < WORTH_BYTES {
        return Ok(0);
    }
    let draft = packed.with_extension("zst.new");
    let written = write(plain, &draft);
    let length = written.inspect_err(|_| {
        if let Err(fault) = fs::remove_file(&draft)
            && fault.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %draft.display(), %fault, "cannot remove half a compressed file");
        }
    })?;
    // The new one is durable before the old one goes.
    fs::rename(&draft, packed)?;
    if let Some(dir) = packed.parent() {
        File::open(dir)?.sync_all()?;
    }
    fs::remove_file(plain)?;
    Ok(bytes.saturating_sub(length))
}

fn write(plain: &Path, draft: &Path) -> io::Result<u64> {
    let mut source = File::open(plain)?;
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    let mut encoder = zstd::Encoder::new(file, LEVEL)?;
    encoder.include_checksum(true)?;
    io::copy(&mut source, &mut encoder)?;
    let mut file = encoder.finish()?;
    file.flush()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// What a compressed segment held, up to the first damage; never more than a segment holds.
pub(super) fn decompress(file: File) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::Decoder::new(file)?;
    decoder.window_log_max(WINDOW_LOG_LIMIT)?;
    let mut bytes = Vec::new();
    if let Err(fault) = decoder.take(SEGMENT_LIMIT).read_to_end(&mut bytes) {
        // What came before the damage is shown; the index says how much is missing.
        tracing::warn!(%fault, "a compressed piece of output is damaged");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::{Filter, Missing, Output, Piece, Stream, Writer};
    use super::*;
    use crate::clock::Timestamp;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_timestamp_micros(1_793_536_496_000_000 + micros).unwrap()
    }

    fn everything(dir: &Path) -> Vec<Piece> {
        Output::new(dir).read(0, Filter::default()).map(Result::unwrap).collect()
    }

    fn written(dir: &Path) {
        let mut writer = Writer::new(dir, 1 << 20);
        for number in 0..100_000u32 {
            let stream = if number % 5 == 0 { Stream::Stderr } else { Stream::Stdout };
            writer.append(stream, format!("line {number}\0\u{e9}\n").as_bytes(), at(i64::from(number) * 1000));
        }
        writer.finish(at(1 << 40));
    }

    fn names(dir: &Path, end: &str) -> Vec<PathBuf> {
        let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.to_str().unwrap().ends_with(end)).collect()
    }

    #[test]
    fn compressed_output_reads_as_before() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path());
        let before = everything(dir.path());
        // A reader that is in the middle of it stays there.
        let mut reader = Output::new(dir.path()).read(0, Filter::default());
        let mut read: Vec<Piece> = reader.by_ref().take(10).map(Result::unwrap).collect();
        let freed = compress(dir.path()).unwrap();
        assert!(freed > 200_000, "{freed}");
        assert_eq!((names(dir.path(), ".out").len(), names(dir.path(), ".zst").len()), (0, 8));
        read.extend(reader.map(Result::unwrap));
        assert!(read == before && everything(dir.path()) == before);
        assert_eq!(compress(dir.path()).unwrap(), 0, "it is done once");
        let last = |dir: &Path| Output::new(dir).last_lines(3, Filter::default()).unwrap();
        let plain = tempfile::tempdir().unwrap();
        written(plain.path());
        assert_eq!(last(dir.path()), last(plain.path()));
    }

    #[test]
    fn what_a_crash_left_is_done_again_and_damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path());
        let before = everything(dir.path());
        let packed = dir.path().join("0.out.zst");
        fs::write(dir.path().join("0.out.zst.new"), "half").unwrap();
        // Between the rename and the removal both forms are there.
        let plain = fs::read(dir.path().join("0.out")).unwrap();
        compress(dir.path()).unwrap();
        fs::write(dir.path().join("0.out"), &plain).unwrap();
        assert!(everything(dir.path()) == before);
        compress(dir.path()).unwrap();
        assert!(everything(dir.path()) == before && names(dir.path(), ".new").is_empty());
        let whole = fs::read(&packed).unwrap();
        fs::write(&packed, &whole[..whole.len() / 2]).unwrap();
        let damaged = |piece: &Piece| matches!(piece, Piece::Missing { why: Missing::Damaged, .. });
        let pieces = everything(dir.path());
        assert!(pieces.iter().any(damaged) && pieces.last() == before.last());
    }

    #[test]
    fn small_segments_stay() {
        let dir = tempfile::tempdir().unwrap();
        Writer::new(dir.path(), 1 << 20).append(Stream::Stdout, b"short\n", at(0));
        assert_eq!(compress(dir.path()).unwrap(), 0);
        assert_eq!(names(dir.path(), ".out").len(), 1);
    }
}
