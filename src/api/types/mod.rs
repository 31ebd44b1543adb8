//! The wire types of `/v1`: what the API says and takes, in JSON.
//!
//! They are a promise to scripts. A field is never renamed or given another meaning under `/v1`; new fields and new
//! words may come, so a client ignores fields that it does not know, and reads a word it does not know as `Other`.
//! Instants are RFC 3339, UTC, with `Z` and up to microseconds ([`Time`]); durations are numbers of seconds, sizes
//! numbers of bytes, and the field's name says so. Fields without a value are `null`, never left out.

mod base64;
mod daemon;
mod error;
mod event;
mod exec;
mod explanation;
mod file;
mod health;
mod job;
mod notice;
mod output;
mod process;
mod run;
mod state;
mod statistics;
mod time;
mod words;

pub use daemon::{
    AccessRules, Config, Members, ReloadRequest, Reloaded, ShutdownMode, ShutdownRequest, ShuttingDown, Version,
};
pub use error::{ErrorBody, ErrorCode, ErrorDetail};
pub use event::Event;
pub use exec::{ExecRequest, Executed};
pub use explanation::{ClockChange, Explanation, ScheduleExplanation, ScheduleKey};
pub use file::{FileFault, FileFaults, JobDeleted, JobWritten};
pub use health::{
    FailingJob, FaultyJob, Health, HeldBack, JobsHealth, Live, OverdueJob, Ready, StoreHealth, StrayFile,
};
pub use job::{
    CommandLine, Definition, ExcludedInstant, Fault, Job, JobDetail, JobPage, LastRun, LiveRun, Occurrence,
    Occurrences, Pause, PauseRequest, PauseSelectionRequest, Paused, ResumeSelectionRequest, Resumed, Retry, Totals,
};
pub use notice::{Delivery, NoticesHealth, NotifyTarget, NotifyTestRequest, NotifyTested, TestedDelivery};
pub use output::{OutputChunk, OutputLine, OutputMark};
pub use process::{Bandwidth, Isolation, Limits, Process, Rlimit};
pub use run::{
    Attempt, Cancelled, Entry, HistoryPage, Leftovers, OutOfMemory, OutputBytes, Run, Runs, SetupFailure, SkipSpan,
    Triggered,
};
pub use state::{Acknowledged, Compacted, ExportRequest, Exported};
pub use statistics::{Halves, JobStatistics, Quantiles, StatisticsPage};
pub use time::Time;
pub use words::{JobState, MemoryMeasure, Outcome, RunState, Rung, Stream, Trigger};
