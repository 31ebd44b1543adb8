//! Whether a run may start now: the overlap policies.

use std::sync::Arc;

use super::Scheduler;
use crate::clock::Now;
use crate::run::{Outcome, QueueReason, Run, RunId, RunState, SkipReason, StopReason, Transition, Trigger};
use crate::spec::{CatchUpPolicy, JobName, Overlap, QUEUE_LIMIT};

/// Why the overlap policy admits no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// As many runs are live as may be; this is the oldest.
    Overlap(RunId),
    /// As many runs wait as may.
    QueueFull,
}

impl Denial {
    pub(super) const fn skip_reason(&self) -> SkipReason {
        match self {
            Self::Overlap(_) => SkipReason::Overlap,
            Self::QueueFull => SkipReason::QueueFull,
        }
    }
}

impl Scheduler {
    /// Creates a run if the policy lets it be: launched, or queued behind those that are live.
    pub(super) fn admit(&mut self, name: &JobName, trigger: Trigger, now: Now) -> Result<RunId, Denial> {
        let spec = self.job(name).spec.clone().expect("only jobs with a definition fire");
        // An engine before this one may have left a queue: nobody jumps it.
        self.dequeue(name, now);
        let live = self.job(name).live.len();
        if live < spec.overlap.max_concurrent() {
            let id = self.create(name, trigger, QueueReason::Overlap, now);
            self.launch(&id, now);
            return Ok(id);
        }
        // Who wants all missed occurrences wants them one after another, whatever becomes of others meanwhile.
        let waits = spec.catch_up.policy == CatchUpPolicy::All && matches!(trigger, Trigger::CatchUp(_));
        match spec.overlap {
            Overlap::Skip | Overlap::Allow { .. } if waits && live - self.active_count(name) < QUEUE_LIMIT => {
                Ok(self.create(name, trigger, QueueReason::Overlap, now))
            }
            Overlap::Skip | Overlap::Allow { .. } => {
                let oldest = *self.job(name).live.first().expect("max_concurrent is at least one");
                Err(Denial::Overlap(RunId { job: name.clone(), number: oldest }))
            }
            Overlap::Queue if live - self.active_count(name) >= QUEUE_LIMIT => Err(Denial::QueueFull),
            Overlap::Queue => Ok(self.create(name, trigger, QueueReason::Overlap, now)),
            Overlap::Replace => {
                let (queued, active) = self.live_runs(name);
                Ok(self.replace(name, &queued, &active, trigger, now))
            }
        }
    }

    /// Queued runs go first: were a live one to end before them, the oldest of them would start.
    fn replace(&mut self, name: &JobName, queued: &[RunId], active: &[RunId], trigger: Trigger, now: Now) -> RunId {
        for id in queued.iter().chain(active) {
            self.stop(id, StopReason::Replaced, now);
        }
        let id = self.create(name, trigger, QueueReason::Replacing, now);
        self.dequeue(name, now);
        id
    }

    /// The job's live runs, oldest first: those that wait for their first attempt, and the others.
    pub(super) fn live_runs(&self, name: &JobName) -> (Vec<RunId>, Vec<RunId>) {
        let mut ids = self.job(name).live.iter().map(|&number| RunId { job: name.clone(), number });
        let active = ids.by_ref().take(self.active_count(name)).collect();
        (ids.collect(), active)
    }

    /// How many of a job's live runs have begun. Runs begin in the order of their numbers, so these are the oldest; only
    /// they are looked at, however long the queue is.
    fn active_count(&self, name: &JobName) -> usize {
        let queued = |number: &&u64| {
            let id = RunId { job: name.clone(), number: **number };
            self.snapshot.live.get(&id).expect("live numbers name live runs").is_queued()
        };
        let live = &self.job(name).live;
        let active = live.iter().take_while(|number| !queued(number)).count();
        debug_assert!(
            live[active..].iter().all(|number| queued(&number)),
            "{name}: a queued run is older than one that began"
        );
        active
    }

    fn create(&mut self, name: &JobName, trigger: Trigger, reason: QueueReason, now: Now) -> RunId {
        let job = self.job_mut(name);
        job.state.last_number += 1;
        let id = RunId { job: name.clone(), number: job.state.last_number };
        job.live.push(id.number);
        let run = Arc::new(Run {
            id: id.clone(),
            revision: job.spec.as_ref().expect("only jobs with a definition fire").revision.clone(),
            trigger,
            created_at: now.wall,
            state: RunState::Queued { since: now.wall, reason },
            attempts: Vec::new(),
            output_removed_at: None,
        });
        self.ledger.job(name);
        self.ledger.run(&run);
        self.snapshot.live.insert(id.clone(), run);
        id
    }

    /// Launches queued runs of a job while the policy has room for them.
    pub(super) fn dequeue(&mut self, name: &JobName, now: Now) {
        if self.starts_nothing() || self.job(name).is_removed() {
            return;
        }
        let room = self.job(name).spec.as_ref().map_or(1, |spec| spec.overlap.max_concurrent());
        // Each turn takes one from the queue.
        for _ in 0..self.job(name).live.len() {
            let active = self.active_count(name);
            let Some(&number) = self.job(name).live.get(active).filter(|_| active < room) else { return };
            let id = RunId { job: name.clone(), number };
            match self.is_expired(&id, now) {
                true => self.drop_queued(&id, SkipReason::Expired, now),
                false => self.launch(&id, now),
            }
        }
    }

    /// Stops a run by its ladder, or ends it at once when no attempt of it is live.
    pub(super) fn stop(&mut self, id: &RunId, reason: StopReason, now: Now) {
        // Stopping one run lets the queue move, and what has expired there is gone by then.
        let Some(run) = self.snapshot.live.get(id) else { return };
        match run.state {
            RunState::Queued { .. } | RunState::Backoff { .. } => {
                let outcome = match reason {
                    StopReason::TimedOut => Outcome::TimedOut,
                    StopReason::Cancelled => Outcome::Cancelled,
                    StopReason::Replaced => Outcome::Replaced,
                    StopReason::HostShutdown => Outcome::HostShutdown,
                };
                self.remove_backoff(id);
                self.advance(id, Transition::Abandon { outcome, at: now.wall });
                self.finish(id, now);
            }
            RunState::Starting { .. } | RunState::Running { .. } => self.request_stop(id, reason, now),
            RunState::Stopping { .. } | RunState::Finished { .. } => {}
        }
    }
}
