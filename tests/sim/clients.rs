//! Clients: they trigger, cancel, pause and resume in any order, and each is answered once, with the truth.

use chrono::TimeDelta;
use jobsd::run::{RunId, RunState, Trigger};
use jobsd::scheduler::{Answer, Command, JobState, Refusal, Selector};
use jobsd::spec::JobName;

use crate::world::SimWorld;

impl SimWorld {
    /// What a client asks for next. Some of it makes no sense, as with real ones.
    pub fn draw_command(&mut self) -> Command {
        let job = match self.rng.below(100) {
            0 => JobName::new("nobody").expect("a name"),
            1..15 => self.some_ad_hoc(),
            _ => self.some_job(),
        };
        let jobs = match self.rng.below(4) {
            0 => Selector::All,
            1 => Selector::Tag("red".into()),
            _ => Selector::Job(job.clone()),
        };
        match self.rng.below(8) {
            0..=2 => Command::Trigger { job, uid: 0 },
            3 => {
                let until = self.clocks.wall() + TimeDelta::seconds(self.rng.between(1, 10_000).cast_signed() - 100);
                Command::Pause { jobs, until: self.rng.chance(700_000).then_some(until), uid: 0 }
            }
            4 | 5 => Command::Resume { jobs },
            6 => Command::CancelAll { job },
            _ => match self.some_run() {
                Some(run) => Command::Cancel { run },
                None => Command::Resume { jobs },
            },
        }
    }

    /// A live run, or now and then one that is over.
    fn some_run(&mut self) -> Option<RunId> {
        let over = self.rng.chance(100_000);
        let runs: Vec<RunId> = match over {
            true => self.store.runs.keys().take(50).cloned().collect(),
            false => self.store.live.iter().take(500).cloned().collect(),
        };
        if runs.is_empty() { None } else { Some(self.rng.pick(&runs).clone()) }
    }

    /// What is said is durable, and so.
    pub fn check_answer(&mut self, asked: &Command, answer: &Result<Answer, Refusal>, others_wait: bool) {
        match (asked, answer) {
            (Command::Trigger { job, .. }, Ok(Answer::Triggered(run))) => {
                assert_eq!(run.job, *job, "a run of another job is promised");
                self.checks.history.promise(run.clone(), &self.store);
                let trigger = &self.store.runs[run].trigger;
                assert!(
                    matches!(trigger, Trigger::Manual { .. }),
                    "{run} is promised, and was there before: {trigger:?}"
                );
            }
            (Command::Cancel { .. } | Command::CancelAll { .. }, Ok(Answer::Cancelled(runs))) => {
                runs.iter().for_each(|run| self.is_being_stopped(run));
            }
            (Command::CancelAll { job }, Ok(Answer::Withdrawn(name))) => {
                assert_eq!(job, name, "another job is taken back");
                let waits = self.store.jobs.get(name).is_some_and(|state| state.removed_at.is_none());
                assert!(!waits || others_wait, "{name} is said to be taken back, and waits for its time");
            }
            // With another question in the same commit nobody can tell any more.
            (Command::Pause { until, .. }, Ok(Answer::Paused(names))) if !others_wait => {
                let over = until.is_some_and(|until| until <= self.life.latest);
                let is_awake = |state: &JobState| state.paused.is_none() && state.removed_at.is_none();
                let awake = names.iter().find(|name| is_awake(&self.store.jobs[*name]));
                assert!(over || awake.is_none(), "{awake:?} is said to be paused");
            }
            (Command::Resume { .. }, Ok(Answer::Resumed(names))) if !others_wait => {
                names.iter().for_each(|name| self.is_resumed(name));
            }
            (Command::Pause { .. }, Ok(Answer::Paused(_))) | (Command::Resume { .. }, Ok(Answer::Resumed(_))) => {}
            (_, Err(Refusal::StoreFailed)) => {
                assert!(self.store_was_bad(), "a client hears that the store fails, and it does not");
            }
            (_, Err(Refusal::Draining)) => {
                assert!(self.leaving.is_some(), "a daemon that stays says that it goes down")
            }
            (_, Err(Refusal::NoSuchJob(job))) => {
                let known = self.store.jobs.get(job).is_some_and(|state| state.removed_at.is_none());
                assert!(!known || others_wait, "{job} is there, and a client hears that it is not");
            }
            (
                _,
                Err(
                    Refusal::NoSuchTag(_)
                    | Refusal::Faulty(_)
                    | Refusal::Overlap { .. }
                    | Refusal::QueueFull(_)
                    | Refusal::NotLive(_)
                    | Refusal::NothingLive(_)
                    | Refusal::UntilPassed(_),
                ),
            ) => {}
            (asked, answer) => panic!("{answer:?} is no answer to {asked:?}"),
        }
    }

    fn is_being_stopped(&self, run: &RunId) {
        let Some(run) = self.store.runs.get(run) else { return };
        let stops = match &run.state {
            RunState::Starting { stop, .. } => stop.is_some(),
            RunState::Stopping { .. } | RunState::Finished { .. } => true,
            RunState::Queued { .. } | RunState::Running { .. } | RunState::Backoff { .. } => false,
        };
        assert!(stops, "{} is said to be cancelled, and is {:?}", run.id, run.state);
    }

    /// A long pause may need several steps until all of it is recorded; its end is set.
    fn is_resumed(&self, name: &JobName) {
        let pause = self.store.jobs[name].paused.as_ref();
        let over = pause.is_none_or(|pause| pause.until.is_some_and(|until| until <= self.life.latest));
        assert!(over, "{name} is said to be resumed, and is paused: {pause:?}");
    }
}
