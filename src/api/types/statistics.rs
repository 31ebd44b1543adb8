//! What the kept history of jobs adds up to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;

/// Answer of `GET /v1/statistics`: a page of jobs in order of their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatisticsPage {
    /// The jobs.
    pub jobs: Vec<JobStatistics>,
    /// When more follow: the value for `after` that asks for them.
    pub next: Option<String>,
}

/// Answer of `GET /v1/jobs/{job}/statistics`: what the finished runs and skips that are kept add up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobStatistics {
    /// The job.
    pub job: String,
    /// The end of the oldest run that counts.
    pub from: Option<Time>,
    /// The end of the newest run that counts.
    pub to: Option<Time>,
    /// Finished runs.
    pub runs: u64,
    /// Of these, runs that succeeded.
    pub succeeded: u64,
    /// Of these, runs that failed: by exit code, signal, timeout, set-up, or lost.
    pub failed: u64,
    /// Of these, runs with another end: cancelled, replaced, or the machine went down.
    pub other: u64,
    /// Occurrences that did not run.
    pub skipped: u64,
    /// `succeeded` by `succeeded` and `failed`; null without either.
    pub success_rate: Option<f64>,
    /// From start to end of the runs that succeeded.
    pub duration_seconds: Option<Quantiles>,
    /// From the time at which a run was due, jitter included, to its start. Only runs of the schedule count; one that
    /// is made up for is late by nature.
    pub lateness_seconds: Option<Quantiles>,
    /// The older and the newer half of the runs; null while there are too few to compare.
    pub trend: Option<Halves>,
}

/// How values are spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantiles {
    /// Half of them are not above.
    pub p50: f64,
    /// 95 of a hundred are not above.
    pub p95: f64,
    /// None is above.
    pub max: f64,
}

/// Two halves of a history.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Halves {
    /// Share of runs that succeeded, of the older half.
    pub older_success_rate: Option<f64>,
    /// Share of runs that succeeded, of the newer half.
    pub newer_success_rate: Option<f64>,
    /// Median duration of the older half.
    pub older_p50_seconds: Option<f64>,
    /// Median duration of the newer half.
    pub newer_p50_seconds: Option<f64>,
}
