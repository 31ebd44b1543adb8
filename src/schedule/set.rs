//! [`ScheduleSet`]: all schedules of a job, ready to be asked.

use chrono::TimeDelta;

use super::hash::stable_hash;
use super::timetable::Timetable;
use super::{Boot, Context, Entry, Excluded, Occurrence, jitter};
use crate::clock::{BootId, Timestamp};

/// Schedules of one job at most: each is asked for every occurrence.
pub const ENTRIES_LIMIT: usize = 100;

/// No catch-up waits longer than a day for its turn: jitter may be any time, and has the next occurrence to cap it.
const SPREAD_LIMIT: TimeDelta = TimeDelta::days(1);

/// All schedules of one job; several that land on one instant are one occurrence.
#[derive(Clone, Debug, Default)]
pub struct ScheduleSet {
    timetables: Box<[Timetable]>,
    /// Jitter is chosen by it.
    name_hash: u64,
    /// Hash of the entries: equal sets have the same occurrences.
    fingerprint: u64,
}

impl PartialEq for ScheduleSet {
    fn eq(&self, other: &Self) -> bool {
        (self.name_hash, self.fingerprint) == (other.name_hash, other.fingerprint)
    }
}

/// Why schedules are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// One of them has no occurrence between 1970 and 2099.
    #[error("{reason}")]
    NeverFires {
        /// Its index among the entries.
        entry: usize,
        /// Why, for people.
        reason: String,
    },
    /// One of them contradicts itself.
    #[error("{reason}")]
    Contradiction {
        /// Its index among the entries.
        entry: usize,
        /// How, for people.
        reason: String,
    },
    /// Too many.
    #[error("a job has at most {ENTRIES_LIMIT} schedules, this one has {0}")]
    TooMany(usize),
}

impl ScheduleSet {
    /// Makes the schedules of a job ready. Jitter depends on the job's name.
    ///
    /// # Errors
    /// When there are more than [`ENTRIES_LIMIT`], or one of them can never fire.
    pub fn new(entries: Vec<Entry>, job_name: &str) -> Result<Self, SetError> {
        if entries.len() > ENTRIES_LIMIT {
            return Err(SetError::TooMany(entries.len()));
        }
        let timetables = entries.iter().enumerate().map(|(entry, said)| {
            if let Some(reason) = said.contradiction() {
                return Err(SetError::Contradiction { entry, reason });
            }
            let timetable = Timetable::new(said);
            match timetable.next(Timestamp::UNIX_EPOCH - TimeDelta::seconds(1), &epoch()) {
                Some(_) => Ok(timetable),
                None => Err(SetError::NeverFires { entry, reason: said.why_never() }),
            }
        });
        Ok(Self {
            timetables: timetables.collect::<Result<_, _>>()?,
            name_hash: stable_hash(&[job_name.as_bytes()]),
            fingerprint: stable_hash(&[format!("{entries:?}").as_bytes()]),
        })
    }

    /// The first occurrence whose `at` is after `after` (exclusive), or `None` when there is no more.
    pub fn next(&self, after: Timestamp, context: &Context) -> Option<Occurrence> {
        let (timetable, mut occurrence) = self.next_at(after, context)?;
        if !timetable.jitter().is_zero() {
            let next = self.next_at(occurrence.at, context).map(|(_, next)| next.at);
            occurrence.due += jitter::delay(self.name_hash, occurrence.at, timetable.jitter(), next);
        }
        Some(occurrence)
    }

    /// When the occurrence at `at` is due: `at` and its jitter. `None` when this schedule does not have it, as one that was
    /// changed since.
    pub fn due(&self, at: Timestamp, context: &Context) -> Option<Timestamp> {
        let occurrence = self.next(at - TimeDelta::microseconds(1), context)?;
        (occurrence.at == at).then_some(occurrence.due)
    }

    /// How long the catch-up of the occurrence `at` waits: below `spread`, or the greatest jitter where none is said, and
    /// below `room`; chosen by the job's name. `None` when it does not.
    pub fn catch_up_delay(
        &self,
        at: Timestamp,
        spread: Option<std::time::Duration>,
        room: Option<TimeDelta>,
    ) -> Option<TimeDelta> {
        let end = room.map(|room| at + room.max(TimeDelta::zero()));
        let delay = jitter::delay(self.name_hash, at, self.greatest_spread(spread), end);
        (!delay.is_zero()).then_some(delay)
    }

    /// Catch-ups start spread over this time: `spread`, or the greatest jitter where none is said.
    pub fn greatest_spread(&self, spread: Option<std::time::Duration>) -> TimeDelta {
        let jitter = || self.timetables.iter().map(Timetable::jitter).max().unwrap_or_default();
        // What does not fit is longer than any catch-up has room for.
        spread.map_or_else(jitter, |spread| TimeDelta::from_std(spread).unwrap_or(TimeDelta::MAX)).min(SPREAD_LIMIT)
    }

    /// The occurrences whose `at` is after `from` and not after `to`, in order.
    pub fn between<'a>(
        &'a self,
        from: Timestamp,
        to: Timestamp,
        context: &'a Context,
    ) -> impl Iterator<Item = Occurrence> + 'a {
        let mut after = from;
        std::iter::from_fn(move || {
            let occurrence = self.next(after, context).filter(|occurrence| occurrence.at <= to)?;
            after = occurrence.at;
            Some(occurrence)
        })
    }

    /// How many occurrences there are after `from` and not after `to`, counting no further than `limit`.
    pub fn count(&self, from: Timestamp, to: Timestamp, limit: usize, context: &Context) -> usize {
        self.between(from, to, context).take(limit).count()
    }

    /// What would have been an occurrence after `from` and not after `to`, had a condition not excluded it, in order.
    /// Instants at which another schedule of the set runs are left out. Every one costs as much as an occurrence: take
    /// no more than wanted.
    pub fn excluded<'a>(
        &'a self,
        from: Timestamp,
        to: Timestamp,
        context: &'a Context,
    ) -> impl Iterator<Item = Excluded> + 'a {
        let mut after = from;
        std::iter::from_fn(move || {
            loop {
                let planned = self.timetables.iter().filter_map(|timetable| timetable.planned(after, context));
                let first = planned.min_by_key(|planned| planned.occurrence.at)?;
                if first.occurrence.at > to {
                    return None;
                }
                let runs = self.timetables.iter().filter_map(|timetable| timetable.next(after, context));
                let runs = runs.map(|occurrence| occurrence.at).min();
                after = first.occurrence.at;
                if let (true, Some(cause)) = (runs != Some(after), first.excluded) {
                    return Some(Excluded { at: after, nominal: first.occurrence.nominal, cause });
                }
            }
        })
    }

    /// Whether the set holds no schedule at all.
    pub fn is_empty(&self) -> bool {
        self.timetables.is_empty()
    }

    /// Whether there were schedules, and none has an occurrence after `at`, whatever boots and whenever the job is first seen.
    pub fn is_over(&self, at: Timestamp) -> bool {
        let soon = at + TimeDelta::seconds(1);
        let context = Context { first_seen: at, boot: Boot { id: BootId::new(""), at: soon, seen_at: soon } };
        !self.is_empty() && self.next(at, &context).is_none()
    }

    /// The earliest occurrence, without jitter, and its schedule. Of several at one instant the first entry's counts.
    fn next_at(&self, after: Timestamp, context: &Context) -> Option<(&Timetable, Occurrence)> {
        self.timetables
            .iter()
            .filter_map(|timetable| Some((timetable, timetable.next(after, context)?)))
            .min_by_key(|(_, occurrence)| occurrence.at)
    }
}

/// A context in which whatever can fire does.
pub(super) fn epoch() -> Context {
    let at = Timestamp::UNIX_EPOCH;
    // A boot during which nothing was installed.
    Context {
        first_seen: at,
        boot: Boot { id: BootId::new(""), at: at + TimeDelta::seconds(1), seen_at: at + TimeDelta::seconds(1) },
    }
}
