//! Building the scheduler from what the store remembers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Job, Recovered, Scheduler, Snapshot};
use crate::clock::Now;
use crate::run::{Run, RunState};
use crate::schedule::Boot;
use crate::spec::{JobSpec, Revision};

/// The definitions that stored texts could be read into, by revision.
pub type SpecIndex = BTreeMap<Revision, Arc<JobSpec>>;

impl Scheduler {
    /// The scheduler as it was when the last commit was made. Nothing is decided here: the caller follows with
    /// `SpecsLoaded` and `ClockStepped`.
    pub fn recover(boot: Boot, recovered: Recovered, mut specs: SpecIndex, now: Now) -> Self {
        let mut scheduler = Self {
            boot,
            snapshot: Snapshot::default(),
            retired: BTreeMap::new(),
            due: std::collections::BTreeSet::new(),
            backoff: std::collections::BTreeSet::new(),
            holding: false,
            missed: BTreeMap::new(),
            deliveries: super::Deliveries::default(),
            ledger: super::Ledger::default(),
        };
        let mut live = BTreeMap::<_, Vec<u64>>::new();
        for run in recovered.live {
            live.entry(run.id.job.clone()).or_default().push(run.id.number);
            scheduler.recover_run(run, now);
        }
        for (name, state) in recovered.jobs {
            let mut job = Job::new(name.clone(), state);
            job.recorded = true;
            job.spec = job.state.revision.as_ref().and_then(|revision| specs.remove(revision));
            job.live = live.remove(&name).unwrap_or_default();
            job.live.sort_unstable();
            // The run's record and the job's are one commit; a store that was mended may know better.
            job.state.last_number = job.live.last().copied().unwrap_or(0).max(job.state.last_number);
            scheduler.snapshot.jobs.insert(name.clone(), Arc::new(job));
            scheduler.reschedule(&name);
        }
        scheduler.recover_notices(recovered.notices, now);
        scheduler.retired = specs;
        scheduler
    }

    /// A back-off of an earlier boot is counted by the wall clock, and never waits longer than it was set to.
    fn recover_run(&mut self, run: Run, now: Now) {
        if let RunState::Backoff { until, .. } = &run.state {
            let monotonic = if until.boot == self.boot.id {
                until.monotonic
            } else {
                now.monotonic.saturating_add((until.wall - now.wall).to_std().unwrap_or_default())
            };
            self.backoff.insert((monotonic, run.id.clone()));
        }
        self.snapshot.live.insert(run.id.clone(), Arc::new(run));
    }
}
