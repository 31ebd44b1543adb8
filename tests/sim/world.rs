//! [`SimWorld`]: everything that surrounds the event loop, made of one seed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use imbl::ordmap::DiffItem;
use jobsd::clock::{Now, Timestamp};
use jobsd::daemon::{Input, ShutdownMode, StoreCondition, World};
use jobsd::run::{AttemptId, LaunchPlan, Notice, Report};
use jobsd::scheduler::{Answer, Change, Command, Effect, Event, Refusal, Snapshot, Wake};
use jobsd::spec::{Environment, Identity, JobName, OutputPolicy, ProcessSpec, SpecEntry, StopPolicy};

use crate::ad_hoc::Definition;
use crate::agenda::{Agenda, Happening, Weather};
use crate::checks::{Checks, Commit, Life, bounds, policies};
use crate::clocks::{Clocks, HOUR, MINUTE, SECOND};
use crate::counts::Counts;
use crate::faults::Disk;
use crate::host::{Course, Host, HostEvent};
use crate::plan::Plan;
use crate::rng::Rng;
use crate::store::{Before, Specs, Store};

/// Steps that a seed may take: more means that the loop spins.
const STEP_LIMIT: u64 = 3_000_000;

/// A ticket: who waits for an answer.
pub type Question = u64;

/// What is to be answered.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A load of the job files.
    Load,
    Command(Command),
    /// An ad-hoc job.
    Define(Definition),
}

pub struct SimWorld {
    pub rng: Rng,
    pub plan: Plan,
    pub traced: bool,
    pub clocks: Clocks,
    pub agenda: Agenda,
    pub host: Host,
    pub store: Store,
    pub disk: Disk,
    pub specs: Specs,
    pub files: BTreeMap<JobName, SpecEntry>,
    pub checks: Checks,
    pub counts: Counts,
    pub stormy: bool,
    pub ended: bool,
    pub boots: u64,
    /// The present engine's.
    pub life: Life,
    pub commit: Option<Vec<Change>>,
    pub connection: Option<u64>,
    connections: u64,
    /// When the present connection was made, by real time.
    pub connected_at: u64,
    pub dead: bool,
    /// How it goes down, when it was asked to.
    pub leaving: Option<ShutdownMode>,
    /// What was asked and not answered yet.
    pub questions: BTreeMap<Question, Asked>,
    asked: Question,
    /// The last load was not taken over.
    pub held_back: bool,
    pub greetings: Vec<Input<Question>>,
    shown: Snapshot,
}

impl SimWorld {
    pub fn new(seed: u64, traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::of(seed);
        // Most seeds live through a change of the clocks.
        let starts = ["2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z", "2026-06-01T00:00:00Z", "2026-04-04T10:00:00Z"];
        let start: Timestamp = rng.pick(&starts).parse().expect("an instant");
        let mut world = Self {
            rng,
            plan,
            traced,
            clocks: Clocks::new(start),
            agenda: Agenda::default(),
            host: Host::new(),
            store: Store::default(),
            disk: Disk::default(),
            specs: Specs::new(),
            files: BTreeMap::new(),
            checks: Checks::default(),
            counts: Counts::default(),
            stormy: true,
            ended: false,
            boots: 1,
            life: Life::default(),
            commit: None,
            connection: None,
            connections: 0,
            connected_at: 0,
            dead: false,
            leaving: None,
            questions: BTreeMap::new(),
            asked: 0,
            held_back: false,
            greetings: Vec::new(),
            shown: Snapshot::default(),
        };
        world.say("sim", || format!("seed {seed}: {plan:?}"));
        for number in 0..plan.jobs {
            world.write_job(&JobName::new(&format!("job-{number}")).expect("a name"));
        }
        world.agenda.at(plan.storm, Happening::StormEnds);
        for weather in Weather::ALL {
            let first = world.rng.below(plan.storm);
            world.agenda.at(first, Happening::Weather(weather));
        }
        world
    }

    pub fn after(&mut self, delay: u64, happening: Happening) {
        self.agenda.at(self.clocks.elapsed + delay, happening);
    }

    /// The same weather comes back after a while.
    pub fn again(&mut self, weather: Weather) {
        let pause = self.rng.between(1000, weather.longest_pause() * SECOND);
        self.after(pause, Happening::Weather(weather));
    }

    /// A question to the loop.
    pub fn ask(&mut self, event: Event) -> Input<Question> {
        self.asked += 1;
        let asked = match &event {
            Event::Command(command) => Asked::Command(command.clone()),
            &Event::Define { ref job, uid, named } => {
                Asked::Define(Definition { name: job.spec.name.clone(), uid, named })
            }
            _ => Asked::Load,
        };
        self.questions.insert(self.asked, asked);
        Input::Event(event, Some(self.asked))
    }

    /// What one commit holds becomes durable; every checker looks at it.
    pub fn make_durable(&mut self, changes: &[Change]) {
        let applied: Vec<(&Change, Before)> = changes.iter().map(|change| (change, self.store.apply(change))).collect();
        for change in changes {
            if let Change::ForgetJob(name) = change {
                self.host.forget_job(name);
                self.counts.discarded += 1;
            }
        }
        self.say_committed(&applied);
        let Self { checks, store, host, specs, life, clocks, .. } = self;
        checks.committed(&Commit { applied: &applied, store, host, specs, now: clocks.now(), life });
        self.counts.commits += 1;
    }

    /// Something happens; what it means for the loop goes into `inputs`.
    fn happen(&mut self, happening: Happening, inputs: &mut Vec<Input<Question>>) {
        match happening {
            Happening::CommitEnds => inputs.extend(self.commit_ends()),
            Happening::TellStore => inputs.extend(self.store_news()),
            Happening::DiskMends => self.disk_mends(),
            Happening::Reported(connection, report) => {
                if self.connection == Some(connection) {
                    self.say("reports", || format!("{report:?}"));
                    inputs.push(Input::Event(Event::Report(report), None));
                }
            }
            Happening::Host(event) => self.host_event(event),
            Happening::Connect => {
                self.connections += 1;
                self.connection = Some(self.connections);
                self.connected_at = self.clocks.elapsed;
                self.say("link", || "the supervisor is connected".into());
                self.host.take_over(self.clocks.now());
                let inventory = self.host.inventory();
                self.counts.repeated_ends +=
                    inventory.iter().filter(|report| matches!(report, Report::Ended { .. })).count() as u64;
                self.send_reports((inventory, Vec::new()));
                inputs.push(Input::Event(Event::SupervisorConnected, None));
            }
            Happening::Weather(weather) => {
                if self.stormy {
                    self.weather(weather, inputs);
                    self.again(weather);
                }
            }
            Happening::StormEnds => {
                self.stormy = false;
                self.say("sim", || "the storm ends".into());
                if self.disk.condition != StoreCondition::Good {
                    self.disk_mends();
                }
                self.after(HOUR, Happening::Disable);
            }
            Happening::Disable => {
                crate::checks::settled::schedules_are_kept(self);
                crate::checks::settled::files_are_in_force(self);
                self.disable_jobs();
                let load = self.read_files(true);
                inputs.push(self.ask(load));
                // The longest queue takes this long.
                self.after(96 * HOUR, Happening::End);
            }
            Happening::End => {
                self.ended = true;
                inputs.push(Input::Shutdown(ShutdownMode::LeaveRuns));
            }
        }
    }

    fn weather(&mut self, weather: Weather, inputs: &mut Vec<Input<Question>>) {
        match weather {
            Weather::Client => {
                let command = self.draw_command();
                self.say("client", || format!("{command:?}"));
                inputs.push(self.ask(Event::Command(command)));
            }
            Weather::AdHoc => {
                let event = self.draw_ad_hoc();
                inputs.push(self.ask(event));
            }
            Weather::Edit => {
                self.edit_files();
                let forced = self.rng.chance(100_000);
                let load = self.read_files(forced);
                inputs.push(self.ask(load));
            }
            Weather::ClockStep => {
                self.clock_steps();
                inputs.push(Input::Event(Event::ClockStepped, None));
            }
            Weather::SupervisorDies => self.supervisor_dies(),
            Weather::LinkBreaks => {
                if self.connection.is_some() {
                    self.link_breaks();
                }
            }
            Weather::DiskTrouble => {
                if self.disk.condition == StoreCondition::Good {
                    self.disk_fails();
                }
            }
            Weather::Retention => {
                inputs.push(Input::Forget(self.draw_forgotten()));
                self.discard_one(inputs);
            }
            Weather::Leave => {
                let mode = *self.rng.pick(&[ShutdownMode::LeaveRuns, ShutdownMode::Drain, ShutdownMode::StopRuns]);
                self.say("engine", || format!("is asked to go down: {mode:?}"));
                self.leaving = Some(mode);
                inputs.push(Input::Shutdown(mode));
            }
        }
    }

    /// Retention lets go of finished runs, and of skips of any age.
    fn draw_forgotten(&mut self) -> Vec<Change> {
        let finished = self.store.runs.values().filter(|run| run.is_finished()).map(|run| run.id.clone());
        let mut forgotten: Vec<Change> = finished.take(20).map(Change::ForgetRun).collect();
        let skips: Vec<_> = self.store.skips.keys().take(5).cloned().collect();
        forgotten.extend(skips.into_iter().map(|(job, key)| Change::ForgetSkip(job, key)));
        forgotten
    }

    fn commit_ends(&mut self) -> Option<Input<Question>> {
        if self.disk.condition == StoreCondition::Failing {
            self.disk.commit_waits = true;
            return None;
        }
        if self.stormy && self.rng.chance(self.plan.bad_commits) {
            self.say("disk", || "refuses a commit".into());
            self.counts.failed_commits += 1;
            self.disk.commit_failed = true;
            return Some(Input::CommitFailed);
        }
        let changes = self.commit.take().expect("a commit is in flight");
        self.disk.commit_failed = false;
        self.make_durable(&changes);
        Some(Input::Committed)
    }

    pub fn host_event(&mut self, event: HostEvent) {
        self.say("machine", || format!("{event:?}"));
        let course = self.host.happen(event, self.clocks.now(), &mut self.rng);
        self.send_reports(course);
    }

    /// Reports travel to the connected engine: late, twice, in another order; without a connection they are lost, and
    /// the supervisor repeats them to the next one.
    fn send_reports(&mut self, (reports, later): Course) {
        for (delay, event) in later {
            self.after(delay, Happening::Host(event));
        }
        let Some(connection) = self.connection else { return };
        for report in reports {
            for _ in 0..if self.rng.chance(100_000) { 2 } else { 1 } {
                let delay = self.rng.between(50, 20_000);
                self.after(delay, Happening::Reported(connection, Report::clone(&report)));
            }
        }
    }

    fn launch(&mut self, plan: &LaunchPlan) {
        self.checks.launches.is_durable(plan, &self.host, &self.store, &self.specs);
        let id = &plan.attempt;
        let is_new = !self.host.attempts.contains_key(id);
        let course = self.host.launch(plan, self.clocks.now(), &mut self.rng);
        if is_new {
            self.say("machine", || format!("starts {id}"));
            self.counts.launches += 1;
            self.checks.launches.no_attempt_is_launched_twice(id, &self.host);
            let Self { checks, host, store, specs, .. } = &*self;
            policies::processes_hold_the_policy(&id.run.job, &checks.places, host, store, specs);
        }
        self.send_reports(course);
    }

    /// The program of a message is started as an attempt is.
    fn deliver(&mut self, notice: &Notice) {
        // It may be forgotten by now, when its end came with the same commit.
        assert!(self.store.told.contains(&notice.number), "a message is sent before it is durable");
        let plan = LaunchPlan {
            attempt: notice.attempt(),
            argv: vec!["sendmail".into()],
            environment: Environment::default(),
            working_directory: None,
            identity: Identity::default(),
            process: ProcessSpec::default(),
            timeout: Some(std::time::Duration::from_secs(60)),
            stop: StopPolicy { signal: nix::sys::signal::Signal::SIGTERM, grace: std::time::Duration::from_secs(5) },
            output: OutputPolicy { limit_bytes: 1 << 16, ..OutputPolicy::default() },
        };
        let course = self.host.launch(&plan, self.clocks.now(), &mut self.rng);
        self.send_reports(course);
    }

    /// An end is acknowledged only when it is durable.
    fn acknowledge(&mut self, id: &AttemptId) {
        if let Some(run) = self.store.runs.get(&id.run) {
            let ended = run.attempts.get(id.attempt as usize - 1).is_some_and(|attempt| attempt.end.is_some());
            assert!(ended, "{id} is acknowledged before its end is durable");
        }
        self.host.acknowledge(id);
    }

    fn dies_here(&mut self) -> bool {
        self.dead = self.dead || (self.stormy && self.rng.chance(self.plan.crash));
        self.dead
    }
}

impl World for SimWorld {
    type Ticket = Question;

    fn now(&mut self) -> Now {
        let now = self.clocks.now();
        self.life.latest = self.life.latest.max(now.wall);
        now
    }

    fn wait(&mut self, wake: Wake, inputs: &mut Vec<Input<Question>>) -> ControlFlow<()> {
        self.counts.steps += 1;
        assert!(self.counts.steps < STEP_LIMIT, "the loop does not come to rest");
        if self.dies_here() {
            return ControlFlow::Break(());
        }
        self.clocks.elapsed += self.rng.between(1, 50);
        if !self.greetings.is_empty() {
            inputs.append(&mut self.greetings);
        }
        while inputs.is_empty() {
            let due = self.clocks.due_at(wake);
            match (self.agenda.first_at(), due) {
                (Some(at), due) if due.is_none_or(|due| at <= due.max(self.clocks.elapsed)) => {
                    let (at, happening) = self.agenda.take_first().expect("it was just seen");
                    self.clocks.reach(at);
                    self.happen(happening, inputs);
                }
                (_, Some(due)) => {
                    self.clocks.reach(due);
                    return ControlFlow::Continue(());
                }
                (_, None) => panic!("nothing will ever happen again"),
            }
        }
        self.note_reading(inputs);
        ControlFlow::Continue(())
    }

    fn begin_commit(&mut self, changes: &[Change]) {
        bounds::commits_are_bounded(changes);
        let repeated = self.commit.replace(changes.to_vec());
        assert!(repeated.is_none_or(|before| before == changes), "two commits are in flight");
        let slow = self.stormy && self.rng.chance(self.plan.bad_commits);
        let delay = self.rng.between(100, if slow { MINUTE } else { 2000 });
        self.after(delay, Happening::CommitEnds);
    }

    fn perform(&mut self, effect: Effect) {
        if self.dies_here() || self.connection.is_none() {
            return;
        }
        match effect {
            Effect::Launch(plan) => self.launch(&plan),
            Effect::Find(plan) => {
                let reports = self.host.find(&plan.attempt, self.clocks.now());
                self.send_reports((reports, Vec::new()));
            }
            Effect::Stop { attempt, reason } => {
                self.say("engine", || format!("stops {attempt} ({reason:?})"));
                let later = self.host.stop(&attempt, reason, &mut self.rng);
                self.send_reports((Vec::new(), later));
            }
            Effect::Acknowledge(attempt) => self.acknowledge(&attempt),
            Effect::Deliver(notice) => self.deliver(&notice),
            Effect::Announce(_) => {}
        }
    }

    fn answer(&mut self, ticket: Question, answer: Result<Answer, Refusal>) {
        if self.dead {
            return;
        }
        let asked = self.questions.remove(&ticket).expect("every question is answered once");
        let others_wait = !self.questions.is_empty();
        self.say("answer", || format!("{asked:?}: {answer:?}"));
        self.counts.answers += 1;
        match (&asked, &answer) {
            (Asked::Command(command), answer) => self.check_answer(command, answer, others_wait),
            (Asked::Define(asked), answer) => self.check_definition(asked, answer, others_wait),
            (Asked::Load, Ok(Answer::Loaded(summary))) => {
                self.held_back = summary.held_back.is_some();
                self.counts.held_back += u64::from(self.held_back);
            }
            (Asked::Load, Err(Refusal::StoreFailed)) => assert!(self.store_was_bad(), "a load is refused for nothing"),
            (Asked::Load, answer) => panic!("{answer:?} is no answer to a load"),
        }
    }

    fn late_ticket(&mut self) -> Option<Question> {
        self.asked += 1;
        self.questions.insert(self.asked, Asked::Load);
        Some(self.asked)
    }

    fn publish(&mut self, snapshot: Snapshot) {
        // What did not change since the last time shares its memory, and is passed over.
        for item in self.shown.live.diff(&snapshot.live) {
            if let DiffItem::Add(id, run) | DiffItem::Update { new: (id, run), .. } = item {
                assert_eq!(Some(&**run), self.store.runs.get(id), "a run is shown that is not durable");
            }
        }
        assert_eq!(snapshot.live.len(), self.store.live.len(), "live runs that are shown, and that are durable");
        // All jobs of a crowd are too many to look at each time.
        let looks = !self.plan.is_crowd() || self.counts.steps.is_multiple_of(64);
        if !looks {
            self.shown.live = snapshot.live;
            return;
        }
        let shown = &self.shown.jobs;
        for (name, job) in snapshot.jobs.iter().filter(|(_, job)| job.state.last_number > 0) {
            if shown.get(name).is_none_or(|shown| !Arc::ptr_eq(shown, job)) {
                assert_eq!(Some(&job.state), self.store.jobs.get(name), "{name} is shown as it is not durable");
            }
        }
        self.shown = snapshot;
    }
}

impl SimWorld {
    /// Notes when the loop reads which definition: from then on it may be in force. During a hold the loop keeps the set,
    /// and takes it over afterwards.
    fn note_reading(&mut self, inputs: &[Input<Question>]) {
        let now = self.clocks.wall();
        for input in inputs {
            if let Input::Event(Event::SpecsLoaded(set), _) = input {
                if set.confirmed {
                    self.life.forced_at.insert(now);
                    self.life.forced_waits = self.life.holding_since.is_some();
                } else {
                    self.life.forced_waits = false;
                }
                for entry in set.jobs.values() {
                    if let SpecEntry::Good(loaded) = entry {
                        self.life.read_at.entry(loaded.spec.revision.clone()).or_insert(now);
                    }
                }
            }
            if matches!(input, Input::Store(StoreCondition::Good)) && std::mem::take(&mut self.life.forced_waits) {
                self.life.forced_at.insert(now);
            }
        }
    }

    /// The next engine begins with nothing.
    pub fn forget_life(&mut self) {
        self.life = Life::default();
        self.shown = Snapshot::default();
        self.connection = None;
        self.dead = false;
        self.leaving = None;
        self.questions.clear();
        self.disk.told = StoreCondition::Good;
        self.disk.commit_waits = false;
        self.disk.commit_failed = false;
        self.agenda.forget_engine();
    }
}
