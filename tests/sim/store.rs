//! The simulated store: what is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jobsd::run::{Notice, Run, RunId, Skip, SkipKey};
use jobsd::scheduler::{Change, JobState, Recovered, SpecIndex};
use jobsd::spec::{JobName, JobSpec, Revision, Source};

/// Every definition that ever was, as its stored text would be read.
pub type Specs = BTreeMap<Revision, Arc<JobSpec>>;

#[derive(Default)]
pub struct Store {
    pub jobs: BTreeMap<JobName, JobState>,
    pub runs: BTreeMap<RunId, Run>,
    pub skips: BTreeMap<(JobName, SkipKey), Skip>,
    /// Revisions whose text is stored, of each job.
    pub sources: BTreeMap<JobName, BTreeSet<Revision>>,
    pub live: BTreeSet<RunId>,
    pub notices: BTreeMap<u64, Notice>,
    /// Every message that ever was durable.
    pub told: BTreeSet<u64>,
}

/// The record that a change replaced.
pub enum Before {
    Nothing,
    Job(Box<JobState>),
    Run(Box<Run>),
    Skip(Skip),
    Notice(Box<Notice>),
}

impl Store {
    /// Makes one change; says what was there before.
    pub fn apply(&mut self, change: &Change) -> Before {
        match change {
            Change::Job(name, state) => {
                let before = self.jobs.insert(name.clone(), JobState::clone(state));
                before.map_or(Before::Nothing, |before| Before::Job(Box::new(before)))
            }
            Change::ForgetJob(name) => {
                let before = self.jobs.remove(name).unwrap_or_else(|| panic!("{name} is forgotten, and was not there"));
                let left = self.runs.keys().find(|id| id.job == *name);
                assert!(left.is_none(), "{name} is forgotten, and {left:?} is there");
                Before::Job(Box::new(before))
            }
            Change::Source(revision, job, _) => {
                self.sources.entry(job.clone()).or_default().insert(revision.clone());
                Before::Nothing
            }
            Change::ForgetSource(revision, job) => {
                self.sources.entry(job.clone()).or_default().remove(revision);
                Before::Nothing
            }
            Change::Run(run) => {
                match run.is_finished() {
                    true => self.live.remove(&run.id),
                    false => self.live.insert(run.id.clone()),
                };
                let before = self.runs.insert(run.id.clone(), Run::clone(run));
                before.map_or(Before::Nothing, |before| Before::Run(Box::new(before)))
            }
            Change::ForgetRun(id) => {
                self.live.remove(id);
                self.runs.remove(id).map_or(Before::Nothing, |before| Before::Run(Box::new(before)))
            }
            Change::Skip(skip) => {
                let before = self.skips.insert((skip.job.clone(), skip.key), skip.clone());
                before.map_or(Before::Nothing, Before::Skip)
            }
            Change::ForgetSkip(job, key) => {
                self.skips.remove(&(job.clone(), *key)).map_or(Before::Nothing, Before::Skip)
            }
            Change::Notice(notice) => {
                self.told.insert(notice.number);
                let before = self.notices.insert(notice.number, Notice::clone(notice));
                before.map_or(Before::Nothing, |before| Before::Notice(Box::new(before)))
            }
            Change::ForgetNotice(_, number) => {
                self.notices.remove(number).map_or(Before::Nothing, |before| Before::Notice(Box::new(before)))
            }
        }
    }

    /// A job's live runs, oldest first.
    pub fn live_of<'a>(&'a self, job: &'a JobName) -> impl Iterator<Item = &'a Run> {
        let first = RunId { job: job.clone(), number: 0 };
        self.live.range(first..).take_while(move |id| id.job == *job).map(|id| &self.runs[id])
    }

    /// What a new engine finds.
    pub fn recover(&self, specs: &Specs) -> (Recovered, SpecIndex) {
        let live: Vec<Run> = self.live.iter().map(|id| self.runs[id].clone()).collect();
        let in_force = self.jobs.iter().filter_map(|(name, state)| Some((name, state.revision.clone()?)));
        let of_runs = live.iter().map(|run| (&run.id.job, run.revision.clone()));
        let mut index = SpecIndex::new();
        for (job, revision) in in_force.chain(of_runs) {
            let stored = self.sources.get(job).is_some_and(|sources| sources.contains(&revision));
            assert!(stored, "{job}: the text of {revision} is needed, and not stored");
            index.insert(revision.clone(), Arc::clone(&specs[&revision]));
        }
        let sources = Vec::<(Revision, JobName, Source)>::new();
        let jobs = self.jobs.iter().map(|(name, state)| (name.clone(), state.clone())).collect();
        let notices = self.notices.values().cloned().collect();
        (Recovered { jobs, live, notices, sources }, index)
    }
}
