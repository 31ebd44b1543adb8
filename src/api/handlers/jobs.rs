//! Jobs: the list, one job, its next instants.

use std::ops::Bound;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::read_store;
use crate::api::convert;
use crate::api::error::ApiError;
use crate::api::extract::{JobParam, QueryOf};
use crate::api::state::Api;
use crate::api::types::{ErrorCode, Job, JobDetail, JobPage, JobState, Occurrences, Outcome, Time};
use crate::api::view::View;
use crate::clock::Timestamp;
use crate::schedule::Context;
use crate::spec::JobName;

/// Jobs in one answer at most, and when `limit` is not given; `next` leads on. Keeps an answer below a megabyte.
pub const JOBS_PAGE_LIMIT: usize = 1000;

/// Instants in one answer at most. A schedule gives ten thousand in a few milliseconds.
pub const OCCURRENCES_LIMIT: usize = 10_000;

/// Query of `GET /v1/jobs`. Conditions add up.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// At most so many jobs.
    limit: Option<usize>,
    /// Those after this name.
    after: Option<String>,
    /// Those that carry this tag.
    tag: Option<String>,
    /// Those in one of these states, with commas between. Removed jobs are shown only when asked for.
    state: Option<String>,
    /// Those whose newest run failed (true), or did not (false).
    failing: Option<bool>,
}

/// `GET /v1/jobs`
pub async fn list(
    State(api): State<Api>,
    view: View,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<JobPage>, ApiError> {
    let filter = Filter::of(&query)?;
    let limit = query.limit.unwrap_or(JOBS_PAGE_LIMIT).clamp(1, JOBS_PAGE_LIMIT);
    let snapshot = view.snapshot(&api);
    let after = match query.after.as_deref().map(JobName::new) {
        None => Bound::Unbounded,
        Some(Ok(name)) => Bound::Excluded(name),
        Some(Err(fault)) => return Err(ApiError::new(ErrorCode::BadRequest, format!("after: {fault}"))),
    };
    let candidates = snapshot.jobs.range((after, Bound::Unbounded)).map(|(_, job)| convert::job(job, &snapshot));
    let mut jobs: Vec<Job> = candidates.filter(|job| filter.admits(job)).take(limit + 1).collect();
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let next = jobs.last().filter(|_| more).map(|job| job.name.clone());
    Ok(Json(JobPage { jobs, next }))
}

pub(in crate::api) struct Filter {
    tag: Option<String>,
    states: Option<Vec<JobState>>,
    failing: Option<bool>,
}

impl Filter {
    pub(in crate::api) fn of(query: &ListQuery) -> Result<Self, ApiError> {
        let states = query.state.as_deref().map(parse_states).transpose()?;
        Ok(Self { tag: query.tag.clone(), states, failing: query.failing })
    }

    fn admits(&self, job: &Job) -> bool {
        let state = match &self.states {
            Some(states) => states.contains(&job.state),
            None => job.state != JobState::Removed,
        };
        let tag = self.tag.as_ref().is_none_or(|tag| job.tags.contains(tag));
        let failing = self.failing.is_none_or(|wanted| wanted == is_failing(job));
        state && tag && failing
    }
}

fn is_failing(job: &Job) -> bool {
    let failed = |outcome| match outcome {
        Outcome::Failed
        | Outcome::Signaled
        | Outcome::OutOfMemory
        | Outcome::TimedOut
        | Outcome::SetupFailed
        | Outcome::Lost => true,
        Outcome::Succeeded
        | Outcome::Cancelled
        | Outcome::Replaced
        | Outcome::HostShutdown
        | Outcome::Skipped
        | Outcome::Other => false,
    };
    job.overdue_since.is_some() || job.last.as_ref().is_some_and(|last| failed(last.outcome))
}

fn parse_states(text: &str) -> Result<Vec<JobState>, ApiError> {
    let one = |word: &str| {
        JobState::from_name(word).ok_or_else(|| {
            let known: Vec<&str> = JobState::ALL.iter().map(|state| state.name()).collect();
            ApiError::new(ErrorCode::BadRequest, format!("{word:?} is not the state of a job"))
                .hint(format!("states are {}", known.join(", ")))
        })
    };
    text.split(',').map(one).collect()
}

/// `GET /v1/jobs/{job}`
pub async fn show(State(api): State<Api>, JobParam(name): JobParam) -> Result<Json<JobDetail>, ApiError> {
    let snapshot = api.handle().snapshot();
    let Some(job) = snapshot.jobs.get(&name) else {
        return Err(ApiError::no_such_job(name.as_str(), &snapshot));
    };
    let source = match job.spec.as_ref().map(|spec| spec.revision.clone()) {
        Some(revision) => read_store(&api, move |store| store.source(&revision)).await?,
        None => None,
    };
    let warning = api.handle().warnings().get(&job.name).map(|warning| convert::fault(warning));
    Ok(Json(JobDetail { warning, ..convert::detail(job, &snapshot, source.as_ref()) }))
}

/// Query of `GET /v1/jobs/{job}/next`.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextQuery {
    /// How many instants; 10 unless said.
    count: Option<usize>,
    /// Those after this one (exclusive); now unless said. It may be past.
    after: Option<Time>,
    /// Those until then (inclusive).
    until: Option<Time>,
    /// Whether to tell what conditions exclude, up to the last instant or `until`, and as many as `count`.
    excluded: Option<bool>,
}

/// `GET /v1/jobs/{job}/next`
pub async fn next(
    State(api): State<Api>,
    JobParam(name): JobParam,
    QueryOf(query): QueryOf<NextQuery>,
) -> Result<Json<Occurrences>, ApiError> {
    const COUNT: usize = 10;
    let snapshot = api.handle().snapshot();
    let Some(job) = snapshot.jobs.get(&name) else {
        return Err(ApiError::no_such_job(name.as_str(), &snapshot));
    };
    let Some(spec) = job.spec.clone() else {
        return Err(crate::scheduler::Refusal::Faulty(name).into());
    };
    let context = Context { first_seen: job.state.first_seen, boot: api.handle().about().boot.clone() };
    let count = query.count.unwrap_or(COUNT).min(OCCURRENCES_LIMIT);
    let from = query.after.map_or_else(|| api.now(), |after| after.0);
    let compute = move || {
        let last = query.until.map_or(Timestamp::MAX_UTC, |until| until.0);
        let occurrences: Vec<_> = spec.schedules.between(from, last, &context).take(count).collect();
        // Without an end there may be ever more of them: they are told as far as the occurrences reach.
        let end = query.until.map(|until| until.0).or_else(|| occurrences.last().map(|occurrence| occurrence.at));
        let excluded = match end.filter(|_| query.excluded == Some(true)) {
            Some(end) => {
                spec.schedules.excluded(from, end, &context).take(count).map(|one| convert::excluded(&one)).collect()
            }
            None => Vec::new(),
        };
        Occurrences {
            job: name.to_string(),
            occurrences: occurrences.iter().map(convert::occurrence).collect(),
            excluded,
        }
    };
    // Thousands of instants of a rare schedule keep a processor busy for a while.
    match tokio::task::spawn_blocking(compute).await {
        Ok(occurrences) => Ok(Json(occurrences)),
        Err(fault) => Err(ApiError::internal("the next occurrences cannot be computed", &fault)),
    }
}
