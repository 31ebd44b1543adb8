//! What clients ask for.

use super::{Answer, Command, Job, Pause, Refusal, Scheduler, Selector};
use crate::clock::{Now, Timestamp};
use crate::run::{RunId, SkipReason, StopReason, Trigger};
use crate::spec::{JobName, JobSpec};

use super::verdict::Denial;

impl Scheduler {
    pub(super) fn command(&mut self, now: Now, command: Command) -> Result<Answer, Refusal> {
        match command {
            Command::Trigger { job, uid } => self.trigger(&job, uid, now),
            Command::Cancel { run } => self.cancel(run, now),
            Command::CancelAll { job } => self.cancel_all(&job, now),
            Command::Pause { jobs, until, uid } => self.pause(&jobs, until, uid, now),
            Command::Resume { jobs } => self.resume(&jobs, now),
            Command::TestNotice { job, event, uid } => {
                let spec = self.drivable(&job)?;
                let numbers = self.tell_test(&spec, event, uid, now);
                if numbers.is_empty() { Err(Refusal::NoTarget { job, event }) } else { Ok(Answer::Told(numbers)) }
            }
            Command::Drain { stop_runs } => Ok(self.drain(stop_runs, now)),
        }
    }

    /// A manual run. It is no occurrence: what the policy turns away is told to the caller and leaves no record.
    fn trigger(&mut self, name: &JobName, uid: u32, now: Now) -> Result<Answer, Refusal> {
        let spec = self.drivable(name)?;
        let policy = spec.overlap.name();
        self.admit(name, Trigger::Manual { uid }, now).map(Answer::Triggered).map_err(|denial| match denial {
            Denial::Overlap(live) => Refusal::Overlap { live, policy },
            Denial::QueueFull => Refusal::QueueFull(name.clone()),
        })
    }

    /// The definition of a job for which something can be started now.
    fn drivable(&self, name: &JobName) -> Result<std::sync::Arc<JobSpec>, Refusal> {
        if self.snapshot.draining {
            return Err(Refusal::Draining);
        }
        if self.holding {
            return Err(Refusal::StoreFailed);
        }
        let job = self.known(name)?;
        job.spec.clone().ok_or_else(|| Refusal::Faulty(name.clone()))
    }

    fn cancel(&mut self, run: RunId, now: Now) -> Result<Answer, Refusal> {
        if !self.snapshot.live.contains_key(&run) {
            return Err(Refusal::NotLive(run));
        }
        self.stop(&run, StopReason::Cancelled, now);
        Ok(Answer::Cancelled(vec![run]))
    }

    fn cancel_all(&mut self, name: &JobName, now: Now) -> Result<Answer, Refusal> {
        if !self.snapshot.jobs.contains_key(name) {
            return Err(Refusal::NoSuchJob(name.clone()));
        }
        let (queued, active) = self.live_runs(name);
        if queued.is_empty() && active.is_empty() && self.withdraw(name, now) {
            return Ok(Answer::Withdrawn(name.clone()));
        }
        if queued.is_empty() && active.is_empty() {
            return Err(Refusal::NothingLive(name.clone()));
        }
        // Queued ones first: otherwise the end of a live one would start the next.
        let runs: Vec<RunId> = queued.into_iter().chain(active).collect();
        for run in &runs {
            self.stop(run, StopReason::Cancelled, now);
        }
        Ok(Answer::Cancelled(runs))
    }

    fn pause(&mut self, jobs: &Selector, until: Option<Timestamp>, uid: u32, now: Now) -> Result<Answer, Refusal> {
        if let Some(until) = until.filter(|&until| until <= now.wall) {
            return Err(Refusal::UntilPassed(until));
        }
        let names = self.selected(jobs)?;
        for name in &names {
            if self.job(name).held_until.is_some() {
                // A catch-up that waits for its turn is what a pause right after downtime is meant for.
                self.give_up_occurrences(name, SkipReason::Paused, now);
                self.job_mut(name).held_until = None;
                self.reschedule(name);
            }
            // What is due already belongs to the time before the pause; a longer backlog than one step walks is
            // settled by the ticks that follow, and `Pause::covers` keeps it out of the pause.
            self.evaluate(name, now);
            let job = self.job_mut(name);
            let since = job.state.paused.as_ref().map_or(now.wall, |pause| pause.since);
            job.state.paused = Some(Pause { since, until, uid });
            // A person who pauses a job knows that it does not succeed meanwhile.
            job.state.watch.overdue_since = None;
            self.ledger.job(name);
            self.update_wake(name);
        }
        Ok(Answer::Paused(names))
    }

    fn resume(&mut self, jobs: &Selector, now: Now) -> Result<Answer, Refusal> {
        let mut resumed = Vec::new();
        for name in self.selected(jobs)? {
            if self.job(&name).state.paused.is_none() {
                continue;
            }
            // Occurrences of the pause are recorded under it before it ends; ending it by its time lets a backlog
            // that one step cannot walk be recorded by the ticks that follow.
            if let Some(pause) = self.job_mut(&name).state.paused.as_mut() {
                pause.until = Some(now.wall);
            }
            self.ledger.job(&name);
            self.evaluate(&name, now);
            resumed.push(name);
        }
        Ok(Answer::Resumed(resumed))
    }

    fn drain(&mut self, stop_runs: bool, now: Now) -> Answer {
        self.snapshot.draining = true;
        if stop_runs {
            let (idle, active): (Vec<_>, Vec<_>) =
                self.snapshot.live.values().cloned().partition(|run| run.current_attempt().is_none());
            for run in idle.iter().chain(&active) {
                self.stop(&run.id, StopReason::Cancelled, now);
            }
        }
        Answer::Draining
    }

    fn known(&self, name: &JobName) -> Result<&Job, Refusal> {
        let job = self.snapshot.jobs.get(name).filter(|job| !job.is_removed());
        job.map(AsRef::as_ref).ok_or_else(|| Refusal::NoSuchJob(name.clone()))
    }

    fn selected(&self, jobs: &Selector) -> Result<Vec<JobName>, Refusal> {
        let present = || self.snapshot.jobs.values().filter(|job| !job.is_removed() && job.spec.is_some());
        match jobs {
            Selector::Job(name) => {
                let job = self.known(name)?;
                if job.spec.is_none() { Err(Refusal::Faulty(name.clone())) } else { Ok(vec![name.clone()]) }
            }
            Selector::All => Ok(present().map(|job| job.name.clone()).collect()),
            Selector::Tag(tag) => {
                let tagged = |job: &&std::sync::Arc<Job>| job.spec.as_ref().is_some_and(|spec| spec.tags.contains(tag));
                let names: Vec<JobName> = present().filter(tagged).map(|job| job.name.clone()).collect();
                if names.is_empty() { Err(Refusal::NoSuchTag(tag.clone())) } else { Ok(names) }
            }
        }
    }
}
