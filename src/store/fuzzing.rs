//! What the fuzz targets do with bytes. It lies here so that an ordinary test replays their corpus.

use std::io::BufReader;

use super::export::{self, ImportError};
use super::frame::{Frame, Kind};
use super::journal;
use super::key::Key;
use super::manifest::Manifest;
use super::record::Record;

/// Records, and the frames around them. The first byte says which kind of record the others are.
///
/// # Panics
/// When something is accepted that does not read back as it was written.
pub fn record(bytes: &[u8]) {
    let Some((&first, payload)) = bytes.split_first() else { return };
    let kinds = [Kind::Meta, Kind::Job, Kind::Source, Kind::Run, Kind::Skip, Kind::Part, Kind::Notice];
    let kind = kinds[usize::from(first) % kinds.len()];
    if let Ok(record) = Record::decode(kind, 1, payload) {
        assert_eq!(Record::decode(kind, 1, &record.encode()), Ok(record), "what was read is written and read again");
    }
    if let Ok((frame, length)) = Frame::decode_prefix(payload) {
        assert_eq!(frame.encode(), payload[..length], "a frame has one form");
    }
    if let Ok(key) = Key::decode(payload) {
        assert_eq!(key.encode(), payload, "a key has one form");
    }
}

/// Files beside the database: exports, journals, manifests.
///
/// # Panics
/// When something is accepted that cannot be.
pub fn file(bytes: &[u8]) {
    let mut records = 0_u64;
    let read = export::read(&mut BufReader::new(bytes), |_record, _sequence| {
        records += 1;
        Ok::<(), ImportError>(())
    });
    if let Ok(summary) = read {
        assert_eq!(summary.records, records, "an export says how much is in it");
    }
    journal::look(bytes);
    Manifest::look(bytes);
}

#[cfg(test)]
mod tests {
    use crate::corpus::replay;

    #[test]
    fn the_corpus_breaks_nothing() {
        replay("store_record", 20, super::record);
        replay("store_file", 3, super::file);
    }
}
