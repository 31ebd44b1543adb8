//! The simulated machine: processes, attempt directories, and a supervisor that can die.

use std::collections::{BTreeMap, BTreeSet};

use jobsd::clock::{BootId, Monotonic, Now, Timestamp};
use jobsd::run::{
    AttemptEnd, AttemptId, Ending, LaunchPlan, Leftovers, OutputSummary, Report, RunId, SetupFailure, StopReason,
    Stopped, Usage,
};
use jobsd::schedule::Boot;
use jobsd::spec::JobName;

use crate::clocks::SECOND;
use crate::rng::Rng;

/// What exists of one attempt: its directory is the entry itself.
pub struct HostAttempt {
    pub plan: LaunchPlan,
    boot: BootId,
    pub started_at: Timestamp,
    /// Whether its process lives.
    pub alive: bool,
    /// Whether the present supervisor is its parent; otherwise nobody will see its status.
    parented: bool,
    stop: Option<StopReason>,
    /// The end that the supervisor wrote into the directory.
    pub end: Option<AttemptEnd>,
    /// When that was, by this boot's monotonic clock.
    pub ended: Option<(BootId, Monotonic)>,
    /// Its job was forgotten, and its directory with it; the supervisor alone still knows of it.
    pub is_stale: bool,
}

/// A future happening on the machine.
#[derive(Clone, Debug)]
pub enum HostEvent {
    /// The process exits by itself.
    Exits(AttemptId, i32),
    /// Its time is up.
    TimesOut(AttemptId),
    /// The stop ladder has done its work.
    Dies(AttemptId),
}

/// Reports of the supervisor, and what will happen later, by delay in µs.
pub type Course = (Vec<Report>, Vec<(u64, HostEvent)>);

pub struct Host {
    pub boot: Boot,
    pub attempts: BTreeMap<AttemptId, HostAttempt>,
    alive: BTreeSet<AttemptId>,
    /// Attempts that the present supervisor watches, or whose end it keeps until it is acknowledged.
    watched: BTreeSet<AttemptId>,
    /// Those of them that it has written down for the one after it.
    journal: BTreeSet<AttemptId>,
    /// The supervisor has just begun, and has not read what the one before it wrote down.
    is_new: bool,
}

const SIGTERM_STATUS: i32 = 15;

impl Host {
    pub fn new() -> Self {
        let boot = Boot { id: BootId::new("boot-1"), at: Timestamp::UNIX_EPOCH, seen_at: Timestamp::UNIX_EPOCH };
        Self {
            boot,
            attempts: BTreeMap::new(),
            alive: BTreeSet::new(),
            watched: BTreeSet::new(),
            journal: BTreeSet::new(),
            is_new: false,
        }
    }

    /// Live processes of a job.
    pub fn alive_of<'a>(&'a self, job: &'a JobName) -> impl Iterator<Item = &'a AttemptId> {
        let first = AttemptId { run: RunId { job: job.clone(), number: 0 }, attempt: 0 };
        self.alive.range(first..).take_while(move |id| id.run.job == *job)
    }

    /// Whether the supervisor has anything left that nobody has acknowledged.
    pub fn unacknowledged(&self) -> Option<&AttemptId> {
        self.watched.first()
    }

    /// The supervisor is asked to launch.
    pub fn launch(&mut self, plan: &LaunchPlan, now: Now, rng: &mut Rng) -> Course {
        let id = plan.attempt.clone();
        if self.attempts.contains_key(&id) {
            return (self.find(&id, now), Vec::new());
        }
        let mut attempt = HostAttempt {
            plan: plan.clone(),
            boot: self.boot.id.clone(),
            started_at: now.wall,
            alive: true,
            parented: true,
            stop: None,
            end: None,
            ended: None,
            is_stale: false,
        };
        let mut later = Vec::new();
        if rng.chance(30_000) {
            attempt.alive = false;
            let failure = SetupFailure::of_daemon("execute", None, 2);
            attempt.finish(Ending::SetupFailed(failure), &self.boot.id, now);
        } else {
            let exit = if rng.chance(250_000) { 256 } else { 0 };
            let longest = if rng.chance(100_000) { 1800 * SECOND } else { 20 * SECOND };
            later.push((rng.between(500, longest), HostEvent::Exits(id.clone(), exit)));
            if let Some(timeout) = plan.timeout {
                later.push((timeout.as_micros() as u64, HostEvent::TimesOut(id.clone())));
            }
            self.alive.insert(id.clone());
        }
        self.watch(&id);
        self.attempts.insert(id.clone(), attempt);
        (self.find(&id, now), later)
    }

    /// The supervisor is asked what became of an attempt, and takes it under its eyes if it lives.
    pub fn find(&mut self, id: &AttemptId, now: Now) -> Vec<Report> {
        let Some(attempt) = self.attempts.get_mut(id) else { return vec![Report::NoTrace { attempt: id.clone() }] };
        let is_news = attempt.alive || attempt.end.is_none();
        if !attempt.alive && attempt.end.is_none() {
            attempt.finish(Ending::Unseen, &self.boot.id, now);
        }
        let report = attempt.report(id);
        if is_news {
            self.watch(id);
        }
        vec![report]
    }

    fn watch(&mut self, id: &AttemptId) {
        self.watched.insert(id.clone());
        self.journal.insert(id.clone());
    }

    /// A new supervisor begins with what the one before it had written down: it watches what lives, and keeps the ends that
    /// nobody acknowledged.
    pub fn take_over(&mut self, now: Now) {
        if !std::mem::take(&mut self.is_new) {
            return;
        }
        self.journal.retain(|id| self.attempts.contains_key(id));
        for id in &self.journal {
            let attempt = self.attempts.get_mut(id).expect("the others were just dropped");
            if !attempt.alive && attempt.end.is_none() {
                attempt.finish(Ending::Unseen, &self.boot.id, now);
            }
            self.watched.insert(id.clone());
        }
    }

    /// A job is forgotten, and the directories of its runs are gone. What the supervisor still keeps of it is a danger to a
    /// later job of that name.
    pub fn forget_job(&mut self, job: &JobName) {
        let watched = &self.watched;
        self.attempts.retain(|id, _| id.run.job != *job || watched.contains(id));
        for (id, attempt) in &mut self.attempts {
            attempt.is_stale |= id.run.job == *job;
        }
    }

    /// What a supervisor says of everything it has, to an engine that has just connected.
    pub fn inventory(&self) -> Vec<Report> {
        self.watched.iter().map(|id| self.attempts[id].report(id)).collect()
    }

    pub fn acknowledge(&mut self, id: &AttemptId) {
        self.watched.remove(id);
        self.journal.remove(id);
        if self.attempts.get(id).is_some_and(|attempt| attempt.is_stale) {
            self.attempts.remove(id);
        }
    }

    pub fn stop(&mut self, id: &AttemptId, reason: StopReason, rng: &mut Rng) -> Vec<(u64, HostEvent)> {
        match self.attempts.get_mut(id) {
            Some(attempt) if attempt.alive && attempt.stop.is_none() => {
                attempt.stop = Some(reason);
                let grace = attempt.plan.stop.grace.as_micros() as u64;
                vec![(rng.between(100, grace.max(101)), HostEvent::Dies(id.clone()))]
            }
            Some(_) | None => Vec::new(),
        }
    }

    pub fn happen(&mut self, event: HostEvent, now: Now, rng: &mut Rng) -> Course {
        match event {
            HostEvent::Exits(id, wait_status) => (self.exit(&id, wait_status, now), Vec::new()),
            HostEvent::Dies(id) => (self.exit(&id, SIGTERM_STATUS, now), Vec::new()),
            HostEvent::TimesOut(id) => {
                // Without a supervisor nobody keeps the time.
                let watched = self.watched.contains(&id);
                (Vec::new(), if watched { self.stop(&id, StopReason::TimedOut, rng) } else { Vec::new() })
            }
        }
    }

    fn exit(&mut self, id: &AttemptId, wait_status: i32, now: Now) -> Vec<Report> {
        if !self.alive.remove(id) {
            return Vec::new();
        }
        let attempt = self.attempts.get_mut(id).expect("what lives has a directory");
        attempt.alive = false;
        if !self.watched.contains(id) {
            return Vec::new();
        }
        let ending = if attempt.parented { Ending::Exited { wait_status } } else { Ending::Unseen };
        attempt.finish(ending, &self.boot.id, now);
        vec![attempt.report(id)]
    }

    /// The supervisor dies: its runs live on, and nobody will see their status.
    pub fn supervisor_dies(&mut self) {
        for id in &self.alive {
            self.attempts.get_mut(id).expect("what lives has a directory").parented = false;
        }
        self.watched.clear();
        self.is_new = true;
    }

    /// Everything dies, and with it the memory of which directories were on the disk already.
    pub fn reboot(&mut self, rng: &mut Rng, number: u64, at: Timestamp) {
        self.supervisor_dies();
        self.boot = Boot { id: BootId::new(&format!("boot-{number}")), at, seen_at: at };
        for id in std::mem::take(&mut self.alive) {
            self.attempts.get_mut(&id).expect("what lives has a directory").alive = false;
            if rng.chance(300_000) {
                self.attempts.remove(&id);
            }
        }
        self.journal.retain(|_| !rng.chance(100_000));
    }
}

impl HostAttempt {
    fn report(&self, id: &AttemptId) -> Report {
        match &self.end {
            Some(end) => Report::Ended { attempt: id.clone(), end: Box::new(end.clone()) },
            None => Report::Started { attempt: id.clone(), pid: 1000, at: self.started_at },
        }
    }

    fn finish(&mut self, ending: Ending, boot: &BootId, now: Now) {
        self.ended = Some((boot.clone(), now.monotonic));
        self.end = Some(AttemptEnd {
            ending,
            stopped: self.stop.map(|reason| Stopped { reason, rung: None }),
            out_of_memory: None,
            leftovers: Leftovers::default(),
            started_at: Some(self.started_at),
            ended_at: now.wall,
            usage: Usage::default(),
            output: OutputSummary::default(),
        });
    }

    /// Whether its end may have gone unseen.
    pub fn may_be_lost(&self, boot: &BootId) -> bool {
        !self.parented || self.boot != *boot
    }
}
