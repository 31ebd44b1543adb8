//! Runs, skips and history on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MemoryMeasure, Outcome, RunState, Rung, Time, Trigger};

/// Answer of `GET /v1/jobs/{job}/runs`: a page of a job's history, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryPage {
    /// Runs and skips.
    pub entries: Vec<Entry>,
    /// When more may follow: the value for `before` that asks for them.
    pub next: Option<String>,
}

/// Answer of `GET /v1/runs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Runs {
    /// Runs that are not finished, in order of their names.
    pub live: Vec<Entry>,
    /// Finished runs and skips of all jobs, newest first.
    pub recent: Vec<Entry>,
    /// When older ones follow: the value for `before` that asks for them.
    #[serde(default)]
    pub next: Option<String>,
}

/// One record of history: a run, or occurrences that did not become one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// The run's name, as in `backup/42`; null for a skip.
    pub run: Option<String>,
    /// The job.
    pub job: String,
    /// Where it stands.
    pub state: RunState,
    /// How it ended; null while it has not.
    pub outcome: Option<Outcome>,
    /// Why the run exists; null for a skip.
    pub trigger: Option<Trigger>,
    /// The uid of who asked for a manual run.
    pub uid: Option<u32>,
    /// The occurrence that it answers to; of a skip, the first one.
    pub scheduled_at: Option<Time>,
    /// The local time that the schedule names for it.
    pub nominal: Option<String>,
    /// What moved the occurrence away from that local time.
    pub note: Option<String>,
    /// When it was decided on; of a skip, when the record was last written.
    pub created_at: Time,
    /// When its first attempt started.
    pub started_at: Option<Time>,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// From start to end, pauses between attempts included.
    pub duration_seconds: Option<f64>,
    /// The exit code of its last attempt, when that exited.
    pub exit_code: Option<u8>,
    /// What the exit code means by convention, and by whose; null for 0 and for codes without one.
    pub exit_meaning: Option<String>,
    /// The signal that ended its last attempt, when one did.
    pub signal: Option<i32>,
    /// The signal's name, as in `SIGTERM`.
    pub signal_name: Option<String>,
    /// How many attempts were launched.
    pub attempts: u32,
    /// Of a skip why, in one stable word; of a live run what it waits for or why it is being stopped.
    pub reason: Option<String>,
    /// How it ended or why it did not run, in a sentence for people.
    pub explanation: Option<String>,
    /// Of a skip: which occurrences it covers.
    pub skipped: Option<SkipSpan>,
}

/// Consecutive occurrences that did not run, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SkipSpan {
    /// Why, in one stable word.
    pub reason: String,
    /// The first occurrence.
    pub first: Time,
    /// The last occurrence.
    pub last: Time,
    /// How many.
    pub count: u64,
}

/// Answer of `GET /v1/jobs/{job}/runs/{number}`: a run with its attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The run.
    #[serde(flatten)]
    pub entry: Entry,
    /// Its number.
    pub number: u64,
    /// The revision of its definition.
    pub revision: String,
    /// Its main process, while it runs.
    pub pid: Option<u32>,
    /// When SIGKILL follows, while it is being stopped.
    pub kill_at: Option<Time>,
    /// When its next attempt is due, in back-off.
    pub next_attempt_at: Option<Time>,
    /// When its output was removed to stay within a bound, if it was.
    pub output_removed_at: Option<Time>,
    /// Its launches, oldest first.
    pub attempt_records: Vec<Attempt>,
}

/// One launch inside a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// When the program was executed.
    pub started_at: Option<Time>,
    /// When its end was seen.
    pub ended_at: Option<Time>,
    /// From start to end.
    pub duration_seconds: Option<f64>,
    /// How it ended; null while it has not.
    pub outcome: Option<Outcome>,
    /// Its exit code, when it exited.
    pub exit_code: Option<u8>,
    /// What the exit code means by convention, and by whose.
    pub exit_meaning: Option<String>,
    /// The signal that ended it, when one did.
    pub signal: Option<i32>,
    /// The signal's name, as in `SIGTERM`.
    pub signal_name: Option<String>,
    /// Whether it left a core file, when a signal ended it.
    pub core_dumped: Option<bool>,
    /// Why it was stopped, in one word, when it was: `timed_out`, `cancelled`, `replaced`, `host_shutdown`.
    pub stop_reason: Option<String>,
    /// How far the stop ladder went.
    pub stop_rung: Option<Rung>,
    /// That the kernel killed in it for want of memory.
    pub out_of_memory: Option<OutOfMemory>,
    /// Processes that outlived its main process and were killed; null when there were none.
    pub leftovers: Option<Leftovers>,
    /// Why the program could not be executed.
    pub setup_failure: Option<SetupFailure>,
    /// CPU time in user mode: of the whole tree where it has a cgroup, else of the main process and its waited-for
    /// descendants. Null, as everything below, when nobody could measure it.
    pub cpu_user_seconds: Option<f64>,
    /// CPU time in kernel mode.
    pub cpu_system_seconds: Option<f64>,
    /// The most memory that it had.
    pub peak_memory_bytes: Option<u64>,
    /// What that is the amount of.
    pub peak_memory_of: Option<MemoryMeasure>,
    /// Bytes read from disks, page cache left out: of the whole tree where its cgroup counts them, else of the main
    /// process and its waited-for descendants.
    pub io_read_bytes: Option<u64>,
    /// Bytes written to disks, likewise.
    pub io_written_bytes: Option<u64>,
    /// How often its processes waited for something.
    pub voluntary_context_switches: Option<u64>,
    /// How often they had to make room for others.
    pub involuntary_context_switches: Option<u64>,
    /// The most processes and threads at once, where its cgroup counts them.
    pub peak_processes: Option<u64>,
    /// What it printed; null while it has not ended.
    pub output: Option<OutputBytes>,
}

/// A kill by the kernel for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutOfMemory {
    /// The job's own limit, when it was that which was reached.
    pub limit_bytes: Option<u64>,
    /// The most that the attempt had, where the kernel counts it.
    pub peak_bytes: Option<u64>,
}

/// Processes that outlived the main one and were killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leftovers {
    /// How many.
    pub count: u64,
    /// Names of their programs, at most 8.
    pub names: Vec<String>,
}

/// Why a program could not be executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetupFailure {
    /// The step that failed.
    pub step: String,
    /// What it was about.
    pub path: Option<String>,
    /// The error number; 0 when there is none.
    pub errno: i32,
    /// Whose rights decided, when it was the job's user.
    pub user: Option<String>,
    /// All of it in words.
    pub message: String,
}

/// How much an attempt printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputBytes {
    /// Bytes printed.
    pub bytes: u64,
    /// Bytes of these that the bound cut.
    pub cut_bytes: u64,
    /// Bytes of these that could not be written.
    pub lost_bytes: u64,
    /// Bytes of these that were dropped because they came faster than the job's rate.
    pub limited_bytes: u64,
    /// Where the rest went: `files`, `journal`, `syslog` or `null`.
    pub to: String,
}

/// Answer of `POST /v1/jobs/{job}/runs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Triggered {
    /// The new run's name, as in `backup/42`.
    pub run: String,
    /// The job.
    pub job: String,
    /// The run's number.
    pub number: u64,
}

/// Answer to a cancellation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cancelled {
    /// Runs that are being stopped, or were taken out of the queue.
    pub cancelled: Vec<String>,
}
