//! The engine's lives: how one begins, how it ends, and what goes on in between.

use std::time::Duration;

use jobsd::daemon::{EventLoop, Input, ShutdownMode, StoreCondition};
use jobsd::scheduler::{Event, Scheduler};

use crate::agenda::{Happening, Weather};
use crate::checks::settled;
use crate::clocks::{HOUR, MINUTE, SECOND};
use crate::counts::Counts;
use crate::world::SimWorld;

/// Lives through one seed, and checks that the world has settled at its end.
pub fn live(seed: u64, traced: bool) -> Counts {
    let mut world = SimWorld::new(seed, traced);
    loop {
        let now = world.clocks.now();
        let (recovered, index) = world.store.recover(&world.specs);
        let scheduler = Scheduler::recover(world.host.boot.clone(), recovered, index, now);
        let load = world.read_files(false);
        world.greetings = vec![world.ask(load), Input::Event(Event::ClockStepped, None)];
        world = EventLoop::new(scheduler, world).run();
        if world.ended && !world.dead {
            break;
        }
        world.life_ends();
    }
    settled::the_system_settles(&world);
    let (coverage, history) = (&world.checks.coverage, &world.checks.history);
    let (occurrences, skipped) = (coverage.occurrences, coverage.skipped);
    Counts { occurrences, skipped, finished: history.finished, ..world.counts }
}

impl SimWorld {
    /// The engine is gone, killed or in order, and comes back after a while.
    fn life_ends(&mut self) {
        match self.leaving.filter(|_| !self.dead) {
            Some(mode) => self.leaves(mode),
            None => {
                self.say("engine", || "is killed".into());
                self.counts.crashes += 1;
            }
        }
        // What it had in flight may be durable or not.
        let in_flight = self.commit.take();
        let taken = self.disk.condition != StoreCondition::Failing && self.rng.chance(500_000);
        if let Some(changes) = in_flight.filter(|_| taken) {
            self.make_durable(&changes);
        }
        self.forget_life();
        let longest = *self.rng.pick(&[SECOND, MINUTE, HOUR, if self.plan.is_crowd() { HOUR } else { 72 * HOUR }]);
        let downtime = if self.stormy { self.rng.between(1000, longest) } else { 1000 };
        // The power goes, and the engine with it; or the machine is booted anew after a while.
        let (power_cut, reboot) = (self.rng.chance(100_000), self.rng.chance(100_000));
        if self.stormy && power_cut {
            self.machine_reboots();
        }
        self.pass(downtime);
        if self.stormy && reboot {
            self.machine_reboots();
        }
        self.say("engine", || format!("starts after {:?}", Duration::from_micros(downtime)));
        self.after(500, Happening::Connect);
        if self.disk.condition != StoreCondition::Good {
            self.tell_store();
        }
    }

    /// An orderly end: everything decided is durable and answered, unless the disk is in the way; no run that was to be
    /// waited for is left.
    fn leaves(&mut self, mode: ShutdownMode) {
        self.say("engine", || "is down".into());
        self.counts.shutdowns += 1;
        let excused = mode == ShutdownMode::LeaveRuns && self.store_was_bad();
        assert!(excused || self.commit.is_none(), "the engine leaves with a commit in flight");
        assert!(excused || self.questions.is_empty(), "it leaves without an answer to {:?}", self.questions);
        if mode != ShutdownMode::LeaveRuns {
            let active = self.store.live.iter().find(|id| self.store.runs[*id].current_attempt().is_some());
            assert!(active.is_none(), "the engine has waited for all runs, and {active:?} is live");
        }
    }

    /// Lets time pass without an engine.
    fn pass(&mut self, duration: u64) {
        let until = self.clocks.elapsed + duration;
        while self.agenda.first_at().is_some_and(|at| at <= until) {
            let (at, happening) = self.agenda.take_first().expect("it was just seen");
            self.clocks.reach(at);
            match happening {
                Happening::Host(event) => self.host_event(event),
                Happening::DiskMends => self.disk_mends(),
                Happening::Weather(Weather::Edit) => {
                    self.edit_files();
                    self.again(Weather::Edit);
                }
                Happening::Weather(Weather::ClockStep) => {
                    self.clock_steps();
                    self.again(Weather::ClockStep);
                }
                Happening::Weather(Weather::SupervisorDies) => {
                    self.host.supervisor_dies();
                    self.again(Weather::SupervisorDies);
                }
                // These belong to an engine's life: they wait for the next. A clock that stepped may have passed `until`.
                Happening::Weather(_) | Happening::End | Happening::StormEnds | Happening::Disable => {
                    self.agenda.at(self.clocks.elapsed.max(until) + 1, happening);
                }
                Happening::CommitEnds | Happening::Reported(..) | Happening::Connect | Happening::TellStore => {}
            }
        }
        self.clocks.reach(until);
    }
}
