//! A hash that stays the same for ever: choices made by it must survive restarts, upgrades and other machines.

/// FNV-1a over the parts, each ended by a byte that no UTF-8 text contains, then the finalizer of SplitMix64, so that
/// all bits depend on all bytes.
pub(super) fn stable_hash(parts: &[&[u8]]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for &byte in part.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::stable_hash;

    #[test]
    fn never_changes() {
        // Another value here moves every hashed job of every installation.
        assert_eq!(stable_hash(&[b"backup", b"minute"]), 0x3d4f_97fb_f3ea_8099);
        assert_ne!(stable_hash(&[b"ab", b"c"]), stable_hash(&[b"a", b"bc"]));
    }
}
