//! What schedules mean.

use serde::{Deserialize, Serialize};

use super::{Occurrence, Time};

/// Answer of `GET /v1/jobs/{job}/explanation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Explanation {
    /// The job.
    pub job: String,
    /// Its schedules, in the order of its file.
    pub schedules: Vec<ScheduleExplanation>,
}

/// What one schedule means, how often it runs, and what changes of the clock do to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ScheduleExplanation {
    /// As it was written, where it is an expression.
    pub expression: Option<String>,
    /// The zone by whose clock it runs.
    pub timezone: String,
    /// In plain English.
    pub description: String,
    /// `fixed`, `interval` or `once`: how it goes by changes of the clock.
    pub class: String,
    /// What that class means, in plain English.
    pub class_meaning: String,
    /// What else the schedule says.
    pub keys: Vec<ScheduleKey>,
    /// Occurrences within 365 days.
    pub per_year: u64,
    /// The shortest time between two of these.
    pub shortest_gap_seconds: Option<i64>,
    /// The longest time between two of these.
    pub longest_gap_seconds: Option<i64>,
    /// The next changes of the zone's clock.
    pub clock_changes: Vec<ClockChange>,
    /// What may not be meant.
    pub warnings: Vec<String>,
    /// The next occurrences.
    pub next: Vec<Occurrence>,
}

/// A key of a schedule with its value, as a job file writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ScheduleKey {
    /// As in `skip_on`.
    pub key: String,
    /// Its value in words.
    pub value: String,
}

/// A change of a zone's clock and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClockChange {
    /// The first instant of the new time.
    pub at: Time,
    /// The same by the zone's clock, with its new offset.
    pub local: String,
    /// What the clock does.
    pub change: String,
    /// What that does to the schedule.
    pub effect: String,
}
