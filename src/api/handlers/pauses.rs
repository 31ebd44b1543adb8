//! Pauses: of one job, of those with a tag, of all.

use axum::Extension;
use axum::Json;
use axum::extract::State;

use super::runs::unexpected;
use crate::api::caller::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{BodyOf, JobParam};
use crate::api::state::Api;
use crate::api::types::{
    ErrorCode, PauseRequest, PauseSelectionRequest, Paused, ResumeSelectionRequest, Resumed, Time,
};
use crate::scheduler::{Answer, Command, Selector};
use crate::spec::JobName;

/// `POST /v1/jobs/{job}/pause`
pub async fn pause(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JobParam(job): JobParam,
    BodyOf(request): BodyOf<PauseRequest>,
) -> Result<Json<Paused>, ApiError> {
    known(&api, &job)?;
    pause_jobs(&api, &caller, Selector::Job(job), request.until).await
}

/// `POST /v1/pause`
pub async fn pause_selection(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    BodyOf(request): BodyOf<PauseSelectionRequest>,
) -> Result<Json<Paused>, ApiError> {
    pause_jobs(&api, &caller, selector(request.tag, request.all)?, request.until).await
}

async fn pause_jobs(api: &Api, caller: &Caller, jobs: Selector, until: Option<Time>) -> Result<Json<Paused>, ApiError> {
    let command = Command::Pause { jobs, until: until.map(|until| until.0), uid: caller.uid };
    match api.handle().command(command).await? {
        Answer::Paused(jobs) => Ok(Json(Paused { paused: names(&jobs), until })),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/jobs/{job}/resume`
pub async fn resume(State(api): State<Api>, JobParam(job): JobParam) -> Result<Json<Resumed>, ApiError> {
    known(&api, &job)?;
    resume_jobs(&api, Selector::Job(job)).await
}

/// `POST /v1/resume`
pub async fn resume_selection(
    State(api): State<Api>,
    BodyOf(request): BodyOf<ResumeSelectionRequest>,
) -> Result<Json<Resumed>, ApiError> {
    resume_jobs(&api, selector(request.tag, request.all)?).await
}

async fn resume_jobs(api: &Api, jobs: Selector) -> Result<Json<Resumed>, ApiError> {
    match api.handle().command(Command::Resume { jobs }).await? {
        Answer::Resumed(jobs) => Ok(Json(Resumed { resumed: names(&jobs) })),
        other => Err(unexpected(&other)),
    }
}

fn selector(tag: Option<String>, all: bool) -> Result<Selector, ApiError> {
    match (tag, all) {
        (Some(tag), false) => Ok(Selector::Tag(tag)),
        (None, true) => Ok(Selector::All),
        (Some(_), true) | (None, false) => {
            Err(ApiError::new(ErrorCode::BadRequest, "give either a tag or \"all\": true"))
        }
    }
}

/// Refuses a job that is not there with the name that may have been meant.
fn known(api: &Api, job: &JobName) -> Result<(), ApiError> {
    let snapshot = api.handle().snapshot();
    let present = snapshot.jobs.get(job).is_some_and(|job| job.state.removed_at.is_none());
    if present { Ok(()) } else { Err(ApiError::no_such_job(job.as_str(), &snapshot)) }
}

fn names(jobs: &[JobName]) -> Vec<String> {
    jobs.iter().map(ToString::to_string).collect()
}
