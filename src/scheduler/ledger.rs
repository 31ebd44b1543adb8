//! [`Ledger`]: what one step has touched, until it becomes a decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Announcement, Change, Decision, Effect, JobName};
use crate::run::{Notice, Run, RunId, Skip, SkipKey};
use crate::spec::{Revision, Source};

/// Collects touched records, so that each is written once a step, in its last form.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    jobs: BTreeSet<JobName>,
    forgotten: BTreeSet<JobName>,
    runs: BTreeMap<RunId, RunRecord>,
    skips: BTreeMap<(JobName, SkipKey), Skip>,
    sources: BTreeMap<(JobName, Revision), Option<Box<Source>>>,
    notices: BTreeMap<(JobName, u64), Option<Arc<Notice>>>,
    effects: Vec<Effect>,
}

#[derive(Debug)]
enum RunRecord {
    Put(Arc<Run>),
    Forget,
}

impl Ledger {
    pub(super) fn job(&mut self, name: &JobName) {
        self.jobs.insert(name.clone());
    }

    /// The jobs that this step has touched.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &JobName> {
        self.jobs.iter()
    }

    pub(super) fn forget_job(&mut self, name: &JobName) {
        self.forgotten.insert(name.clone());
    }

    pub(super) fn run(&mut self, run: &Arc<Run>) {
        self.runs.insert(run.id.clone(), RunRecord::Put(Arc::clone(run)));
    }

    pub(super) fn forget_run(&mut self, id: &RunId) {
        self.runs.insert(id.clone(), RunRecord::Forget);
    }

    pub(super) fn skip(&mut self, skip: &Skip) {
        self.skips.insert((skip.job.clone(), skip.key), skip.clone());
    }

    pub(super) fn source(&mut self, job: &JobName, revision: &Revision, source: &Source) {
        self.sources.insert((job.clone(), revision.clone()), Some(Box::new(source.clone())));
    }

    pub(super) fn forget_source(&mut self, job: &JobName, revision: &Revision) {
        self.sources.insert((job.clone(), revision.clone()), None);
    }

    pub(super) fn notice(&mut self, notice: &Arc<Notice>) {
        self.notices.insert((notice.job.clone(), notice.number), Some(Arc::clone(notice)));
    }

    pub(super) fn forget_notice(&mut self, notice: &Notice) {
        self.notices.insert((notice.job.clone(), notice.number), None);
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Closes the step. Changes come grouped by job, so that a commit can be cut between jobs and never inside one.
    pub(super) fn close(&mut self, state_of: impl Fn(&JobName) -> Option<super::JobState>) -> Decision {
        let Self { jobs, forgotten, runs, skips, sources, notices, effects } = std::mem::take(self);
        let mut decision = Decision { effects, ..Decision::default() };
        for ((job, revision), source) in sources {
            decision.changes.push(match source {
                Some(source) => Change::Source(revision, job, source),
                None => Change::ForgetSource(revision, job),
            });
        }
        for (id, record) in runs {
            match record {
                RunRecord::Forget => decision.changes.push(Change::ForgetRun(id)),
                RunRecord::Put(run) => {
                    decision.changes.push(Change::Run(Box::new(Run::clone(&run))));
                    decision.effects.push(Effect::Announce(Announcement::Run(run)));
                }
            }
        }
        for skip in skips.into_values() {
            decision.effects.push(Effect::Announce(Announcement::Skip(skip.clone())));
            decision.changes.push(Change::Skip(skip));
        }
        for ((job, number), notice) in notices {
            decision.changes.push(match notice {
                Some(notice) => Change::Notice(Box::new(Notice::clone(&notice))),
                None => Change::ForgetNotice(job, number),
            });
        }
        for name in forgotten {
            decision.changes.push(Change::ForgetJob(name.clone()));
            decision.effects.push(Effect::Announce(Announcement::Job(name)));
        }
        for name in jobs {
            if let Some(state) = state_of(&name) {
                decision.changes.push(Change::Job(name.clone(), Box::new(state)));
            }
            decision.effects.push(Effect::Announce(Announcement::Job(name)));
        }
        // A stable sort: within a job the order above stays.
        decision.changes.sort_by(|a, b| a.job().cmp(b.job()));
        decision
    }
}
