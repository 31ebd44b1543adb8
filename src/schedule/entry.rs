//! [`Entry`]: one schedule of a job, as its file says it.

use std::time::Duration;

use super::{Dst, Rule, Zone};

/// One `[[schedule]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub rule: Rule,
    /// By which clock; UTC unless said.
    pub zone: Zone,
    /// Starts are spread over this time; zero unless said. Capped below the gap to the next occurrence.
    pub jitter: Duration,
    /// What happens at changes of the zone's offset.
    pub dst: Dst,
}

impl Entry {
    /// A rule in a zone, with nothing else said.
    pub fn new(rule: Rule, zone: Zone) -> Self {
        Self { rule, zone, jitter: Duration::ZERO, dst: Dst::default() }
    }
}
