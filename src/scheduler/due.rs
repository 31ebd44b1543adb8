//! What is due: occurrences between the cursor and now, misfires and catch-up, the end of pauses and back-offs.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Job, REBASE_THRESHOLD, Scheduler};
use crate::clock::{Now, Timestamp};
use crate::run::{RunId, Scheduled, Skip, SkipKey, SkipReason, Trigger};
use crate::schedule::Occurrence;
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
            self.check_overdue(&name, now);
            if !self.is_held(&name, now) {
                self.evaluate(&name, now);
            }
        }
        while let Some((at, id)) = self.backoff.first().cloned() {
            if at > now.monotonic {
                break;
            }
            self.backoff.remove(&(at, id.clone()));
            self.launch(&id, now);
        }
    }

    /// Whether the catch-up of a job waits still: after downtime a fleet must not start at once. What is in time never
    /// waits, and nothing waits for longer than until the job's next occurrence.
    fn is_held(&mut self, name: &JobName, now: Now) -> bool {
        let job = self.job(name);
        let Some((spec, next)) = job.spec.as_ref().zip(job.next.as_ref()).filter(|(_, next)| next.due <= now.wall)
        else {
            return false;
        };
        let has_catch_up = spec.catch_up.policy != CatchUpPolicy::None && lateness(next, now) > MISFIRE_THRESHOLD;
        // A pause decides by itself what becomes of what is due, and must end in time.
        if !has_catch_up || job.state.paused.is_some() {
            return false;
        }
        let held =
            job.held_until.filter(|&until| until <= now.wall + spec.schedules.greatest_spread(spec.catch_up.spread));
        let until = held.or_else(|| {
            let context = self.context(job);
            let following = spec.schedules.next(now.wall - MISFIRE_THRESHOLD, &context);
            let room = following.map(|following| following.due - now.wall);
            Some(now.wall + spec.schedules.catch_up_delay(next.at, spec.catch_up.spread, room)?)
        });
        if job.held_until != until {
            self.job_mut(name).held_until = until;
        }
        self.update_wake(name);
        until.is_some_and(|until| now.wall < until)
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
        if !still_due {
            job.held_until = None;
        }
        let pause_over = |until: Option<Timestamp>| until.is_some_and(|until| until <= now.wall);
        let unpaused = !still_due && job.state.paused.take_if(|pause| pause_over(pause.until)).is_some();
        if moved || unpaused {
            self.ledger.job(name);
        }
        if unpaused {
            self.await_anew(name, now);
        }
        self.update_wake(name);
    }

    /// Decides what becomes of due occurrences: the newest starts if it is in time, the others are misfires.
    fn settle(&mut self, name: &JobName, spec: &JobSpec, mut due: VecDeque<Occurrence>, now: Now) {
        let in_time = match due.back() {
            Some(newest) if lateness(newest, now) <= MISFIRE_THRESHOLD => due.pop_back(),
            Some(_) | None => None,
        };
        let newest_missed = due.len();
        for (position, occurrence) in due.into_iter().enumerate() {
            let wanted = match spec.catch_up.policy {
                CatchUpPolicy::None => false,
                CatchUpPolicy::Latest => in_time.is_none() && position + 1 == newest_missed,
                CatchUpPolicy::All => true,
            };
            if spec.catch_up.window.is_some_and(|window| lateness(&occurrence, now) > window) && wanted {
                self.skip(name, SkipReason::TooOld, occurrence.at, now);
            } else if wanted {
                self.fire(name, Trigger::CatchUp, &occurrence, now);
            } else {
                self.skip(name, SkipReason::Missed, occurrence.at, now);
            }
        }
        if let Some(occurrence) = in_time {
            self.fire(name, Trigger::Schedule, &occurrence, now);
        }
    }

    /// Lets deadline and overlap policy decide on an occurrence; what they turn away is a record.
    fn fire(&mut self, name: &JobName, trigger: fn(Scheduled) -> Trigger, occurrence: &Occurrence, now: Now) {
        let deadline = self.job(name).spec.as_ref().and_then(|spec| spec.start_deadline);
        if deadline.is_some_and(|deadline| lateness(occurrence, now) > deadline) {
            return self.skip(name, SkipReason::Expired, occurrence.at, now);
        }
        if let Err(denial) = self.admit(name, trigger(scheduled(occurrence)), now) {
            self.skip(name, denial.skip_reason(), occurrence.at, now);
        }
    }

    /// Whether a queued run has waited past its deadline. A run that a person asked for waits as long as it takes.
    pub(super) fn is_expired(&self, id: &RunId, now: Now) -> bool {
        let run = self.snapshot.live.get(id).expect("callers name live runs");
        let Some((spec, scheduled)) = self.spec_of(run).zip(run.trigger.scheduled()) else { return false };
        let Some(deadline) = spec.start_deadline else { return false };
        // The deadline counts from the start that jitter gave, which follows from the schedule.
        let just_before = scheduled.at - chrono::TimeDelta::nanoseconds(1);
        let found = spec.schedules.next(just_before, &self.context(self.job(&id.job)));
        let due = found.filter(|found| found.at == scheduled.at).map_or(scheduled.at, |found| found.due);
        (now.wall - due).to_std().unwrap_or_default() > deadline
    }

    /// A wall clock far behind a cursor sets the cursor back: waiting for it to be passed again could take years.
    pub(super) fn rebase(&mut self, now: Now) {
        self.rebase_watches(now);
        // What is to run once and has had its time gets it no second time.
        let had_its_time = |job: &Job| job.is_ad_hoc() && job.next.is_none();
        let behind: Vec<JobName> = self
            .snapshot
            .jobs
            .values()
            .filter(|job| job.spec.is_some() && is_far_behind(now.wall, job.state.cursor) && !had_its_time(job))
            .map(|job| job.name.clone())
            .collect();
        for name in behind {
            self.record_rebase(&name, now);
            self.reschedule(&name);
        }
    }

    /// The record covers no occurrence: it tells that those in its range may be covered twice.
    pub(super) fn record_rebase(&mut self, name: &JobName, now: Now) {
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

/// Whether the wall clock is so far behind a cursor that it must have been set back.
pub(super) fn is_far_behind(wall: Timestamp, cursor: Timestamp) -> bool {
    (cursor - wall).to_std().is_ok_and(|ahead| ahead > REBASE_THRESHOLD)
}

/// How much later than it should an occurrence would start now.
fn lateness(occurrence: &Occurrence, now: Now) -> Duration {
    (now.wall - occurrence.due).to_std().unwrap_or_default()
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
    let note = occurrence.note.as_ref().map(ToString::to_string);
    Scheduled { at: occurrence.at, nominal: occurrence.nominal, note }
}
