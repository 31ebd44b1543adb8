//! [`Metrics`]: what the daemon counts while it runs, for `GET /metrics`. Nothing is labelled by job: however many jobs there
//! are, a scrape has the same few hundred lines.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

use crate::clock::Timestamp;
use crate::run::{Run, RunState};

/// From a shell line to a night's backup.
const DURATIONS: [f64; 14] =
    [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4.0 * 3600.0, 12.0 * 3600.0, 24.0 * 3600.0];

/// From what an idle machine does to what somebody has to be told.
const LATENESS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0];

/// Of a durable write.
const COMMITS: [f64; 11] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];

/// Counters and histograms since the process began; a restart of the daemon sets them back, as Prometheus expects.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    runs: IntCounterVec,
    durations: Histogram,
    lateness: Histogram,
    output_bytes: IntCounter,
    output_cut_bytes: IntCounter,
    output_lost_bytes: IntCounter,
    commits: IntCounterVec,
    commit_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        Self {
            runs: register(&registry, counters("jobsd_runs_total", "Runs that ended, by outcome.", "outcome")),
            durations: register(
                &registry,
                histogram(
                    "jobsd_run_duration_seconds",
                    "From the start of a run's first attempt to its end.",
                    &DURATIONS,
                ),
            ),
            lateness: register(
                &registry,
                histogram(
                    "jobsd_start_lateness_seconds",
                    "From when an occurrence was due, its jitter included, to the start of its run.",
                    &LATENESS,
                ),
            ),
            output_bytes: register(&registry, counter("jobsd_output_bytes_total", "Bytes that runs printed.")),
            output_cut_bytes: register(
                &registry,
                counter("jobsd_output_cut_bytes_total", "Bytes of these that the bound of a run cut."),
            ),
            output_lost_bytes: register(
                &registry,
                counter("jobsd_output_lost_bytes_total", "Bytes of these that could not be written."),
            ),
            commits: register(
                &registry,
                counters("jobsd_store_commits_total", "Durable writes of the state, by result.", "result"),
            ),
            commit_seconds: register(
                &registry,
                histogram("jobsd_store_commit_duration_seconds", "Time of a durable write.", &COMMITS),
            ),
            registry,
        }
    }
}

impl Metrics {
    /// Everything counted, for the encoder.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// A run has changed its state. `due` is when its occurrence should have started it, when that is known.
    pub(super) fn run(&self, run: &Run, due: impl FnOnce() -> Option<Timestamp>) {
        let RunState::Finished { outcome, ended_at } = &run.state else { return };
        self.runs.with_label_values(&[outcome.name()]).inc();
        let first = run.attempts.first();
        let started_at =
            first.and_then(|first| first.started_at.or_else(|| first.end.as_ref().and_then(|(end, _)| end.started_at)));
        if let Some(started_at) = started_at {
            self.durations.observe(seconds(started_at, *ended_at));
            if let Some(due) = due() {
                self.lateness.observe(seconds(due, started_at));
            }
        }
        for (end, _) in run.attempts.iter().filter_map(|attempt| attempt.end.as_ref()) {
            self.output_bytes.inc_by(end.output.bytes);
            self.output_cut_bytes.inc_by(end.output.cut_bytes);
            self.output_lost_bytes.inc_by(end.output.lost_bytes);
        }
    }

    /// A durable write has ended.
    pub(super) fn commit(&self, good: bool, took: Duration) {
        self.commits.with_label_values(&[if good { "good" } else { "failed" }]).inc();
        self.commit_seconds.observe(took.as_secs_f64());
    }
}

/// Never negative: the wall clock may be set back between the two.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to - from).to_std().unwrap_or_default().as_secs_f64()
}

fn register<T: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<T>) -> T {
    let metric = metric.expect("the names and buckets above are good");
    registry.register(Box::new(metric.clone())).expect("each name stands once above");
    metric
}

fn counter(name: &str, help: &str) -> prometheus::Result<IntCounter> {
    IntCounter::new(name, help)
}

fn counters(name: &str, help: &str, label: &str) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), &[label])
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
}
