//! Invariant 5: once faults stop, the system settles.

use jobsd::run::RunState;
use jobsd::scheduler::REBASE_THRESHOLD;
use jobsd::spec::{CatchUpPolicy, SpecEntry};

use chrono::TimeDelta;

use super::context;
use crate::world::SimWorld;

/// How late the loop may be while nothing goes wrong: its commits take two milliseconds.
const PUNCTUAL: TimeDelta = TimeDelta::seconds(5);

/// An hour after the storm: every schedule is evaluated through now, but for catch-ups that wait for their turn.
pub fn schedules_are_kept(world: &SimWorld) {
    let now = world.clocks.wall();
    for (name, state) in &world.store.jobs {
        let Some(revision) = state.revision.as_ref().filter(|_| state.removed_at.is_none()) else { continue };
        let spec = &world.specs[revision];
        let next = spec.schedules.next(state.cursor, &context(state, &world.host.boot));
        if state.ad_hoc.is_some() && next.is_none() {
            continue;
        }
        let threshold = TimeDelta::from_std(REBASE_THRESHOLD).expect("an hour fits");
        assert!(state.cursor <= now + threshold, "{name}: its cursor stands at {}, and it is {now}", state.cursor);
        let spreads = !spec.schedules.greatest_spread(spec.catch_up.spread).is_zero();
        if !spec.enabled || (spreads && spec.catch_up.policy != CatchUpPolicy::None) {
            continue;
        }
        let overdue = next.filter(|next| next.due + PUNCTUAL < now);
        assert!(overdue.is_none(), "{name}: it is {now}, and {overdue:?} has no record");
        let over = state.paused.as_ref().and_then(|pause| pause.until).filter(|&until| until + PUNCTUAL < now);
        assert!(over.is_none(), "{name}: its pause ended at {over:?}, and it is still paused");
    }
}

/// An hour after the storm: what the files say is in force, but for a load in which most jobs would vanish.
pub fn files_are_in_force(world: &SimWorld) {
    if world.held_back {
        return;
    }
    for (name, entry) in &world.files {
        if let SpecEntry::Good(loaded) = entry {
            let in_force = world.store.jobs.get(name).and_then(|state| state.revision.as_ref());
            assert_eq!(in_force, Some(&loaded.spec.revision), "{name}: its file is good, and not in force");
        }
    }
    for (name, state) in &world.store.jobs {
        let gone = !world.files.contains_key(name) && state.ad_hoc.is_none();
        assert!(!gone || state.removed_at.is_some(), "{name}: its file is gone, and it is in force");
    }
}

/// Long after the last occurrence: every run has ended, every end is known and acknowledged, every client was answered.
pub fn the_system_settles(world: &SimWorld) {
    let left = world.store.live.first().map(|id| &world.store.runs[id]);
    assert!(left.is_none(), "never ended: {left:?}");
    for run in world.store.runs.values() {
        assert!(matches!(run.state, RunState::Finished { .. }), "{} is neither live nor over", run.id);
        for attempt in &run.attempts {
            assert!(attempt.end.is_some(), "{}/{} has no end", run.id, attempt.number);
        }
    }
    for (name, state) in world.store.jobs.iter().filter(|(_, state)| state.ad_hoc.is_some()) {
        let spec = state.revision.as_ref().map(|revision| &world.specs[revision]);
        // A clock that was set back for days puts the time of one that waits far off.
        let waits = spec.and_then(|spec| spec.schedules.next(state.cursor, &context(state, &world.host.boot)));
        let waits = waits.is_some_and(|next| next.due > world.clocks.wall());
        assert!(waits || state.removed_at.is_some(), "{name} had its run, and is not done");
        assert!(waits || state.paused.is_none(), "{name} is done, and paused");
    }
    for (id, attempt) in &world.host.attempts {
        assert!(!attempt.alive, "{id} still lives");
    }
    let kept = world.host.unacknowledged();
    assert!(kept.is_none(), "the supervisor still keeps {kept:?}: nobody acknowledged its end");
    let waiting = world.store.notices.values().next();
    assert!(waiting.is_none(), "a message never left: {waiting:?}");
    assert!(world.questions.is_empty(), "never answered: {:?}", world.questions);
    world.checks.history.promises_are_kept();
}
