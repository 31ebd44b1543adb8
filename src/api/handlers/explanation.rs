//! What a job's schedules mean.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::read_store;
use crate::api::convert;
use crate::api::error::ApiError;
use crate::api::extract::{JobParam, QueryOf};
use crate::api::state::Api;
use crate::api::types::{ErrorCode, Explanation, ScheduleExplanation, Time};
use crate::clock::Timestamp;
use crate::daemon::Circumstances;
use crate::schedule::{Context, Examination};
use crate::scheduler::Refusal;
use crate::spec::{JobName, Source, read_schedules};

/// Query of `GET /v1/jobs/{job}/explanation`.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplanationQuery {
    /// As of this time; now unless said.
    from: Option<Time>,
}

/// `GET /v1/jobs/{job}/explanation`
pub async fn explanation(
    State(api): State<Api>,
    JobParam(name): JobParam,
    QueryOf(query): QueryOf<ExplanationQuery>,
) -> Result<Json<Explanation>, ApiError> {
    let snapshot = api.handle().snapshot();
    let Some(job) = snapshot.jobs.get(&name) else {
        return Err(ApiError::no_such_job(name.as_str(), &snapshot));
    };
    let Some(spec) = &job.spec else { return Err(Refusal::Faulty(name).into()) };
    let revision = spec.revision.clone();
    let source = read_store(&api, move |store| store.source(&revision)).await?;
    let source = source.ok_or_else(|| ApiError::new(ErrorCode::Internal, "the definition of the job is not kept"))?;
    let context = Context { first_seen: job.state.first_seen, boot: api.handle().about().boot.clone() };
    let from = query.from.map_or_else(|| api.now(), |from| from.0);
    let circumstances = api.handle().circumstances();
    // A year of a busy schedule keeps a processor busy for a while.
    let examined = tokio::task::spawn_blocking(move || {
        let schedules = examine(&name, &source, &circumstances, &context, from)?;
        Ok(Json(Explanation { job: name.to_string(), schedules }))
    });
    examined.await.unwrap_or_else(|fault| Err(ApiError::internal("the schedules cannot be explained", &fault)))
}

fn examine(
    name: &JobName,
    source: &Source,
    circumstances: &Circumstances,
    context: &Context,
    from: Timestamp,
) -> Result<Vec<ScheduleExplanation>, ApiError> {
    let refused = |message: String| ApiError::new(ErrorCode::Faulty, message);
    let reading = circumstances.reading.context(format!("{name}.toml").into(), &circumstances.calendars);
    let entries = read_schedules(name, source, &reading).map_err(|faults| refused(faults.summary()))?;
    let explain = |entry| {
        let examination =
            Examination::of(entry, name.as_str(), context, from).map_err(|fault| refused(fault.to_string()))?;
        Ok(convert::explanation(&examination, entry.rule.expression()))
    };
    entries.iter().map(explain).collect()
}
