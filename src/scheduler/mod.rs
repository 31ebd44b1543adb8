//! What is due, and what follows from it: one pure function from an event to a decision.

mod event;
mod job;

use crate::spec::JobName;

pub use event::{
    Announcement, Answer, Change, Command, Decision, Effect, Event, HeldBack, LoadSummary, REBASE_THRESHOLD, Refusal,
    Selector, Snapshot, Wake,
};
pub use job::{Job, JobState, LastRun, Pause, Recovered, Totals};
