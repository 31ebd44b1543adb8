//! From keys and values back to records.

use super::database::{Database, DatabaseError};
use super::frame::{Frame, FrameError, Kind};
use super::key::{Instant, Key};
use super::record::{Meta, Record, RecordError};
use super::{HistoryEntry, HistoryKey};
use crate::causes::chain;
use crate::run::RunState;

/// Why a read failed. The text is for the daemon's log.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database is closed, or being opened again after a failed write.
    #[error("the store is not open at the moment")]
    Closed,
    /// The database said so.
    #[error("the store cannot be read: {0}")]
    Store(String),
    /// A record is damaged.
    #[error("the record {key} is damaged: {reason}")]
    Damaged {
        /// Its key, for people.
        key: String,
        /// Why.
        reason: String,
    },
    /// A newer program wrote a record.
    #[error("the record {key} was written by a newer jobsd (record version {version})")]
    Newer {
        /// Its key, for people.
        key: String,
        /// The record's version.
        version: u8,
    },
}

impl From<DatabaseError> for ReadError {
    fn from(fault: DatabaseError) -> Self {
        Self::Store(chain(&fault))
    }
}

/// Why the values under a key are no record.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    /// The envelope is damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The content is.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A part is missing, or not of the same commit.
    #[error("its part {0} is missing or of another commit")]
    Part(usize),
    /// The record is not the one that the key names.
    #[error("it does not say what its key says")]
    Contradiction,
}

/// A record's bytes, put together and not yet understood.
pub(super) struct Payload {
    /// What it is.
    pub kind: Kind,
    /// The version of its fields.
    pub version: u8,
    /// The commit that wrote it.
    pub sequence: u64,
    /// Its fields.
    pub bytes: Vec<u8>,
}

/// Puts together the record whose values are `first` and, for a long one, `parts` (framed each).
pub(super) fn join(key: &[u8], first: &[u8], parts: &[Vec<u8>]) -> Result<Payload, Damage> {
    let frame = Frame::decode(key, first)?;
    let mut bytes = frame.payload.to_vec();
    if parts.len() != usize::from(frame.parts) {
        return Err(Damage::Part(parts.len()));
    }
    for (index, part) in parts.iter().enumerate() {
        let number = u32::try_from(index).expect("a frame counts its parts in 16 bits");
        let part_key = Key::Part(key.to_vec(), number).encode();
        let part = Frame::decode(&part_key, part)?;
        if part.kind != Kind::Part || part.sequence != frame.sequence {
            return Err(Damage::Part(index));
        }
        bytes.extend_from_slice(part.payload);
    }
    Ok(Payload { kind: frame.kind, version: frame.version, sequence: frame.sequence, bytes })
}

/// Reads the record of these values.
pub(super) fn assemble(key: &[u8], first: &[u8], parts: &[Vec<u8>]) -> Result<Record, Damage> {
    understand(key, &join(key, first, parts)?)
}

/// Reads a record that lies at `key`.
pub(super) fn understand(key: &[u8], payload: &Payload) -> Result<Record, Damage> {
    let record = Record::decode(payload.kind, payload.version, &payload.bytes)?;
    if key_of(&record).encode() == key { Ok(record) } else { Err(Damage::Contradiction) }
}

/// Where a record lies.
pub(super) fn key_of(record: &Record) -> Key {
    match record {
        Record::Meta(_) => Key::Meta,
        Record::Job(job, _) => Key::Job(job.clone()),
        Record::Source(revision, job, _) => Key::Source(revision.clone(), job.clone()),
        Record::Run(run) => Key::History(run.id.job.clone(), HistoryKey { number: run.id.number, skip_index: 0 }),
        Record::Skip(skip) => Key::History(skip.job.clone(), skip.key.into()),
        Record::Notice(notice) => Key::Notice(notice.number),
    }
}

/// When what a record tells of was over, if it is: the place in the time index.
pub(super) fn ended_at(record: &Record) -> Option<Instant> {
    match record {
        Record::Run(run) => match run.state {
            RunState::Finished { ended_at, .. } => Some(ended_at.into()),
            RunState::Queued { .. }
            | RunState::Starting { .. }
            | RunState::Running { .. }
            | RunState::Stopping { .. }
            | RunState::Backoff { .. } => None,
        },
        Record::Skip(skip) => Some(skip.recorded_at.into()),
        Record::Meta(_) | Record::Job(..) | Record::Source(..) | Record::Notice(_) => None,
    }
}

/// The record under a key.
pub(super) fn load(database: &Database, key: &Key) -> Result<Option<Record>, ReadError> {
    let key = key.encode();
    match database.get(&key)? {
        Some(first) => complete(database, &key, &first).map(Some),
        None => Ok(None),
    }
}

/// The record that begins with the value `first` under `key`.
pub(super) fn complete(database: &Database, key: &[u8], first: &[u8]) -> Result<Record, ReadError> {
    understand(key, &payload(database, key, first)?).map_err(|damage| damaged(key, damage))
}

/// The bytes of the record that begins with the value `first` under `key`.
pub(super) fn payload(database: &Database, key: &[u8], first: &[u8]) -> Result<Payload, ReadError> {
    let count = Frame::decode(key, first).map_err(|fault| damaged(key, fault.into()))?.parts;
    let mut parts = Vec::with_capacity(usize::from(count));
    for index in 0..u32::from(count) {
        parts.extend(database.get(&Key::Part(key.to_vec(), index).encode())?.map(|part| part.to_vec()));
    }
    join(key, first, &parts).map_err(|damage| damaged(key, damage))
}

/// The damage of a record, as readers are told.
pub(super) fn damaged(key: &[u8], damage: Damage) -> ReadError {
    let key = key.escape_ascii().to_string();
    match damage {
        Damage::Record(RecordError::Newer { found }) => ReadError::Newer { key, version: found },
        Damage::Frame(_) | Damage::Record(RecordError::Unreadable(_)) | Damage::Part(_) | Damage::Contradiction => {
            ReadError::Damaged { key, reason: damage.to_string() }
        }
    }
}

/// A record as an entry of history.
pub(super) fn history_entry(key: &[u8], record: Record) -> Result<HistoryEntry, ReadError> {
    match record {
        Record::Run(run) => Ok(HistoryEntry::Run(*run)),
        Record::Skip(skip) => Ok(HistoryEntry::Skip(skip)),
        Record::Meta(_) | Record::Job(..) | Record::Source(..) | Record::Notice(_) => {
            Err(damaged(key, Damage::Contradiction))
        }
    }
}

/// What the store says of itself; nothing when it was never written.
pub(super) fn load_meta(database: &Database) -> Result<Option<Meta>, ReadError> {
    match load(database, &Key::Meta)? {
        Some(Record::Meta(meta)) => Ok(Some(meta)),
        Some(Record::Job(..) | Record::Source(..) | Record::Run(_) | Record::Skip(_) | Record::Notice(_)) => {
            Err(damaged(&Key::Meta.encode(), Damage::Contradiction))
        }
        None => Ok(None),
    }
}
