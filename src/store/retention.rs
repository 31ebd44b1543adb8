//! Which of a job's history retention lets go.

use std::num::NonZeroU32;

use super::database::Database;
use super::key::Key;
use super::read::{ReadError, complete};
use super::reader::{Reader, places_before};
use super::record::Record;
use super::{HistoryKey, read};
use crate::clock::Timestamp;
use crate::run::{RunId, SkipKey};
use crate::scheduler::Change;
use crate::spec::JobName;

/// An entry of history that retention lets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expired {
    /// A finished run. Its output goes with it.
    Run(RunId),
    /// A record of skips.
    Skip(JobName, SkipKey),
}

impl From<Expired> for Change {
    fn from(expired: Expired) -> Self {
        match expired {
            Expired::Run(run) => Self::ForgetRun(run),
            Expired::Skip(job, key) => Self::ForgetSkip(job, key),
        }
    }
}

impl Reader {
    /// What of a job's history is to be let go, oldest first, at most `limit`: finished runs beyond the newest
    /// `runs_kept`, records of skips beyond as many, and either when it ended before `cutoff`. Live runs neither go nor
    /// count. Ask again while the answer is full.
    ///
    /// Costs a look at the keys of the newest `runs_kept` entries. Of entries that are kept for their number, the oldest is
    /// looked at for its age and the others wait behind it: an entry that ended late keeps those after it a little longer.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn expired(
        &self,
        job: &JobName,
        runs_kept: NonZeroU32,
        cutoff: Timestamp,
        limit: usize,
    ) -> Result<Vec<Expired>, ReadError> {
        self.read(|database| {
            let kept = Kept::find(database, job, runs_kept)?;
            let mut expired = Vec::new();
            for entry in places_before(database, job, None) {
                if expired.len() == limit {
                    break;
                }
                let (key, value) = entry?;
                let Ok(Key::History(_, place)) = Key::decode(&key) else { continue };
                if is_live(database, job, place)? {
                    continue;
                }
                if !kept.is_beyond(place) && !ended_before(database, &key, &value, cutoff)? {
                    break;
                }
                expired.push(Expired::new(job, place));
            }
            Ok(expired)
        })
    }
}

impl Expired {
    fn new(job: &JobName, place: HistoryKey) -> Self {
        let HistoryKey { number, skip_index } = place;
        match skip_index {
            0 => Self::Run(RunId { job: job.clone(), number }),
            index => Self::Skip(job.clone(), SkipKey { after_run: number, index }),
        }
    }
}

/// The oldest entries that are kept for their number; everything is kept where there is none.
#[derive(Default)]
struct Kept {
    run: Option<HistoryKey>,
    skip: Option<HistoryKey>,
}

impl Kept {
    fn find(database: &Database, job: &JobName, runs_kept: NonZeroU32) -> Result<Self, ReadError> {
        let (mut runs, mut skips) = (0, 0);
        let mut kept = Self::default();
        for entry in places_before(database, job, None).rev() {
            let (key, _) = entry?;
            let Ok(Key::History(_, place)) = Key::decode(&key) else { continue };
            if is_live(database, job, place)? {
                continue;
            }
            let (count, oldest) = match place.skip_index {
                0 => (&mut runs, &mut kept.run),
                _ => (&mut skips, &mut kept.skip),
            };
            *count += 1;
            if *count == runs_kept.get() {
                *oldest = Some(place);
            }
            if kept.run.is_some() && kept.skip.is_some() {
                break;
            }
        }
        Ok(kept)
    }

    fn is_beyond(&self, place: HistoryKey) -> bool {
        let oldest = if place.skip_index == 0 { self.run } else { self.skip };
        oldest.is_some_and(|oldest| place < oldest)
    }
}

fn is_live(database: &Database, job: &JobName, place: HistoryKey) -> Result<bool, ReadError> {
    if place.skip_index > 0 {
        return Ok(false);
    }
    let live = Key::Live(RunId { job: job.clone(), number: place.number });
    Ok(database.get(&live.encode())?.is_some())
}

fn ended_before(database: &Database, key: &[u8], value: &[u8], cutoff: Timestamp) -> Result<bool, ReadError> {
    let record: Record = complete(database, key, value)?;
    Ok(read::ended_at(&record).is_some_and(|at| at < cutoff.into()))
}
