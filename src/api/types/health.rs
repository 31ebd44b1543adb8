//! The health report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NoticesHealth, Outcome, Time};

/// Answer of `GET /v1/health`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// Whether all is well: ready, the state is written, every job healthy, and every message delivered.
    pub ok: bool,
    /// The daemon's version.
    pub version: String,
    /// The process.
    pub live: Live,
    /// Whether it starts runs.
    pub ready: Ready,
    /// What it remembers.
    pub store: StoreHealth,
    /// The jobs.
    pub jobs: JobsHealth,
    /// Messages about jobs.
    pub notices: NoticesHealth,
    /// What a person should look at some day, in sentences; nothing is wrong yet.
    pub warnings: Vec<String>,
}

/// Answer of `GET /v1/health/live`; its being answered is the point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Live {
    /// True.
    pub ok: bool,
    /// The daemon's process.
    pub pid: u32,
    /// When the daemon began.
    pub started_at: Time,
}

/// Answer of `GET /v1/health/ready`; with HTTP status 503 when it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ready {
    /// Whether runs are started.
    pub ok: bool,
    /// Why not, in sentences.
    pub problems: Vec<String>,
    /// The supervisor's process; null while there is none.
    pub supervisor_pid: Option<u32>,
}

/// Whether what happens is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoreHealth {
    /// Whether it is written as usual, and nobody has still to acknowledge a loss.
    pub ok: bool,
    /// `writing`, `on_reserve` (the disk is full, and room that was set aside is used up), `failing` (tried again until
    /// it works) or `closed`.
    pub state: String,
    /// What is wrong, in a sentence.
    pub problem: Option<String>,
    /// What had to be worked around when the daemon started, one sentence each. What tells of a loss stays, also over
    /// restarts, until `POST /v1/state/acknowledge`.
    pub notes: Vec<String>,
}

/// Answer of `GET /v1/health/jobs`; with HTTP status 503 when not all is well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobsHealth {
    /// Whether the jobs directory can be read, no file is faulty, no load is held back, and no job fails or is
    /// overdue.
    pub ok: bool,
    /// Jobs with a file.
    pub total: usize,
    /// Runs that are not finished.
    pub live_runs: usize,
    /// Jobs that are paused.
    pub paused: usize,
    /// Jobs that are disabled.
    pub disabled: usize,
    /// Faulty files.
    pub faulty: Vec<FaultyJob>,
    /// Files that should be jobs and whose names cannot be.
    pub strays: Vec<StrayFile>,
    /// Jobs whose newest finished run did not succeed. Runs that a person cancelled or a newer run replaced, and runs
    /// that a shutdown of the machine ended, do not count.
    pub failing: Vec<FailingJob>,
    /// Jobs without a success for longer than their `alert_after`.
    pub overdue: Vec<OverdueJob>,
    /// Why the jobs directory could not be read last, when it could not; the jobs stay as they were.
    pub jobs_dir_fault: Option<String>,
    /// Why the configuration could not be read again; what it said before is in force.
    #[serde(default)]
    pub config_fault: Option<String>,
    /// Set while a load is held back because more than half of the jobs would have vanished.
    pub held_back: Option<HeldBack>,
}

/// A job whose file is faulty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultyJob {
    /// The job.
    pub job: String,
    /// The file.
    pub path: String,
    /// The first fault in one line.
    pub summary: String,
    /// Whether an earlier, good revision is in force.
    pub last_good: bool,
}

/// A file that stands for no job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StrayFile {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub summary: String,
}

/// A job whose newest run did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailingJob {
    /// The job.
    pub job: String,
    /// The run.
    pub run: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub ended_at: Time,
}

/// A job without a success for longer than its `alert_after`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OverdueJob {
    /// The job.
    pub job: String,
    /// When `alert_after` was over.
    pub since: Time,
    /// The end of the newest run that succeeded; null when none did.
    pub last_success: Option<Time>,
    /// `alert_after`.
    pub alert_after_seconds: Option<f64>,
}

/// A load that was not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldBack {
    /// Jobs in force.
    pub known: usize,
    /// Jobs that would have vanished.
    pub vanishing: usize,
}
