//! [`SimWorld`]: everything that surrounds the event loop, made of one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use jobsd::clock::{Monotonic, Now, Timestamp};
use jobsd::daemon::{Input, ShutdownMode, World};
use jobsd::run::{AttemptId, Ending, LaunchPlan, Notice, Report, RunId, RunState};
use jobsd::schedule::Boot;
use jobsd::scheduler::{
    Answer, Change, Command, DELIVERY_ATTEMPTS, Effect, Event, NOTICE_AGE_LIMIT, OUTBOX_LIMIT, Refusal, Selector,
    Snapshot, Wake,
};
use jobsd::spec::{
    Environment, Fault, Identity, JobName, JobSpec, LoadedSpec, OutputPolicy, ProcessSpec, Revision, SpecEntry,
    SpecSet, StopPolicy,
};

use crate::host::{Host, HostEvent};
use crate::jobs;
use crate::rng::Rng;
use crate::store::Store;

/// What one seed is made of.
#[derive(Clone, Copy)]
pub struct Plan {
    pub jobs: u64,
    /// How long faults go on, in simulated time.
    pub stormy: Duration,
    /// How often the engine dies, for each step of the loop, in a million.
    pub crash: u64,
    pub trace: bool,
}

/// Steps that a life may take: more means that the loop spins.
const STEP_LIMIT: u64 = 3_000_000;

enum SimEvent {
    CommitEnds,
    Reported(u64, Report),
    Host(HostEvent),
    Connect,
    Client,
    Edit,
    ClockStep,
    SupervisorDies,
    Retention,
    StormEnds,
    Disable,
    End,
}

impl SimEvent {
    /// Whether it happens in the storm alone.
    const fn is_weather(&self) -> bool {
        match self {
            Self::Client | Self::Edit | Self::ClockStep | Self::SupervisorDies | Self::Retention => true,
            Self::CommitEnds
            | Self::Reported(..)
            | Self::Host(_)
            | Self::Connect
            | Self::StormEnds
            | Self::Disable
            | Self::End => false,
        }
    }
}

pub struct SimWorld {
    pub rng: Rng,
    pub plan: Plan,
    pub store: Store,
    pub host: Host,
    pub specs: BTreeMap<Revision, Arc<JobSpec>>,
    pub files: BTreeMap<JobName, SpecEntry>,
    /// Real time since the simulation began, in µs; only it never steps.
    pub elapsed: u64,
    /// What `CLOCK_MONOTONIC` lacks of it: earlier boots and suspension.
    monotonic_lag: u64,
    wall_shift: TimeDelta,
    events: BTreeMap<(u64, u64), SimEvent>,
    sequence: u64,
    commit: Option<Vec<Change>>,
    connection: Option<u64>,
    connections: u64,
    boots: u64,
    dead: bool,
    pub stormy: bool,
    pub ended: bool,
    steps: u64,
    promised: BTreeSet<RunId>,
    next_ticket: u64,
    greetings: Vec<Input<u64>>,
    pub asked: BTreeMap<u64, String>,
}

impl SimWorld {
    pub fn new(seed: u64, plan: Plan) -> Self {
        let mut world = Self {
            rng: Rng::new(seed),
            plan,
            store: Store::default(),
            host: Host::new(),
            specs: BTreeMap::new(),
            files: BTreeMap::new(),
            elapsed: 0,
            monotonic_lag: 0,
            wall_shift: TimeDelta::zero(),
            events: BTreeMap::new(),
            sequence: 0,
            commit: None,
            connection: None,
            connections: 0,
            boots: 1,
            dead: false,
            stormy: true,
            ended: false,
            steps: 0,
            promised: BTreeSet::new(),
            next_ticket: 0,
            greetings: Vec::new(),
            asked: BTreeMap::new(),
        };
        // Half of the seeds live through a change of the clocks.
        let starts = ["2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z", "2026-06-01T00:00:00Z", "2026-04-04T10:00:00Z"];
        let start: Timestamp = world.rng.pick(&starts).parse().expect("an instant");
        world.wall_shift = start - DateTime::UNIX_EPOCH;
        for number in 0..plan.jobs {
            world.edit_job(&JobName::new(&format!("job-{number}")).expect("a name"));
        }
        let storm = plan.stormy.as_micros() as u64;
        world.at(storm, SimEvent::StormEnds);
        for make in [
            || SimEvent::Client,
            || SimEvent::Edit,
            || SimEvent::ClockStep,
            || SimEvent::SupervisorDies,
            || SimEvent::Retention,
        ] {
            let at = world.rng.below(storm);
            world.at(at, make());
        }
        world
    }

    /// What every engine hears first.
    pub fn begin_life(&mut self, inputs: Vec<Input<u64>>) {
        self.greetings = inputs;
    }

    pub fn boot(&self) -> Boot {
        Boot { id: self.host.boot.clone(), at: DateTime::UNIX_EPOCH }
    }

    pub fn wall(&self) -> Timestamp {
        DateTime::UNIX_EPOCH + self.wall_shift + TimeDelta::microseconds(self.elapsed as i64)
    }

    pub fn trace(&self, what: impl FnOnce() -> String) {
        if self.plan.trace {
            println!("{} {}", self.wall().format("%m-%d %H:%M:%S%.3f"), what());
        }
    }

    fn at(&mut self, elapsed: u64, event: SimEvent) {
        self.sequence += 1;
        self.events.insert((elapsed, self.sequence), event);
    }

    fn after(&mut self, delay: u64, event: SimEvent) {
        self.at(self.elapsed + delay, event);
    }

    /// The engine is gone: what it had in flight may be durable or not, and it comes back after a while.
    pub fn restart(&mut self) {
        if let Some(changes) = self.commit.take().filter(|_| self.rng.chance(500_000)) {
            self.make_durable(&changes);
        }
        self.events.retain(|_, event| !matches!(event, SimEvent::CommitEnds | SimEvent::Reported(..)));
        self.dead = false;
        self.connection = None;
        let longest = *self.rng.pick(&[1_000_000, 60_000_000, 3_600_000_000, 3 * 86_400_000_000]);
        let downtime = if self.stormy { self.rng.between(1000, longest) } else { 1000 };
        self.pass(downtime);
        if self.stormy && self.rng.chance(150_000) {
            self.boots += 1;
            self.host.reboot(&mut self.rng, self.boots);
            self.monotonic_lag = self.elapsed;
            self.trace(|| "the machine reboots".into());
        }
        self.trace(|| format!("the engine starts again after {:?}", Duration::from_micros(downtime)));
        self.after(500, SimEvent::Connect);
    }

    /// Lets time pass without an engine.
    fn pass(&mut self, duration: u64) {
        let until = self.elapsed + duration;
        while let Some((&(at, sequence), _)) = self.events.first_key_value().filter(|((at, _), _)| *at <= until) {
            let event = self.events.remove(&(at, sequence)).expect("it was just seen");
            self.elapsed = self.elapsed.max(at);
            match event {
                SimEvent::Host(event) => self.host_event(event),
                SimEvent::End | SimEvent::StormEnds | SimEvent::Disable => {
                    // These belong to an engine's life: they wait for the next.
                    self.at(until + 1, event);
                    break;
                }
                SimEvent::SupervisorDies => self.supervisor_dies(),
                SimEvent::Client | SimEvent::Edit | SimEvent::ClockStep | SimEvent::Retention => {
                    self.at(until + 1, event)
                }
                SimEvent::CommitEnds | SimEvent::Reported(..) | SimEvent::Connect => {}
            }
        }
        self.elapsed = self.elapsed.max(until);
    }

    pub fn set(&self) -> SpecSet {
        SpecSet { jobs: self.files.clone(), confirmed: true, ..SpecSet::default() }
    }

    fn make_durable(&mut self, changes: &[Change]) {
        let boot = self.boot();
        self.check_forgotten(changes);
        self.store.apply(changes, &self.specs, &boot);
    }

    fn edit_job(&mut self, name: &JobName) {
        let loaded = jobs::draw(name, &mut self.rng);
        self.put_file(loaded);
    }

    fn put_file(&mut self, loaded: Arc<LoadedSpec>) {
        self.specs.insert(loaded.spec.revision.clone(), Arc::clone(&loaded.spec));
        self.files.insert(loaded.spec.name.clone(), SpecEntry::Good(loaded));
    }

    fn some_job(&mut self) -> JobName {
        let number = self.rng.below(self.plan.jobs);
        JobName::new(&format!("job-{number}")).expect("a name")
    }

    fn edit(&mut self) -> Event {
        for _ in 0..self.rng.between(1, 3) {
            let name = self.some_job();
            match self.rng.below(5) {
                0 => {
                    self.trace(|| format!("{name}.toml is deleted"));
                    self.files.remove(&name);
                }
                1 => {
                    self.trace(|| format!("{name}.toml is broken"));
                    let fault = Fault {
                        path: format!("/jobs.d/{name}.toml").into(),
                        summary: "broken".into(),
                        report: "broken".into(),
                    };
                    self.files.insert(name, SpecEntry::Faulty(Arc::new(fault)));
                }
                _ => {
                    self.trace(|| format!("{name}.toml is written"));
                    self.edit_job(&name);
                }
            }
        }
        Event::SpecsLoaded(self.set())
    }

    fn client(&mut self) -> (Command, String) {
        let job = self.some_job();
        let jobs = match self.rng.below(4) {
            0 => Selector::All,
            1 => Selector::Tag("red".into()),
            _ => Selector::Job(job.clone()),
        };
        let command = match self.rng.below(7) {
            0..=2 => Command::Trigger { job, uid: 0 },
            3 => {
                let until = self.wall() + TimeDelta::seconds(self.rng.between(1, 10_000) as i64);
                Command::Pause { jobs, until: self.rng.chance(700_000).then_some(until), uid: 0 }
            }
            4 => Command::Resume { jobs },
            5 if self.rng.chance(300_000) => Command::TestNotice { job, event: None, uid: 0 },
            5 => Command::CancelAll { job },
            _ => {
                let live: Vec<RunId> = self.store.live.iter().cloned().collect();
                if live.is_empty() {
                    Command::Resume { jobs }
                } else {
                    Command::Cancel { run: self.rng.pick(&live).clone() }
                }
            }
        };
        let text = format!("{command:?}");
        (command, text)
    }

    fn clock_step(&mut self) {
        let seconds = match self.rng.below(5) {
            0 => -(self.rng.between(1, 3500) as i64),
            1 => -(self.rng.between(3700, 400_000) as i64),
            2 => self.rng.between(1, 90_000) as i64,
            3 => 86_400 * 30,
            _ => 0,
        };
        if seconds == 0 {
            // Suspension: real time passes, and the monotonic clock stands.
            let asleep = self.rng.between(1_000_000, 7_200_000_000);
            self.monotonic_lag += asleep;
            self.elapsed += asleep;
            self.trace(|| "the machine sleeps".into());
        } else {
            self.wall_shift += TimeDelta::seconds(seconds);
            self.trace(|| format!("the clock steps by {seconds} s"));
        }
    }

    fn supervisor_dies(&mut self) {
        self.trace(|| "the supervisor dies".into());
        self.host.supervisor_dies();
        self.connection = None;
        let delay = self.rng.between(1000, 5_000_000);
        self.after(delay, SimEvent::Connect);
    }

    fn host_event(&mut self, event: HostEvent) {
        let (reports, later) = self.host.happen(event, self.wall(), &mut self.rng);
        self.send_reports(reports, later);
    }

    /// Reports travel to the connected engine: late, twice, in another order; without a connection they are lost, and
    /// the supervisor repeats them to the next one.
    fn send_reports(&mut self, reports: Vec<Report>, later: Vec<(u64, HostEvent)>) {
        for (delay, event) in later {
            self.after(delay, SimEvent::Host(event));
        }
        let Some(connection) = self.connection else { return };
        for report in reports {
            for _ in 0..if self.rng.chance(100_000) { 2 } else { 1 } {
                let delay = self.rng.between(50, 20_000);
                self.after(delay, SimEvent::Reported(connection, report.clone()));
            }
        }
    }

    fn ask_supervisor(&mut self, plan: &LaunchPlan, launch: bool) {
        if self.connection.is_none() {
            return;
        }
        let now = self.wall();
        let (reports, later) = if launch {
            let run = &self.store.runs[&plan.attempt.run];
            let starting = matches!(run.state, RunState::Starting { attempt, .. } if attempt == plan.attempt.attempt);
            let known = self.host.attempts.contains_key(&plan.attempt);
            assert!(
                starting || known || run.attempts.len() >= plan.attempt.attempt as usize,
                "{} is launched before it is durable",
                plan.attempt
            );
            self.host.launch(plan, now, &mut self.rng)
        } else {
            (self.host.find(&plan.attempt, now), Vec::new())
        };
        self.check_overlap(&plan.attempt.run.job);
        self.send_reports(reports, later);
    }

    /// The program of a message is started as an attempt is.
    fn deliver(&mut self, notice: &Notice) {
        // It may be forgotten by now, when its end came with the same commit.
        assert!(self.store.told.contains(&notice.number), "a message is sent before it is durable");
        if self.connection.is_none() {
            return;
        }
        let plan = LaunchPlan {
            attempt: notice.attempt(),
            argv: vec!["sendmail".into()],
            environment: Environment::default(),
            working_directory: None,
            identity: Identity::default(),
            process: ProcessSpec::default(),
            timeout: Some(Duration::from_secs(60)),
            stop: StopPolicy { signal: nix::sys::signal::Signal::SIGTERM, grace: Duration::from_secs(5) },
            output: OutputPolicy { limit_bytes: 1 << 16, ..OutputPolicy::default() },
        };
        let now = self.wall();
        let (reports, later) = self.host.launch(&plan, now, &mut self.rng);
        self.send_reports(reports, later);
    }

    /// What is forgotten was delivered, or had its chances.
    fn check_forgotten(&self, changes: &[Change]) {
        for change in changes {
            let Change::ForgetNotice(_, number) = change else { continue };
            let notice = &self.store.notices[number];
            let arrived = (1..=notice.failed_attempts + 1).any(|attempt| {
                let id = AttemptId { attempt, ..notice.attempt() };
                let seen = self.host.attempts.get(&id).and_then(|seen| seen.end.as_ref());
                seen.is_some_and(|end| end.stopped.is_none() && end.ending == Ending::Exited { wait_status: 0 })
            });
            let old = (self.wall() - notice.at).to_std().is_ok_and(|age| age > NOTICE_AGE_LIMIT);
            let given_up = notice.failed_attempts + 1 >= DELIVERY_ATTEMPTS || old;
            let full = self.store.notices.len() + changes.len() >= OUTBOX_LIMIT;
            assert!(arrived || given_up || full || notice.is_test(), "the message {number} is lost: {notice:?}");
        }
    }

    /// Live processes of a job never exceed what its policy allows.
    fn check_overlap(&self, job: &JobName) {
        let alive = self.host.alive(job);
        let most = jobs::overlap_of(job).max_concurrent();
        assert!(alive <= most, "{job}: {alive} processes live, {most} may");
    }

    /// One happening; what it means for the loop goes into `inputs`.
    fn happen(&mut self, event: SimEvent, inputs: &mut Vec<Input<u64>>) {
        if !self.stormy && event.is_weather() {
            return;
        }
        match event {
            SimEvent::CommitEnds => {
                if self.stormy && self.rng.chance(20_000) {
                    self.trace(|| "a commit fails".into());
                    return inputs.push(Input::CommitFailed);
                }
                let changes = self.commit.take().expect("a commit is in flight");
                self.make_durable(&changes);
                inputs.push(Input::Committed);
            }
            SimEvent::Reported(connection, report) => {
                if self.connection == Some(connection) {
                    self.trace(|| format!("{report:?}"));
                    inputs.push(Input::Event(Event::Report(report), None));
                }
            }
            SimEvent::Host(event) => self.host_event(event),
            SimEvent::Connect => {
                self.connections += 1;
                self.connection = Some(self.connections);
                let inventory = self.host.inventory();
                self.send_reports(inventory, Vec::new());
                inputs.push(Input::Event(Event::SupervisorConnected, None));
            }
            SimEvent::Client => {
                let (command, text) = self.client();
                self.trace(|| text.clone());
                self.next_ticket += 1;
                self.asked.insert(self.next_ticket, text);
                inputs.push(Input::Event(Event::Command(command), Some(self.next_ticket)));
                self.again(600_000_000, SimEvent::Client);
            }
            SimEvent::Edit => {
                let event = self.edit();
                inputs.push(Input::Event(event, None));
                self.again(1_800_000_000, SimEvent::Edit);
            }
            SimEvent::ClockStep => {
                self.clock_step();
                inputs.push(Input::Event(Event::ClockStepped, None));
                self.again(20_000_000_000, SimEvent::ClockStep);
            }
            SimEvent::SupervisorDies => {
                self.supervisor_dies();
                self.again(10_000_000_000, SimEvent::SupervisorDies);
            }
            SimEvent::Retention => {
                let finished = self.store.runs.values().filter(|run| run.is_finished()).map(|run| run.id.clone());
                let forgotten: Vec<Change> = finished.take(20).map(Change::ForgetRun).collect();
                inputs.push(Input::Forget(forgotten));
                self.again(8_000_000_000, SimEvent::Retention);
            }
            SimEvent::StormEnds => {
                self.stormy = false;
                self.trace(|| "the storm ends".into());
                self.after(3_600_000_000, SimEvent::Disable);
            }
            SimEvent::Disable => {
                let good = |entry: &SpecEntry| match entry {
                    SpecEntry::Good(loaded) => Some(Arc::clone(loaded)),
                    SpecEntry::Faulty(_) => None,
                };
                let good: Vec<_> = self.files.values().filter_map(good).collect();
                for loaded in good {
                    self.put_file(jobs::disabled(&loaded));
                }
                self.files.retain(|_, entry| matches!(entry, SpecEntry::Good(_)));
                inputs.push(Input::Event(Event::SpecsLoaded(self.set()), None));
                // The longest queue takes this long.
                self.after(96 * 3_600_000_000, SimEvent::End);
            }
            SimEvent::End => {
                self.ended = true;
                inputs.push(Input::Shutdown(ShutdownMode::LeaveRuns));
            }
        }
    }

    fn again(&mut self, most: u64, event: SimEvent) {
        if self.stormy {
            let delay = self.rng.between(1000, most);
            self.after(delay, event);
        }
    }

    /// When, in real time, a wake is due.
    fn due_at(&self, wake: Wake) -> Option<u64> {
        let wall = wake.wall.map(|at| {
            let micros = (at - DateTime::UNIX_EPOCH - self.wall_shift).num_microseconds().unwrap_or(i64::MAX);
            u64::try_from(micros).unwrap_or(0)
        });
        let monotonic = wake.monotonic.map(|at| at.as_duration().as_micros() as u64 + self.monotonic_lag);
        wall.into_iter().chain(monotonic).min()
    }
}

impl World for SimWorld {
    type Ticket = u64;

    fn now(&mut self) -> Now {
        let monotonic = Monotonic::from_duration(Duration::from_micros(self.elapsed - self.monotonic_lag));
        Now { wall: self.wall(), monotonic }
    }

    fn wait(&mut self, wake: Wake, inputs: &mut Vec<Input<u64>>) -> ControlFlow<()> {
        self.steps += 1;
        assert!(self.steps < STEP_LIMIT, "the loop does not come to rest");
        if self.dead || (self.stormy && self.rng.chance(self.plan.crash)) {
            self.trace(|| "the engine is killed".into());
            return ControlFlow::Break(());
        }
        self.elapsed += self.rng.between(1, 50);
        if !self.greetings.is_empty() {
            inputs.append(&mut self.greetings);
            return ControlFlow::Continue(());
        }
        loop {
            let due = self.due_at(wake);
            let next = self.events.first_key_value().map(|(&key, _)| key);
            let event_first = next.filter(|&(at, _)| due.is_none_or(|due| at <= due.max(self.elapsed)));
            match (event_first, due) {
                (Some(key), _) => {
                    self.elapsed = self.elapsed.max(key.0);
                    let event = self.events.remove(&key).expect("it was just seen");
                    self.happen(event, inputs);
                    if !inputs.is_empty() {
                        return ControlFlow::Continue(());
                    }
                }
                (None, Some(due)) => {
                    self.elapsed = self.elapsed.max(due);
                    return ControlFlow::Continue(());
                }
                (None, None) => panic!("nothing will ever happen again"),
            }
        }
    }

    fn begin_commit(&mut self, changes: &[Change]) {
        let repeated = self.commit.replace(changes.to_vec());
        assert!(repeated.is_none_or(|before| before == changes), "two commits are in flight");
        let slow = self.stormy && self.rng.chance(10_000);
        let delay = self.rng.between(100, if slow { 30_000_000 } else { 2000 });
        self.after(delay, SimEvent::CommitEnds);
    }

    fn perform(&mut self, effect: Effect) {
        if self.dead || (self.stormy && self.rng.chance(self.plan.crash)) {
            self.dead = true;
            return;
        }
        match effect {
            Effect::Launch(plan) => self.ask_supervisor(&plan, true),
            Effect::Find(plan) => self.ask_supervisor(&plan, false),
            Effect::Stop { attempt, reason } => {
                if self.connection.is_some() {
                    let later = self.host.stop(&attempt, reason, &mut self.rng);
                    self.send_reports(Vec::new(), later);
                }
            }
            Effect::Acknowledge(attempt) => self.acknowledge(&attempt),
            Effect::Deliver(notice) => self.deliver(&notice),
            Effect::Announce(_) => {}
        }
    }

    fn answer(&mut self, ticket: u64, answer: Result<Answer, Refusal>) {
        if self.dead {
            return;
        }
        let asked = self.asked.remove(&ticket).expect("every question is answered once");
        self.trace(|| format!("{asked} → {answer:?}"));
        if let Ok(Answer::Triggered(run)) = answer {
            assert!(self.store.runs.contains_key(&run), "{run} is promised before it is durable");
            self.promised.insert(run);
        }
    }

    fn publish(&mut self, snapshot: Snapshot) {
        for run in snapshot.live.values() {
            assert_eq!(Some(&**run), self.store.runs.get(&run.id), "a run is shown that is not durable");
        }
        for job in snapshot.jobs.values().filter(|job| job.state.last_number > 0) {
            let durable = self.store.jobs.get(&job.name);
            assert_eq!(Some(&job.state), durable, "a job is shown that is not durable");
        }
    }
}

impl SimWorld {
    /// An end is acknowledged only when it is durable.
    fn acknowledge(&mut self, id: &AttemptId) {
        if let Some(run) = self.store.runs.get(&id.run) {
            let ended = run.attempts.get(id.attempt as usize - 1).is_some_and(|attempt| attempt.end.is_some());
            assert!(ended, "{id} is acknowledged before its end is durable");
        }
        if self.connection.is_some() {
            self.host.acknowledge(id);
        }
    }
}
