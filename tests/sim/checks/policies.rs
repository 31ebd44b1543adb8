//! Invariant 3: the overlap and retry policies, deadlines and holds are kept, whatever crashed in between.

use std::collections::{BTreeMap, BTreeSet};

use jobsd::clock::Monotonic;
use jobsd::run::{Outcome, QueueReason, Run, RunId, RunState, SkipReason, Trigger};
use jobsd::scheduler::Change;
use jobsd::spec::{Backoff, CatchUpPolicy, JobName, JobSpec, Overlap};

use super::{Touched, due};
use crate::host::Host;
use crate::store::{Specs, Store};

/// How many runs of its job might be live when each live run began.
#[derive(Default)]
pub struct Places(BTreeMap<RunId, usize>);

/// Runs that have begun and not ended are never more than the policy lets be, they begin in the order of their numbers, and a
/// replaced one is stopped.
pub fn overlap_holds(touched: &Touched<'_>, places: &mut Places) {
    let (name, store) = (touched.name, touched.commit.store);
    let (queued, active): (Vec<&Run>, Vec<&Run>) = store.live_of(name).partition(|run| run.is_queued());
    let begun: BTreeSet<u64> =
        touched.runs().filter(|(run, before)| begins(run, *before)).map(|(run, _)| run.id.number).collect();
    if !begun.is_empty() {
        let most = touched.specs().iter().map(|spec| spec.overlap.max_concurrent()).max().unwrap_or(1);
        assert!(active.len() <= most, "{name}: {} runs have begun, {most} may", active.len());
        places.0.extend(begun.into_iter().map(|number| (RunId { job: name.clone(), number }, most)));
    }
    for (run, _) in touched.runs().filter(|(run, _)| run.is_finished()) {
        places.0.remove(&run.id);
    }
    if let (Some(first), Some(last)) = (queued.first(), active.last()) {
        assert!(last.id.number < first.id.number, "{} began, and {} was before it", last.id, first.id);
    }
    let replaces = |run: &&&Run| matches!(run.state, RunState::Queued { reason: QueueReason::Replacing, .. });
    if queued.iter().any(|run| replaces(&run)) {
        let spared = active.iter().find(|run| run.stop_asked().is_none());
        assert!(spared.is_none(), "{name}: {spared:?} is to be replaced, and not stopped");
    }
    for run in queued {
        let spec = &touched.commit.specs[&run.revision];
        let waits = match spec.overlap {
            Overlap::Queue | Overlap::Replace => true,
            Overlap::Skip | Overlap::Allow { .. } => {
                spec.catch_up.policy == CatchUpPolicy::All && matches!(run.trigger, Trigger::CatchUp(_))
            }
        };
        assert!(waits, "{}: its policy lets it not wait", run.id);
    }
}

fn begins(run: &Run, before: Option<&Run>) -> bool {
    !run.attempts.is_empty() && before.is_none_or(|before| before.attempts.is_empty())
}

/// A process was started: beside it live no more than may. Runs that began under another definition keep their places, in
/// back-off too.
pub fn processes_hold_the_policy(job: &JobName, places: &Places, host: &Host, store: &Store, specs: &Specs) {
    let in_force = store.jobs.get(job).and_then(|state| state.revision.as_ref());
    let now = in_force.map_or(1, |revision| specs[revision].overlap.max_concurrent());
    let most = store.live_of(job).filter_map(|run| places.0.get(&run.id).copied()).fold(now, usize::max);
    let alive: Vec<_> = host.alive_of(job).collect();
    assert!(alive.len() <= most, "{job}: these live, and {most} may: {alive:?}");
}

/// An attempt follows another only if the policy wants it, and not before its back-off is over; a run ends only when
/// nothing is left to try.
pub fn retries_follow_the_policy(touched: &Touched<'_>) {
    for (run, before) in touched.runs() {
        let spec = &touched.commit.specs[&run.revision];
        if begins(run, before) {
            starts_by_its_deadline(run, spec, touched);
        }
        let known = before.map_or(0, |before| before.attempts.len());
        if run.attempts.len() > known.max(1) {
            let before = before.filter(|before| before.attempts.len() == run.attempts.len() - 1);
            is_repeated(run, before, spec, touched);
        }
        if let RunState::Backoff { until, .. } = &run.state
            && before.is_none_or(|before| before.state != run.state)
        {
            let asked = before.and_then(|before| before.stop_asked());
            assert!(asked.is_none(), "{}: it is to be stopped ({asked:?}), and is to be tried again", run.id);
            backs_off(run, until.monotonic, spec, touched);
        }
        let removed = || touched.states().any(|state| state.removed_at.is_some());
        if let RunState::Finished { outcome, .. } = &run.state
            && before.is_none_or(|before| !before.is_finished())
            && is_worth_it(outcome, spec)
        {
            let tried = run.attempts.len();
            let asked = before.is_some_and(|before| before.stop_asked().is_some());
            assert!(
                tried >= spec.retry.attempts.get() as usize || removed() || asked,
                "{}: {outcome:?} after {tried} attempts of {}",
                run.id,
                spec.retry.attempts
            );
        }
    }
}

fn starts_by_its_deadline(run: &Run, spec: &JobSpec, touched: &Touched<'_>) {
    if let (Some(scheduled), Some(deadline)) = (run.trigger.scheduled(), spec.start_deadline) {
        let late = run.attempts[0].asked_at - due(scheduled.at, spec, &touched.context());
        assert!(
            late.to_std().unwrap_or_default() <= deadline,
            "{}: started after its deadline, late by {late}",
            run.id
        );
    }
}

fn is_repeated(run: &Run, before: Option<&Run>, spec: &JobSpec, touched: &Touched<'_>) {
    let (id, count) = (&run.id, run.attempts.len());
    assert!(count <= spec.retry.attempts.get() as usize, "{id}: attempt {count} of {}", spec.retry.attempts);
    let (_, outcome) = run.attempts[count - 2].end.as_ref().unwrap_or_else(|| panic!("{id}: its last attempt lives"));
    assert!(is_worth_it(outcome, spec), "{id}: {outcome:?} is tried again");
    if let Some(RunState::Backoff { until, .. }) = before.map(|before| &before.state)
        && until.boot == touched.commit.host.boot.id
    {
        let now = touched.commit.now.monotonic;
        assert!(until.monotonic <= now, "{id}: tried again at {now:?}, its back-off ends at {:?}", until.monotonic);
    }
}

fn backs_off(run: &Run, until: Monotonic, spec: &JobSpec, touched: &Touched<'_>) {
    let (host, now, retry) = (touched.commit.host, touched.commit.now.monotonic, &spec.retry);
    assert!(until <= now.saturating_add(retry.max_delay), "{}: it waits longer than max_delay", run.id);
    let attempt = run.attempts.last().expect("it failed");
    let id = jobsd::run::AttemptId { run: run.id.clone(), attempt: attempt.number };
    let Some((boot, ended)) = host.attempts.get(&id).and_then(|attempt| attempt.ended.as_ref()) else { return };
    if *boot == host.boot.id {
        let factor = match retry.backoff {
            Backoff::Fixed => 1,
            Backoff::Linear => attempt.number,
            Backoff::Exponential => 2_u32.saturating_pow(attempt.number - 1),
        };
        let least = retry.delay.saturating_mul(factor).min(retry.max_delay).mul_f64(0.9);
        let waits = until.saturating_since(*ended);
        assert!(waits >= least, "{id}: it waits {waits:?} after its end, and should {least:?}");
    }
}

fn is_worth_it(outcome: &Outcome, spec: &JobSpec) -> bool {
    match outcome {
        Outcome::Succeeded | Outcome::Cancelled | Outcome::Replaced => false,
        Outcome::Lost => spec.retry.on_lost,
        Outcome::Failed { .. }
        | Outcome::Signaled { .. }
        | Outcome::OutOfMemory(_)
        | Outcome::TimedOut
        | Outcome::HostShutdown
        | Outcome::SetupFailed(_) => true,
    }
}

/// While nothing could be recorded to its end, no run and no attempt begins, and no occurrence is settled.
pub fn nothing_begins_during_a_hold(touched: &Touched<'_>) {
    let Some(since) = touched.commit.life.holding_since else { return };
    for (run, before) in touched.runs() {
        assert!(before.is_some() || run.created_at <= since, "{}: created during a hold, since {since}", run.id);
        let known = before.map_or(0, |before| before.attempts.len());
        let asked = run.attempts[known..].iter().map(|attempt| attempt.asked_at).max();
        assert!(asked.is_none_or(|asked| asked <= since), "{}: launched during a hold, since {since}", run.id);
    }
    for (change, _) in &touched.applied {
        if let Change::Skip(skip) = change {
            // What a person takes back is no occurrence that the daemon settles.
            let taken_back = skip.reason == SkipReason::Cancelled;
            let settled = skip.recorded_at > since && skip.reason != SkipReason::ClockRebased && !taken_back;
            assert!(!settled, "{}: {:?} is settled during a hold", skip.job, skip.reason);
        }
    }
}
