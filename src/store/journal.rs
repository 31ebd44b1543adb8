//! [`Journal`]: commits that are too large for one batch of sled stay atomic.
//!
//! sled's memory grows with the square of a batch, so a batch is bounded ([`BATCH_KEYS`]). A larger commit (thousands of
//! jobs loaded at once) is written to a file beside the database first, with all its operations and their checksum, and
//! made durable; then the operations go into sled in several batches, that on the store's own record last; then the file
//! is removed. A crash in between leaves either no whole journal, and nothing was applied; or a whole one, which is
//! applied again when the store is opened, since operations name final values and may be repeated. A journal whose
//! sequence the database has reached already is a left-over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::batch::Sealed;
use super::database::{Database, DatabaseError, Operation, is_full};
use super::faults::{Faults, Step};
use super::read::{ReadError, load_meta};

/// Keys of one sled batch at the most: 300 keep the daemon below 40 MB, 1500 take it beyond a gigabyte.
pub(super) const BATCH_KEYS: usize = 300;

/// Bytes of one sled batch at the most, for the same reason: two of sled's segments.
pub(super) const BATCH_BYTES: usize = 1024 * 1024;

const MAGIC: &[u8; 8] = b"JOBJRNL1";

/// Sequence, number of operations.
const HEADER_LENGTH: usize = 16;

/// The journal file of one store.
pub(super) struct Journal {
    path: PathBuf,
    faults: Faults,
}

/// A commit read back from a journal.
struct Pending {
    /// The sequence that the store has once it is applied.
    sequence: u64,
    /// What to do, in order.
    operations: Vec<Operation>,
}

/// Why a large commit could not be kept or applied.
#[derive(Debug, thiserror::Error)]
pub(super) enum JournalError {
    /// The file.
    #[error("cannot {step} {}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// The journal.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The database to which it was to be applied.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The database to which it was to be applied.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl JournalError {
    /// Whether there was no room.
    pub fn is_full(&self) -> bool {
        match self {
            Self::File { source, .. } => is_full(source),
            Self::Database(fault) => fault.is_full(),
            Self::Read(_) => false,
        }
    }
}

impl Journal {
    /// The journal at `path`; it exists only while a large commit is under way.
    pub fn new(path: PathBuf, faults: &Faults) -> Self {
        Self { path, faults: faults.clone() }
    }

    /// Makes a commit durable beside the database.
    ///
    /// # Errors
    /// When it cannot be written; then no trace of it counts.
    pub fn write(&self, commit: &Sealed) -> Result<(), JournalError> {
        let bytes = encode(commit.meta.sequence, &commit.operations);
        self.faults.before(Step::Journal).and_then(|()| replace_file(&self.path, &bytes)).map_err(self.fault("write"))
    }

    /// Applies the commit that was under way when the store was last written, if there was one, it was whole, and the
    /// database has not got it yet. Says whether it did.
    ///
    /// # Errors
    /// When the file or the database cannot be read, or the database not be written.
    pub fn redo(&self, database: &Database) -> Result<bool, JournalError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(fault) => return Err(self.fault("read")(fault)),
        };
        let reached = load_meta(database)?.map_or(0, |meta| meta.sequence);
        let pending = decode(&bytes).filter(|pending| pending.sequence > reached);
        if let Some(pending) = &pending {
            apply_durably(database, &pending.operations)?;
        }
        self.remove();
        Ok(pending.is_some())
    }

    /// Removes the file: its commit is durable in the database. If that fails, the next one to look ignores it.
    pub fn remove(&self) {
        match fs::remove_file(&self.path) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%fault, path = %self.path.display(), "a journal that is done with stays behind");
            }
            Ok(()) | Err(_) => {}
        }
    }

    fn fault(&self, step: &'static str) -> impl Fn(io::Error) -> JournalError {
        let path = self.path.clone();
        move |source| JournalError::File { step, path: path.clone(), source }
    }
}

/// Writes a file so that after a crash it holds either the old bytes or the new ones.
///
/// # Errors
/// When it cannot be written; then the old file stands.
pub(super) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&partial, path)?;
    sync_parent(path)
}

/// Puts operations into the database in batches within the bounds, and makes them durable.
fn apply_durably(database: &Database, operations: &[Operation]) -> Result<(), DatabaseError> {
    apply_bounded(database, operations)?;
    database.settle()
}

/// Puts operations into the database in batches within the bounds. Not durable before [`Database::settle`].
pub(super) fn apply_bounded(database: &Database, operations: &[Operation]) -> Result<(), DatabaseError> {
    let mut rest = operations;
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(batch_length(rest));
        database.apply(batch)?;
        database.flush()?;
        rest = later;
    }
    Ok(())
}

/// How many of the operations fit into the next batch; at least one.
fn batch_length(operations: &[Operation]) -> usize {
    let mut bytes = 0;
    let fits = |operation: &&Operation| {
        bytes += length(operation);
        bytes <= BATCH_BYTES
    };
    operations.iter().take(BATCH_KEYS).take_while(fits).count().max(1)
}

/// Bytes of an operation.
pub(super) fn length((key, value): &Operation) -> usize {
    key.len() + value.as_ref().map_or(0, Vec::len)
}

/// Makes the entries of the directory in which `path` lies durable.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Magic, sequence, count, operations, CRC-32 of all before it. An operation is the lengths of its key and of its value
/// (`u32::MAX`: remove), then both.
fn encode(sequence: u64, operations: &[Operation]) -> Vec<u8> {
    let size: usize = operations.iter().map(|operation| length(operation) + 8).sum();
    let mut bytes = Vec::with_capacity(MAGIC.len() + HEADER_LENGTH + size + 4);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&(operations.len() as u64).to_be_bytes());
    for (key, value) in operations {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("values are a few kilobytes at the most");
        bytes.extend_from_slice(&length(key).to_be_bytes());
        bytes.extend_from_slice(&value.as_deref().map_or(u32::MAX, length).to_be_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Pending> {
    let (body, checksum) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(body).to_be_bytes() != *checksum {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let sequence = u64::from_be_bytes(take(&mut rest)?);
    let count = u64::from_be_bytes(take(&mut rest)?);
    let mut operations = Vec::new();
    for _ in 0..count {
        let key_length = u32::from_be_bytes(take(&mut rest)?) as usize;
        let value_length = match u32::from_be_bytes(take(&mut rest)?) {
            u32::MAX => None,
            length => Some(length as usize),
        };
        let (key, after) = rest.split_at_checked(key_length)?;
        let (value, after) = after.split_at_checked(value_length.unwrap_or(0))?;
        operations.push((key.to_vec(), value_length.map(|_| value.to_vec())));
        rest = after;
    }
    rest.is_empty().then_some(Pending { sequence, operations })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_journal_reads_back_whole_or_not_at_all(
            sequence: u64,
            operations: Vec<(Vec<u8>, Option<Vec<u8>>)>,
            cut in 0_usize..64,
        ) {
            let bytes = encode(sequence, &operations);
            let pending = decode(&bytes).expect("whole");
            prop_assert_eq!(pending.sequence, sequence);
            prop_assert_eq!(&pending.operations, &operations);
            if cut > 0 && cut <= bytes.len() {
                prop_assert!(decode(&bytes[..bytes.len() - cut]).is_none());
            }
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            prop_assert!(decode(&bytes).is_none());
        }
    }

    #[test]
    fn batches_keep_both_bounds() {
        let small = vec![(vec![0], Some(vec![0; 10])); 1000];
        assert_eq!(batch_length(&small), BATCH_KEYS);
        let large = vec![(vec![0], Some(vec![0; BATCH_BYTES / 4])); 10];
        assert_eq!(batch_length(&large), 3);
        let huge = vec![(vec![0], Some(vec![0; BATCH_BYTES * 2]))];
        assert_eq!(batch_length(&huge), 1);
    }
}
