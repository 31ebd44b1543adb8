//! [`Rebuild`]: a new database from a backup and what could be salvaged.
//!
//! What it cannot know it does not invent: between what was restored and now, occurrences may have run and numbers may have
//! been used. So numbers go on above everything that is known, the run directories included; each job's schedule goes on
//! from now; and the time between is one record of skips for the reason `unknown`, which nothing catches up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::HistoryKey;
use super::backup::Backups;
use super::batch::Batch;
use super::database::{Database, DatabaseError};
use super::export::{self, ExportSummary, ImportError};
use super::journal::apply_bounded;
use super::key::{HISTORY, JOBS, Key, LIVE, SOURCES};
use super::read::{ReadError, complete, load};
use super::record::{Digest, Meta, Record};
use super::salvage::Salvage;
use crate::causes::chain;
use crate::clock::Timestamp;
use crate::run::{NOTICES, RunId, Skip, SkipKey, SkipReason};
use crate::scheduler::{JobState, Totals, Watch};
use crate::spec::{JobName, Revision};

/// Records that go into the new database at once.
const RECORDS_AT_ONCE: usize = 60;

/// A database under construction.
pub(super) struct Rebuild<'a> {
    database: &'a Database,
    meta: Meta,
    pending: Vec<Record>,
}

/// What a rebuilt database is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The backup that was restored.
    pub restored: Option<(PathBuf, ExportSummary)>,
    /// Backups that could not be, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Records salvaged that are newer than the backup.
    pub salvaged: u64,
    /// Records of which only a part was found.
    pub broken: u64,
    /// Jobs whose time up to now is recorded as unknown.
    pub gaps: u64,
}

/// Why no database could be rebuilt.
#[derive(Debug, thiserror::Error)]
pub(super) enum RebuildError {
    /// The new database cannot be written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The new database cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Files beside it cannot be read.
    #[error("cannot read what is to be restored")]
    Io(#[from] io::Error),
    /// The export cannot be read.
    #[error(transparent)]
    Import(#[from] ImportError),
}

impl<'a> Rebuild<'a> {
    /// Begins with an empty database. Its commits are counted on from `sequence`.
    pub fn new(database: &'a Database, sequence: u64) -> Self {
        let meta = Meta { writer: String::new(), sequence, digest: Digest::default() };
        Self { database, meta, pending: Vec::new() }
    }

    /// Takes a record in.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn take(&mut self, record: Record) -> Result<(), RebuildError> {
        // Salvage finds messages that were delivered and forgotten, and cannot tell them from others.
        if matches!(record, Record::Notice(_)) {
            return Ok(());
        }
        self.pending.push(record);
        if self.pending.len() >= RECORDS_AT_ONCE { self.write_pending() } else { Ok(()) }
    }

    /// Takes all records of an export in.
    ///
    /// # Errors
    /// When it is not whole, or the database cannot be written.
    pub fn import(&mut self, path: &Path) -> Result<ExportSummary, RebuildError> {
        let mut input = BufReader::new(File::open(path)?);
        let summary = export::read(&mut input, |record, _sequence| self.take(record))?;
        self.meta.sequence = self.meta.sequence.max(summary.sequence);
        Ok(summary)
    }

    /// Takes in what a damaged database still holds of commits after `after`.
    ///
    /// # Errors
    /// When files cannot be read, or the database not be written.
    pub fn salvage(&mut self, evidence: &Path, after: u64, outcome: &mut Outcome) -> Result<(), RebuildError> {
        let salvage = Salvage::scan(evidence, after)?;
        self.meta.sequence = self.meta.sequence.max(salvage.newest());
        outcome.broken = salvage.records(|record| {
            outcome.salvaged += 1;
            self.take(record)
        })?;
        Ok(())
    }

    /// Records for every job that what happened up to `now` is not known, and raises its numbers above all that are used.
    ///
    /// # Errors
    /// When the run directories cannot be read, or the database not be written.
    pub fn close_gaps(&mut self, runs_dir: &Path, now: Timestamp) -> Result<u64, RebuildError> {
        self.write_pending()?;
        let mut newest = newest_places(self.database)?;
        for (job, number) in newest_directories(runs_dir)? {
            let place = newest.entry(job).or_insert(HistoryKey { number: 0, skip_index: 0 });
            if number > place.number {
                *place = HistoryKey { number, skip_index: 0 };
            }
        }
        let mut jobs = job_states(self.database)?;
        for job in newest.keys() {
            jobs.entry(job.clone()).or_insert_with(|| forgotten(now));
        }
        let mut gaps = 0;
        for (job, mut state) in jobs {
            let place = newest.get(&job).copied().unwrap_or(HistoryKey { number: 0, skip_index: 0 });
            if let Some(skip) = close_gap(&job, &mut state, place, now) {
                self.take(Record::Skip(skip))?;
                gaps += 1;
            }
            self.take(Record::Job(job, Box::new(state)))?;
        }
        self.write_pending()?;
        Ok(gaps)
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn finish(mut self) -> Result<Meta, RebuildError> {
        self.write_pending()?;
        let sealed = Batch::new(self.database, &self.meta).seal();
        apply_bounded(self.database, &sealed.operations)?;
        self.database.settle()?;
        Ok(sealed.meta)
    }

    /// Lets the texts go that no job and no live run refers to: salvage brings old ones back.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn forget_unused_sources(&mut self) -> Result<(), RebuildError> {
        self.write_pending()?;
        let needed = needed_sources(self.database)?;
        let mut batch = Batch::new(self.database, &self.meta);
        for entry in self.database.prefix(SOURCES) {
            let (key, _) = entry?;
            if let Ok(Key::Source(revision, job)) = Key::decode(&key)
                && !needed.contains(&(revision.clone(), job.clone()))
            {
                batch.stage(&crate::scheduler::Change::ForgetSource(revision, job))?;
            }
        }
        let sealed = batch.seal();
        apply_bounded(self.database, &sealed.operations)?;
        self.meta = sealed.meta;
        Ok(())
    }

    fn write_pending(&mut self) -> Result<(), RebuildError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new(self.database, &self.meta);
        for record in self.pending.drain(..) {
            batch.stage_record(&record)?;
        }
        let sealed = batch.seal();
        apply_bounded(self.database, &sealed.operations)?;
        self.meta = sealed.meta;
        Ok(())
    }
}

/// Restores the newest backup that is whole into a database that `empty` gives, anew for each try.
///
/// # Errors
/// When a database cannot be written.
pub(super) fn newest_whole_backup(backups: &Backups, outcome: &mut Outcome) -> Result<Option<PathBuf>, io::Error> {
    for path in backups.list()? {
        let read = File::open(&path)
            .map_err(ImportError::Read)
            .and_then(|file| export::read(&mut BufReader::new(file), |_record, _sequence| Ok::<(), ImportError>(())));
        match read {
            Ok(summary) => {
                outcome.restored = Some((path.clone(), summary));
                return Ok(Some(path));
            }
            Err(fault) => outcome.unreadable.push((path, chain(&fault))),
        }
    }
    Ok(None)
}

/// Brings a state of the past to `now`. Gives the record of the time between, unless the job was removed.
fn close_gap(job: &JobName, state: &mut JobState, newest: HistoryKey, now: Timestamp) -> Option<Skip> {
    state.last_number = state.last_number.max(newest.number);
    state.open_skip = None;
    if state.removed_at.is_some() {
        return None;
    }
    let first = state.cursor.min(now);
    state.cursor = now;
    let index = if newest.number == state.last_number { newest.skip_index.saturating_add(1) } else { 1 };
    let key = SkipKey { after_run: state.last_number, index };
    Some(Skip { job: job.clone(), key, reason: SkipReason::Unknown, first, last: now, count: 1, recorded_at: now })
}

/// The state of a job of which only runs are left: like one whose file was deleted, so that its numbers go on when the file
/// is seen again.
fn forgotten(now: Timestamp) -> JobState {
    JobState {
        revision: None,
        cursor: now,
        first_seen: now,
        last_number: 0,
        paused: None,
        removed_at: Some(now),
        last: None,
        open_skip: None,
        ad_hoc: None,
        totals: Totals::default(),
        watch: Watch::default(),
    }
}

fn job_states(database: &Database) -> Result<BTreeMap<JobName, JobState>, ReadError> {
    let mut jobs = BTreeMap::new();
    for entry in database.prefix(JOBS) {
        let (key, value) = entry?;
        if let Record::Job(job, state) = complete(database, &key, &value)? {
            jobs.insert(job, *state);
        }
    }
    Ok(jobs)
}

/// The last place of each job's history.
fn newest_places(database: &Database) -> Result<BTreeMap<JobName, HistoryKey>, ReadError> {
    let mut newest = BTreeMap::new();
    for entry in database.prefix(HISTORY) {
        let (key, _) = entry?;
        if let Ok(Key::History(job, place)) = Key::decode(&key) {
            // Keys are in order: the last one stays.
            newest.insert(job, place);
        }
    }
    Ok(newest)
}

/// The highest run number of each job that has a directory below `runs_dir`.
fn newest_directories(runs_dir: &Path) -> io::Result<BTreeMap<JobName, u64>> {
    let mut newest = BTreeMap::new();
    for job_dir in directories(runs_dir)? {
        let Some(job) = file_name(&job_dir).and_then(|name| JobName::new(&name).ok()) else { continue };
        // Deliveries of messages are no runs.
        if job.as_str() == NOTICES {
            continue;
        }
        let numbers = directories(&job_dir)?;
        let numbers = numbers.iter().filter_map(|dir| file_name(dir)?.parse::<u64>().ok());
        if let Some(number) = numbers.max() {
            newest.insert(job, number);
        }
    }
    Ok(newest)
}

/// A job of which there is a directory of a run that the database has not heard of, if there is one. A directory is made
/// after the commit that made the run: then the database is of before.
///
/// # Errors
/// When either cannot be read.
pub(super) fn unheard_of(database: &Database, runs_dir: &Path) -> Result<Option<String>, RebuildError> {
    let directories = newest_directories(runs_dir)?;
    if directories.is_empty() {
        return Ok(None);
    }
    let jobs = job_states(database)?;
    let is_known = |job: &JobName, number: u64| jobs.get(job).is_some_and(|state| state.last_number >= number);
    let ahead = directories.into_iter().find(|(job, number)| !is_known(job, *number));
    Ok(ahead.map(|(job, number)| format!("there is a directory of the run {job}/{number}, of which it has not heard")))
}

/// Whether some job has a directory of a run below `runs_dir`.
///
/// # Errors
/// When it cannot be read.
pub(super) fn has_runs(runs_dir: &Path) -> io::Result<bool> {
    newest_directories(runs_dir).map(|newest| !newest.is_empty())
}

fn directories(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

fn needed_sources(database: &Database) -> Result<BTreeSet<(Revision, JobName)>, ReadError> {
    let mut needed = BTreeSet::new();
    for (job, state) in job_states(database)? {
        needed.extend(state.revision.map(|revision| (revision, job)));
    }
    for entry in database.prefix(LIVE) {
        let (key, _) = entry?;
        let Ok(Key::Live(RunId { job, number })) = Key::decode(&key) else { continue };
        let place = Key::History(job.clone(), HistoryKey { number, skip_index: 0 });
        if let Some(Record::Run(run)) = load(database, &place)? {
            needed.insert((run.revision, job));
        }
    }
    Ok(needed)
}
