//! Taking over what the jobs directory says.

use std::sync::Arc;

use super::{HeldBack, Job, JobState, LoadSummary, Scheduler};
use crate::clock::Now;
use crate::run::{Outcome, RunId, SkipReason, Transition, Trigger};
use crate::spec::{Fault, JobName, LoadedSpec, SpecEntry, SpecSet};

/// Jobs that must vanish at least for a load to be held back: one or two files are deleted by hand more often than a
/// directory loses them by accident.
pub const VANISH_ALARM_MINIMUM: usize = 3;

impl Scheduler {
    pub(super) fn load(&mut self, now: Now, set: SpecSet) -> LoadSummary {
        self.snapshot.held_back = self.suspicious(&set).filter(|_| !set.confirmed);
        let mut summary = LoadSummary { held_back: self.snapshot.held_back, ..LoadSummary::default() };
        // A daemon that goes down settles nothing any more: its successor reads the directory again. During a hold the
        // loop keeps the set until that ends.
        if summary.held_back.is_some() || self.starts_nothing() {
            summary.unchanged = self.snapshot.jobs.values().filter(|job| !job.is_removed()).count();
            return summary;
        }
        let is_gone = |job: &&Arc<Job>| !job.is_removed() && !job.is_ad_hoc() && !set.jobs.contains_key(&job.name);
        let gone: Vec<JobName> = self.snapshot.jobs.values().filter(is_gone).map(|job| job.name.clone()).collect();
        for name in gone {
            self.remove(&name, now);
            summary.removed.push(name);
        }
        for (name, entry) in set.jobs {
            match entry {
                SpecEntry::Good(loaded) => self.adopt(&name, &loaded, now, &mut summary),
                SpecEntry::Faulty(fault) => {
                    self.note_fault(&name, fault, now);
                    summary.faulty.push(name);
                }
            }
        }
        summary
    }

    /// Whether so many jobs vanish that the directory itself is in doubt, as when a mount is missing.
    fn suspicious(&self, set: &SpecSet) -> Option<HeldBack> {
        let known =
            self.snapshot.jobs.values().filter(|job| !job.is_removed() && !job.is_ad_hoc() && job.spec.is_some());
        let (kept, vanishing): (Vec<_>, Vec<_>) = known.partition(|job| set.jobs.contains_key(&job.name));
        let held_back = HeldBack { known: kept.len() + vanishing.len(), vanishing: vanishing.len() };
        (vanishing.len() >= VANISH_ALARM_MINIMUM && vanishing.len() > kept.len()).then_some(held_back)
    }

    /// Brings a good definition into force.
    pub(super) fn adopt(&mut self, name: &JobName, loaded: &LoadedSpec, now: Now, summary: &mut LoadSummary) {
        let spec = &loaded.spec;
        let Some(job) = self.snapshot.jobs.get(name) else {
            let mut job = Job::new(name.clone(), JobState::new(now.wall));
            job.spec = Some(Arc::clone(spec));
            job.state.revision = Some(spec.revision.clone());
            self.snapshot.jobs.insert(name.clone(), Arc::new(job));
            self.enter(name, loaded);
            summary.added.push(name.clone());
            return;
        };
        let returned = job.is_removed() || job.spec.is_none();
        if !returned && job.state.revision.as_ref() == Some(&spec.revision) {
            if job.fault.is_some() {
                self.job_mut(name).fault = None;
            }
            summary.unchanged += 1;
            return;
        }
        // An ad-hoc job that is done keeps its definition, and is not in force by it.
        let same_schedule = !returned
            && job.spec.as_ref().is_some_and(|old| old.enabled && spec.enabled && old.schedules == spec.schedules);
        if !same_schedule && !returned {
            // Under the old schedule everything until now is settled; the new one starts at now.
            self.settle_all(name, now);
            self.give_up_occurrences(name, SkipReason::Rescheduled, now);
        }
        let job = self.job_mut(name);
        job.fault = None;
        // A file, or another request, defines it from now on.
        job.state.ad_hoc = None;
        let (old_revision, old_spec) =
            (job.state.revision.replace(spec.revision.clone()), job.spec.replace(Arc::clone(spec)));
        job.state.removed_at = None;
        if !same_schedule {
            job.state.cursor = job.state.cursor.max(now.wall);
            job.held_until = None;
        }
        let enabled = spec.enabled && old_spec.as_ref().is_some_and(|old| !old.enabled);
        if enabled || returned {
            self.await_anew(name, now);
        }
        self.review_overdue(name, now);
        if let (Some(revision), Some(old_spec)) = (old_revision, old_spec) {
            self.retired.insert(revision.clone(), old_spec);
            self.release(name, &revision);
        }
        // The clock may have been set back while no schedule was in force.
        if super::due::is_far_behind(now.wall, self.job(name).state.cursor) {
            self.record_rebase(name, now);
        }
        self.enter(name, loaded);
        self.dequeue(name, now);
        if returned { summary.added.push(name.clone()) } else { summary.changed.push(name.clone()) }
    }

    fn enter(&mut self, name: &JobName, loaded: &LoadedSpec) {
        self.ledger.source(name, &loaded.spec.revision, &loaded.source);
        self.job_mut(name).recorded = true;
        self.ledger.job(name);
        self.reschedule(name);
    }

    /// Settles a job's whole backlog in this step. A backlog is long only after long downtime, and then a schedule
    /// changes at most once.
    fn settle_all(&mut self, name: &JobName, now: Now) {
        let is_due = |job: &Job| job.next.as_ref().is_some_and(|next| next.due <= now.wall);
        while is_due(self.job(name)) {
            self.evaluate(name, now);
        }
    }

    fn note_fault(&mut self, name: &JobName, fault: Arc<Fault>, now: Now) {
        if !self.snapshot.jobs.contains_key(name) {
            let job = Job::new(name.clone(), JobState::new(now.wall));
            self.snapshot.jobs.insert(name.clone(), Arc::new(job));
        }
        let job = self.job_mut(name);
        // A file that comes back faulty after its deletion is a job again, with nothing in force.
        let returned = job.state.removed_at.take().is_some();
        if job.fault.as_deref() != Some(&*fault) || returned {
            job.fault = Some(fault);
            self.ledger.job(name);
        }
    }

    /// Leaves a tombstone: history stays, live runs finish, queued ones become skips.
    fn remove(&mut self, name: &JobName, now: Now) {
        if !self.job(name).is_durable() {
            self.snapshot.jobs.remove(name);
            self.ledger.job(name);
            return;
        }
        self.give_up_occurrences(name, SkipReason::Removed, now);
        // From here on none of its queued runs starts, whichever goes first.
        self.job_mut(name).state.removed_at = Some(now.wall);
        let (queued, active) = self.live_runs(name);
        for id in queued {
            self.drop_queued(&id, SkipReason::Removed, now);
        }
        let backing_off: Vec<RunId> = active
            .into_iter()
            .filter(|id| self.snapshot.live.get(id).is_some_and(|run| run.current_attempt().is_none()))
            .collect();
        let job = self.job_mut(name);
        let (revision, spec) = (job.state.revision.take(), job.spec.take());
        job.state.paused = None;
        job.fault = None;
        if let (Some(revision), Some(spec)) = (revision, spec) {
            self.retired.insert(revision.clone(), spec);
            self.release(name, &revision);
        }
        for id in backing_off {
            self.give_up(&id, now);
        }
        self.ledger.job(name);
        self.reschedule(name);
    }

    /// Records the occurrences until now that no step will settle any more, and moves the cursor past them.
    pub(super) fn give_up_occurrences(&mut self, name: &JobName, reason: SkipReason, now: Now) {
        let job = self.job(name);
        let Some(spec) = job.spec.clone() else { return };
        let context = self.context(job);
        let mut upcoming = job.next.clone();
        while let Some(occurrence) = upcoming.take_if(|next| next.at <= now.wall) {
            self.skip(name, reason, occurrence.at, now);
            self.job_mut(name).state.cursor = occurrence.at;
            upcoming = spec.schedules.next(occurrence.at, &context);
        }
    }

    /// A queued run that will not start: an occurrence becomes a skip, a manual run ends as cancelled.
    pub(super) fn drop_queued(&mut self, id: &RunId, reason: SkipReason, now: Now) {
        let run = self.snapshot.live.get(id).expect("the caller listed it");
        let occurrence = match &run.trigger {
            Trigger::Schedule(scheduled) | Trigger::CatchUp(scheduled) => Some(scheduled.at),
            Trigger::Manual { .. } => None,
        };
        match occurrence {
            None => {
                self.advance(id, Transition::Abandon { outcome: Outcome::Cancelled, at: now.wall });
                self.finish(id, now);
            }
            Some(at) => {
                let run = self.snapshot.live.remove(id).expect("the caller listed it");
                self.job_mut(&id.job).live.retain(|&number| number != id.number);
                self.ledger.forget_run(id);
                self.skip(&id.job, reason, at, now);
                self.release(&id.job, &run.revision);
            }
        }
    }

    /// A run of a deleted job gets no further attempt: it ends as its newest attempt did.
    fn give_up(&mut self, id: &RunId, now: Now) {
        let run = self.snapshot.live.get(id).expect("the caller listed it");
        let newest = run.attempts.last().and_then(|attempt| attempt.end.as_ref());
        let outcome = newest.map_or(Outcome::Cancelled, |(_, outcome)| outcome.clone());
        self.remove_backoff(id);
        self.advance(id, Transition::Abandon { outcome, at: now.wall });
        self.finish(id, now);
    }
}

impl Job {
    /// Whether there is anything to remember: a file that never was good leaves no trace.
    pub(super) fn is_durable(&self) -> bool {
        self.recorded
            || self.state.revision.is_some()
            || self.state.last_number > 0
            || self.state.open_skip.is_some()
            || self.is_removed()
    }
}
