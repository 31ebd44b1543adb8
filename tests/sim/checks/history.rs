//! Invariant 4: history says what the machine saw.

use std::collections::BTreeSet;

use jobsd::run::{Attempt, AttemptEnd, AttemptId, Ending, Outcome, Run, RunId, RunState, StopReason};
use jobsd::scheduler::{Change, JobState, Totals};

use super::Touched;
use crate::host::Host;
use crate::store::{Before, Store};

#[derive(Default)]
pub struct History {
    /// Runs that a client was promised, and of which no end is durable.
    promised: BTreeSet<RunId>,
    pub finished: u64,
}

impl History {
    pub fn history_says_what_the_machine_saw(&mut self, touched: &Touched<'_>) {
        for (run, before) in touched.runs() {
            let unchanged = before.is_none_or(|before| !before.is_finished() || before == run);
            assert!(unchanged, "{} changed after its end", run.id);
            let known = before.map_or(&[][..], |before| &before.attempts);
            for (index, attempt) in run.attempts.iter().enumerate() {
                let was_known = known.get(index).is_some_and(|known| known.end.is_some());
                if let (false, Some((end, outcome))) = (was_known, &attempt.end) {
                    let codes = &touched.commit.specs[&run.revision].success_exit_codes;
                    assert_eq!(*outcome, outcome_of(end, codes), "{}/{}: {end:?}", run.id, attempt.number);
                    end_was_seen(run, attempt, end, touched.commit.host);
                }
            }
            if let RunState::Finished { outcome, .. } = &run.state {
                self.promised.remove(&run.id);
                ends_as_its_last_attempt(run, outcome);
            }
        }
        for (change, before) in &touched.applied {
            if let (Change::ForgetRun(id), Before::Run(run)) = (change, before) {
                assert!(run.is_finished() || !self.promised.contains(id), "{id} was promised, and is forgotten");
            }
        }
        self.finished += totals_add_up(touched);
    }

    /// Who asked for an ad-hoc job has its history; nobody else goes on with it.
    pub fn nobody_takes_a_history_over(touched: &Touched<'_>) {
        for (change, before) in &touched.applied {
            if let (Change::Job(name, state), Before::Job(old)) = (change, before)
                && let (Some(now), Some(then)) = (state.ad_hoc, old.ad_hoc)
            {
                assert_eq!(now, then, "{name} goes on with the history of somebody else's");
            }
        }
    }

    /// A client was told that this run will be.
    pub fn promise(&mut self, run: RunId, store: &Store) {
        let durable = store.runs.get(&run).unwrap_or_else(|| panic!("{run} is promised before it is durable"));
        if !durable.is_finished() {
            self.promised.insert(run);
        }
    }

    /// Nothing that was promised is missing.
    pub fn promises_are_kept(&self) {
        assert!(self.promised.is_empty(), "promised, and never ended: {:?}", self.promised);
    }
}

/// The durable end is the one that the supervisor wrote down; where it never heard of the attempt, nobody can tell.
fn end_was_seen(run: &Run, attempt: &Attempt, end: &AttemptEnd, host: &Host) {
    let id = AttemptId { run: run.id.clone(), attempt: attempt.number };
    let Some(seen) = host.attempts.get(&id) else {
        return assert_eq!(end.ending, Ending::Unseen, "{id} never ran");
    };
    assert!(!seen.alive, "{id} has an end, and lives");
    assert!(!seen.is_stale, "{id} has the end of an attempt of a job that was forgotten");
    let lost = end.ending == Ending::Unseen;
    assert!(!lost || seen.may_be_lost(&host.boot.id), "{id} was lost without a cause");
    if let Some(wrote) = &seen.end {
        assert_eq!(end, wrote, "{id}: history tells of another end than the machine");
    }
    assert_eq!(attempt.started_at, Some(seen.started_at), "{id} was started at another time");
}

/// A run that was launched ends as its newest attempt did, unless somebody took it out of its back-off.
fn ends_as_its_last_attempt(run: &Run, outcome: &Outcome) {
    let last = run.attempts.last().and_then(|attempt| attempt.end.as_ref());
    match last {
        Some((_, last)) => {
            let given_up = matches!(outcome, Outcome::Cancelled | Outcome::Replaced);
            assert!(last == outcome || given_up, "{}: {outcome:?} after {last:?}", run.id);
        }
        None => {
            assert!(run.attempts.is_empty(), "{} is over, and its attempt has no end", run.id);
            let unborn = matches!(outcome, Outcome::Cancelled | Outcome::Replaced);
            assert!(unborn, "{} never ran, and ended {outcome:?}", run.id);
        }
    }
}

/// What an end means, by the documentation of outcomes.
fn outcome_of(end: &AttemptEnd, codes: &BTreeSet<u8>) -> Outcome {
    match end.stopped.map(|stopped| stopped.reason) {
        Some(StopReason::TimedOut) => return Outcome::TimedOut,
        Some(StopReason::Cancelled) => return Outcome::Cancelled,
        Some(StopReason::Replaced) => return Outcome::Replaced,
        Some(StopReason::HostShutdown) => return Outcome::HostShutdown,
        None => {}
    }
    match &end.ending {
        Ending::SetupFailed(failure) => Outcome::SetupFailed(failure.clone()),
        Ending::Unseen => Outcome::Lost,
        Ending::Exited { wait_status } => {
            let exit_code = u8::try_from(wait_status >> 8).expect("the simulated machine sends exit codes");
            if codes.contains(&exit_code) { Outcome::Succeeded } else { Outcome::Failed { exit_code } }
        }
    }
}

/// The job's counts grow by what the commit holds. Says how many runs it finished.
fn totals_add_up(touched: &Touched<'_>) -> u64 {
    let states: Vec<&JobState> = touched.states().collect();
    let is_old = touched.applied.iter().any(|(_, before)| matches!(before, Before::Job(_)));
    let before = states.first().filter(|_| is_old).map_or_else(Totals::default, |state| state.totals);
    let after = states.last().filter(|_| states.len() > usize::from(is_old)).map_or(before, |state| state.totals);
    let (mut succeeded, mut unsuccessful) = (0, 0);
    for (run, before) in touched.runs() {
        if let (RunState::Finished { outcome, .. }, false) = (&run.state, before.is_some_and(Run::is_finished)) {
            match outcome.is_success() {
                true => succeeded += 1,
                false => unsuccessful += 1,
            }
        }
    }
    // A job that was forgotten and defined again in one commit counts anew.
    let is_new = touched.applied.iter().any(|(change, _)| matches!(change, Change::ForgetJob(_)));
    if is_old && !is_new {
        let grown = (after.succeeded - before.succeeded, after.unsuccessful - before.unsuccessful);
        assert_eq!(grown, (succeeded, unsuccessful), "{}: its counts of finished runs", touched.name);
    }
    succeeded + unsuccessful
}
