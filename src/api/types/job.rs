//! Jobs on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{JobState, NotifyTarget, Outcome, Process, RunState, SkipSpan, Time};

/// Answer of `GET /v1/jobs`: a page of jobs in order of their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// When more follow: the value for `after` that asks for them.
    pub next: Option<String>,
}

/// A job as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// Content hash of the definition in force; null when there is none.
    pub revision: Option<String>,
    /// One line for people.
    pub description: Option<String>,
    /// Where it stands, in one word.
    pub state: JobState,
    /// What its file says about `enabled`; a job that never had a good file is not.
    pub enabled: bool,
    /// The instant of the next occurrence; null while the job is paused, disabled or has none.
    pub next: Option<Time>,
    /// When that occurrence starts: `next` and its jitter.
    pub next_start: Option<Time>,
    /// The newest finished run.
    pub last: Option<LastRun>,
    /// The newest record of skips, while it is newer than every run.
    pub last_skip: Option<SkipSpan>,
    /// Runs that are not finished, oldest first.
    pub live: Vec<LiveRun>,
    /// Since when and until when its schedule is suspended.
    pub paused: Option<Pause>,
    /// When its `alert_after` was over without a success; null while it is not.
    #[serde(default)]
    pub overdue_since: Option<Time>,
    /// The end of the newest run that succeeded, as far as it was noted.
    #[serde(default)]
    pub last_success: Option<Time>,
    /// What is wrong with its file as it is now. The last good revision, if there was one, stays in force.
    pub fault: Option<Fault>,
    /// When its file was deleted.
    pub removed_at: Option<Time>,
    /// Words to select jobs by.
    pub tags: Vec<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Who asked for it, when it is an ad-hoc job: one that no file defines.
    pub ad_hoc_uid: Option<u32>,
    /// Counts since it was first seen.
    pub totals: Totals,
}

/// Answer of `GET /v1/jobs/{job}`: the job and its definition in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobDetail {
    /// The job.
    #[serde(flatten)]
    pub job: Job,
    /// When the daemon first saw it.
    pub first_seen: Time,
    /// The definition in force; null when there is none.
    pub definition: Option<Definition>,
    /// What its file names and this machine does not have; null when nothing is missing. The job is in force all the same.
    #[serde(default)]
    pub warning: Option<Fault>,
}

/// What a job's file says, defaults filled in. Values of its environment may be secrets and stay with the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Definition {
    /// Content hash of the file and its defaults.
    pub revision: String,
    /// What is executed.
    pub command: CommandLine,
    /// Its schedules, as written.
    pub schedule: Vec<String>,
    /// Names of the variables that the file sets.
    pub environment: Vec<String>,
    /// Where it is executed; null for the user's home.
    pub working_directory: Option<String>,
    /// As whom; null for the daemon's own user.
    pub user: Option<String>,
    /// As which group; null for the user's.
    pub group: Option<String>,
    /// How its processes are made; null from a daemon that does not tell.
    #[serde(default)]
    pub process: Option<Process>,
    /// How long one attempt may run; null for as long as it takes.
    pub timeout_seconds: Option<f64>,
    /// The first signal that stops it, as in `SIGTERM`.
    pub stop_signal: String,
    /// Time between that signal and SIGKILL.
    pub stop_grace_seconds: f64,
    /// `skip`, `allow`, `queue` or `replace`.
    pub overlap: String,
    /// Runs that may be live at once.
    pub max_concurrent: u32,
    /// `none`, `latest` or `all`.
    pub catch_up: String,
    /// How old an occurrence may be to be caught up; null for any age.
    pub catch_up_window_seconds: Option<f64>,
    /// When an attempt that did not succeed is repeated.
    pub retry: Retry,
    /// Exit codes that count as success.
    pub success_exit_codes: Vec<u8>,
    /// Where output goes: `files`, `journal`, `syslog` or `null`.
    pub output_to: String,
    /// Bytes of output kept of each attempt, in files.
    pub output_limit_bytes: u64,
    /// What an attempt may print in a time, as in `1000 lines/s`; null for any amount.
    pub output_rate_limit: Option<String>,
    /// Whether `jobctl logs` shows the time of every line unasked.
    pub output_timestamps: bool,
    /// Finished runs kept.
    pub keep_runs: u32,
    /// How long finished runs are kept.
    pub keep_age_seconds: f64,
    /// How long it may be without a success; null for ever.
    #[serde(default)]
    pub alert_after_seconds: Option<f64>,
    /// Who is told of what becomes of it.
    #[serde(default)]
    pub notify: Vec<NotifyTarget>,
    /// Messages of one event to one target within an hour.
    #[serde(default)]
    pub notify_per_hour: u32,
    /// Bytes of output kept of all finished runs together.
    pub keep_output_bytes: u64,
}

/// What is executed: one of the two is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandLine {
    /// The argument vector, executed as it is.
    pub argv: Option<Vec<String>>,
    /// The line given to `shell`.
    pub line: Option<String>,
    /// The shell and its options, when there is a line.
    pub shell: Option<Vec<String>>,
}

/// When an attempt that did not succeed is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u32,
    /// `fixed`, `linear` or `exponential`.
    pub backoff: String,
    /// Delay before the second attempt.
    pub delay_seconds: f64,
    /// No delay is longer.
    pub max_delay_seconds: f64,
    /// Whether a lost attempt is repeated too.
    pub on_lost: bool,
}

/// The newest finished run of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastRun {
    /// Its name, as in `backup/42`.
    pub run: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The exit code of its last attempt, when that exited.
    pub exit_code: Option<u8>,
    /// The signal that ended it, when one did.
    pub signal: Option<i32>,
    /// When its first attempt started; null when none did.
    pub started_at: Option<Time>,
    /// When it ended.
    pub ended_at: Time,
    /// From start to end.
    pub duration_seconds: Option<f64>,
}

/// A run that is not finished, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveRun {
    /// Its name.
    pub run: String,
    /// Where it stands.
    pub state: RunState,
    /// When its newest attempt started; null while it waits.
    pub started_at: Option<Time>,
}

/// A suspension of a job's schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pause {
    /// When it was asked for.
    pub since: Time,
    /// When it ends by itself; null for never.
    pub until: Option<Time>,
    /// The uid of who asked.
    pub uid: u32,
}

/// What is wrong with a job's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// The file.
    pub path: String,
    /// The first fault in one line.
    pub summary: String,
    /// All faults, with file, line and caret.
    pub report: String,
}

/// Counts of a job since it was first seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Finished runs with any other outcome.
    pub unsuccessful: u64,
    /// Skipped occurrences.
    pub skipped: u64,
    /// Time of all finished runs, from start to end.
    #[serde(default)]
    pub run_seconds: f64,
}

/// Answer of `GET /v1/jobs/{job}/next`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Occurrences {
    /// The job.
    pub job: String,
    /// The instants, in order. A paused or disabled job has them too; they are what its schedule says.
    pub occurrences: Vec<Occurrence>,
    /// Instants at which it would run, did a condition of its schedule not exclude them; none unless asked for.
    #[serde(default)]
    pub excluded: Vec<ExcludedInstant>,
}

/// One instant at which nothing runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExcludedInstant {
    /// The instant.
    pub at: Time,
    /// The local time that the schedule names.
    pub nominal: String,
    /// Which condition excludes it, in words.
    pub cause: String,
}

/// One instant of a schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Occurrence {
    /// The instant.
    pub at: Time,
    /// The same by the clock of the schedule's zone, with its offset.
    pub local: String,
    /// The instant and its jitter: when the run starts.
    pub start: Time,
    /// The local time that the schedule names.
    pub nominal: String,
    /// Why `at` is not simply that time in the zone; null when it is.
    pub note: Option<String>,
}

/// Body of `POST /v1/jobs/{job}/pause`. The body may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PauseRequest {
    /// When the pause ends by itself; never when null.
    pub until: Option<Time>,
}

/// Body of `POST /v1/pause`: exactly one of `tag` and `all`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PauseSelectionRequest {
    /// The jobs with this tag.
    pub tag: Option<String>,
    /// Every job.
    pub all: bool,
    /// When the pause ends by itself; never when null.
    pub until: Option<Time>,
}

/// Body of `POST /v1/resume`: exactly one of `tag` and `all`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResumeSelectionRequest {
    /// The jobs with this tag.
    pub tag: Option<String>,
    /// Every job.
    pub all: bool,
}

/// Answer to a pause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Paused {
    /// The jobs that are paused now.
    pub paused: Vec<String>,
    /// When the pause ends by itself.
    pub until: Option<Time>,
}

/// Answer to a resume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
    /// The jobs that are no longer paused.
    pub resumed: Vec<String>,
}
