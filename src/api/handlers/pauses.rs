//! Pauses: of one job, of those with a tag, of all.

use axum::Extension;
use axum::Json;
use axum::extract::State;

use super::runs::unexpected;
use crate::api::access::{Action, Reach};
use crate::api::caller::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{BodyOf, JobParam};
use crate::api::state::Api;
use crate::api::types::{
    ErrorCode, PauseRequest, PauseSelectionRequest, Paused, ResumeSelectionRequest, Resumed, Time,
};
use crate::api::view::View;
use crate::scheduler::{Answer, Command, Job, Refusal, Selector, Snapshot};
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
    view: View,
    BodyOf(request): BodyOf<PauseSelectionRequest>,
) -> Result<Json<Paused>, ApiError> {
    let mut paused = Vec::new();
    for jobs in selectors(&api, &view, request.tag, request.all)? {
        paused.extend(pause_jobs(&api, &caller, jobs, request.until).await?.0.paused);
    }
    Ok(Json(Paused { paused, until: request.until }))
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
    view: View,
    BodyOf(request): BodyOf<ResumeSelectionRequest>,
) -> Result<Json<Resumed>, ApiError> {
    let mut resumed = Vec::new();
    for jobs in selectors(&api, &view, request.tag, request.all)? {
        resumed.extend(resume_jobs(&api, jobs).await?.0.resumed);
    }
    Ok(Json(Resumed { resumed }))
}

async fn resume_jobs(api: &Api, jobs: Selector) -> Result<Json<Resumed>, ApiError> {
    match api.handle().command(Command::Resume { jobs }).await? {
        Answer::Resumed(jobs) => Ok(Json(Resumed { resumed: names(&jobs) })),
        other => Err(unexpected(&other)),
    }
}

/// The jobs that a selection means to this caller: to one who drives but their own jobs, these one by one.
fn selectors(api: &Api, view: &View, tag: Option<String>, all: bool) -> Result<Vec<Selector>, ApiError> {
    let selector = selector(tag, all)?;
    match view.reach_of(api, Action::Operate) {
        Reach::All => Ok(vec![selector]),
        Reach::Own => own_jobs(&view.own(api), selector),
        Reach::None => Ok(Vec::new()),
    }
}

fn own_jobs(own: &Snapshot, selector: Selector) -> Result<Vec<Selector>, ApiError> {
    let present = own.jobs.values().filter(|job| !job.is_removed() && job.spec.is_some());
    let has = |job: &Job, tag: &String| job.spec.as_ref().is_some_and(|spec| spec.tags.contains(tag));
    let chosen: Vec<Selector> = match &selector {
        Selector::All => present.map(|job| Selector::Job(job.name.clone())).collect(),
        Selector::Tag(tag) => present.filter(|job| has(job, tag)).map(|job| Selector::Job(job.name.clone())).collect(),
        Selector::Job(name) => vec![Selector::Job(name.clone())],
    };
    match selector {
        Selector::Tag(tag) if chosen.is_empty() => Err(Refusal::NoSuchTag(tag).into()),
        Selector::Tag(_) | Selector::All | Selector::Job(_) => Ok(chosen),
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
