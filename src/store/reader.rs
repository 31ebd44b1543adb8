//! [`Reader`]: history, beside the writer.

use std::sync::PoisonError;

use super::database::{Database, Entry};
use super::frame::{Frame, Kind};
use super::key::{ENDED, Key, history_of, texts_of};
use super::read::{Damage, ReadError, complete, damaged, history_entry, load};
use super::record::Record;
use super::writer::Shared;
use super::{HistoryEntry, HistoryKey};
use crate::clock::Timestamp;
use crate::run::{Run, RunId, Skip, SkipKey};
use crate::spec::{JobName, Revision, Source};

/// Reads history beside the writer. Blocking: call it from a blocking thread. Clones are cheap and read the same store.
#[derive(Clone)]
pub struct Reader {
    pub(super) shared: Shared,
}

/// Which entries of a job's history are asked for; all of them by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only entries before this place (exclusive): the last one of the page before.
    pub before: Option<HistoryKey>,
    /// Only entries at this time or later. An entry's time is the end of its run, its creation while it is live, or when
    /// its skips were last recorded.
    pub since: Option<Timestamp>,
    /// Only entries at this time or earlier.
    pub until: Option<Timestamp>,
}

/// A place among the ended records of all jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentPlace {
    /// When the run ended, or the skips were last recorded.
    pub at: Timestamp,
    /// The job.
    pub job: JobName,
    /// The place in its history.
    pub place: HistoryKey,
}

impl RecentPlace {
    /// That of an entry.
    pub fn of(entry: &HistoryEntry) -> Self {
        let job = match entry {
            HistoryEntry::Run(run) => run.id.job.clone(),
            HistoryEntry::Skip(skip) => skip.job.clone(),
        };
        Self { at: entry.at(), job, place: entry.key() }
    }
}

/// How much history a job has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryCount {
    /// Runs, live and finished.
    pub runs: u64,
    /// Records of skips.
    pub skips: u64,
}

impl Reader {
    /// A job's history, newest first: at most `limit` entries before `before` (exclusive).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn history(
        &self,
        job: &JobName,
        before: Option<HistoryKey>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, ReadError> {
        self.query(job, &HistoryQuery { before, ..HistoryQuery::default() }, limit)
    }

    /// A job's history, newest first: at most `limit` entries that match `query`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn query(&self, job: &JobName, query: &HistoryQuery, limit: usize) -> Result<Vec<HistoryEntry>, ReadError> {
        self.read(|database| {
            let mut entries = Vec::new();
            for entry in places_before(database, job, query.before).rev() {
                if entries.len() == limit {
                    break;
                }
                let (key, value) = entry?;
                let entry = history_entry(&key, complete(database, &key, &value)?)?;
                let at = entry.at();
                if query.since.is_none_or(|since| at >= since) && query.until.is_none_or(|until| at <= until) {
                    entries.push(entry);
                }
            }
            Ok(entries)
        })
    }

    /// Finished runs and skips of all jobs, newest end first: at most `limit`, of those before a place (exclusive).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn recent(&self, before: Option<&RecentPlace>, limit: usize) -> Result<Vec<HistoryEntry>, ReadError> {
        let end = before
            .map_or_else(end_of_ended, |place| Key::Ended(place.at.into(), place.job.clone(), place.place).encode());
        self.read(|database| {
            let mut entries = Vec::new();
            for entry in database.range(ENDED.to_vec()..end).rev() {
                if entries.len() == limit {
                    break;
                }
                let (key, _) = entry?;
                let Ok(Key::Ended(_, job, place)) = Key::decode(&key) else { continue };
                let place = Key::History(job, place);
                // Between the two reads the writer may have let it go, or written it again with a later time.
                if let Some(record) = load(database, &place)? {
                    entries.push(history_entry(&place.encode(), record)?);
                }
            }
            Ok(entries)
        })
    }

    /// One run, live or finished.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn run(&self, id: &RunId) -> Result<Option<Run>, ReadError> {
        let place = HistoryKey { number: id.number, skip_index: 0 };
        match self.read(|database| load(database, &Key::History(id.job.clone(), place)))? {
            Some(Record::Run(run)) => Ok(Some(*run)),
            Some(Record::Meta(_) | Record::Job(..) | Record::Source(..) | Record::Skip(_) | Record::Notice(_))
            | None => Ok(None),
        }
    }

    /// One record of skips.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn skip(&self, job: &JobName, key: SkipKey) -> Result<Option<Skip>, ReadError> {
        match self.read(|database| load(database, &Key::History(job.clone(), key.into())))? {
            Some(Record::Skip(skip)) => Ok(Some(skip)),
            Some(Record::Meta(_) | Record::Job(..) | Record::Source(..) | Record::Run(_) | Record::Notice(_))
            | None => Ok(None),
        }
    }

    /// The text of a revision.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn source(&self, revision: &Revision) -> Result<Option<Source>, ReadError> {
        self.read(|database| {
            // Jobs with one revision have one text: any of them will do.
            let Some(entry) = database.prefix(&texts_of(revision)).next() else { return Ok(None) };
            let (key, value) = entry?;
            match complete(database, &key, &value)? {
                Record::Source(_, _, source) => Ok(Some(*source)),
                Record::Meta(_) | Record::Job(..) | Record::Run(_) | Record::Skip(_) | Record::Notice(_) => {
                    Err(damaged(&key, Damage::Contradiction))
                }
            }
        })
    }

    /// How much history a job has. Reads keys and envelopes, not records.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&self, job: &JobName) -> Result<HistoryCount, ReadError> {
        self.read(|database| {
            let mut count = HistoryCount::default();
            for entry in database.prefix(&history_of(job)) {
                let (key, value) = entry?;
                match Frame::decode(&key, &value).map(|frame| frame.kind) {
                    Ok(Kind::Run) => count.runs += 1,
                    Ok(Kind::Skip) => count.skips += 1,
                    Ok(Kind::Meta | Kind::Job | Kind::Source | Kind::Part | Kind::Notice) | Err(_) => {}
                }
            }
            Ok(count)
        })
    }

    /// Runs `work` on the open database. It keeps the writer from opening the database again after a failure, so it has
    /// to be short.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Database) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let guard = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        work(guard.as_ref().ok_or(ReadError::Closed)?)
    }
}

/// The first key behind all of the index: its prefix with the last byte one higher.
fn end_of_ended() -> Vec<u8> {
    let mut end = ENDED.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// A job's history before a place, oldest first.
pub(super) fn places_before(
    database: &Database,
    job: &JobName,
    before: Option<HistoryKey>,
) -> impl DoubleEndedIterator<Item = Entry> + use<> {
    let first = history_of(job);
    let end = match before {
        Some(place) => Key::History(job.clone(), place).encode(),
        // The byte that ends a name is 0, so this is the first key behind all of the job's.
        None => [&first[..first.len() - 1], &[1]].concat(),
    };
    database.range(first..end)
}
