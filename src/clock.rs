//! Instants as arguments: the types in which time reaches the pure core.
//!
//! Nothing in `spec`, `schedule`, `run` or `scheduler` reads a clock. A [`Now`] comes in with every event and holds
//! both clocks of one moment: the wall clock, which people and schedules mean and which may step, and the monotonic
//! clock, by which deadlines, back-off and grace are counted.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An instant of the wall clock, UTC. The product records microseconds; what is finer is cut.
pub type Timestamp = DateTime<Utc>;

/// A reading of `CLOCK_MONOTONIC`: time since an unspecified point of this boot, not counting suspension.
///
/// Readings of one boot are comparable between processes ([clock_gettime(2)]); readings of two boots are not, which
/// is why every stored reading lies beside a [`BootId`].
///
/// [clock_gettime(2)]: https://man7.org/linux/man-pages/man2/clock_gettime.2.html
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// The reading `since_boot` after the clock's zero.
    pub const fn from_duration(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// The time since the clock's zero.
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// The reading `by` later, or the last representable one.
    #[must_use]
    pub const fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// How much later `self` is than `earlier`; zero when it is not later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The kernel's random name of one boot, as in `/proc/sys/kernel/random/boot_id` ([random(4)]).
///
/// [random(4)]: https://man7.org/linux/man-pages/man4/random.4.html
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BootId(String);

impl BootId {
    /// A boot's name; surrounding white space is dropped.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The name as the kernel writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One moment, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic clock, read beside it.
    pub monotonic: Monotonic,
}
