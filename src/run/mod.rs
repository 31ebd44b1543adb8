//! Runs: their names, states and transitions, what the supervisor reports of them, and the records that stay.

mod id;
mod notice;
mod outcome;
mod plan;
mod report;
mod state;
mod transition;

pub use id::{AttemptId, RunId, RunIdError};
pub use notice::{About, NOTICES, Notice, Sender, notices};
pub use outcome::{Outcome, SkipReason};
pub use plan::LaunchPlan;
pub use report::{AttemptEnd, Ending, OutputSummary, Report, SetupFailure, StopReason, Usage};
pub use state::{Attempt, Deadline, QueueReason, Run, RunState, Scheduled, Skip, SkipKey, Trigger};
pub use transition::Transition;
