//! The checkers: what must hold after every step, told apart by the invariants of the design.
//!
//! | | invariant | checker | when |
//! |---|---|---|---|
//! | 1 | every occurrence is covered by exactly one record, and the record tells the truth | [`coverage`], [`reasons`] | every commit |
//! | 2 | no attempt is launched twice, none before it is durable; every launched one reaches an end | [`launches`] | every launch, the end |
//! | 3 | overlap, retry and hold are kept, across crashes | [`policies`] | every commit and launch |
//! | 4 | history says what the machine saw | [`history`] | every commit |
//! | 5 | once faults stop, the system settles | [`settled`] | an hour after the storm, the end |
//! | 6 | memory, queues and retries stay inside their bounds | [`bounds`] | every commit |
//! | 7 | what happened is told at least once | [`notices`] | every commit, the end |
//!
//! They share nothing with the scheduler but the schedules and the types: what was due is computed again from the
//! definitions, and compared with what became durable.

pub mod bounds;
pub mod coverage;
pub mod history;
pub mod launches;
pub mod notices;
pub mod policies;
pub mod reasons;
pub mod settled;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jobsd::clock::{Now, Timestamp};
use jobsd::run::Run;
use jobsd::schedule::{Boot, Context};
use jobsd::scheduler::{Change, JobState};
use jobsd::spec::{JobName, JobSpec, Revision};

use crate::host::Host;
use crate::store::{Before, Specs, Store};

/// What the checkers remember from one commit to the next.
#[derive(Default)]
pub struct Checks {
    pub coverage: coverage::Coverage,
    pub launches: launches::Launches,
    pub places: policies::Places,
    pub history: history::History,
    pub bounds: bounds::Bounds,
}

/// One commit that has just become durable, and what is known beside it.
pub struct Commit<'a> {
    pub applied: &'a [(&'a Change, Before)],
    /// As it is with the commit.
    pub store: &'a Store,
    pub host: &'a Host,
    pub specs: &'a Specs,
    pub now: Now,
    pub life: &'a Life,
}

/// What the simulator knows of the present engine's life.
#[derive(Default)]
pub struct Life {
    /// The latest wall time that the loop was shown.
    pub latest: Timestamp,
    /// The loop holds since then; its latest wall time before.
    pub holding_since: Option<Timestamp>,
    /// When each definition was first read.
    pub read_at: BTreeMap<Revision, Timestamp>,
    /// When a set was loaded in which most jobs may vanish.
    pub forced_at: BTreeSet<Timestamp>,
    /// Such a set waits for the end of a hold.
    pub forced_waits: bool,
}

/// One job in one commit.
pub struct Touched<'a> {
    pub name: &'a JobName,
    pub applied: Vec<(&'a Change, &'a Before)>,
    pub commit: &'a Commit<'a>,
}

impl Checks {
    /// Looks at a commit from all sides.
    pub fn committed(&mut self, commit: &Commit<'_>) {
        let mut jobs = BTreeMap::<&JobName, Touched<'_>>::new();
        for (change, before) in commit.applied {
            let name = change.job();
            let touched = jobs.entry(name).or_insert_with(|| Touched { name, applied: Vec::new(), commit });
            touched.applied.push((change, before));
        }
        for touched in jobs.values() {
            self.coverage.every_occurrence_is_covered_once(touched);
            reasons::every_record_tells_the_truth(touched);
            policies::overlap_holds(touched, &mut self.places);
            policies::retries_follow_the_policy(touched);
            policies::nothing_begins_during_a_hold(touched);
            self.history.history_says_what_the_machine_saw(touched);
            history::History::nobody_takes_a_history_over(touched);
            self.bounds.memory_and_queues_are_bounded(touched);
            notices::failures_are_told_with_their_record(touched);
        }
        for (change, _) in commit.applied {
            if let Change::ForgetJob(name) = change {
                self.launches.forget_job(name);
                self.coverage.forget_job(name);
            }
        }
        self.bounds.few_jobs_vanish_at_once(commit);
        notices::messages_leave_for_a_reason(commit);
    }
}

impl Touched<'_> {
    /// Every state of the job that was durable before this commit, or became so in it.
    pub fn states(&self) -> impl Iterator<Item = &JobState> {
        let replaced = self.applied.iter().filter_map(|(_, before)| match before {
            Before::Job(state) => Some(&**state),
            Before::Nothing | Before::Run(_) | Before::Skip(_) | Before::Notice(_) => None,
        });
        replaced.chain(self.commit.store.jobs.get(self.name))
    }

    /// The definitions that were in force at some moment of it.
    pub fn specs(&self) -> Vec<&Arc<JobSpec>> {
        let revisions: BTreeSet<&Revision> = self.states().filter_map(|state| state.revision.as_ref()).collect();
        revisions.into_iter().map(|revision| &self.commit.specs[revision]).collect()
    }

    pub fn context(&self) -> Context {
        let state = self.states().next().expect("a job whose occurrences count is durable");
        context(state, &self.commit.host.boot)
    }

    /// Queued runs that were dropped.
    pub fn dropped(&self) -> impl Iterator<Item = &Run> {
        self.applied.iter().filter_map(|(change, before)| match (change, before) {
            (Change::ForgetRun(_), Before::Run(run)) if !run.is_finished() => Some(&**run),
            _ => None,
        })
    }

    /// Runs as they were written, with what they were before.
    pub fn runs(&self) -> impl Iterator<Item = (&Run, Option<&Run>)> {
        self.applied.iter().filter_map(|(change, before)| {
            let Change::Run(run) = change else { return None };
            match before {
                Before::Run(before) => Some((&**run, Some(&**before))),
                Before::Nothing | Before::Job(_) | Before::Skip(_) | Before::Notice(_) => Some((&**run, None)),
            }
        })
    }
}

pub fn context(state: &JobState, boot: &Boot) -> Context {
    Context { first_seen: state.first_seen, boot: boot.clone() }
}

/// When an occurrence is to start: its instant and its jitter.
pub fn due(at: Timestamp, spec: &JobSpec, context: &Context) -> Timestamp {
    let just_before = at - chrono::TimeDelta::nanoseconds(1);
    let found = spec.schedules.next(just_before, context).filter(|found| found.at == at);
    found.map_or(at, |found| found.due)
}
