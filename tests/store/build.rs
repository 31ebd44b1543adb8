//! [`Lived`]: a state directory with a history, and what was acknowledged of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jobsd::run::{Run, RunId, Skip, SkipKey};
use jobsd::scheduler::{Change, JobState};
use jobsd::spec::{JobName, Revision, Source};
use jobsd::store::{Store, Upkeep};

use crate::kit::{Chance, at, commit, copy, finished, job, open, running, skip, source, state, upkeep};

/// Commits of the history; half of them lie before the backup.
const COMMITS: u64 = 160;

pub const JOBS: [&str; 3] = ["backup", "mail", "report.daily"];

/// What was acknowledged: what holds at the end, and all that held before.
#[derive(Default)]
pub struct Truth {
    pub runs: BTreeMap<RunId, Run>,
    pub skips: BTreeMap<(JobName, SkipKey), Skip>,
    pub jobs: BTreeMap<JobName, JobState>,
    pub sources: BTreeMap<JobName, (Revision, Source)>,
    pub versions: Vec<Change>,
    pub numbers: BTreeMap<JobName, u64>,
}

impl Truth {
    fn take(&mut self, change: &Change) {
        match change {
            Change::Job(name, state) => drop(self.jobs.insert(name.clone(), (**state).clone())),
            Change::ForgetJob(name) => drop(self.jobs.remove(name)),
            Change::Source(revision, name, source) => {
                self.sources.insert(name.clone(), (revision.clone(), (**source).clone()));
            }
            // These worlds send no messages.
            Change::ForgetSource(..) | Change::Notice(_) | Change::ForgetNotice(..) => {}
            Change::Run(run) => drop(self.runs.insert(run.id.clone(), (**run).clone())),
            Change::ForgetRun(id) => drop(self.runs.remove(id)),
            Change::Skip(skip) => drop(self.skips.insert((skip.job.clone(), skip.key), skip.clone())),
            Change::ForgetSkip(name, key) => drop(self.skips.remove(&(name.clone(), *key))),
        }
        self.versions.push(change.clone());
    }
}

/// A state directory, in three ways: closed in order, as after `kill -9`, and as it was in the middle of its life.
pub struct Lived {
    pub closed: PathBuf,
    pub killed: PathBuf,
    pub earlier: PathBuf,
    pub truth: Truth,
}

impl Lived {
    pub fn build(dir: &Path) -> Self {
        let closed = dir.join("closed");
        let mut truth = Truth::default();
        let mut chance = Chance(7);
        let store = open(&closed).store;
        let mut write = |store: &Store, changes: Vec<Change>| {
            changes.iter().for_each(|change| truth.take(change));
            commit(store, changes);
        };
        for (index, name) in JOBS.iter().enumerate() {
            let (revision, text) = source(name, 20 + index * 6_000);
            let job_state = state(0, Some(revision.clone()));
            let text = Change::Source(revision, job(name), Box::new(text));
            write(&store, vec![text, Change::Job(job(name), Box::new(job_state))]);
        }
        let mut numbers = [0_u64; JOBS.len()];
        for step in 0..COMMITS {
            let which = chance.below(JOBS.len() as u64) as usize;
            numbers[which] += 1;
            for changes in one_run(JOBS[which], numbers[which], which, &mut chance) {
                write(&store, changes);
            }
            fs::create_dir_all(closed.join("runs").join(JOBS[which]).join(numbers[which].to_string()))
                .expect("created");
            if step == COMMITS / 2 {
                upkeep(&store, Upkeep::Backup { now: at(step) }).expect("a backup");
                copy(&closed, &dir.join("earlier"));
            }
        }
        let killed = dir.join("killed");
        copy(&closed, &killed);
        store.close();
        truth.numbers = JOBS.iter().zip(numbers).map(|(name, number)| (job(name), number)).collect();
        Self { closed, killed, earlier: dir.join("earlier"), truth }
    }
}

/// The commits of one run: it begins, ends (the last of a job may not), is skipped over, and lets an old one go.
fn one_run(name: &str, number: u64, which: usize, chance: &mut Chance) -> Vec<Vec<Change>> {
    let (revision, _) = source(name, 20 + which * 6_000);
    let live = running(name, number, &revision);
    let job_state = Change::Job(job(name), Box::new(state(number, Some(revision))));
    let mut commits = vec![vec![job_state, Change::Run(Box::new(live.clone()))]];
    if chance.one_in(4) {
        commits.push((1..=3).map(|index| Change::Skip(skip(name, number, index))).collect());
    }
    commits.push(vec![Change::Run(Box::new(finished(&live, (number % 3) as u8)))]);
    if number > 30 {
        commits.push(vec![Change::ForgetRun(RunId { job: job(name), number: number - 30 })]);
    }
    if number.is_multiple_of(11) {
        // Begun again and never ended.
        commits.push(vec![Change::Run(Box::new(live))]);
    }
    commits
}
