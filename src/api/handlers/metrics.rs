//! `GET /metrics`: in the [text format](https://prometheus.io/docs/instrumenting/exposition_formats/) of Prometheus.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::api::access::Reach;
use crate::api::convert;
use crate::api::error::ApiError;
use crate::api::state::Api;
use crate::api::types::RunState;
use crate::daemon::Handle;
use crate::schedule::Zone;
use crate::store::WriteState;

/// `GET /metrics`
pub async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, ApiError> {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    let mut families = api.handle().metrics().gather();
    families.extend(present(api.handle()));
    families.sort_by(|one, other| one.name().cmp(other.name()));
    encoder
        .encode(&families, &mut text)
        .map_err(|fault| ApiError::internal("the metrics cannot be written", &fault))?;
    Ok(([(CONTENT_TYPE, encoder.format_type().to_owned())], text))
}

/// What is so at the moment of the scrape.
fn present(handle: &Handle) -> Vec<MetricFamily> {
    let gauges = Gauges(Registry::new());
    let version = env!("CARGO_PKG_VERSION");
    gauges.one_of("jobsd_build_info", "The running version.", "version", [(version, 1)]);
    gauges.one_of(
        "jobsd_tz_database_info",
        "The IANA time zone database carried.",
        "release",
        [(Zone::database_version(), 1)],
    );
    gauges.number(
        "process_start_time_seconds",
        "When the daemon began, in seconds of the epoch.",
        handle.about().started_at.timestamp(),
    );
    of_the_process(&gauges);
    of_jobs(&gauges, handle);
    let ready = convert::ready(handle);
    gauges.number("jobsd_ready", "Whether runs are started.", i64::from(ready.ok));
    gauges.number(
        "jobsd_supervisor_connected",
        "Whether there is a supervisor.",
        i64::from(ready.supervisor_pid.is_some()),
    );
    let state = match handle.store_health() {
        WriteState::Writing => "writing",
        WriteState::OnReserve => "on_reserve",
        WriteState::Failing { .. } => "failing",
        WriteState::Closed => "closed",
    };
    let states = ["writing", "on_reserve", "failing", "closed"].map(|word| (word, i64::from(word == state)));
    gauges.one_of("jobsd_store_state", "1 for the state in which the store is.", "state", states);
    // Without the file there is no size to tell.
    if let Ok(bytes) = crate::store::database_bytes(&handle.about().state_dir) {
        gauges.number("jobsd_store_size_bytes", "Size of the database on disk.", count(bytes));
    }
    gauges.0.gather()
}

fn of_jobs(gauges: &Gauges, handle: &Handle) {
    let snapshot = handle.snapshot();
    let jobs = convert::jobs_health(handle, &snapshot, Reach::All);
    gauges.number("jobsd_jobs", "Jobs.", count(jobs.total));
    gauges.number("jobsd_jobs_paused", "Jobs whose schedule is suspended.", count(jobs.paused));
    gauges.number("jobsd_jobs_disabled", "Jobs whose file says enabled = false.", count(jobs.disabled));
    gauges.number("jobsd_jobs_faulty", "Jobs whose file is faulty.", count(jobs.faulty.len()));
    gauges.number("jobsd_jobs_failing", "Jobs whose newest run failed.", count(jobs.failing.len()));
    let live = |state: RunState| {
        let runs = snapshot.live.values().filter(|run| convert::run_state(&run.state) == state);
        (state.name(), count(runs.count()))
    };
    let states =
        [RunState::Queued, RunState::Starting, RunState::Running, RunState::Stopping, RunState::Backoff].map(live);
    gauges.one_of(
        "jobsd_live_runs",
        "Runs that are not over, by state; queued is the length of all queues.",
        "state",
        states,
    );
    let skipped = snapshot.jobs.values().map(|job| job.state.totals.skipped).sum();
    gauges.counter(
        "jobsd_skipped_occurrences_total",
        "Occurrences that did not run, since the jobs were first seen.",
        skipped,
    );
}

/// As Prometheus' own clients name them.
fn of_the_process(gauges: &Gauges) {
    if let Some(bytes) = resident_bytes() {
        gauges.number("process_resident_memory_bytes", "Resident memory of the daemon.", bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        gauges.number("process_open_fds", "Open file descriptors of the daemon.", count(open.count()));
    }
}

/// The second field of /proc/self/statm, in pages (proc_pid_statm(5)).
fn resident_bytes() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = text.split_whitespace().nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    pages.checked_mul(page)
}

/// No count comes near the end of the range.
fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Values that are set once, for one scrape.
struct Gauges(Registry);

impl Gauges {
    fn number(&self, name: &str, help: &str, value: i64) {
        let gauge = IntGauge::new(name, help).expect("a good name");
        gauge.set(value);
        self.0.register(Box::new(gauge)).expect("each name stands once");
    }

    fn counter(&self, name: &str, help: &str, value: u64) {
        let counter = IntCounter::new(name, help).expect("a good name");
        counter.inc_by(value);
        self.0.register(Box::new(counter)).expect("each name stands once");
    }

    fn one_of<const N: usize>(&self, name: &str, help: &str, label: &str, values: [(&str, i64); N]) {
        let gauges = IntGaugeVec::new(Opts::new(name, help), &[label]).expect("a good name");
        for (word, value) in values {
            gauges.with_label_values(&[word]).set(value);
        }
        self.0.register(Box::new(gauges)).expect("each name stands once");
    }
}
