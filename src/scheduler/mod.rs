//! What is due, and what follows from it: one pure function from an event to a decision.
//!
//! [`Scheduler::step`] takes the time and an [`Event`] and returns a [`Decision`]: the changes to make durable, the
//! effects that may follow once they are, and the answer to a client. It reads no clock, no file and no random number, so the
//! same events always lead to the same decisions, and the simulator can replay any of them.
//!
//! The scheduler's own state *is* the published [`Snapshot`]: persistent maps whose clone costs nothing and shares
//! everything that did not change.

mod ad_hoc;
mod attempt;
mod command;
mod due;
mod event;
mod job;
mod ledger;
mod load;
mod missed;
mod outbox;
mod recover;
#[cfg(test)]
mod tests;
mod verdict;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::{Monotonic, Now, Timestamp};
use crate::run::{Run, RunId, Skip, SkipKey, SkipReason};
use crate::schedule::{Boot, Context};
use crate::spec::{JobName, JobSpec, Revision};

pub use ad_hoc::{AD_HOC_KEPT, AD_HOC_LIMIT, AD_HOC_SHARE, AdHoc, surplus};
pub use due::{DUE_LIMIT, EVALUATE_LIMIT};
pub use event::{
    Announcement, Answer, Change, Command, Decision, Effect, Event, HeldBack, LoadSummary, Named, REBASE_THRESHOLD,
    Refusal, Selector, Snapshot, Wake,
};
pub use job::{Job, JobState, LastRun, Pause, Recovered, Totals};
pub use load::VANISH_ALARM_MINIMUM;
pub use outbox::{DELIVERIES_LIMIT, DELIVERY_ATTEMPTS, Delivery, Fate, NOTICE_AGE_LIMIT, OUTBOX_LIMIT, Outbox};
pub use recover::SpecIndex;
pub use watch::{Told, Watch};

use ledger::Ledger;
use missed::Missed;
use outbox::Deliveries;

/// The core: owns every job and every live run.
#[derive(Debug)]
pub struct Scheduler {
    boot: Boot,
    snapshot: Snapshot,
    /// Definitions that live runs still use and no file says any more.
    retired: BTreeMap<Revision, Arc<JobSpec>>,
    /// Jobs by the time at which they must be looked at.
    due: BTreeSet<(Timestamp, JobName)>,
    /// Runs in back-off by the end of it.
    backoff: BTreeSet<(Monotonic, RunId)>,
    /// Whether nothing is started and settled, since it could not be recorded.
    holding: bool,
    /// Occurrences of this step that did not run, by job.
    missed: BTreeMap<JobName, Missed>,
    deliveries: Deliveries,
    ledger: Ledger,
}

impl Scheduler {
    /// Takes one step.
    pub fn step(&mut self, now: Now, event: Event) -> Decision {
        let mut answer = None;
        match event {
            Event::SpecsLoaded(set) => answer = Some(Ok(Answer::Loaded(self.load(now, set)))),
            Event::Tick => self.tick(now),
            Event::ClockStepped => self.rebase(now),
            Event::SupervisorConnected => self.reconnect(now),
            Event::Report(report) => self.report(now, report),
            Event::Command(command) => answer = Some(self.command(now, command)),
            Event::Hold(holding) => self.hold(holding, now),
            Event::Define { job, uid, named } => answer = Some(self.define(&job, uid, named, now)),
            Event::Discard(name) => self.discard(&name),
        }
        self.tell_missed(now);
        if !self.starts_nothing() {
            self.deliver(now);
        }
        self.retire_done(now);
        let jobs = &self.snapshot.jobs;
        let state_of = |name: &JobName| jobs.get(name).filter(|job| job.is_durable()).map(|job| job.state.clone());
        Decision { answer, ..self.ledger.close(state_of) }
    }

    /// Everything as it stands after the newest step.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    /// When the next [`Event::Tick`] is needed at the latest.
    pub fn wake(&self) -> Wake {
        if self.starts_nothing() {
            return Wake::default();
        }
        let backoff = self.backoff.first().map(|&(at, _)| at);
        let monotonic = backoff.into_iter().chain(self.deliveries.wake()).min();
        Wake { wall: self.due.first().map(|&(at, _)| at), monotonic }
    }

    /// Whether no run is started and no occurrence settled at present.
    const fn starts_nothing(&self) -> bool {
        self.snapshot.draining || self.holding
    }

    /// Begins or ends a time in which nothing could be recorded. Runs that waited for a place meanwhile start after it.
    fn hold(&mut self, holding: bool, now: Now) {
        self.holding = holding;
        self.dequeue_all(now);
    }

    /// Lets every queue move for which there is room.
    fn dequeue_all(&mut self, now: Now) {
        if self.starts_nothing() {
            return;
        }
        let waiting: BTreeSet<JobName> =
            self.snapshot.live.values().filter(|run| run.is_queued()).map(|run| run.id.job.clone()).collect();
        waiting.iter().for_each(|name| self.dequeue(name, now));
    }

    /// Whether an attempt of any run is with the supervisor, or about to be.
    pub fn has_active_attempts(&self) -> bool {
        self.snapshot.live.values().any(|run| run.current_attempt().is_some())
    }

    fn job(&self, name: &JobName) -> &Job {
        self.snapshot.jobs.get(name).expect("callers name known jobs")
    }

    fn job_mut(&mut self, name: &JobName) -> &mut Job {
        Arc::make_mut(self.snapshot.jobs.get_mut(name).expect("callers name known jobs"))
    }

    /// Changes a live run by one transition and notes it.
    fn advance(&mut self, id: &RunId, transition: crate::run::Transition) {
        let run = self.snapshot.live.get_mut(id).expect("callers name live runs");
        Arc::make_mut(run).advance(transition);
        self.ledger.run(run);
    }

    /// The definition that a run uses, unless its text can no longer be read.
    fn spec_of(&self, run: &Run) -> Option<Arc<JobSpec>> {
        let current = self.snapshot.jobs.get(&run.id.job).and_then(|job| job.spec.as_ref());
        current.filter(|spec| spec.revision == run.revision).or_else(|| self.retired.get(&run.revision)).cloned()
    }

    fn context(&self, job: &Job) -> Context {
        Context { first_seen: job.state.first_seen, boot: self.boot.clone() }
    }

    /// Computes the job's next occurrence from its cursor, and when to look at it again.
    fn reschedule(&mut self, name: &JobName) {
        let job = self.job(name);
        let next = match &job.spec {
            Some(spec) if spec.enabled && !job.is_removed() => {
                spec.schedules.next(job.state.cursor, &self.context(job))
            }
            Some(_) | None => None,
        };
        self.job_mut(name).next = next;
        self.update_wake(name);
    }

    /// Enters the job into the order of due times by what it holds.
    fn update_wake(&mut self, name: &JobName) {
        let job = self.job(name);
        let pause_end = job.state.paused.as_ref().and_then(|pause| pause.until);
        let due = job.next.as_ref().map(|next| job.held_until.map_or(next.due, |held| held.max(next.due)));
        let wake = due.into_iter().chain(pause_end).chain(job.overdue_at()).min();
        let before = job.wake;
        if before == wake {
            return;
        }
        if let Some(before) = before {
            self.due.remove(&(before, name.clone()));
        }
        if let Some(wake) = wake {
            self.due.insert((wake, name.clone()));
        }
        self.job_mut(name).wake = wake;
    }

    /// Records an occurrence that does not run.
    fn skip(&mut self, name: &JobName, reason: SkipReason, at: Timestamp, now: Now) {
        let job = self.job_mut(name);
        job.state.totals.skipped += 1;
        let last_number = job.state.last_number;
        let skip = match job.state.open_skip.take() {
            Some(open) if open.reason == reason && open.key.after_run == last_number => Skip {
                first: open.first.min(at),
                last: open.last.max(at),
                count: open.count + 1,
                recorded_at: now.wall,
                ..open
            },
            open => {
                let index = open.filter(|open| open.key.after_run == last_number).map_or(1, |open| open.key.index + 1);
                let key = SkipKey { after_run: last_number, index };
                Skip { job: name.clone(), key, reason, first: at, last: at, count: 1, recorded_at: now.wall }
            }
        };
        self.note_missed(name, reason, at);
        self.ledger.skip(&skip);
        self.ledger.job(name);
        self.job_mut(name).state.open_skip = Some(skip);
    }
}
