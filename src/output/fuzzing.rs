//! What the fuzz target does with the bytes of an index. It lies here so that an ordinary test replays its corpus.

use super::index::{HEADER_BYTES, Index};

/// An index: what is taken from it stands in it, in order and without a gap.
///
/// # Panics
/// When something else is taken.
pub fn index(bytes: &[u8]) {
    let Some(index) = Index::decode(bytes) else { return };
    let mut at = index.base;
    let mut place = HEADER_BYTES as usize;
    for record in &index.records {
        assert_eq!(record.offset, at, "no gap");
        let encoded = record.encode();
        assert_eq!(bytes.get(place..place + encoded.len()), Some(&encoded[..]), "a record has one form");
        at = record.end();
        place += encoded.len();
    }
    assert_eq!(index.end(), at);
    assert!(index.owned_bytes() <= u64::from(u32::MAX) * index.records.len() as u64);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_is_replayed() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/output_index");
        let mut count = 0;
        for entry in std::fs::read_dir(corpus).expect("the corpus is checked in") {
            super::index(&std::fs::read(entry.expect("an entry").path()).expect("readable"));
            count += 1;
        }
        assert!(count > 0, "there is a corpus");
    }
}
