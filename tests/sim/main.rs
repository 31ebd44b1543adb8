//! The daemon's own event loop in a simulated world: store, machine, supervisor, clock, clients and job files, all driven by
//! one seed.
//!
//! `cargo test --test sim` runs a few hundred seeds. `SIM_SEEDS=100000` runs more, `SIM_FROM` begins elsewhere, and
//! `SIM_SEED=42` replays one with a trace.

mod host;
mod jobs;
mod rng;
mod store;
mod world;

use std::time::Duration;

use jobsd::daemon::{EventLoop, Input, World};
use jobsd::run::{Outcome, RunState};
use jobsd::scheduler::{Event, Scheduler};

use world::{Plan, SimWorld};

/// Lives through one seed, and checks that the world has settled at its end.
fn live(seed: u64, trace: bool) {
    let mut draw = rng::Rng::new(seed ^ 0x5EED);
    let plan = Plan {
        jobs: *draw.pick(&[1, 2, 4, 8, 20]),
        stormy: Duration::from_secs(3600 * draw.between(1, 30)),
        crash: *draw.pick(&[0, 50, 500, 5000]),
        trace,
    };
    let mut world = SimWorld::new(seed, plan);
    loop {
        let now = world.now();
        let (recovered, index) = world.store.recover(&world.specs);
        let scheduler = Scheduler::recover(world.boot(), recovered, index, now);
        let set = world.set();
        world.begin_life(vec![Input::Event(Event::SpecsLoaded(set), None), Input::Event(Event::ClockStepped, None)]);
        world = EventLoop::new(scheduler, world).run();
        if world.ended {
            break;
        }
        world.restart();
    }
    check_settled(&world);
}

fn check_settled(world: &SimWorld) {
    for run in world.store.runs.values() {
        let RunState::Finished { outcome, .. } = &run.state else { panic!("{} never ended: {:?}", run.id, run.state) };
        for attempt in &run.attempts {
            let (end, _) = attempt.end.as_ref().unwrap_or_else(|| panic!("{}/{} has no end", run.id, attempt.number));
            let id = jobsd::run::AttemptId { run: run.id.clone(), attempt: attempt.number };
            // History says what the machine saw.
            if let Some(seen) = world.host.attempts.get(&id) {
                assert!(!seen.alive, "{id} still lives");
                assert_eq!(Some(end), seen.end.as_ref(), "{id}: history tells of another end than the machine");
                let lost = matches!(end.ending, jobsd::run::Ending::Unseen);
                assert!(!lost || seen.may_be_lost(&world.host.boot), "{id} was lost without a cause");
            } else {
                assert!(
                    matches!(outcome, Outcome::Lost | Outcome::Cancelled | Outcome::Replaced) || run.attempts.len() > 1,
                    "{id} never ran, and ended {outcome:?}"
                );
            }
        }
    }
    assert!(world.store.notices.is_empty(), "messages never left: {:?}", world.store.notices.values().next());
    assert!(world.asked.len() <= 1000);
}

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn seeds() {
    if let Some(seed) = from_env("SIM_SEED") {
        return live(seed, true);
    }
    let from = from_env("SIM_FROM").unwrap_or(0);
    let count = from_env("SIM_SEEDS").unwrap_or(100);
    for seed in from..from + count {
        let outcome = std::panic::catch_unwind(|| live(seed, false));
        assert!(outcome.is_ok(), "seed {seed} fails; SIM_SEED={seed} cargo test --test sim replays it with a trace");
    }
    println!("{count} seeds from {from}");
}
