//! Measurements for Prometheus.

use std::path::Path;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use nix::unistd::{SysconfVar, sysconf};

use crate::api::convert;
use crate::api::error::ApiError;
use crate::api::metrics::{self, Exposition, Kind};
use crate::api::state::Api;
use crate::api::types::{JobState, Outcome, RunState};
use crate::daemon::{Counts, Handle, SupervisorState};
use crate::run::SkipReason;
use crate::schedule::Zone;
use crate::store::WriteState;

/// `GET /metrics`
pub async fn metrics(State(api): State<Api>) -> Result<Response, ApiError> {
    // A glance at the files of the database and of /proc may block.
    let text = tokio::task::spawn_blocking(move || expose(api.handle(), &api.requests().answers()));
    let text = text.await.map_err(|fault| ApiError::internal("the measurements cannot be taken", &fault))?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE))], text).into_response())
}

fn expose(handle: &Handle, requests: &[(u16, u64)]) -> String {
    let mut text = Exposition::default();
    let facts = [("version", env!("CARGO_PKG_VERSION")), ("tz_database", Zone::database_version())];
    text.facts("jobsd_build_info", "The program that answers.", &facts);
    let counts = handle.counts();
    runs(&mut text, &counts);
    jobs(&mut text, handle);
    store(&mut text, handle, &counts);
    let answered = requests.iter().map(|(status, count)| (status.to_string(), *count));
    text.by(Kind::Counter, "jobsd_api_requests_total", "Answered requests, by HTTP status.", "code", answered);
    process(&mut text, handle);
    text.into_text()
}

fn runs(text: &mut Exposition, counts: &Counts) {
    let finished = Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Skipped).map(|outcome| {
        let count = counts.runs.get(outcome.name()).copied().unwrap_or_default();
        (outcome.name().to_owned(), count)
    });
    text.by(Kind::Counter, "jobsd_runs_total", "Finished runs, by outcome.", "outcome", finished);
    text.one(Kind::Counter, "jobsd_attempts_total", "Attempts of finished runs.", counts.attempts);
    let skipped = SkipReason::ALL.iter().map(|reason| {
        let count = counts.skips.get(reason.name()).copied().unwrap_or_default();
        (reason.name().to_owned(), count)
    });
    text.by(Kind::Counter, "jobsd_skips_total", "Occurrences that did not run, by reason.", "reason", skipped);
    let help = "From the start of a finished run's first attempt to its end.";
    text.histogram("jobsd_run_duration_seconds", help, &counts.duration);
    let help = "From the time at which a finished run of the schedule was due, jitter included, to its start.";
    text.histogram("jobsd_run_lateness_seconds", help, &counts.lateness);
    text.one(Kind::Counter, "jobsd_output_bytes_total", "Bytes that finished runs printed.", counts.output_bytes);
    let help = "Bytes printed that the bound of the job's output cut.";
    text.one(Kind::Counter, "jobsd_output_cut_bytes_total", help, counts.output_cut_bytes);
    let help = "Bytes printed that could not be written.";
    text.one(Kind::Counter, "jobsd_output_lost_bytes_total", help, counts.output_lost_bytes);
}

fn jobs(text: &mut Exposition, handle: &Handle) {
    let snapshot = handle.snapshot();
    let mut by_state: Vec<(JobState, u64)> = JobState::ALL.iter().map(|&state| (state, 0)).collect();
    let (mut faulty, mut failing) = (0_u64, 0_u64);
    for job in snapshot.jobs.values() {
        let state = convert::job_state(job, &snapshot);
        by_state.iter_mut().filter(|(of, _)| *of == state).for_each(|(_, count)| *count += 1);
        let present = !job.is_removed();
        faulty += u64::from(present && job.fault.is_some());
        let failed = job.state.last.as_ref().is_some_and(|last| convert::is_failure(&last.outcome));
        failing += u64::from(present && failed);
    }
    let states = by_state.into_iter().map(|(state, count)| (state.name().to_owned(), count));
    text.by(Kind::Gauge, "jobsd_jobs", "Jobs, by where they stand.", "state", states);
    text.one(Kind::Gauge, "jobsd_jobs_faulty", "Jobs whose file is faulty, a last good revision or none.", faulty);
    text.one(Kind::Gauge, "jobsd_jobs_failing", "Jobs whose newest run failed.", failing);
    let live = [RunState::Queued, RunState::Starting, RunState::Running, RunState::Stopping, RunState::Backoff];
    let live = live.map(|state| {
        let count = snapshot.live.values().filter(|run| convert::run_state(run) == state).count();
        (state.name().to_owned(), count)
    });
    text.by(Kind::Gauge, "jobsd_live_runs", "Runs that are not over, by where they stand.", "state", live);
    let connected = matches!(*handle.supervisor(), SupervisorState::Connected { .. });
    let help = "Whether the supervisor is connected: 1 or 0.";
    text.one(Kind::Gauge, "jobsd_supervisor_connected", help, u8::from(connected));
}

fn store(text: &mut Exposition, handle: &Handle, counts: &Counts) {
    let writing = handle.store_health() == WriteState::Writing;
    let help = "Whether new runs can be recorded: 1 or 0.";
    text.one(Kind::Gauge, "jobsd_store_writable", help, u8::from(writing));
    let help = "From the moment that a batch of changes was handed to the store until it was durable.";
    text.histogram("jobsd_store_commit_duration_seconds", help, &counts.commits);
    let help = "Commits that the store could not write, and that were tried again.";
    text.one(Kind::Counter, "jobsd_store_commit_failures_total", help, counts.commit_failures);
    if let Some(bytes) = size_of_directory(&handle.about().state_dir.join("db")) {
        text.one(Kind::Gauge, "jobsd_store_size_bytes", "Size of the database's files.", bytes);
    }
}

/// The files of a directory and of those in it; `None` when it cannot be read.
fn size_of_directory(path: &Path) -> Option<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).ok()? {
        let entry = entry.ok()?;
        // A file may vanish between the two looks.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { size_of_directory(&entry.path()).unwrap_or_default() } else { metadata.len() };
    }
    Some(bytes)
}

/// What every Prometheus client library tells of its process. What the kernel does not say is left out.
fn process(text: &mut Exposition, handle: &Handle) {
    let started_at = handle.about().started_at.timestamp();
    text.one(Kind::Gauge, "process_start_time_seconds", "Start of the engine, in seconds since 1970.", started_at);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // proc_pid_stat(5): behind the name in parentheses come the fields from the third on.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect());
    let field = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<u64>().ok());
    if let (Some(user), Some(system), Some(ticks)) = (field(14), field(15), limit(SysconfVar::CLK_TCK)) {
        #[expect(clippy::cast_precision_loss, reason = "2^53 ticks are three million years")]
        let seconds = (user + system) as f64 / ticks as f64;
        text.one(Kind::Counter, "process_cpu_seconds_total", "CPU time of the engine.", seconds);
    }
    if let (Some(pages), Some(page)) = (field(24), limit(SysconfVar::PAGE_SIZE)) {
        text.one(Kind::Gauge, "process_resident_memory_bytes", "Memory of the engine.", pages * page);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        text.one(Kind::Gauge, "process_open_fds", "Open file descriptors of the engine.", open.count());
    }
}

fn limit(name: SysconfVar) -> Option<u64> {
    sysconf(name).ok().flatten().and_then(|value| u64::try_from(value).ok()).filter(|&value| value > 0)
}
