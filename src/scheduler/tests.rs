//! Misfires and catch-up: spreading, deadlines, queues.

mod notices;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::BootId;
use crate::run::{AttemptEnd, Ending, Leftovers, OutputSummary, Report, Usage};
use crate::schedule::Zone;
use crate::spec::{self, Authority, LoadedSpec, ReadContext, Source, SpecEntry, SpecSet};

/// A scheduler with one job, loaded at noon of a Monday.
struct One {
    scheduler: Scheduler,
    name: JobName,
    wall: Timestamp,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl One {
    fn new(lines: &str) -> Self {
        let name = JobName::new("backup").unwrap();
        let context = ReadContext {
            machine: Default::default(),
            path: "jobs.d/backup.toml".into(),
            authority: Authority::Anybody,
            timezone: Zone::utc(),
            calendars: Arc::default(),
        };
        let source = Source { text: format!("command = 'true'\n{lines}"), defaults: String::new() };
        let spec = spec::read(&name, &source, &context).unwrap_or_else(|faults| panic!("{}", faults.plain()));
        let loaded = LoadedSpec { spec: Arc::new(spec), source, path: context.path };
        let mut set = SpecSet::default();
        set.jobs.insert(name.clone(), SpecEntry::Good(Arc::new(loaded)));
        let wall = at("2026-06-01T12:00:00Z");
        let boot = Boot { id: BootId::new("boot"), at: wall, seen_at: wall };
        let scheduler = Scheduler::recover(boot, Recovered::default(), SpecIndex::new(), now(wall));
        let mut one = Self { scheduler, name, wall };
        one.step(Event::SpecsLoaded(set));
        one
    }

    fn step(&mut self, event: Event) -> Decision {
        self.scheduler.step(now(self.wall), event)
    }

    /// A tick at a time: the names of the runs that it launches, and the reasons of the skips that it records.
    fn tick(&mut self, text: &str) -> (Vec<String>, Vec<(SkipReason, u64)>) {
        self.wall = at(text);
        let decision = self.step(Event::Tick);
        outcome(&decision)
    }

    fn wake(&self) -> Timestamp {
        self.scheduler.wake().wall.expect("something is due")
    }

    /// Another engine on what this one made durable.
    fn restart(&mut self) {
        let snapshot = self.scheduler.snapshot();
        let jobs = snapshot.jobs.values().map(|job| (job.name.clone(), job.state.clone())).collect();
        let live = snapshot.live.values().map(|run| Run::clone(run)).collect();
        let specs = snapshot.jobs.values().filter_map(|job| job.spec.clone());
        let index = specs.map(|spec| (spec.revision.clone(), spec)).collect();
        let notices = self.waiting();
        let recovered = Recovered { jobs, live, notices, sources: Vec::new() };
        self.scheduler = Scheduler::recover(self.scheduler.boot.clone(), recovered, index, now(self.wall));
    }

    fn end(&mut self, run: u64) -> Decision {
        self.end_as(run, 0)
    }

    fn end_as(&mut self, run: u64, wait_status: i32) -> Decision {
        let id = RunId { job: self.name.clone(), number: run };
        let attempt = self.scheduler.snapshot().live[&id].current_attempt().expect("it runs");
        let end = self.attempt_end(wait_status);
        self.step(Event::Report(Report::Ended { attempt, end: Box::new(end) }))
    }

    /// An end by wait status, of an attempt that started just now and printed nothing.
    fn attempt_end(&self, wait_status: i32) -> AttemptEnd {
        AttemptEnd {
            ending: Ending::Exited { wait_status },
            stopped: None,
            out_of_memory: None,
            leftovers: Leftovers::default(),
            started_at: Some(self.wall),
            ended_at: self.wall,
            usage: Usage::default(),
            output: OutputSummary::default(),
        }
    }
}

fn now(wall: Timestamp) -> Now {
    let since = (wall - Timestamp::UNIX_EPOCH).to_std().unwrap();
    Now { wall, monotonic: Monotonic::from_duration(since) }
}

fn outcome(decision: &Decision) -> (Vec<String>, Vec<(SkipReason, u64)>) {
    let launched = decision.effects.iter().filter_map(|effect| match effect {
        Effect::Launch(plan) => Some(plan.attempt.run.to_string()),
        _ => None,
    });
    let skipped = decision.changes.iter().filter_map(|change| match change {
        Change::Skip(skip) => Some((skip.reason, skip.count)),
        _ => None,
    });
    (launched.collect(), skipped.collect())
}

fn launched(run: &str) -> (Vec<String>, Vec<(SkipReason, u64)>) {
    (vec![run.to_owned()], Vec::new())
}

#[test]
fn a_catch_up_is_spread_like_the_jitter_and_comes_once() {
    let mut one = One::new("[[schedule]]\ncron = '0 2 * * *'\njitter = '1h'");
    // The machine was off from Monday noon to Tuesday evening.
    assert_eq!(one.tick("2026-06-02T18:00:00Z"), (Vec::new(), Vec::new()), "it waits for its turn");
    let turn = one.wake();
    assert!(turn > one.wall && turn < one.wall + Duration::from_secs(3600), "{turn}");
    let before = (turn - Duration::from_millis(1)).to_rfc3339();
    assert_eq!(one.tick(&before), (Vec::new(), Vec::new()));
    assert_eq!(one.tick(&turn.to_rfc3339()), launched("backup/1"));
    assert!(one.wake() >= at("2026-06-03T02:00:00Z"), "the next one is tomorrow's");
    // Without jitter nothing waits, unless a spread is asked for.
    assert_eq!(One::new("schedule = '0 2 * * *'").tick("2026-06-02T18:00:00Z"), launched("backup/1"));
    let mut asked = One::new("schedule = '0 2 * * *'\ncatch_up_spread = '30m'");
    assert_eq!(asked.tick("2026-06-02T18:00:00Z"), (Vec::new(), Vec::new()));
    // What is in time does not wait, whatever was missed before it.
    let mut frequent = One::new("[[schedule]]\ncron = '0 * * * *'\njitter = '1s'");
    assert_eq!(frequent.tick("2026-06-02T18:00:02Z"), (vec!["backup/1".to_owned()], vec![(SkipReason::Missed, 29)]));
}

#[test]
fn a_pause_takes_away_a_catch_up_that_waits() {
    let mut one = One::new("[[schedule]]\ncron = '0 2 * * *'\njitter = '1h'");
    one.tick("2026-06-02T18:00:00Z");
    let pause = Command::Pause { jobs: Selector::Job(one.name.clone()), until: None, uid: 0 };
    let decision = one.step(Event::Command(pause));
    assert_eq!(outcome(&decision), (Vec::new(), vec![(SkipReason::Paused, 1)]));
    assert_eq!(one.tick("2026-06-02T19:30:00Z"), (Vec::new(), Vec::new()));
}

#[test]
fn what_is_past_its_deadline_does_not_start() {
    let lines = "schedule = '0 2 * * *'\nstart_deadline = '2h'";
    assert_eq!(One::new(lines).tick("2026-06-02T03:59:00Z"), launched("backup/1"));
    assert_eq!(One::new(lines).tick("2026-06-02T04:01:00Z"), (Vec::new(), vec![(SkipReason::Expired, 1)]));
    // In time for a start, but not for this deadline.
    let soon = "schedule = '0 2 * * *'\nstart_deadline = '5s'";
    assert_eq!(One::new(soon).tick("2026-06-02T02:00:10Z"), (Vec::new(), vec![(SkipReason::Expired, 1)]));
    assert_eq!(One::new(soon).tick("2026-06-02T02:00:04Z"), launched("backup/1"));
}

#[test]
fn a_queued_run_past_its_deadline_becomes_a_record() {
    let mut one = One::new("schedule = '0 * * * *'\noverlap = 'queue'\nstart_deadline = '90m'");
    assert_eq!(one.tick("2026-06-01T13:00:00Z"), launched("backup/1"));
    assert_eq!(one.tick("2026-06-01T14:00:00Z"), (Vec::new(), Vec::new()), "it waits");
    assert_eq!(one.tick("2026-06-01T15:00:00Z"), (Vec::new(), Vec::new()), "it waits too");
    one.wall = at("2026-06-01T15:45:00Z");
    let decision = one.end(1);
    assert_eq!(outcome(&decision), (vec!["backup/3".to_owned()], vec![(SkipReason::Expired, 1)]));
}

#[test]
fn all_that_was_missed_runs_one_after_another() {
    let mut one = One::new("schedule = '0 * * * *'\ncatch_up = 'all'");
    assert_eq!(one.tick("2026-06-01T15:30:00Z"), launched("backup/1"), "an overlap is no reason to skip a catch-up");
    assert_eq!(one.scheduler.snapshot().live.len(), 3);
    assert_eq!(outcome(&one.end(1)), launched("backup/2"));
    // What comes in time meanwhile is for the overlap policy.
    assert_eq!(one.tick("2026-06-01T16:00:00Z"), (Vec::new(), vec![(SkipReason::Overlap, 1)]));
    assert_eq!(outcome(&one.end(2)), launched("backup/3"));
    assert_eq!(outcome(&one.end(3)), (Vec::new(), Vec::new()));
}

/// The stop and the end cross on their way: the attempt fails by itself, or its time is up, before the supervisor hears of the
/// stop.
#[test]
fn a_run_that_was_cancelled_is_not_tried_again() {
    let mut one = One::new("[retry]\nattempts = 3");
    one.step(Event::Command(Command::Trigger { job: one.name.clone(), uid: 0 }));
    let run = RunId { job: one.name.clone(), number: 1 };
    one.step(Event::Command(Command::Cancel { run: run.clone() }));
    let decision = one.end_as(1, 256);
    let Some(Change::Run(run)) = decision.changes.iter().find(|change| matches!(change, Change::Run(_))) else {
        panic!("its end is recorded: {decision:?}");
    };
    assert!(run.is_finished(), "{:?}", run.state);
    assert_eq!(run.attempts[0].end.as_ref().unwrap().1, crate::run::Outcome::Failed { exit_code: 1 });
}

#[test]
fn a_queue_that_a_drain_left_moves_under_the_next_engine() {
    let mut one = One::new("schedule = '0 * * * *'\noverlap = 'queue'");
    assert_eq!(one.tick("2026-06-01T13:00:00Z"), launched("backup/1"));
    assert_eq!(one.tick("2026-06-01T14:00:00Z"), (Vec::new(), Vec::new()), "it waits");
    one.step(Event::Command(Command::Drain { stop_runs: false }));
    assert_eq!(outcome(&one.end(1)), (Vec::new(), Vec::new()), "a daemon that goes down starts nothing");
    one.restart();
    let decision = one.step(Event::SupervisorConnected);
    assert_eq!(outcome(&decision), launched("backup/2"));
}

#[test]
fn a_job_that_comes_back_after_the_clock_was_set_back_runs_again() {
    let mut one = One::new("schedule = '0 * * * *'");
    let job = one.scheduler.snapshot().jobs[&one.name].clone();
    let revision = job.spec.clone().expect("it is good");
    one.tick("2026-06-01T18:00:00Z");
    one.end(1);
    one.step(Event::SpecsLoaded(SpecSet::default()));
    one.wall = at("2026-06-01T13:30:00Z");
    one.step(Event::ClockStepped);
    let source = Source { text: "command = 'true'".to_owned(), defaults: String::new() };
    let loaded = LoadedSpec { spec: revision, source, path: "jobs.d/backup.toml".into() };
    let mut set = SpecSet::default();
    set.jobs.insert(one.name.clone(), SpecEntry::Good(Arc::new(loaded)));
    assert_eq!(outcome(&one.step(Event::SpecsLoaded(set))).1, vec![(SkipReason::ClockRebased, 0)]);
    assert_eq!(one.tick("2026-06-01T14:00:00Z"), launched("backup/2"));
}

#[test]
fn a_job_that_was_recorded_is_never_forgotten_by_a_faulty_file() {
    let mut one = One::new("schedule = '0 2 * * *'");
    one.step(Event::SpecsLoaded(SpecSet::default()));
    let fault = spec::Fault { path: "/jobs.d/backup.toml".into(), summary: String::new(), report: String::new() };
    let mut faulty = SpecSet::default();
    faulty.jobs.insert(one.name.clone(), SpecEntry::Faulty(Arc::new(fault)));
    one.step(Event::SpecsLoaded(faulty));
    one.step(Event::SpecsLoaded(SpecSet::default()));
    let snapshot = one.scheduler.snapshot();
    let job = snapshot.jobs.get(&one.name).expect("its record is in the store, and a new job must go on from it");
    assert!(job.is_removed());
}

fn define(one: &mut One, number: usize, uid: u32) -> Result<Answer, Refusal> {
    let name = JobName::new(&format!("ad-hoc-{number}")).unwrap();
    let context = ReadContext {
        machine: Default::default(),
        path: "the request".into(),
        authority: Authority::Anybody,
        timezone: Zone::utc(),
        calendars: Arc::default(),
    };
    let source = Source { text: "command = 'true'".to_owned(), defaults: String::new() };
    let spec = spec::read(&name, &source, &context).unwrap();
    let job = Box::new(LoadedSpec { spec: Arc::new(spec), source, path: context.path });
    one.step(Event::Define { job, uid, named: Named::ByCaller }).answer.expect("a command has an answer")
}

#[test]
fn of_ad_hoc_jobs_that_are_over_the_oldest_of_each_user_are_too_many() {
    let mut one = One::new("");
    for (number, uid) in [(0, 1000), (1, 1000), (2, 1000), (3, 0), (4, 1000)] {
        define(&mut one, number, uid).unwrap();
        if number < 4 {
            one.wall += Duration::from_secs(1);
            one.name = JobName::new(&format!("ad-hoc-{number}")).unwrap();
            one.end(1);
        }
    }
    let surplus = |kept| {
        let snapshot = one.scheduler.snapshot();
        surplus(snapshot.jobs.iter().map(|(name, job)| (name, job.as_ref())), kept)
    };
    let named = |numbers: &[usize]| {
        numbers.iter().map(|number| JobName::new(&format!("ad-hoc-{number}")).unwrap()).collect::<BTreeSet<_>>()
    };
    assert_eq!(surplus(3), named(&[]));
    assert_eq!(surplus(1), named(&[0, 1]), "the last of this user is not over");
    assert_eq!(surplus(0), named(&[0, 1, 2, 3]));
}

#[test]
fn nobody_takes_every_place_of_ad_hoc_jobs() {
    let mut one = One::new("");
    for number in 0..AD_HOC_SHARE {
        assert!(define(&mut one, number, 1000).is_ok());
    }
    assert_eq!(define(&mut one, AD_HOC_SHARE, 1000), Err(Refusal::TooManyOfYours));
    for number in AD_HOC_SHARE..AD_HOC_LIMIT {
        assert!(define(&mut one, number, 0).is_ok(), "root has all that is left");
    }
    assert_eq!(define(&mut one, AD_HOC_LIMIT, 1001), Err(Refusal::TooManyAdHoc));
    assert_eq!(define(&mut one, 0, 1001), Err(Refusal::NameTaken(JobName::new("ad-hoc-0").unwrap())));
}
