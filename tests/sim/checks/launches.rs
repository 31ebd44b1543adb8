//! Invariant 2: no attempt is launched twice, and none that is not durable.

use std::collections::BTreeSet;

use jobsd::run::{AttemptId, LaunchPlan, RunState};

use jobsd::spec::JobName;

use crate::host::Host;
use crate::store::{Specs, Store};

#[derive(Default)]
pub struct Launches {
    /// Attempts of which a process was started, ever: this outlives directories.
    started: BTreeSet<AttemptId>,
}

impl Launches {
    /// The loop asks for a launch.
    pub fn is_durable(&self, plan: &LaunchPlan, host: &Host, store: &Store, specs: &Specs) {
        let id = &plan.attempt;
        let run = store.runs.get(&id.run).unwrap_or_else(|| panic!("{id} is launched, and its run is not durable"));
        let waits = matches!(run.state, RunState::Starting { attempt, .. } if attempt == id.attempt);
        let is_past = run.attempts.get(id.attempt as usize - 1).is_some_and(|attempt| attempt.end.is_some());
        assert!(waits || is_past || self.started.contains(id), "{id} is launched before it is durable");
        let known = host.attempts.get(id);
        assert!(known.is_none_or(|known| !known.is_stale), "{id} is one of which the supervisor keeps an earlier end");
        let spec = &specs[&run.revision];
        assert_eq!(plan.argv, spec.command.argv(), "{id} is launched with another definition than its run's");
        assert_eq!((plan.timeout, plan.stop), (spec.timeout, spec.stop), "{id}: another definition's deadline");
    }

    /// A job was forgotten: its numbers begin anew.
    pub fn forget_job(&mut self, job: &JobName) {
        self.started.retain(|id| id.run.job != *job);
    }

    /// A process was started for it.
    pub fn no_attempt_is_launched_twice(&mut self, id: &AttemptId, host: &Host) {
        assert!(self.started.insert(id.clone()), "{id} is started twice");
        let first = AttemptId { attempt: 0, ..id.clone() };
        let earlier = host.attempts.range(first..id.clone()).find(|(_, earlier)| earlier.alive);
        assert!(earlier.is_none(), "{id} is started while {} lives", earlier.expect("there is one").0);
    }
}
