//! The one place where the supervisor reads clocks.

use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::clock::{Monotonic, Now, Timestamp};

/// Both clocks, now; the wall clock cut to microseconds.
pub(super) fn now() -> Now {
    let wall = read(ClockId::CLOCK_REALTIME);
    let micros = wall.tv_sec().saturating_mul(1_000_000).saturating_add(wall.tv_nsec() / 1000);
    Now {
        wall: Timestamp::from_timestamp_micros(micros).unwrap_or_default(),
        monotonic: Monotonic::from_duration(Duration::from(read(ClockId::CLOCK_MONOTONIC))),
    }
}

fn read(clock: ClockId) -> TimeSpec {
    clock_gettime(clock).expect("every Linux has both clocks")
}
