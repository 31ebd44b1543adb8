//! Durable state in sled: keys, record versions, commits, history.

use crate::run::{Run, RunId, Skip, SkipKey};
use crate::spec::{JobName, Revision, Source};

/// One entry of a job's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryEntry {
    /// A run, live or finished.
    Run(Run),
    /// Occurrences that did not run.
    Skip(Skip),
}

/// A place in a job's history. A run has `skip: None`; the skips after it follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryKey {
    /// The run's number.
    pub number: u64,
    /// 0 for the run itself, then the skip's index.
    pub skip_index: u32,
}

/// Why a read failed. The text is for the daemon's log.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// sled said so.
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
}

/// Reads history beside the writer. Blocking: call it from a blocking thread.
#[derive(Clone)]
pub struct Reader {}

impl Reader {
    /// A job's history, newest first: at most `limit` entries before `before` (exclusive).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn history(
        &self,
        _job: &JobName,
        _before: Option<HistoryKey>,
        _limit: usize,
    ) -> Result<Vec<HistoryEntry>, ReadError> {
        Ok(Vec::new())
    }

    /// Finished runs and skips of all jobs, newest end first: at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn recent(&self, _limit: usize) -> Result<Vec<HistoryEntry>, ReadError> {
        Ok(Vec::new())
    }

    /// One run, live or finished.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn run(&self, _id: &RunId) -> Result<Option<Run>, ReadError> {
        Ok(None)
    }

    /// The text of a revision.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn source(&self, _revision: &Revision) -> Result<Option<Source>, ReadError> {
        Ok(None)
    }
}

impl From<SkipKey> for HistoryKey {
    fn from(key: SkipKey) -> Self {
        Self { number: key.after_run, skip_index: key.index }
    }
}
