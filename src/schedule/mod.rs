//! When a job runs: recurrence rules, zones, and the instants that follow from them. Pure.

mod business_rule;
mod calendar;
mod condition;
mod cron;
mod day_set;
mod entry;
mod examine;
mod explain;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod hash;
mod jitter;
mod moment;
mod occurrence;
mod recurrence;
mod rule;
mod segments;
mod set;
mod shift;
#[cfg(test)]
mod tests;
mod timetable;
mod wall;
mod window;
mod zone;

pub use calendar::{CALENDAR_LIMIT_BYTES, Calendar, CalendarFault, Calendars};
pub use condition::ExclusionCause;
pub use cron::EXPRESSION_LIMIT_BYTES;
pub use day_set::{DAY_SET_NAMES, DaySet};
pub use entry::Entry;
pub use examine::{ClockEffect, Examination};
pub use explain::Class;
pub use fault::ParseError;
pub use moment::Moment;
pub use occurrence::{Boot, Context, Excluded, Occurrence, Shift};
pub use rule::{LONGEST_PERIOD, MOMENTS_LIMIT, Rule};
pub use set::{ENTRIES_LIMIT, ScheduleSet, SetError};
pub use shift::ShiftRule;
pub use wall::{Dst, GapRule, OverlapRule};
pub use window::Window;
pub use zone::{Zone, ZoneChange};
