//! What is due: occurrences between the cursor and now, misfires and catch-up, the end of pauses and back-offs.

use std::collections::VecDeque;

use super::{REBASE_THRESHOLD, Scheduler};
use crate::clock::{Now, Timestamp};
use crate::run::{RunId, Scheduled, Skip, SkipKey, SkipReason, Trigger};
use crate::schedule::{Occurrence, Shift};
use crate::spec::{CATCH_UP_LIMIT, CatchUpPolicy, JobName, JobSpec, MISFIRE_THRESHOLD};

/// Jobs that one tick looks at; the next tick follows at once. It bounds a step, and so the commit that it leads to.
pub const DUE_LIMIT: usize = 100;

/// Occurrences of one job that one step walks over. A job that slept through more of them is walked in several steps.
pub const EVALUATE_LIMIT: usize = 1_000;

/// A due occurrence whose fate is open, and the cursor in front of it.
struct Candidate {
    occurrence: Occurrence,
    cursor_before: Timestamp,
}

impl Scheduler {
    pub(super) fn tick(&mut self, now: Now) {
        if self.starts_nothing() {
            return;
        }
        let is_due = |entry: &&(Timestamp, JobName)| entry.0 <= now.wall;
        let due: Vec<JobName> =
            self.due.iter().take_while(is_due).take(DUE_LIMIT).map(|(_, name)| name.clone()).collect();
        for name in due {
            self.evaluate(&name, now);
        }
        while let Some((at, id)) = self.backoff.first().cloned() {
            if at > now.monotonic {
                break;
            }
            self.backoff.remove(&(at, id.clone()));
            self.launch(&id, now);
        }
    }

    /// Settles every occurrence of a job that is due, up to [`EVALUATE_LIMIT`], and the end of its pause.
    pub(super) fn evaluate(&mut self, name: &JobName, now: Now) {
        if self.starts_nothing() {
            return;
        }
        let job = self.job(name);
        let context = self.context(job);
        let Some(spec) = job.spec.clone() else { return };
        let pause = job.state.paused.clone();
        let mut upcoming = job.next.clone();
        let mut cursor = job.state.cursor;
        let mut candidates: VecDeque<Candidate> = VecDeque::new();
        let mut complete = true;
        let mut walked = 0;
        while let Some(occurrence) = upcoming.take_if(|next| next.due <= now.wall) {
            let paused = pause.as_ref().is_some_and(|pause| pause.covers(occurrence.due));
            if walked == EVALUATE_LIMIT || (paused && !candidates.is_empty()) {
                // What stands before a pause is settled first, so that no record reaches behind an open candidate.
                complete = paused && !candidates.is_empty();
                upcoming = Some(occurrence);
                break;
            }
            walked += 1;
            let cursor_before = std::mem::replace(&mut cursor, occurrence.at);
            if paused {
                self.skip(name, SkipReason::Paused, occurrence.at, now);
            } else {
                candidates.push_back(Candidate { occurrence, cursor_before });
                if candidates.len() > candidate_limit(&spec) {
                    let oldest = candidates.pop_front().expect("one was just pushed").occurrence;
                    self.skip(name, evicted_reason(&spec, &oldest, now), oldest.at, now);
                }
            }
            upcoming = spec.schedules.next(cursor, &context);
        }
        if !complete && let Some(first) = candidates.front() {
            cursor = first.cursor_before;
            upcoming = Some(first.occurrence.clone());
            candidates.clear();
        }
        self.settle(name, &spec, candidates.into_iter().map(|candidate| candidate.occurrence).collect(), now);
        self.close_evaluation(name, cursor, upcoming, now);
    }

    /// Moves the cursor, and ends a pause whose time has come and whose occurrences are all recorded.
    fn close_evaluation(&mut self, name: &JobName, cursor: Timestamp, upcoming: Option<Occurrence>, now: Now) {
        let still_due = upcoming.as_ref().is_some_and(|next| next.due <= now.wall);
        let job = self.job_mut(name);
        let moved = job.state.cursor != cursor;
        job.state.cursor = cursor;
        job.next = upcoming;
        let pause_over = |until: Option<Timestamp>| until.is_some_and(|until| until <= now.wall);
        let unpaused = !still_due && job.state.paused.take_if(|pause| pause_over(pause.until)).is_some();
        if moved || unpaused {
            self.ledger.job(name);
        }
        self.update_wake(name);
    }

    /// Decides what becomes of due occurrences: the newest starts if it is in time, the others are misfires.
    fn settle(&mut self, name: &JobName, spec: &JobSpec, mut due: VecDeque<Occurrence>, now: Now) {
        let lateness = |occurrence: &Occurrence| (now.wall - occurrence.due).to_std().unwrap_or_default();
        let in_time = match due.back() {
            Some(newest) if lateness(newest) <= MISFIRE_THRESHOLD => due.pop_back(),
            Some(_) | None => None,
        };
        let newest_missed = due.len();
        for (position, occurrence) in due.into_iter().enumerate() {
            let wanted = match spec.catch_up.policy {
                CatchUpPolicy::None => false,
                CatchUpPolicy::Latest => in_time.is_none() && position + 1 == newest_missed,
                CatchUpPolicy::All => true,
            };
            if spec.catch_up.window.is_some_and(|window| lateness(&occurrence) > window) && wanted {
                self.skip(name, SkipReason::TooOld, occurrence.at, now);
            } else if wanted {
                self.fire(name, Trigger::CatchUp(scheduled(&occurrence)), occurrence.at, now);
            } else {
                self.skip(name, SkipReason::Missed, occurrence.at, now);
            }
        }
        if let Some(occurrence) = in_time {
            self.fire(name, Trigger::Schedule(scheduled(&occurrence)), occurrence.at, now);
        }
    }

    /// Lets the overlap policy decide on an occurrence; what it turns away is a record.
    fn fire(&mut self, name: &JobName, trigger: Trigger, at: Timestamp, now: Now) {
        if let Err(denial) = self.admit(name, trigger, now) {
            self.skip(name, denial.skip_reason(), at, now);
        }
    }

    /// A wall clock far behind a cursor sets the cursor back: waiting for it to be passed again could take years.
    pub(super) fn rebase(&mut self, now: Now) {
        let threshold = chrono::Duration::from_std(REBASE_THRESHOLD).expect("an hour fits");
        let behind: Vec<JobName> = self
            .snapshot
            .jobs
            .values()
            .filter(|job| job.spec.is_some() && now.wall + threshold < job.state.cursor)
            .map(|job| job.name.clone())
            .collect();
        for name in behind {
            self.record_rebase(&name, now);
            self.reschedule(&name);
        }
    }

    /// The record covers no occurrence: it tells that those in its range may be covered twice.
    fn record_rebase(&mut self, name: &JobName, now: Now) {
        let job = self.job_mut(name);
        let last = std::mem::replace(&mut job.state.cursor, now.wall);
        let after_run = job.state.last_number;
        let before = job.state.open_skip.as_ref().filter(|open| open.key.after_run == after_run);
        let key = SkipKey { after_run, index: before.map_or(1, |open| open.key.index + 1) };
        let reason = SkipReason::ClockRebased;
        let skip = Skip { job: name.clone(), key, reason, first: now.wall, last, count: 0, recorded_at: now.wall };
        job.state.open_skip = Some(skip.clone());
        self.ledger.skip(&skip);
        self.ledger.job(name);
    }

    pub(super) fn remove_backoff(&mut self, id: &RunId) {
        // Back-offs are few beside live runs, and this is rare: a scan beats a second index.
        self.backoff.retain(|(_, other)| other != id);
    }
}

/// Occurrences that may still become runs: the newest in time, and before it what catch-up may want.
const fn candidate_limit(spec: &JobSpec) -> usize {
    match spec.catch_up.policy {
        CatchUpPolicy::None | CatchUpPolicy::Latest => 1,
        CatchUpPolicy::All => CATCH_UP_LIMIT + 1,
    }
}

/// Why the oldest candidate cannot run once a newer one has taken its place.
fn evicted_reason(spec: &JobSpec, occurrence: &Occurrence, now: Now) -> SkipReason {
    let age = (now.wall - occurrence.due).to_std().unwrap_or_default();
    match spec.catch_up.policy {
        CatchUpPolicy::None | CatchUpPolicy::Latest => SkipReason::Missed,
        CatchUpPolicy::All if spec.catch_up.window.is_some_and(|window| age > window) => SkipReason::TooOld,
        CatchUpPolicy::All => SkipReason::CatchUpLimit,
    }
}

fn scheduled(occurrence: &Occurrence) -> Scheduled {
    let note = occurrence.note.as_ref().map(|shift| match shift {
        Shift::Gap => "the local time does not exist on this day: it runs right after the clock change".to_owned(),
        Shift::FirstPass => "the local time exists twice on this day: this is the first".to_owned(),
        Shift::SecondPass => "the local time exists twice on this day: this is the second".to_owned(),
        Shift::Calendar { rule } => format!("moved by the calendar: {rule}"),
    });
    Scheduled { at: occurrence.at, nominal: occurrence.nominal, note }
}
