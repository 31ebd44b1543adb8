//! The simulated machine: processes, attempt directories, and a supervisor that can die.

use std::collections::{BTreeMap, BTreeSet};

use jobsd::clock::{BootId, Timestamp};
use jobsd::run::{
    AttemptEnd, AttemptId, Ending, LaunchPlan, OutputSummary, Report, SetupFailure, StopReason, Stopped, Usage,
};
use jobsd::spec::JobName;

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
    /// Whether the present supervisor watches it.
    watched: bool,
    stop: Option<StopReason>,
    /// The end that the supervisor wrote into the directory.
    pub end: Option<AttemptEnd>,
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

pub struct Host {
    pub boot: BootId,
    pub attempts: BTreeMap<AttemptId, HostAttempt>,
    alive: BTreeSet<AttemptId>,
}

const SIGTERM_STATUS: i32 = 15;

impl Host {
    pub fn new() -> Self {
        Self { boot: BootId::new("boot-1"), attempts: BTreeMap::new(), alive: BTreeSet::new() }
    }

    /// Live processes of a job.
    pub fn alive(&self, job: &JobName) -> usize {
        self.alive.iter().filter(|id| id.run.job == *job).count()
    }

    /// The supervisor is asked to launch. Returns what it reports, and what will happen later, by delay in µs.
    pub fn launch(&mut self, plan: &LaunchPlan, now: Timestamp, rng: &mut Rng) -> (Vec<Report>, Vec<(u64, HostEvent)>) {
        let id = plan.attempt.clone();
        if self.attempts.contains_key(&id) {
            return (self.find(&id, now), Vec::new());
        }
        let mut attempt = HostAttempt {
            plan: plan.clone(),
            boot: self.boot.clone(),
            started_at: now,
            alive: true,
            parented: true,
            watched: true,
            stop: None,
            end: None,
        };
        let mut later = Vec::new();
        if rng.chance(30_000) {
            attempt.alive = false;
            let failure = SetupFailure::of_daemon("execute", None, 2);
            attempt.end = Some(end(Ending::SetupFailed(failure), None, &attempt, now));
        } else {
            let exit = if rng.chance(250_000) { 256 } else { 0 };
            let longest = if rng.chance(100_000) { 1_800_000_000 } else { 20_000_000 };
            later.push((rng.between(500, longest), HostEvent::Exits(id.clone(), exit)));
            if let Some(timeout) = plan.timeout {
                later.push((timeout.as_micros() as u64, HostEvent::TimesOut(id.clone())));
            }
        }
        if attempt.alive {
            self.alive.insert(id.clone());
        }
        self.attempts.insert(id.clone(), attempt);
        (self.find(&id, now), later)
    }

    /// The supervisor is asked what became of an attempt, and takes it under its eyes if it lives.
    pub fn find(&mut self, id: &AttemptId, now: Timestamp) -> Vec<Report> {
        let Some(attempt) = self.attempts.get_mut(id) else { return vec![Report::NoTrace { attempt: id.clone() }] };
        if attempt.alive {
            attempt.watched = true;
        } else if attempt.end.is_none() {
            attempt.end = Some(end(Ending::Unseen, attempt.stop, attempt, now));
        }
        attempt.reports(id)
    }

    /// What a supervisor says of everything it has, to an engine that has just connected.
    pub fn inventory(&self) -> Vec<Report> {
        self.attempts
            .iter()
            .filter(|(_, attempt)| attempt.watched)
            .flat_map(|(id, attempt)| attempt.reports(id))
            .collect()
    }

    pub fn acknowledge(&mut self, id: &AttemptId) {
        if let Some(attempt) = self.attempts.get_mut(id) {
            attempt.watched = false;
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

    pub fn happen(&mut self, event: HostEvent, now: Timestamp, rng: &mut Rng) -> (Vec<Report>, Vec<(u64, HostEvent)>) {
        match event {
            HostEvent::Exits(id, wait_status) => (self.exit(&id, wait_status, now), Vec::new()),
            HostEvent::Dies(id) => (self.exit(&id, SIGTERM_STATUS, now), Vec::new()),
            HostEvent::TimesOut(id) => {
                // Without a supervisor nobody keeps the time.
                let watched = self.attempts.get(&id).is_some_and(|attempt| attempt.watched);
                (Vec::new(), if watched { self.stop(&id, StopReason::TimedOut, rng) } else { Vec::new() })
            }
        }
    }

    fn exit(&mut self, id: &AttemptId, wait_status: i32, now: Timestamp) -> Vec<Report> {
        let Some(attempt) = self.attempts.get_mut(id).filter(|attempt| attempt.alive) else { return Vec::new() };
        attempt.alive = false;
        self.alive.remove(id);
        if !attempt.watched {
            return Vec::new();
        }
        let ending = if attempt.parented { Ending::Exited { wait_status } } else { Ending::Unseen };
        attempt.end = Some(end(ending, attempt.stop, attempt, now));
        attempt.reports(id)
    }

    /// The supervisor dies: its runs live on, and nobody will see their status.
    pub fn supervisor_dies(&mut self) {
        for attempt in self.attempts.values_mut() {
            attempt.parented = false;
            attempt.watched = false;
        }
    }

    /// Everything dies, and with it the memory of which directories were on the disk already.
    pub fn reboot(&mut self, rng: &mut Rng, number: u64) {
        self.supervisor_dies();
        self.boot = BootId::new(&format!("boot-{number}"));
        self.alive.clear();
        for attempt in self.attempts.values_mut() {
            attempt.alive = false;
        }
        self.attempts.retain(|_, attempt| attempt.end.is_some() || !rng.chance(100_000));
    }
}

impl HostAttempt {
    fn reports(&self, id: &AttemptId) -> Vec<Report> {
        let started = Report::Started { attempt: id.clone(), pid: 1000, at: self.started_at };
        match &self.end {
            Some(end) => vec![Report::Ended { attempt: id.clone(), end: Box::new(end.clone()) }],
            None => vec![started],
        }
    }

    /// Whether its end may have gone unseen.
    pub fn may_be_lost(&self, boot: &BootId) -> bool {
        !self.parented || self.boot != *boot
    }
}

fn end(ending: Ending, stopped: Option<StopReason>, attempt: &HostAttempt, now: Timestamp) -> AttemptEnd {
    AttemptEnd {
        ending,
        stopped: stopped.map(|reason| Stopped { reason, rung: None }),
        out_of_memory: None,
        started_at: Some(attempt.started_at),
        ended_at: now,
        usage: Usage::default(),
        output: OutputSummary::default(),
    }
}
