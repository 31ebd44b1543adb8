//! Invariant 1, its other half: the record that covers an occurrence tells the truth. A run is started in time, or it
//! is a catch-up that the policy wants; a skip has the reason that it names.

use std::time::Duration;

use jobsd::clock::Timestamp;
use jobsd::run::{Run, Skip, SkipReason, Trigger};
use jobsd::schedule::Context;
use jobsd::scheduler::Change;
use jobsd::spec::{CATCH_UP_LIMIT, CatchUpPolicy, JobSpec, MISFIRE_THRESHOLD, Overlap};

use super::{Touched, due};
use crate::store::Before;

pub fn every_record_tells_the_truth(touched: &Touched<'_>) {
    for (run, before) in touched.runs() {
        if before.is_none() {
            trigger_is_true(run, &touched.commit.specs[&run.revision], touched);
        }
    }
    for (change, before) in &touched.applied {
        // The newest occurrence of a record is the one that this commit added, unless it is an older run's, dropped.
        if let Change::Skip(skip) = change
            && !matches!(before, Before::Skip(before) if before.last == skip.last)
        {
            reason_is_true(skip, touched);
        }
    }
}

fn trigger_is_true(run: &Run, spec: &JobSpec, touched: &Touched<'_>) {
    let Some(scheduled) = run.trigger.scheduled() else { return };
    let context = &touched.context();
    let due = due(scheduled.at, spec, context);
    assert!(due <= run.created_at, "{}: {} is started before it is due", run.id, scheduled.at);
    let late = lateness(due, run.created_at);
    let deadline = spec.start_deadline.unwrap_or(Duration::MAX);
    assert!(late <= deadline, "{}: it is {late:?} late, with a deadline of {deadline:?}", run.id);
    if matches!(run.trigger, Trigger::Schedule(_)) {
        return assert!(late <= MISFIRE_THRESHOLD, "{}: it is {late:?} late, and no catch-up", run.id);
    }
    let window = spec.catch_up.window.unwrap_or(Duration::MAX);
    assert!(late <= window, "{}: it is {late:?} late, with a window of {window:?}", run.id);
    let newer = newer_due(scheduled.at, run.created_at, spec, context);
    assert!(late > MISFIRE_THRESHOLD || newer, "{}: a catch-up that is in time", run.id);
    match spec.catch_up.policy {
        CatchUpPolicy::None => panic!("{}: a catch-up that nobody wants", run.id),
        CatchUpPolicy::Latest => {
            // What stands before a pause is settled on its own.
            let next = spec.schedules.next(scheduled.at, context);
            let is_paused =
                |due| touched.states().filter_map(|state| state.paused.as_ref()).any(|pause| pause.covers(due));
            let latest = !newer || next.is_some_and(|next| is_paused(next.due));
            assert!(latest, "{}: a catch-up of {}, which is not the latest", run.id, scheduled.at);
        }
        CatchUpPolicy::All => {}
    }
}

fn reason_is_true(skip: &Skip, touched: &Touched<'_>) {
    let context = touched.context();
    let is_true = match skip.reason {
        SkipReason::ClockRebased => true,
        SkipReason::Unknown => false,
        // A pause gives up a catch-up that waits for its turn; that may have been the end of an ad-hoc job.
        SkipReason::Paused => touched
            .states()
            .any(|state| state.paused.is_some() || (state.ad_hoc.is_some() && state.removed_at.is_some())),
        SkipReason::Cancelled => touched.states().any(|state| state.ad_hoc.is_some() && state.removed_at.is_some()),
        SkipReason::Removed => touched.states().any(|state| state.removed_at.is_some()),
        SkipReason::Rescheduled
        | SkipReason::Missed
        | SkipReason::TooOld
        | SkipReason::CatchUpLimit
        | SkipReason::Overlap
        | SkipReason::QueueFull => touched.specs().iter().any(|spec| reason_fits(skip, spec, &context, touched)),
        // A run that has waited keeps the deadline of its own definition.
        SkipReason::Expired => {
            let own = touched.dropped().map(|run| &touched.commit.specs[&run.revision]);
            touched.specs().into_iter().chain(own).any(|spec| reason_fits(skip, spec, &context, touched))
        }
    };
    assert!(is_true, "{}: it is not so that {} was skipped as {:?}: {skip:?}", skip.job, skip.last, skip.reason);
}

fn reason_fits(skip: &Skip, spec: &JobSpec, context: &Context, touched: &Touched<'_>) -> bool {
    let (at, now) = (skip.last, skip.recorded_at);
    let due = due(at, spec, context);
    let late = lateness(due, now);
    let is_wanted_late = |window: Option<Duration>| window.is_some_and(|window| late > window);
    match skip.reason {
        SkipReason::Missed => match spec.catch_up.policy {
            CatchUpPolicy::None => late > MISFIRE_THRESHOLD || newer_due(at, now, spec, context),
            CatchUpPolicy::Latest => newer_due(at, now, spec, context),
            CatchUpPolicy::All => false,
        },
        SkipReason::TooOld => spec.catch_up.policy != CatchUpPolicy::None && is_wanted_late(spec.catch_up.window),
        SkipReason::CatchUpLimit => {
            let newer = spec.schedules.between(at, now, context).take(CATCH_UP_LIMIT);
            spec.catch_up.policy == CatchUpPolicy::All && newer.count() == CATCH_UP_LIMIT
        }
        SkipReason::Overlap => match spec.overlap {
            Overlap::Skip | Overlap::Allow { .. } => was_busy(touched, spec.overlap.max_concurrent()),
            Overlap::Queue | Overlap::Replace => false,
        },
        SkipReason::QueueFull => spec.overlap == Overlap::Queue && was_busy(touched, jobsd::spec::QUEUE_LIMIT),
        SkipReason::Expired => is_wanted_late(spec.start_deadline),
        SkipReason::Rescheduled => due > now && touched.specs().len() > 1,
        SkipReason::Paused
        | SkipReason::Removed
        | SkipReason::Cancelled
        | SkipReason::ClockRebased
        | SkipReason::Unknown => {
            unreachable!("these do not depend on the definition")
        }
    }
}

/// Whether so many runs were live at some moment of the commit: those that are, that it ended, and that it dropped.
fn was_busy(touched: &Touched<'_>, most: usize) -> bool {
    let ended = touched.runs().filter(|(run, before)| {
        let lived = before.is_none_or(|before| !before.is_finished());
        lived && run.is_finished()
    });
    touched.commit.store.live_of(touched.name).count() + ended.count() + touched.dropped().count() >= most
}

fn newer_due(at: Timestamp, now: Timestamp, spec: &JobSpec, context: &Context) -> bool {
    spec.schedules.next(at, context).is_some_and(|newer| newer.due <= now)
}

fn lateness(due: Timestamp, now: Timestamp) -> Duration {
    (now - due).to_std().unwrap_or_default()
}
