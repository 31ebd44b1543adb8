//! [`Layout`]: how a limit is divided into segments.

/// Bytes of one segment at the most, both files together, so that a reader can hold an index in memory.
pub const SEGMENT_LIMIT: u64 = 4 << 20;

/// Segments smaller than this would be mostly index. A limit below it keeps nothing.
const SEGMENT_FLOOR: u64 = 512;

/// How many segments there may be, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bytes of one segment, both files together.
    pub segment_bytes: u64,
    /// Segments from the beginning that are kept for ever.
    pub head: u64,
    /// Segments after these, of which the oldest makes room.
    pub tail: u64,
}

impl Layout {
    /// The division of `limit_bytes`.
    pub fn of(limit_bytes: u64) -> Self {
        let segment_bytes = (limit_bytes / 8).clamp(SEGMENT_FLOOR, SEGMENT_LIMIT);
        let segments = limit_bytes / segment_bytes;
        let head = segments.div_ceil(4);
        Self { segment_bytes, head, tail: segments - head }
    }

    /// Whether the segment of this number is kept for ever.
    pub fn is_head(&self, number: u64) -> bool {
        number < self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_divided_and_kept() {
        let table = [
            (0, 512, 0, 0),
            (511, 512, 0, 0),
            (512, 512, 1, 0),
            (1024, 512, 1, 1),
            (4096, 512, 2, 6),
            (16 << 20, 2 << 20, 2, 6),
            (1 << 30, 4 << 20, 64, 192),
        ];
        for (limit, segment_bytes, head, tail) in table {
            assert_eq!(Layout::of(limit), Layout { segment_bytes, head, tail }, "{limit}");
            assert!((head + tail) * segment_bytes <= limit);
        }
    }
}
