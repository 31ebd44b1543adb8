//! Runs: their names, states and transitions, what the supervisor reports of them, and the records that stay.

mod exit_code;
mod id;
mod notice;
mod outcome;
mod plan;
mod report;
mod signal;
mod state;
mod transition;

pub use exit_code::{Meaning, meaning};
pub use id::{AttemptId, RunId, RunIdError};
pub use notice::{About, NOTICES, Notice, Sender, notices};
pub use outcome::{Outcome, SkipReason};
pub use plan::LaunchPlan;
pub use report::{
    AttemptEnd, ContextSwitches, CpuTime, Ending, IoBytes, Leftovers, MemoryMeasure, OutOfMemory, OutputSummary,
    PeakMemory, Report, Rung, SetupFailure, StopReason, Stopped, Usage,
};
pub use signal::signal_name;
pub use state::{Attempt, Deadline, QueueReason, Run, RunState, Scheduled, Skip, SkipKey, Trigger};
pub use transition::Transition;
