//! When a job runs: recurrence rules, zones, and the instants that follow from them. Pure.

mod cron;
mod entry;
mod fault;
mod hash;
mod jitter;
mod moment;
mod occurrence;
mod recurrence;
mod rule;
mod segments;
mod set;
mod wall;
mod zone;

pub use cron::EXPRESSION_LIMIT_BYTES;
pub use entry::Entry;
pub use fault::ParseError;
pub use moment::Moment;
pub use occurrence::{Boot, Context, Occurrence, Shift};
pub use rule::{LONGEST_PERIOD, MOMENTS_LIMIT, Rule};
pub use set::{ENTRIES_LIMIT, ScheduleSet, SetError};
pub use wall::{Dst, GapRule, OverlapRule};
pub use zone::Zone;
