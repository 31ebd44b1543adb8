//! [`Key`]: where records lie in sled's one tree.
//!
//! | key | value |
//! |---|---|
//! | `m` | the store itself: format, writer, sequence, digest |
//! | `j/<job>` | a job's state |
//! | `s/<revision>\0<job>` | the text of a job's revision |
//! | `h/<job>\0<number><index>` | history: a run (index 0) or a record of skips after it (index from 1) |
//! | `l/<job>\0<number>` | empty; the run is live |
//! | `t/<instant><job>\0<number><index>` | empty; the run ended, or the skips were recorded, at this instant |
//! | `n/<number>` | a message in the outbox |
//! | `p/<key><part>` | what of the record at `<key>` did not fit into one value |
//!
//! Numbers are big-endian, so that the order of keys is the order of numbers: `number` has 8 bytes, `index` and `part`
//! 4, `instant` 8 (microseconds, sign bit flipped, so that times before 1970 come first). A job's name has no NUL, which
//! ends it: `a` and `a.b` do not mix.
//!
//! `l/` and `t/` are indexes: all that they say follows from `h/`. They make opening and `recent` independent of the
//! length of history.

use crate::clock::Timestamp;
use crate::run::RunId;
use crate::spec::{JobName, Revision};
use crate::store::HistoryKey;

/// A place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The store itself.
    Meta,
    /// A job's state.
    Job(JobName),
    /// The text of a job's revision. Two jobs may have the same text; each has its own record.
    Source(Revision, JobName),
    /// A run, or skips.
    History(JobName, HistoryKey),
    /// Index of live runs.
    Live(RunId),
    /// Index of ended runs and of skips by time.
    Ended(Instant, JobName, HistoryKey),
    /// A message in the outbox.
    Notice(u64),
    /// A further part of the record whose encoded key this is.
    Part(Vec<u8>, u32),
}

/// Microseconds since 1970, as keys order them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(pub i64);

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        Self(at.timestamp_micros())
    }
}

/// Bytes that are no key of this store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is no key of this store", .0.escape_ascii())]
pub(super) struct KeyError(Vec<u8>);

/// Ends a job's name, or a revision, where something follows.
const NAME_END: u8 = 0;

/// Characters of a revision at the most; a real one has 32.
const REVISION_LIMIT: usize = 64;

/// Prefix of all history records of all jobs.
pub(super) const HISTORY: &[u8] = b"h/";
/// Prefix of all jobs' states.
pub(super) const JOBS: &[u8] = b"j/";
/// Prefix of the index of live runs.
pub(super) const LIVE: &[u8] = b"l/";
/// Prefix of the outbox.
pub(super) const NOTICES: &[u8] = b"n/";
/// Prefix of all sources.
pub(super) const SOURCES: &[u8] = b"s/";
/// Prefix of the index by time.
pub(super) const ENDED: &[u8] = b"t/";

impl Key {
    /// The bytes under which sled keeps it.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Meta => b"m".to_vec(),
            Self::Job(job) => [JOBS, job.as_str().as_bytes()].concat(),
            Self::Source(revision, job) => [&texts_of(revision)[..], job.as_str().as_bytes()].concat(),
            Self::History(job, place) => [&history_of(job)[..], &encode_place(*place)].concat(),
            Self::Live(run) => [LIVE, run.job.as_str().as_bytes(), &[NAME_END], &run.number.to_be_bytes()].concat(),
            Self::Ended(at, job, place) => {
                let instant = (at.0 ^ i64::MIN).to_be_bytes();
                [ENDED, &instant, job.as_str().as_bytes(), &[NAME_END], &encode_place(*place)].concat()
            }
            Self::Notice(number) => [NOTICES, &number.to_be_bytes()].concat(),
            Self::Part(key, part) => [&b"p/"[..], key, &part.to_be_bytes()].concat(),
        }
    }

    /// Reads a key back.
    ///
    /// # Errors
    /// When the bytes are not what [`Key::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        decode(bytes).ok_or_else(|| KeyError(bytes.to_vec()))
    }
}

/// The prefix of one job's history.
pub(super) fn history_of(job: &JobName) -> Vec<u8> {
    [HISTORY, job.as_str().as_bytes(), &[NAME_END]].concat()
}

/// The prefix of one revision's texts.
pub(super) fn texts_of(revision: &Revision) -> Vec<u8> {
    [SOURCES, revision.as_str().as_bytes(), &[NAME_END]].concat()
}

fn encode_place(place: HistoryKey) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&place.number.to_be_bytes());
    bytes[8..].copy_from_slice(&place.skip_index.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Key> {
    if bytes == b"m" {
        return Some(Key::Meta);
    }
    let (prefix, rest) = bytes.split_at_checked(2)?;
    match prefix {
        JOBS => Some(Key::Job(decode_name(rest)?)),
        SOURCES => {
            let end = rest.iter().position(|&byte| byte == NAME_END)?;
            Some(Key::Source(decode_revision(&rest[..end])?, decode_name(&rest[end + 1..])?))
        }
        HISTORY => {
            let (job, rest) = split_name(rest)?;
            Some(Key::History(job, decode_place(rest)?))
        }
        LIVE => {
            let (job, rest) = split_name(rest)?;
            Some(Key::Live(RunId { job, number: u64::from_be_bytes(rest.try_into().ok()?) }))
        }
        ENDED => {
            let (instant, rest) = rest.split_first_chunk::<8>()?;
            let (job, rest) = split_name(rest)?;
            Some(Key::Ended(Instant(i64::from_be_bytes(*instant) ^ i64::MIN), job, decode_place(rest)?))
        }
        NOTICES => Some(Key::Notice(u64::from_be_bytes(rest.try_into().ok()?))),
        b"p/" => {
            let (key, part) = rest.split_last_chunk::<4>()?;
            Some(Key::Part(key.to_vec(), u32::from_be_bytes(*part)))
        }
        _ => None,
    }
}

fn split_name(bytes: &[u8]) -> Option<(JobName, &[u8])> {
    let end = bytes.iter().position(|&byte| byte == NAME_END)?;
    Some((decode_name(&bytes[..end])?, &bytes[end + 1..]))
}

fn decode_name(bytes: &[u8]) -> Option<JobName> {
    JobName::new(std::str::from_utf8(bytes).ok()?).ok()
}

fn decode_revision(bytes: &[u8]) -> Option<Revision> {
    let plain = !bytes.is_empty() && bytes.len() <= REVISION_LIMIT && bytes.iter().all(u8::is_ascii_graphic);
    plain.then(|| Revision::from_hex(&String::from_utf8_lossy(bytes)))
}

fn decode_place(bytes: &[u8]) -> Option<HistoryKey> {
    let bytes: &[u8; 12] = bytes.try_into().ok()?;
    let (number, index) = bytes.split_first_chunk::<8>()?;
    Some(HistoryKey { number: u64::from_be_bytes(*number), skip_index: u32::from_be_bytes(index.try_into().ok()?) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job(name: &str) -> JobName {
        JobName::new(name).expect("a good name")
    }

    fn place(number: u64, skip_index: u32) -> HistoryKey {
        HistoryKey { number, skip_index }
    }

    #[test]
    fn keys_are_what_the_table_says() {
        let at = Instant(1);
        let table: [(Key, &[u8]); 8] = [
            (Key::Meta, b"m"),
            (Key::Job(job("a")), b"j/a"),
            (Key::Source(Revision::from_hex("0f"), job("a")), b"s/0f\0a"),
            (Key::History(job("a"), place(258, 3)), b"h/a\0\0\0\0\0\0\0\x01\x02\0\0\0\x03"),
            (Key::Live(RunId { job: job("a"), number: 1 }), b"l/a\0\0\0\0\0\0\0\0\x01"),
            (Key::Ended(at, job("a"), place(1, 0)), b"t/\x80\0\0\0\0\0\0\x01a\0\0\0\0\0\0\0\0\x01\0\0\0\0"),
            (Key::Notice(258), b"n/\0\0\0\0\0\0\x01\x02"),
            (Key::Part(b"j/a".to_vec(), 2), b"p/j/a\0\0\0\x02"),
        ];
        for (key, bytes) in table {
            assert_eq!(key.encode(), bytes, "{key:?}");
            assert_eq!(Key::decode(bytes), Ok(key));
        }
    }

    #[test]
    fn foreign_bytes_are_refused() {
        for bytes in [
            &b""[..],
            b"x",
            b"mm",
            b"j/",
            b"j/Upper",
            b"h/a\0short",
            b"l/a",
            b"n/short",
            b"t/1234567",
            b"p/1",
            b"s/",
            b"s/0f",
            b"s/a b\0a",
        ] {
            assert!(Key::decode(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn history_is_in_chronological_order(a: (u64, u32), b: (u64, u32)) {
            let key = |(number, index)| Key::History(job("x"), place(number, index)).encode();
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        }

        #[test]
        fn the_time_index_is_in_order_of_time(a: i64, b: i64) {
            let key = |at| Key::Ended(Instant(at), job("x"), place(1, 0)).encode();
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        }

        #[test]
        fn any_bytes_decode_or_are_refused(prefix in "[mjshltpn]/", rest: Vec<u8>) {
            let bytes = [prefix.as_bytes(), &rest].concat();
            if let Ok(key) = Key::decode(&bytes) {
                prop_assert_eq!(key.encode(), bytes);
            }
        }
    }
}
