//! Invariant 6: memory, queues and retries stay inside their named bounds.

use std::collections::BTreeSet;

use jobsd::clock::Timestamp;
use jobsd::daemon::COMMIT_LIMIT;
use jobsd::run::{SkipKey, SkipReason};
use jobsd::scheduler::{Change, JobState, VANISH_ALARM_MINIMUM};
use jobsd::spec::{ATTEMPTS_LIMIT, JobName, QUEUE_LIMIT, Revision};

use super::{Commit, Touched};
use crate::store::Before;

#[derive(Default)]
pub struct Bounds {
    /// Jobs that were removed at the latest moment at which any was; one load may need several commits.
    removed: Option<(Timestamp, BTreeSet<JobName>)>,
}

impl Bounds {
    pub fn memory_and_queues_are_bounded(&mut self, touched: &Touched<'_>) {
        let (name, store) = (touched.name, touched.commit.store);
        let queued = store.live_of(name).filter(|run| run.is_queued()).count();
        assert!(queued <= QUEUE_LIMIT, "{name}: {queued} runs are queued");
        for (run, _) in touched.runs() {
            assert!(run.attempts.len() <= ATTEMPTS_LIMIT as usize, "{}: too many attempts", run.id);
        }
        let in_force = store.jobs.get(name).and_then(|state| state.revision.as_ref());
        let needed: BTreeSet<&Revision> = store.live_of(name).map(|run| &run.revision).chain(in_force).collect();
        let stored: BTreeSet<&Revision> = store.sources.get(name).into_iter().flatten().collect();
        assert_eq!(stored, needed, "{name}: texts that are stored, and those that are needed");
        for (change, _) in &touched.applied {
            if let Change::Skip(skip) = change {
                follows_another_reason(skip.reason, skip.key, touched);
            }
        }
    }

    /// More than half of the jobs vanish only if somebody said that they may.
    pub fn few_jobs_vanish_at_once(&mut self, commit: &Commit<'_>) {
        let mut news = false;
        for (change, before) in commit.applied {
            if let (Change::Job(name, state), Before::Job(old)) = (change, before)
                && let (Some(at), None, Some(_), None) = (state.removed_at, old.removed_at, &old.revision, state.ad_hoc)
            {
                let names = self.removed.take().filter(|(before, _)| *before == at).map(|(_, names)| names);
                self.removed.insert((at, names.unwrap_or_default())).1.insert(name.clone());
                news = true;
            }
        }
        let Some((at, names)) = self.removed.as_ref().filter(|_| news) else { return };
        let others = commit.store.jobs.iter().filter(|(name, _)| !names.contains(*name)).map(|(_, state)| state);
        let is_file = |state: &&JobState| state.revision.is_some() && state.ad_hoc.is_none();
        let kept = others.filter(|state| state.removed_at.is_none()).filter(is_file).count();
        assert!(
            names.len() < VANISH_ALARM_MINIMUM || names.len() <= kept || commit.life.forced_at.contains(at),
            "{} jobs vanish at once, {kept} are left, and nobody said that they may",
            names.len(),
        );
    }
}

/// Consecutive skips for one reason are one record.
fn follows_another_reason(reason: SkipReason, key: SkipKey, touched: &Touched<'_>) {
    let before = SkipKey { index: key.index - 1, ..key };
    let before = touched.commit.store.skips.get(&(touched.name.clone(), before));
    let same = before.is_some_and(|before| before.reason == reason && reason != SkipReason::ClockRebased);
    assert!(!same, "{}: two records of skips for one reason, {reason:?}, follow each other", touched.name);
}

/// A batch is cut between two jobs: only one job's changes may exceed the limit.
pub fn commits_are_bounded(changes: &[Change]) {
    if changes.len() > COMMIT_LIMIT {
        let last = changes[changes.len() - 1].job();
        let beyond = changes[COMMIT_LIMIT - 1..].iter().all(|change| change.job() == last);
        assert!(beyond, "{} changes of several jobs in one commit", changes.len());
    }
}
