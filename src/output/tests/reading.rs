//! What is written is what is read.

use std::fs;

use std::path::{Path, PathBuf};

use super::*;
use crate::clock::Timestamp;

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
    let table = [(0, ""), (1, "open"), (2, "e2\nopen"), (4, "\nc\ne2\nopen"), (6, "bb\ne1\n\nc\ne2\nopen"), (99, text)];
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
            for damaged in [content[..place].to_vec(), [&content[..place], b"\xff", &content[place + 1..]].concat()] {
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
