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
    use crate::corpus::replay;

    #[test]
    fn the_corpus_breaks_nothing() {
        replay("output_index", 5, super::index);
    }
}
