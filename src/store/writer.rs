//! [`Writer`]: the one thread that writes. It takes all commits that wait, makes them durable together, and calls back.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::batch::{Batch, Sealed};
use super::database::{Database, DatabaseError};
use super::health::{Reporter, WriteState};
use super::journal::{BATCH_BYTES, BATCH_KEYS, Journal, JournalError, apply_in_batches, length};
use super::open::{Files, Options};
use super::read::{ReadError, load_meta, with_cause};
use super::record::Meta;
use crate::scheduler::Change;

/// Commits that may wait for the writer; a further one is refused. The daemon's loop has one under way.
pub(super) const QUEUE_LIMIT: usize = 1024;

/// No commit is added to a group that touches this many keys already, so that with one ordinary commit more it still
/// fits one batch.
const GROUP_KEYS: usize = BATCH_KEYS - 50;

/// Pause after the first failure; doubled after each further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);

/// The longest pause: how late the store notices that there is room again.
const BACKOFF_LIMIT: Duration = Duration::from_secs(2);

/// Called once, from the writer's thread, when the fate of a commit is known.
pub type Done = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

/// Why a commit did not become durable. A failing disk is no such reason: the store tries until it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// More commits wait than the store takes. The same commit may be tried again.
    #[error("too many commits wait to be written")]
    Busy,
    /// The store was closed before the commit was durable.
    #[error("the store was closed before the commit was written")]
    Closed,
}

/// What reaches the writer.
pub(super) enum Request {
    /// Make changes durable.
    Commit(Vec<Change>, Done),
    /// Finish.
    Close,
}

/// sled, as the writer and the readers share it; absent while it is closed or opened again.
pub(super) type Shared = Arc<RwLock<Option<Database>>>;

/// The writer's own things.
pub(super) struct Writer {
    shared: Shared,
    inbox: Inbox,
    reporter: Reporter,
    files: Files,
    options: Options,
    journal: Journal,
    meta: Meta,
    closing: bool,
}

/// The receiving ends of the store's channels.
pub(super) struct Inbox {
    /// What is to be done, in order.
    pub requests: Receiver<Request>,
    /// Closed, or sent to, when the store is to be closed at once, whatever waits.
    pub stop: Receiver<()>,
}

/// Why a group could not be written this time.
#[derive(Debug, thiserror::Error)]
enum WriteFault {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("after it was opened again the database is at commit {found}, but {acknowledged} was acknowledged")]
    Regressed { found: u64, acknowledged: u64 },
}

impl WriteFault {
    fn is_full(&self) -> bool {
        match self {
            Self::Database(fault) => fault.is_full(),
            Self::Journal(fault) => fault.is_full(),
            Self::Read(_) | Self::Regressed { .. } => false,
        }
    }
}

/// Commits that are written together.
struct Group {
    commits: Vec<(Vec<Change>, Done)>,
}

impl Writer {
    /// A writer on an open database whose own record is `meta`.
    pub fn new(shared: Shared, inbox: Inbox, reporter: Reporter, files: Files, options: Options, meta: Meta) -> Self {
        let journal = Journal::new(files.journal.clone(), &options.faults);
        Self { shared, inbox, reporter, files, options, journal, meta, closing: false }
    }

    /// Writes until the store is closed.
    pub fn run(mut self) {
        while !self.closing {
            match self.inbox.requests.recv() {
                Ok(Request::Commit(changes, done)) => self.write(Group { commits: vec![(changes, done)] }),
                Ok(Request::Close) | Err(_) => self.closing = true,
            }
        }
        self.refuse_waiting();
        drop(self.take_database());
        self.reporter.tell(WriteState::Closed);
    }

    /// Makes a group, and what waits behind it and fits in, durable; tries until it succeeds or the store is closed.
    fn write(&mut self, mut group: Group) {
        let mut failures = 0_u32;
        let result = loop {
            let outcome = self.ensure_open().and_then(|()| self.write_once(&mut group));
            match outcome {
                Ok(meta) => {
                    self.meta = meta;
                    self.reporter.tell(WriteState::Writing);
                    break Ok(());
                }
                Err(fault) => {
                    failures = failures.saturating_add(1);
                    self.report(&fault, failures);
                    self.abandon_database();
                    if self.closing || !self.pause(failures) {
                        break Err(CommitError::Closed);
                    }
                }
            }
        };
        for (_, done) in group.commits {
            done(result);
        }
    }

    fn write_once(&mut self, group: &mut Group) -> Result<Meta, WriteFault> {
        let shared = Arc::clone(&self.shared);
        let guard = shared.read().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_ref().ok_or(ReadError::Closed)?;
        let mut batch = Batch::new(database, &self.meta);
        for (changes, _) in &group.commits {
            stage(&mut batch, changes)?;
        }
        while batch.len() < GROUP_KEYS && !self.closing {
            match self.inbox.requests.try_recv() {
                Ok(Request::Commit(changes, done)) => {
                    // In the group before it is staged: a failure must not lose it.
                    group.commits.push((changes, done));
                    stage(&mut batch, &group.commits[group.commits.len() - 1].0)?;
                }
                Ok(Request::Close) | Err(TryRecvError::Disconnected) => self.closing = true,
                Err(TryRecvError::Empty) => break,
            }
        }
        let sealed = batch.seal();
        self.store(database, &sealed)?;
        Ok(sealed.meta)
    }

    fn store(&self, database: &Database, sealed: &Sealed) -> Result<(), WriteFault> {
        let bytes: usize = sealed.operations.iter().map(length).sum();
        if sealed.operations.len() <= BATCH_KEYS && bytes <= BATCH_BYTES {
            database.apply(&sealed.operations)?;
            return Ok(database.settle()?);
        }
        self.journal.write(sealed)?;
        apply_in_batches(database, &sealed.operations)?;
        self.journal.remove();
        Ok(())
    }

    /// Opens the database again after a failure.
    fn ensure_open(&mut self) -> Result<(), WriteFault> {
        if self.shared.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let database = Database::open(&self.files.database, self.options.cache_bytes, &self.options.faults)?;
        self.journal.redo(&database)?;
        let found = load_meta(&database)?;
        let sequence = found.as_ref().map_or(0, |meta| meta.sequence);
        match found {
            Some(meta) if sequence >= self.meta.sequence => self.meta = meta,
            Some(_) | None => {
                return Err(WriteFault::Regressed { found: sequence, acknowledged: self.meta.sequence });
            }
        }
        *self.shared.write().unwrap_or_else(PoisonError::into_inner) = Some(database);
        Ok(())
    }

    fn report(&self, fault: &WriteFault, failures: u32) {
        let reason = with_cause(fault);
        if failures == 1 {
            tracing::error!(%reason, "the state cannot be written; trying again until it can");
        }
        self.reporter.tell(WriteState::Failing { reason, disk_full: fault.is_full(), failures });
    }

    /// Waits before the next try. False when the store is to be closed.
    fn pause(&mut self, failures: u32) -> bool {
        let doubled = BACKOFF_FIRST.saturating_mul(1 << (failures - 1).min(16));
        match self.inbox.stop.recv_timeout(doubled.min(BACKOFF_LIMIT)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => self.closing = true,
        }
        !self.closing
    }

    fn abandon_database(&self) {
        if let Some(database) = self.take_database() {
            database.abandon();
        }
    }

    fn take_database(&self) -> Option<Database> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn refuse_waiting(&self) {
        while let Ok(request) = self.inbox.requests.try_recv() {
            if let Request::Commit(_, done) = request {
                done(Err(CommitError::Closed));
            }
        }
    }
}

fn stage(batch: &mut Batch<'_>, changes: &[Change]) -> Result<(), DatabaseError> {
    changes.iter().try_for_each(|change| batch.stage(change))
}
