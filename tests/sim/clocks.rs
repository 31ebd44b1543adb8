//! The simulated machine's clocks.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use jobsd::clock::{Monotonic, Now, Timestamp};
use jobsd::scheduler::Wake;

pub const SECOND: u64 = 1_000_000;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;

/// Real time, and what the two clocks make of it.
pub struct Clocks {
    /// Real time since the simulation began, in µs; only it never steps.
    pub elapsed: u64,
    /// What `CLOCK_MONOTONIC` lacks of it: earlier boots and suspension.
    lag: u64,
    /// What the wall clock shows beside it.
    shift: TimeDelta,
}

impl Clocks {
    pub fn new(start: Timestamp) -> Self {
        Self { elapsed: 0, lag: 0, shift: start - DateTime::UNIX_EPOCH }
    }

    pub fn wall(&self) -> Timestamp {
        DateTime::UNIX_EPOCH + self.shift + TimeDelta::microseconds(self.elapsed.cast_signed())
    }

    pub fn now(&self) -> Now {
        let monotonic = Monotonic::from_duration(Duration::from_micros(self.elapsed - self.lag));
        Now { wall: self.wall(), monotonic }
    }

    /// When, in real time, a wake is due.
    pub fn due_at(&self, wake: Wake) -> Option<u64> {
        let wall = wake.wall.map(|at| {
            let micros = (at - DateTime::UNIX_EPOCH - self.shift).num_microseconds().unwrap_or(i64::MAX);
            u64::try_from(micros).unwrap_or(0)
        });
        let monotonic = wake.monotonic.map(|at| at.as_duration().as_micros() as u64 + self.lag);
        wall.into_iter().chain(monotonic).min()
    }

    /// Goes on to an instant of real time, unless it has passed.
    pub fn reach(&mut self, elapsed: u64) {
        self.elapsed = self.elapsed.max(elapsed);
    }

    /// Somebody sets the wall clock.
    pub fn step(&mut self, seconds: i64) {
        self.shift += TimeDelta::seconds(seconds);
    }

    /// Real time passes, and the monotonic clock stands.
    pub fn sleep(&mut self, duration: u64) {
        self.lag += duration;
        self.elapsed += duration;
    }

    /// The monotonic clock begins again.
    pub fn reboot(&mut self) {
        self.lag = self.elapsed;
    }
}
