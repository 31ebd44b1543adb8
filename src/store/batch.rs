//! [`Batch`]: changes of the scheduler become operations on keys, indexes and digest included.

use std::collections::BTreeMap;

use super::database::{Database, DatabaseError, Operation};
use super::frame::{Frame, Kind, PARTS_LIMIT, PAYLOAD_LIMIT};
use super::key::Key;
use super::record::{Meta, Record, VERSION};
use super::{HistoryKey, read};
use crate::run::{Run, RunId, RunState, Skip};
use crate::scheduler::Change;

/// Operations that belong together. What they replace is read from the database, or from the batch itself where an
/// earlier change has touched the same key.
pub(super) struct Batch<'a> {
    database: &'a Database,
    meta: Meta,
    operations: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// A batch ready to write: the operations, that on the store's own record last.
pub(super) struct Sealed {
    /// What the store is after it.
    pub meta: Meta,
    /// What to do.
    pub operations: Vec<Operation>,
}

impl<'a> Batch<'a> {
    /// An empty batch on top of a database whose own record is `meta`.
    pub fn new(database: &'a Database, meta: &Meta) -> Self {
        let meta =
            Meta { writer: env!("CARGO_PKG_VERSION").to_owned(), sequence: meta.sequence + 1, digest: meta.digest };
        Self { database, meta, operations: BTreeMap::new() }
    }

    /// Keys that it touches, the store's own record aside.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Takes a change in.
    ///
    /// # Errors
    /// When what it replaces cannot be read.
    pub fn stage(&mut self, change: &Change) -> Result<(), DatabaseError> {
        match change {
            Change::Job(job, state) => self.put(&Key::Job(job.clone()), &Record::Job(job.clone(), state.clone())),
            Change::ForgetJob(job) => self.forget(&Key::Job(job.clone()).encode()),
            Change::Source(revision, job, source) => {
                let record = Record::Source(revision.clone(), job.clone(), source.clone());
                self.put(&Key::Source(revision.clone(), job.clone()), &record)
            }
            Change::ForgetSource(revision, job) => self.forget(&Key::Source(revision.clone(), job.clone()).encode()),
            Change::Run(run) => self.put_run(run),
            Change::ForgetRun(run) => self.forget_run(run),
            Change::Skip(skip) => self.put_skip(skip),
            Change::ForgetSkip(job, key) => {
                let place = HistoryKey::from(*key);
                self.drop_ended(job, place)?;
                self.forget(&Key::History(job.clone(), place).encode())
            }
            Change::Notice(notice) => self.put(&Key::Notice(notice.number), &Record::Notice(notice.clone())),
            Change::ForgetNotice(_, number) => self.forget(&Key::Notice(*number).encode()),
        }
    }

    /// Takes a record in as it is, with the indexes that belong to it.
    ///
    /// # Errors
    /// When what it replaces cannot be read.
    pub fn stage_record(&mut self, record: &Record) -> Result<(), DatabaseError> {
        match record {
            Record::Meta(_) => Ok(()),
            Record::Job(job, _) => self.put(&Key::Job(job.clone()), record),
            Record::Source(revision, job, _) => self.put(&Key::Source(revision.clone(), job.clone()), record),
            Record::Run(run) => self.put_run(run),
            Record::Skip(skip) => self.put_skip(skip),
            Record::Notice(notice) => self.put(&Key::Notice(notice.number), record),
        }
    }

    /// Completes the batch.
    pub fn seal(self) -> Sealed {
        let key = Key::Meta.encode();
        let payload = Record::Meta(self.meta.clone()).encode();
        let frame = Frame {
            version: VERSION,
            kind: Kind::Meta,
            parts: 0,
            sequence: self.meta.sequence,
            key: &key,
            payload: &payload,
        };
        let value = frame.encode();
        let mut operations: Vec<Operation> = self.operations.into_iter().collect();
        operations.push((key, Some(value)));
        Sealed { meta: self.meta, operations }
    }

    fn put_run(&mut self, run: &Run) -> Result<(), DatabaseError> {
        let place = HistoryKey { number: run.id.number, skip_index: 0 };
        let live = Key::Live(run.id.clone()).encode();
        let was_live = self.current(&live)?.is_some();
        if !was_live {
            self.drop_ended(&run.id.job, place)?;
        }
        match run.state {
            RunState::Finished { ended_at, .. } => {
                if was_live {
                    self.set(live, None)?;
                }
                self.set(Key::Ended(ended_at.into(), run.id.job.clone(), place).encode(), Some(Vec::new()))?;
            }
            RunState::Queued { .. }
            | RunState::Starting { .. }
            | RunState::Running { .. }
            | RunState::Stopping { .. }
            | RunState::Backoff { .. } => {
                if !was_live {
                    self.set(live, Some(Vec::new()))?;
                }
            }
        }
        self.put(&Key::History(run.id.job.clone(), place), &Record::Run(Box::new(run.clone())))
    }

    fn forget_run(&mut self, run: &RunId) -> Result<(), DatabaseError> {
        let place = HistoryKey { number: run.number, skip_index: 0 };
        self.drop_ended(&run.job, place)?;
        self.set(Key::Live(run.clone()).encode(), None)?;
        self.forget(&Key::History(run.job.clone(), place).encode())
    }

    fn put_skip(&mut self, skip: &Skip) -> Result<(), DatabaseError> {
        let place = HistoryKey::from(skip.key);
        self.drop_ended(&skip.job, place)?;
        self.set(Key::Ended(skip.recorded_at.into(), skip.job.clone(), place).encode(), Some(Vec::new()))?;
        self.put(&Key::History(skip.job.clone(), place), &Record::Skip(skip.clone()))
    }

    /// Removes the time index of what lies at a place of history, when something does.
    fn drop_ended(&mut self, job: &crate::spec::JobName, place: HistoryKey) -> Result<(), DatabaseError> {
        let key = Key::History(job.clone(), place).encode();
        let Some(old) = self.current(&key)? else { return Ok(()) };
        let parts = self.parts(&key, &old)?;
        // A damaged record is about to be replaced or forgotten. Its index entry, if any, is found by `verify`.
        let Ok(record) = read::assemble(&key, &old, &parts) else { return Ok(()) };
        match read::ended_at(&record) {
            Some(at) => self.set(Key::Ended(at, job.clone(), place).encode(), None),
            None => Ok(()),
        }
    }

    fn put(&mut self, key: &Key, record: &Record) -> Result<(), DatabaseError> {
        let key = key.encode();
        let payload = record.encode();
        let mut chunks = payload.chunks(PAYLOAD_LIMIT);
        let first = chunks.next().unwrap_or_default();
        assert!(chunks.len() <= PARTS_LIMIT, "a record has at most {PARTS_LIMIT} parts: job files are bounded");
        let parts = u16::try_from(chunks.len()).expect("just checked");
        let before = self.current(&key)?.map_or(0, |old| count_parts(&key, &old));
        let sequence = self.meta.sequence;
        let frame = Frame { version: VERSION, kind: record.kind(), parts, sequence, key: &key, payload: first };
        self.set(key.clone(), Some(frame.encode()))?;
        for (index, payload) in (0..).zip(chunks) {
            let key = Key::Part(key.clone(), index).encode();
            let frame = Frame { version: VERSION, kind: Kind::Part, parts: 0, sequence, key: &key, payload };
            self.set(key.clone(), Some(frame.encode()))?;
        }
        for index in u32::from(parts)..u32::from(before) {
            self.set(Key::Part(key.clone(), index).encode(), None)?;
        }
        Ok(())
    }

    fn forget(&mut self, key: &[u8]) -> Result<(), DatabaseError> {
        let parts = self.current(key)?.map_or(0, |old| count_parts(key, &old));
        for index in 0..u32::from(parts) {
            self.set(Key::Part(key.to_vec(), index).encode(), None)?;
        }
        self.set(key.to_vec(), None)
    }

    /// Sets or removes one key, and keeps the digest.
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), DatabaseError> {
        let old = self.current(&key)?;
        if old.is_none() && value.is_none() {
            return Ok(());
        }
        if let Some(old) = old {
            self.meta.digest.remove(&key, &old);
        }
        if let Some(value) = &value {
            self.meta.digest.add(&key, value);
        }
        self.operations.insert(key, value);
        Ok(())
    }

    fn current(&self, key: &[u8]) -> Result<Option<Vec<u8>>, DatabaseError> {
        match self.operations.get(key) {
            Some(staged) => Ok(staged.clone()),
            None => Ok(self.database.get(key)?.map(|value| value.to_vec())),
        }
    }

    fn parts(&self, key: &[u8], first: &[u8]) -> Result<Vec<Vec<u8>>, DatabaseError> {
        let mut parts = Vec::new();
        for index in 0..u32::from(count_parts(key, first)) {
            parts.extend(self.current(&Key::Part(key.to_vec(), index).encode())?);
        }
        Ok(parts)
    }
}

/// How many further values belong to the record that begins with `first`; none when that is damaged.
fn count_parts(key: &[u8], first: &[u8]) -> u16 {
    Frame::decode(key, first).map_or(0, |frame| frame.parts)
}
