//! [`Plan`]: what one seed is made of.

use crate::clocks::{HOUR, MINUTE};
use crate::rng::Rng;

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub jobs: u64,
    /// How long faults go on, in µs of real time.
    pub storm: u64,
    /// How often the engine dies, for each step of the loop, in a million.
    pub crash: u64,
    /// How often a commit fails at once or is slow, in a million.
    pub bad_commits: u64,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut draw = Rng::new(seed ^ 0x5EED);
        let crash = *draw.pick(&[0, 50, 500, 5000]);
        let bad_commits = *draw.pick(&[0, 10_000, 30_000]);
        // One in fifty is a crowd: more jobs than a tick looks at and a commit takes, for a shorter time.
        if draw.chance(20_000) {
            let jobs = draw.between(300, 2000);
            return Self { jobs, storm: draw.between(10 * MINUTE, 40 * MINUTE), crash: crash.min(500), bad_commits };
        }
        let jobs = *draw.pick(&[1, 2, 4, 8, 20]);
        Self { jobs, storm: HOUR * draw.between(1, 30), crash, bad_commits }
    }

    /// Whether there are so many jobs that each may be busy only now and then.
    pub const fn is_crowd(&self) -> bool {
        self.jobs > 100
    }
}
