//! Ad-hoc jobs: clients define them in any order, under few names, so that they are taken, done, forgotten and taken again.

use jobsd::daemon::Input;
use jobsd::scheduler::{AdHoc, Answer, Change, Event, JobState, Named, Refusal};
use jobsd::spec::{JobName, LoadedSpec};

use crate::clocks::SECOND;
use crate::jobs;
use crate::world::{Question, SimWorld};

/// Names of ad-hoc jobs.
const NAMES: u64 = 4;

/// Housekeeping forgets a job only when the supervisor has been there for so long: by then it has heard again what it had not
/// heard in time, and keeps nothing of the job.
const SETTLED: u64 = 20 * SECOND;

/// What a client asked for.
#[derive(Clone, Debug)]
pub struct Definition {
    pub name: JobName,
    pub uid: u32,
    pub named: Named,
}

impl SimWorld {
    pub fn some_ad_hoc(&mut self) -> JobName {
        JobName::new(&format!("now-{}", self.rng.below(NAMES))).expect("a name")
    }

    /// A client defines a job, now and then under the name of a file's.
    pub fn draw_ad_hoc(&mut self) -> Event {
        let name = if self.rng.chance(50_000) { self.some_job() } else { self.some_ad_hoc() };
        let loaded = jobs::draw_ad_hoc(&name, self.clocks.wall(), &mut self.rng);
        self.specs.insert(loaded.spec.revision.clone(), loaded.spec.clone());
        self.life.read_at.entry(loaded.spec.revision.clone()).or_insert(self.clocks.wall());
        self.say("client", || format!("runs {name}: {}", crate::trace::definition(&loaded.spec)));
        let uid = *self.rng.pick(&[1000, 1000, 1001]);
        let named = *self.rng.pick(&[Named::ByCaller, Named::ByCaller, Named::ByCaller, Named::ByDaemon]);
        Event::Define { job: Box::new(LoadedSpec::clone(&loaded)), uid, named }
    }

    /// What is said is durable, and so.
    pub fn check_definition(&mut self, asked: &Definition, answer: &Result<Answer, Refusal>, others_wait: bool) {
        let Definition { name, uid, named } = asked;
        match answer {
            Ok(Answer::Defined { job, run }) => {
                assert_eq!(job, name, "another job is promised");
                self.counts.defined += 1;
                let is_there = self.store.jobs.get(name).is_some_and(|state| state.ad_hoc == Some(AdHoc { uid: *uid }));
                assert!(is_there || others_wait, "{name} is promised, and not there");
                if let Some(run) = run {
                    self.checks.history.promise(run.clone(), &self.store);
                }
            }
            Err(Refusal::NameTaken(taken)) => {
                assert_eq!(taken, name);
                let own = |state: &JobState| state.ad_hoc == Some(AdHoc { uid: *uid }) && state.removed_at.is_some();
                let is_free = *named == Named::ByCaller && self.store.jobs.get(name).is_some_and(own);
                assert!(!is_free || others_wait, "{name} is said to be taken, and is free");
            }
            Err(Refusal::StoreFailed) => assert!(self.store_was_bad(), "a job is refused for nothing"),
            Err(Refusal::Draining) => assert!(self.leaving.is_some(), "a daemon that stays says that it goes down"),
            answer => panic!("{answer:?} is no answer to a definition"),
        }
    }

    /// Retention lets all records of an ad-hoc job go that is done, and then the job.
    pub fn discard_one(&mut self, inputs: &mut Vec<Input<Question>>) {
        let settled = self.connection.is_some() && self.clocks.elapsed >= self.connected_at + SETTLED;
        let name = self.some_ad_hoc();
        let is_done =
            self.store.jobs.get(&name).is_some_and(|state| state.ad_hoc.is_some() && state.removed_at.is_some());
        if !settled || !is_done || self.store.live_of(&name).next().is_some() {
            return;
        }
        let runs = self.store.runs.keys().filter(|id| id.job == name).cloned().map(Change::ForgetRun);
        let skips = self.store.skips.keys().filter(|(job, _)| *job == name).cloned();
        let skips = skips.map(|(job, key)| Change::ForgetSkip(job, key));
        inputs.push(Input::Forget(runs.chain(skips).collect()));
        inputs.push(Input::Event(Event::Discard(name), None));
    }
}
