//! What a restart gives back to the scheduler.

use std::collections::BTreeSet;

use super::database::Database;
use super::key::{JOBS, Key, LIVE, NOTICES};
use super::read::{ReadError, complete, load};
use super::record::Record;
use super::{HistoryKey, Note};
use crate::scheduler::Recovered;
use crate::spec::{JobName, Revision};

/// Reads all jobs, all live runs, the sources that they refer to, and the outbox. What is missing or unreadable becomes a note; the
/// rest is given back all the same.
pub(super) fn recover(database: &Database, notes: &mut Vec<Note>) -> Result<Recovered, ReadError> {
    let mut recovered = Recovered::default();
    read_jobs(database, &mut recovered, notes)?;
    read_live(database, &mut recovered, notes)?;
    read_sources(database, &mut recovered, notes)?;
    read_notices(database, &mut recovered, notes)?;
    Ok(recovered)
}

fn read_jobs(database: &Database, recovered: &mut Recovered, notes: &mut Vec<Note>) -> Result<(), ReadError> {
    for entry in database.prefix(JOBS) {
        let (key, value) = entry?;
        match readable(complete(database, &key, &value), notes)? {
            Some(Record::Job(job, state)) => recovered.jobs.push((job, *state)),
            Some(Record::Meta(_) | Record::Source(..) | Record::Run(_) | Record::Skip(_) | Record::Notice(_))
            | None => {}
        }
    }
    Ok(())
}

fn read_live(database: &Database, recovered: &mut Recovered, notes: &mut Vec<Note>) -> Result<(), ReadError> {
    for entry in database.prefix(LIVE) {
        let (key, _) = entry?;
        let Ok(Key::Live(run)) = Key::decode(&key) else { continue };
        let place = HistoryKey { number: run.number, skip_index: 0 };
        match readable(load(database, &Key::History(run.job.clone(), place)), notes)? {
            Some(Some(Record::Run(run))) => recovered.live.push(*run),
            Some(
                Some(Record::Meta(_) | Record::Source(..) | Record::Job(..) | Record::Skip(_) | Record::Notice(_))
                | None,
            ) => {
                notes.push(Note::MissingRun(run));
            }
            None => {}
        }
    }
    Ok(())
}

fn read_sources(database: &Database, recovered: &mut Recovered, notes: &mut Vec<Note>) -> Result<(), ReadError> {
    let of_jobs = recovered.jobs.iter().filter_map(|(job, state)| Some((state.revision.clone()?, job.clone())));
    let of_runs = recovered.live.iter().map(|run| (run.revision.clone(), run.id.job.clone()));
    let wanted: BTreeSet<(Revision, JobName)> = of_jobs.chain(of_runs).collect();
    for (revision, job) in wanted {
        match readable(load(database, &Key::Source(revision.clone(), job.clone())), notes)? {
            Some(Some(Record::Source(_, _, source))) => recovered.sources.push((revision, job, *source)),
            Some(
                Some(Record::Meta(_) | Record::Job(..) | Record::Run(_) | Record::Skip(_) | Record::Notice(_)) | None,
            ) => {
                notes.push(Note::MissingSource(revision, job));
            }
            None => {}
        }
    }
    Ok(())
}

fn read_notices(database: &Database, recovered: &mut Recovered, notes: &mut Vec<Note>) -> Result<(), ReadError> {
    for entry in database.prefix(NOTICES) {
        let (key, value) = entry?;
        match readable(complete(database, &key, &value), notes)? {
            Some(Record::Notice(notice)) => recovered.notices.push(*notice),
            Some(Record::Meta(_) | Record::Job(..) | Record::Source(..) | Record::Run(_) | Record::Skip(_)) | None => {}
        }
    }
    Ok(())
}

/// A damaged record is told and left out; that the store cannot be read at all, or is newer, is an error.
fn readable<T>(read: Result<T, ReadError>, notes: &mut Vec<Note>) -> Result<Option<T>, ReadError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(ReadError::Damaged { key, reason }) => {
            notes.push(Note::DamagedRecord { key, reason });
            Ok(None)
        }
        Err(fault @ (ReadError::Closed | ReadError::Store(_) | ReadError::Newer { .. })) => Err(fault),
    }
}
