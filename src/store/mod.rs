//! Durable state in sled: keys, record versions, commits, history.
//!
//! One thread owns all writing. It takes the commits that wait, turns their changes into keys and values, hands them to
//! sled as one batch, waits until the disk has them, and only then calls back:
//!
//! ```text
//! Store::commit(changes, done) → queue → Batch → sled → flush → fdatasync → done(Ok)
//! ```
//!
//! - A commit is atomic, whatever its size: one that does not fit into one batch goes through a journal (`journal`).
//! - A commit that cannot be written waits and is tried again until it can; [`Health`] tells meanwhile.
//! - Every value carries a checksum, its key and its commit (`frame`); the store's own record carries a
//!   fingerprint of all keys and values. Opening compares them, so no loss goes unseen.
//! - Records are types of their own, frozen by version (`record`).
//! - Readers read beside the writer, and see each commit as a whole, a large one batch by batch.

mod aside;
mod backup;
mod batch;
mod caretaker;
mod check;
mod compact;
mod database;
mod export;
mod faults;
mod files;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod health;
mod inspect;
mod journal;
mod key;
mod lock;
mod manifest;
mod notes;
mod offline;
mod open;
mod read;
mod reader;
mod rebuild;
mod record;
mod recover;
mod reserve;
mod retention;
mod safeguard;
mod salvage;
#[cfg(test)]
mod tests;
mod upkeep;
mod writer;

use crate::clock::Timestamp;
use crate::run::{Run, RunState, Skip, SkipKey};
use crate::spec::JobName;

pub use backup::BACKUPS_KEPT;
pub use caretaker::Caretaker;
pub use compact::{CompactError, Compacted};
pub use export::{ExportError, ExportSummary, ImportError};
pub use faults::{Faults, Step};
pub use files::database_bytes;
pub use health::{Health, WriteState};
pub use inspect::{Finding, Inspector, inspect};
pub use notes::Note;
pub use offline::{OfflineError, Verified, export, import, restore, salvage, verify};
pub use open::{OpenError, Opened, Options, Store};
pub use read::ReadError;
pub use reader::{HistoryCount, HistoryQuery, Reader, RecentPlace};
pub use retention::Expired;
pub use upkeep::{BACKUP_INTERVAL, Done as UpkeepOutcome, Upkeep, UpkeepDone, UpkeepError};
pub use writer::{CommitError, Done};

/// One entry of a job's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryEntry {
    /// A run, live or finished.
    Run(Run),
    /// Occurrences that did not run.
    Skip(Skip),
}

impl HistoryEntry {
    /// Its place in its job's history.
    pub fn key(&self) -> HistoryKey {
        match self {
            Self::Run(run) => HistoryKey { number: run.id.number, skip_index: 0 },
            Self::Skip(skip) => skip.key.into(),
        }
    }

    /// Its job.
    pub const fn job(&self) -> &JobName {
        match self {
            Self::Run(run) => &run.id.job,
            Self::Skip(skip) => &skip.job,
        }
    }

    /// Its time: the end of a finished run, the creation of a live one, the last record of skips.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Run(run) => match run.state {
                RunState::Finished { ended_at, .. } => ended_at,
                RunState::Queued { .. }
                | RunState::Starting { .. }
                | RunState::Running { .. }
                | RunState::Stopping { .. }
                | RunState::Backoff { .. } => run.created_at,
            },
            Self::Skip(skip) => skip.recorded_at,
        }
    }
}

/// A place in a job's history. A run has `skip_index` 0; the skips after it follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryKey {
    /// The run's number.
    pub number: u64,
    /// 0 for the run itself, then the skip's index.
    pub skip_index: u32,
}

impl From<SkipKey> for HistoryKey {
    fn from(key: SkipKey) -> Self {
        Self { number: key.after_run, skip_index: key.index }
    }
}
