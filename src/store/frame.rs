//! [`Frame`]: the envelope of every value, so that damage is seen and values can be salvaged from a broken file.
//!
//! ```text
//! 0   4  magic "JOBR"
//! 4   1  version of the record
//! 5   1  kind of the record
//! 6   2  number of further parts (of a record's first value), or 0
//! 8   8  sequence of the commit that wrote it
//! 16  2  length of the key
//! 18  4  length of the payload
//! 22  4  CRC-32 of everything else but the magic
//! 26     key, payload
//! ```
//!
//! Integers are big-endian. The key is repeated inside, since a raw scan of sled's file finds values alone; the sequence
//! tells which of several versions found there is the newest.

/// What a value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The store itself.
    Meta = 1,
    /// A job's state.
    Job = 2,
    /// A job file's text.
    Source = 3,
    /// A run.
    Run = 4,
    /// Skips.
    Skip = 5,
    /// A further part of a record.
    Part = 6,
    /// A message in the outbox.
    Notice = 7,
}

impl Kind {
    const ALL: [Self; 7] = [Self::Meta, Self::Job, Self::Source, Self::Run, Self::Skip, Self::Part, Self::Notice];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as u8 == byte)
    }
}

/// One value, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// The version of the record's type.
    pub version: u8,
    /// What the payload is.
    pub kind: Kind,
    /// How many further values belong to this record.
    pub parts: u16,
    /// The commit that wrote it.
    pub sequence: u64,
    /// The key under which it lies.
    pub key: &'a [u8],
    /// The record, or the first part of it.
    pub payload: &'a [u8],
}

/// Why bytes are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// Fewer bytes than a header, or than the header says.
    #[error("it is cut short at {0} bytes")]
    Short(usize),
    /// It does not begin as a frame does.
    #[error("it does not begin with the mark of a record")]
    Magic,
    /// Its payload is longer than any.
    #[error("it says that it is {0} bytes long")]
    Long(usize),
    /// More bytes than the header says.
    #[error("{0} bytes follow its end")]
    Trailing(usize),
    /// The checksum differs.
    #[error("its checksum does not match")]
    Checksum,
    /// Intact, but of no known kind.
    #[error("it is of an unknown kind, {0}")]
    Kind(u8),
    /// It lies under another key.
    #[error("it belongs to the key {}", .0.escape_ascii())]
    Misplaced(Vec<u8>),
}

/// How every frame begins.
pub(super) const MAGIC: &[u8; 4] = b"JOBR";

const HEADER_LENGTH: usize = 26;
const CHECKSUM: std::ops::Range<usize> = 22..26;

/// Payload bytes of one value. sled writes a leaf of up to 17 values as one message, and moves a message of more than a
/// quarter segment (128 KiB) into a separate file that it never syncs; 17 values of this size stay well below. It may
/// only grow: longer ones are taken for damage.
pub(super) const PAYLOAD_LIMIT: usize = 4096;

/// Further parts of one record at the most: what fits the header's field.
pub(super) const PARTS_LIMIT: usize = u16::MAX as usize;

impl<'a> Frame<'a> {
    /// The bytes of the value.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LENGTH + self.key.len() + self.payload.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[self.version, self.kind as u8]);
        bytes.extend_from_slice(&self.parts.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        let key_length = u16::try_from(self.key.len()).expect("a key has at most a name and a few numbers");
        bytes.extend_from_slice(&key_length.to_be_bytes());
        let payload_length = u32::try_from(self.payload.len()).expect("a payload is at most PAYLOAD_LIMIT long");
        bytes.extend_from_slice(&payload_length.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(self.key);
        bytes.extend_from_slice(self.payload);
        let checksum = checksum(&bytes);
        bytes[CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// Takes a value apart that lies under `key`.
    ///
    /// # Errors
    /// When it is damaged, or belongs elsewhere.
    pub fn decode(key: &[u8], bytes: &'a [u8]) -> Result<Self, FrameError> {
        let (frame, length) = Self::decode_prefix(bytes)?;
        match bytes.len() - length {
            0 if frame.key == key => Ok(frame),
            0 => Err(FrameError::Misplaced(frame.key.to_vec())),
            more => Err(FrameError::Trailing(more)),
        }
    }

    /// Takes apart the frame with which `bytes` begin; also says how long it is.
    ///
    /// # Errors
    /// When they begin with none.
    pub fn decode_prefix(bytes: &'a [u8]) -> Result<(Self, usize), FrameError> {
        let short = FrameError::Short(bytes.len());
        if !bytes.starts_with(MAGIC) {
            return Err(if MAGIC.starts_with(bytes) { short } else { FrameError::Magic });
        }
        let header = bytes.get(..HEADER_LENGTH).ok_or(short.clone())?;
        let key_length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        let payload_length = u32::from_be_bytes([header[18], header[19], header[20], header[21]]) as usize;
        if payload_length > PAYLOAD_LIMIT {
            return Err(FrameError::Long(payload_length));
        }
        let payload_start = HEADER_LENGTH + key_length;
        let end = payload_start + payload_length;
        let whole = bytes.get(..end).ok_or(short)?;
        if header[CHECKSUM] != checksum(whole).to_be_bytes() {
            return Err(FrameError::Checksum);
        }
        let kind = Kind::from_byte(header[5]).ok_or(FrameError::Kind(header[5]))?;
        let frame = Self {
            version: header[4],
            kind,
            parts: u16::from_be_bytes([header[6], header[7]]),
            sequence: u64::from_be_bytes(header[8..16].try_into().expect("eight bytes")),
            key: &whole[HEADER_LENGTH..payload_start],
            payload: &whole[payload_start..],
        };
        Ok((frame, end))
    }
}

/// The checksum of a whole frame, whatever its checksum field holds.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[MAGIC.len()..CHECKSUM.start]);
    hasher.update(&bytes[CHECKSUM.end..]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame() -> Frame<'static> {
        Frame { version: 1, kind: Kind::Run, parts: 2, sequence: 7, key: b"h/a", payload: b"{}" }
    }

    #[test]
    fn a_frame_reads_back() {
        let bytes = frame().encode();
        assert_eq!(Frame::decode(b"h/a", &bytes), Ok(frame()));
        assert_eq!(bytes.len(), 26 + 3 + 2);
    }

    #[test]
    fn the_wrong_place_is_seen() {
        assert_eq!(Frame::decode(b"h/b", &frame().encode()), Err(FrameError::Misplaced(b"h/a".to_vec())));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let bytes = frame().encode();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::decode(b"h/a", &damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(Frame::decode(b"h/a", &bytes[..length]), Err(FrameError::Short(length)));
        }
        assert_eq!(Frame::decode(b"h/a", &[&bytes[..], b"x"].concat()), Err(FrameError::Trailing(1)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_refused(bytes: Vec<u8>) {
            let bytes = [&MAGIC[..], &bytes].concat();
            if let Ok((frame, length)) = Frame::decode_prefix(&bytes) {
                prop_assert_eq!(frame.encode(), &bytes[..length]);
            }
        }
    }
}
