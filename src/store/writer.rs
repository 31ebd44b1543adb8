//! [`Writer`]: the one thread that writes. It takes all commits that wait, makes them durable together, and calls back.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::aside::remove_if_there;
use super::backup::Unsettled;
use super::batch::{Batch, Sealed};
use super::compact::{CompactError, Compacted, copy_into_fresh};
use super::database::{Database, DatabaseError};
use super::files::Files;
use super::health::{Reporter, WriteState};
use super::journal::{BATCH_BYTES, BATCH_KEYS, Journal, JournalError, apply_bounded, length};
use super::manifest::{Imprint, Manifest, Witness};
use super::open::Options;
use super::read::{ReadError, load_meta};
use super::record::Meta;
use super::reserve::Reserve;
use super::safeguard::open_database;
use super::upkeep::{self, Upkeep, UpkeepDone, UpkeepError};
use crate::causes::chain;
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

/// How often it is looked whether there is room for the reserve again.
const RESTOCK_INTERVAL: Duration = Duration::from_secs(5);

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
    /// Do something else that needs the database to itself.
    Upkeep(Upkeep, UpkeepDone),
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
    witness: Witness,
    reserve: Reserve,
    meta: Meta,
    next: Option<Request>,
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
    ///
    /// # Errors
    /// When the witness cannot be opened.
    pub fn new(
        shared: Shared,
        inbox: Inbox,
        reporter: Reporter,
        files: Files,
        options: Options,
        meta: Meta,
    ) -> std::io::Result<Self> {
        let journal = Journal::new(files.journal.clone(), &options.faults);
        let witness = Witness::open(&files.witness)?;
        let mut reserve = Reserve::new(files.reserve.clone(), options.reserve_bytes);
        reserve.take();
        let writer = Self {
            shared,
            inbox,
            reporter,
            files,
            options,
            journal,
            witness,
            reserve,
            meta,
            next: None,
            closing: false,
        };
        writer.bear_witness();
        writer.report_writing();
        Ok(writer)
    }

    /// Writes until the store is closed.
    pub fn run(mut self) {
        while !self.closing {
            match self.receive() {
                Some(Request::Commit(changes, done)) => self.write(Group { commits: vec![(changes, done)] }),
                Some(Request::Upkeep(what, done)) => self.keep_up(what, done),
                Some(Request::Close) => self.closing = true,
                None => self.restock(),
            }
        }
        self.refuse_waiting();
        self.close();
    }

    /// The next request; nothing when it is time to look whether there is room for the reserve again.
    fn receive(&mut self) -> Option<Request> {
        if let Some(request) = self.next.take() {
            return Some(request);
        }
        if self.reserve.is_given_up() {
            return match self.inbox.requests.recv_timeout(RESTOCK_INTERVAL) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Request::Close),
            };
        }
        Some(self.inbox.requests.recv().unwrap_or(Request::Close))
    }

    fn restock(&mut self) {
        self.reserve.take();
        self.report_writing();
    }

    /// Makes a group, and what waits behind it and fits in, durable; tries until it succeeds or the store is closed.
    fn write(&mut self, mut group: Group) {
        let mut failures = 0_u32;
        let result = loop {
            let outcome = self.ensure_open().and_then(|()| self.write_once(&mut group));
            match outcome {
                Ok(meta) => {
                    self.meta = meta;
                    self.bear_witness();
                    if failures > 0 {
                        tracing::info!("the state can be written again");
                    }
                    self.restock();
                    break Ok(());
                }
                Err(fault) => {
                    self.abandon_database();
                    if fault.is_full() && self.reserve.give_up() {
                        tracing::warn!("the disk is full; the reserve is given up for the records of running runs");
                        continue;
                    }
                    failures = failures.saturating_add(1);
                    self.report(&fault, failures);
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
        while batch.len() < GROUP_KEYS && self.next.is_none() {
            match self.inbox.requests.try_recv() {
                Ok(Request::Commit(changes, done)) => {
                    // In the group before it is staged: a failure must not lose it.
                    group.commits.push((changes, done));
                    stage(&mut batch, &group.commits[group.commits.len() - 1].0)?;
                }
                Ok(other @ (Request::Upkeep(..) | Request::Close)) => {
                    self.next = Some(other);
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
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
        apply_bounded(database, &sealed.operations)?;
        database.settle()?;
        self.journal.remove();
        Ok(())
    }

    /// Opens the database again after a failure.
    fn ensure_open(&mut self) -> Result<(), WriteFault> {
        if self.shared.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let database = open_database(&self.files.database, &self.options)?;
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
        let reason = chain(fault);
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

    fn refuse_waiting(&mut self) {
        let next = self.next.take();
        for request in next.into_iter().chain(self.inbox.requests.try_iter()) {
            request.refuse(CommitError::Closed);
        }
    }

    /// Notes the newest commit outside of the database. It only makes later damage visible, so a failure is no more than told.
    fn bear_witness(&self) {
        if let Err(fault) = self.witness.tell(&self.meta) {
            tracing::warn!(%fault, "the newest commit could not be noted beside the database");
        }
    }

    fn report_writing(&self) {
        let given_up = self.reserve.is_given_up();
        self.reporter.tell(if given_up { WriteState::OnReserve } else { WriteState::Writing });
    }

    /// Closes the database, and notes that it was closed in order if all was written.
    fn close(self) {
        if let Some(database) = self.take_database() {
            drop(database);
            let imprint = Imprint::of(&self.files.database_file());
            let manifest = imprint.map(|imprint| Manifest::new(&self.meta, Some(imprint)));
            if let Err(fault) = manifest.and_then(|manifest| manifest.write(&self.files.manifest)) {
                tracing::warn!(%fault, "the manifest cannot be written; the next start will take this for an unclean end");
            }
        }
        self.reporter.tell(WriteState::Closed);
    }

    fn keep_up(&mut self, what: Upkeep, done: UpkeepDone) {
        match what {
            Upkeep::Routine { now } => done(self.routine(now)),
            Upkeep::Export { path, now } => done(self.with_database(|database| upkeep::export(database, path, now))),
            Upkeep::Compact => {
                done(self.compact().map(|sizes| upkeep::Done { compacted: Some(sizes), ..upkeep::Done::default() }));
            }
            Upkeep::Backup { now } => match self.with_database(|database| upkeep::backup(database, &self.files, now)) {
                Ok(unsettled) => done(settle(unsettled, &self.files)),
                Err(fault) => done(Err(fault)),
            },
        }
    }

    fn routine(&mut self, now: crate::clock::Timestamp) -> Result<upkeep::Done, UpkeepError> {
        // The last room is for records.
        if self.reserve.is_given_up() {
            return Ok(upkeep::Done::default());
        }
        let due = upkeep::backup_is_due(&self.files, self.meta.sequence, now)
            .map_err(|fault| UpkeepError::Export { path: self.files.backups.clone(), source: fault.into() })?;
        let mut done = upkeep::Done::default();
        if due {
            let unsettled = self.with_database(|database| upkeep::backup(database, &self.files, now))?;
            done = settle(unsettled, &self.files)?;
        }
        let from_bytes = self.options.compact_from_bytes;
        if self.with_database(|database| Ok(upkeep::is_sparse(database, &self.files, from_bytes)?))? {
            done.compacted = Some(self.compact()?);
        }
        Ok(done)
    }

    fn with_database<T>(&self, work: impl FnOnce(&Database) -> Result<T, UpkeepError>) -> Result<T, UpkeepError> {
        let guard = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        work(guard.as_ref().ok_or(ReadError::Closed)?)
    }

    /// Puts a copy without holes in the place of the database.
    fn compact(&mut self) -> Result<Compacted, UpkeepError> {
        let sizes = self
            .with_database(|database| Ok(copy_into_fresh(database, &self.files, &self.options.faults)?))
            .inspect_err(|_| self.discard_fresh())?;
        drop(self.take_database());
        let swapped = self.files.swap_in_fresh();
        // Whichever of the two lies in place now holds the same.
        let opened = self.ensure_open();
        swapped.map_err(|source| CompactError::File {
            step: "put in place",
            path: self.files.database.clone(),
            source,
        })?;
        opened.map_err(|fault| CompactError::Database(chain(&fault)))?;
        Ok(sizes)
    }

    fn discard_fresh(&self) {
        if let Err(fault) = remove_if_there(&self.files.fresh) {
            tracing::warn!(%fault, path = %self.files.fresh.display(), "half a database stays behind");
        }
    }
}

fn settle(unsettled: Unsettled, files: &Files) -> Result<upkeep::Done, UpkeepError> {
    let written = unsettled
        .settle()
        .map_err(|fault| UpkeepError::Export { path: files.backups.clone(), source: fault.into() })?;
    Ok(upkeep::Done { written: Some(written), compacted: None })
}

fn stage(batch: &mut Batch<'_>, changes: &[Change]) -> Result<(), DatabaseError> {
    changes.iter().try_for_each(|change| batch.stage(change))
}
