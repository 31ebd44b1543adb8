//! Statistics: of one job, of all.

use std::ops::Bound;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::read_store;
use crate::api::convert;
use crate::api::error::ApiError;
use crate::api::extract::{JobParam, QueryOf};
use crate::api::state::Api;
use crate::api::types::{ErrorCode, JobStatistics, StatisticsPage, Time};
use crate::api::view::View;
use crate::clock::Timestamp;
use crate::schedule::Context;
use crate::scheduler::Job;
use crate::spec::JobName;
use crate::store::{HistoryQuery, ReadError, Reader};

/// Jobs in one answer; `next` leads on. Each has a history to be read.
pub const STATISTICS_PAGE: usize = 50;

/// Records of one job that count, the newest; more would keep a reader for seconds.
pub const STATISTICS_LIMIT: usize = 20_000;

/// Query of both.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatisticsQuery {
    /// What ended at this time or later; everything that is kept unless said.
    since: Option<Time>,
    /// Of all jobs: those after this name.
    after: Option<String>,
}

/// `GET /v1/jobs/{job}/statistics`
pub async fn of_job(
    State(api): State<Api>,
    JobParam(name): JobParam,
    QueryOf(query): QueryOf<StatisticsQuery>,
) -> Result<Json<JobStatistics>, ApiError> {
    let snapshot = api.handle().snapshot();
    let Some(job) = snapshot.jobs.get(&name).cloned() else {
        return Err(ApiError::no_such_job(name.as_str(), &snapshot));
    };
    let boot = api.handle().about().boot.clone();
    let since = query.since.map(|since| since.0);
    let add_up = move |store: &Reader| {
        let context = Context { first_seen: job.state.first_seen, boot };
        add_up(store, &job, &context, since)
    };
    Ok(Json(read_store(&api, add_up).await?))
}

/// `GET /v1/statistics`
pub async fn of_all(
    State(api): State<Api>,
    view: View,
    QueryOf(query): QueryOf<StatisticsQuery>,
) -> Result<Json<StatisticsPage>, ApiError> {
    let after = match query.after.as_deref().map(JobName::new) {
        None => Bound::Unbounded,
        Some(Ok(name)) => Bound::Excluded(name),
        Some(Err(fault)) => return Err(ApiError::new(ErrorCode::BadRequest, format!("after: {fault}"))),
    };
    let snapshot = view.snapshot(&api);
    let present = snapshot.jobs.range((after, Bound::Unbounded)).map(|(_, job)| job).filter(|job| !job.is_removed());
    let mut jobs: Vec<_> = present.take(STATISTICS_PAGE + 1).cloned().collect();
    let more = jobs.len() > STATISTICS_PAGE;
    jobs.truncate(STATISTICS_PAGE);
    let next = jobs.last().filter(|_| more).map(|job| job.name.to_string());
    let boot = api.handle().about().boot.clone();
    let since = query.since.map(|since| since.0);
    let add_up_all = move |store: &Reader| {
        let one = |job: &std::sync::Arc<Job>| {
            let context = Context { first_seen: job.state.first_seen, boot: boot.clone() };
            add_up(store, job, &context, since)
        };
        jobs.iter().map(one).collect::<Result<_, _>>()
    };
    Ok(Json(StatisticsPage { jobs: read_store(&api, add_up_all).await?, next }))
}

fn add_up(store: &Reader, job: &Job, context: &Context, since: Option<Timestamp>) -> Result<JobStatistics, ReadError> {
    let query = HistoryQuery { since, ..HistoryQuery::default() };
    let history = store.query(&job.name, &query, STATISTICS_LIMIT)?;
    let schedules = job.spec.as_ref().map(|spec| (&spec.schedules, context));
    Ok(convert::statistics(&job.name, &history, schedules))
}
