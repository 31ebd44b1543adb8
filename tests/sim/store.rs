//! The simulated store: what is durable, and the checks on every change of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jobsd::clock::Timestamp;
use jobsd::run::{Notice, Run, RunId, RunState, Skip, SkipKey, SkipReason, Trigger};
use jobsd::schedule::{Boot, Context};
use jobsd::scheduler::{Change, JobState, OUTBOX_LIMIT, Recovered, SpecIndex};
use jobsd::spec::{ATTEMPTS_LIMIT, JobName, JobSpec, NoticeEvent, QUEUE_LIMIT, Revision, Source};

#[derive(Default)]
pub struct Store {
    pub jobs: BTreeMap<JobName, JobState>,
    pub runs: BTreeMap<RunId, Run>,
    pub skips: BTreeMap<(JobName, SkipKey), Skip>,
    pub sources: BTreeMap<Revision, JobName>,
    pub live: BTreeSet<RunId>,
    pub notices: BTreeMap<u64, Notice>,
    /// Every message that ever was durable.
    pub told: BTreeSet<u64>,
    forgotten: BTreeSet<RunId>,
    coverage: BTreeMap<JobName, Coverage>,
}

/// How the occurrences of a job are covered: what its schedule gave while the cursor moved, against what is recorded.
#[derive(Default)]
struct Coverage {
    expected: u64,
    covered: u64,
    fired: BTreeSet<Timestamp>,
    rebased: bool,
}

impl Store {
    /// Applies a commit as a whole, then checks every job that it touched.
    pub fn apply(&mut self, changes: &[Change], specs: &BTreeMap<Revision, Arc<JobSpec>>, boot: &Boot) {
        let mut touched = BTreeSet::new();
        self.check_failures(changes, specs);
        for change in changes {
            touched.insert(change.job().clone());
            self.apply_one(change, specs, boot);
        }
        for name in touched {
            let first = RunId { job: name.clone(), number: 0 };
            let live: Vec<&Run> =
                self.live.range(first..).take_while(|id| id.job == name).map(|id| &self.runs[id]).collect();
            for run in &live {
                assert!(self.sources.contains_key(&run.revision), "{} lives, and its text is forgotten", run.id);
            }
            let Some(coverage) = self.coverage.get(&name) else { continue };
            assert_eq!(
                coverage.expected, coverage.covered,
                "{name}: its schedule gave {} occurrences, and {} are recorded",
                coverage.expected, coverage.covered
            );
            let queued = live.iter().filter(|run| run.is_queued()).count();
            assert!(queued <= QUEUE_LIMIT, "{name}: {queued} runs are queued");
        }
    }

    /// A failure is told of in the commit of the run's end, or counted as held back in it.
    fn check_failures(&self, changes: &[Change], specs: &BTreeMap<Revision, Arc<JobSpec>>) {
        for change in changes {
            let Change::Run(run) = change else { continue };
            let RunState::Finished { outcome, .. } = &run.state else { continue };
            let is_new = self.runs.get(&run.id).is_none_or(|before| !before.is_finished());
            let targets = specs[&run.revision].notify.targets.get(&NoticeEvent::Failure).map_or(0, Vec::len);
            if !is_new || !outcome.is_failure() || targets == 0 {
                continue;
            }
            let tells = |change: &&Change| matches!(change, Change::Notice(notice) if notice.event == NoticeEvent::Failure && notice.run().as_ref() == Some(&run.id));
            let told = changes.iter().filter(tells).count();
            let held_back = changes.iter().any(|change| {
                let Change::Job(name, state) = change else { return false };
                let count =
                    |state: &JobState| state.watch.told.get(&NoticeEvent::Failure).map_or(0, |told| told.held_back);
                *name == run.id.job && count(state) > 0
            });
            assert!(
                told == targets || (told == 0 && held_back),
                "{}: {told} of {targets} are told of its failure",
                run.id
            );
        }
        assert!(self.notices.len() <= OUTBOX_LIMIT, "{} messages wait", self.notices.len());
    }

    fn apply_one(&mut self, change: &Change, specs: &BTreeMap<Revision, Arc<JobSpec>>, boot: &Boot) {
        match change {
            Change::Job(name, state) => self.apply_job(name, state, specs, boot),
            Change::ForgetJob(name) => unreachable!("{name}: the simulator defines no ad-hoc jobs"),
            Change::Source(revision, job, _) => {
                self.sources.insert(revision.clone(), job.clone());
            }
            Change::ForgetSource(revision, _) => {
                self.sources.remove(revision);
            }
            Change::Run(run) => self.apply_run(run),
            Change::ForgetRun(id) => {
                self.live.remove(id);
                let Some(run) = self.runs.remove(id) else {
                    // Retention may ask twice before the first commit is through.
                    assert!(self.forgotten.contains(id), "{id} is forgotten, and never was there");
                    return;
                };
                self.forgotten.insert(id.clone());
                if let (false, Some(scheduled)) = (run.is_finished(), run.trigger.scheduled()) {
                    let coverage = self.coverage.entry(id.job.clone()).or_default();
                    coverage.covered -= 1;
                    coverage.fired.remove(&scheduled.at);
                }
            }
            Change::Skip(skip) => {
                let before = self.skips.insert((skip.job.clone(), skip.key), skip.clone());
                let coverage = self.coverage.entry(skip.job.clone()).or_default();
                if let Some(before) = &before {
                    assert_eq!(before.reason, skip.reason, "{}: a record of skips changed its reason", skip.job);
                    assert!(before.count < skip.count, "{}: a record of skips did not grow", skip.job);
                }
                coverage.covered += skip.count - before.map_or(0, |before| before.count);
                coverage.rebased |= skip.reason == SkipReason::ClockRebased;
            }
            Change::ForgetSkip(job, key) => {
                self.skips.remove(&(job.clone(), *key));
            }
            Change::Notice(notice) => {
                self.told.insert(notice.number);
                self.notices.insert(notice.number, Notice::clone(notice));
            }
            Change::ForgetNotice(_, number) => {
                assert!(
                    self.notices.remove(number).is_some(),
                    "the message {number} is forgotten, and never was there"
                );
            }
        }
    }

    fn apply_job(&mut self, name: &JobName, state: &JobState, specs: &BTreeMap<Revision, Arc<JobSpec>>, boot: &Boot) {
        if let Some(before) = self.jobs.insert(name.clone(), state.clone()) {
            assert!(before.last_number <= state.last_number, "{name}: its numbers went back");
            let spec = before.revision.as_ref().map(|revision| &specs[revision]).filter(|spec| spec.enabled);
            if let Some(spec) = spec.filter(|_| before.removed_at.is_none()) {
                let context = Context { first_seen: before.first_seen, boot: boot.clone() };
                let mut at = before.cursor;
                let mut given = 0;
                while let Some(next) = spec.schedules.next(at, &context).filter(|next| next.at <= state.cursor) {
                    given += 1;
                    at = next.at;
                }
                self.coverage.entry(name.clone()).or_default().expected += given;
            }
        }
    }

    fn apply_run(&mut self, run: &Run) {
        assert!(run.attempts.len() <= ATTEMPTS_LIMIT as usize);
        let before = self.runs.insert(run.id.clone(), run.clone());
        if run.is_finished() {
            self.live.remove(&run.id);
        } else {
            self.live.insert(run.id.clone());
        }
        let known = before.is_some();
        assert!(
            before.is_none_or(|before| !before.is_finished() || before == *run),
            "{} changed after its end",
            run.id
        );
        if let (false, Trigger::Schedule(scheduled) | Trigger::CatchUp(scheduled)) = (known, &run.trigger) {
            let coverage = self.coverage.entry(run.id.job.clone()).or_default();
            coverage.covered += 1;
            let fresh = coverage.fired.insert(scheduled.at);
            assert!(fresh || coverage.rebased, "{}: the occurrence {} fired twice", run.id.job, scheduled.at);
        }
    }

    /// What a new engine finds.
    pub fn recover(&self, specs: &BTreeMap<Revision, Arc<JobSpec>>) -> (Recovered, SpecIndex) {
        let live: Vec<Run> = self.live.iter().map(|id| self.runs[id].clone()).collect();
        let in_force = self.jobs.values().filter_map(|state| state.revision.clone());
        let needed: BTreeSet<Revision> = in_force.chain(live.iter().map(|run| run.revision.clone())).collect();
        for revision in &needed {
            assert!(self.sources.contains_key(revision), "the text of {revision} is needed, and not stored");
        }
        let index = needed.iter().map(|revision| (revision.clone(), Arc::clone(&specs[revision]))).collect();
        let sources = Vec::<(Revision, JobName, Source)>::new();
        let jobs = self.jobs.iter().map(|(name, state)| (name.clone(), state.clone())).collect();
        let notices = self.notices.values().cloned().collect();
        (Recovered { jobs, live, notices, sources }, index)
    }
}
