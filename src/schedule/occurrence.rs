//! [`Occurrence`]: one nominal instant of a schedule.

use std::fmt;

use chrono::NaiveDateTime;

use super::{ExclusionCause, Zone};
use crate::clock::{BootId, Timestamp};

/// Facts outside a schedule's text on which some schedules depend.
#[derive(Clone, Debug)]
pub struct Context {
    /// When the job was first seen.
    pub first_seen: Timestamp,
    /// The boot during which the daemon runs.
    pub boot: Boot,
}

/// One boot of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Its name.
    pub id: BootId,
    /// When it began.
    pub at: Timestamp,
    /// When the daemon first ran in it. What the boot asked for before is due then: nobody was there to miss it.
    pub seen_at: Timestamp,
}

/// One nominal instant of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The instant that the schedule gives, after DST. The cursor counts in these.
    pub at: Timestamp,
    /// `at` plus jitter: when the run is to start.
    pub due: Timestamp,
    /// The local time as the schedule says it; differs from `at` where DST moved it.
    pub nominal: NaiveDateTime,
    /// The zone of the schedule that gave it.
    pub zone: Zone,
    /// Why `at` is not simply `nominal` in the zone.
    pub note: Option<Shift>,
}

/// An instant of a schedule at which nothing runs, since a condition excludes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// When it would have run.
    pub at: Timestamp,
    /// The local time as the schedule says it.
    pub nominal: NaiveDateTime,
    /// Which condition.
    pub cause: ExclusionCause,
}

/// Why an occurrence is not at its nominal local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shift {
    /// The nominal time fell into a gap of the zone and runs right after it.
    Gap,
    /// The nominal time exists twice; this is the first pass.
    FirstPass,
    /// The nominal time exists twice; this is the second pass.
    SecondPass,
    /// A calendar moved it.
    Calendar {
        /// The rule, in words.
        rule: String,
    },
}

/// For people, as in a column of notes.
impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap => f.write_str("the clocks skip this local time; it runs right after the gap"),
            Self::FirstPass => f.write_str("this local time comes twice; this is the first pass"),
            Self::SecondPass => f.write_str("this local time comes twice; this is the second pass"),
            Self::Calendar { rule } => f.write_str(rule),
        }
    }
}
