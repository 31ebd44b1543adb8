//! Job files: read, created, changed, deleted. What is written was checked as `jobctl check` does, and is in force when it is
//! answered.

use std::path::Path;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::api::caller::Caller;
use crate::api::convert;
use crate::api::error::ApiError;
use crate::api::extract::{JobParam, NewJobParam, read};
use crate::api::state::Api;
use crate::api::types::{self, ErrorCode, JobDeleted, JobWritten, Time};
use crate::daemon::jobs_dir::{Condition, FileTag, JobFileError, JobFiles, Outlook};
use crate::scheduler::LoadSummary;
use crate::spec::{FILE_LIMIT, JobName, LoadedSpec, Revision};

/// The media type of [TOML](https://www.iana.org/assignments/media-types/application/toml).
const TOML: HeaderValue = HeaderValue::from_static("application/toml");

/// `GET /v1/jobs/{job}/file`
pub async fn show(State(api): State<Api>, JobParam(job): JobParam) -> Result<Response, ApiError> {
    let name = job.clone();
    let text = blocking(&api, move |files| files.read(&name)).await.map_err(|error| or_unknown(&api, &job, error))?;
    Ok(([(CONTENT_TYPE, TOML), (ETAG, entity_tag(&text.tag))], text.bytes).into_response())
}

/// `PUT /v1/jobs/{job}`, with `If-Match` or `If-None-Match: *`.
pub async fn write(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    NewJobParam(job): NewJobParam,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let condition = condition(&headers)?;
    let bytes = read(body, FILE_LIMIT).await?;
    let text = String::from_utf8(bytes.into())
        .map_err(|fault| ApiError::new(ErrorCode::BadRequest, format!("the file is not UTF-8 text: {fault}")))?;
    let etag = entity_tag(&FileTag::of(text.as_bytes()));
    let path = api.handle().job_files().path(&job);
    let circumstances = api.handle().circumstances();
    let checked = circumstances.reading.read(&job, text.clone(), path.clone(), &circumstances.calendars);
    let loaded = checked.map_err(|faults| ApiError::faulty_file(&faults))?;
    let name = job.clone();
    let before = revision(&api, &job);
    let created = match blocking(&api, move |files| files.write(&name, &text, &condition)).await {
        // What should be replaced is gone.
        Err(error) if error.code == ErrorCode::NoJobFile => Err(ApiError { code: ErrorCode::Changed, ..error }),
        done => done,
    }?;
    tracing::info!(job = %job, uid = caller.uid, created, "a job file was written for a client");
    let mut summary = taken_over(&api, "written", &path).await?;
    let heard = [&summary.added, &summary.changed, &summary.faulty].into_iter().any(|jobs| jobs.contains(&job));
    if !heard && revision(&api, &job) != before {
        // Whoever watches the directory was quicker, and what we asked for found the change made.
        let jobs = if before.is_some() { &mut summary.changed } else { &mut summary.added };
        jobs.push(job.clone());
        summary.unchanged = summary.unchanged.saturating_sub(1);
    }
    let written = JobWritten {
        job: job.to_string(),
        path: path.display().to_string(),
        created,
        etag: etag.to_str().unwrap_or_default().to_owned(),
        next: next(&api, &job),
        reloaded: convert::load_summary(&summary, api.handle().config_fault()),
        warning: warning(loaded).await,
    };
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let place = HeaderValue::try_from(format!("/v1/jobs/{job}")).expect("a job's name has plain characters");
    Ok((status, [(ETAG, etag), (LOCATION, place)], Json(written)).into_response())
}

/// Time for the look at what a file names: the user database and the directories may be on the network. What it would have
/// told later is in the health report.
const LOOK_TIME: Duration = Duration::from_secs(2);

async fn warning(loaded: LoadedSpec) -> Option<types::Fault> {
    let look = tokio::task::spawn_blocking(move || Outlook::default().warnings(&loaded));
    match tokio::time::timeout(LOOK_TIME, look).await {
        Ok(Ok(warnings)) => warnings.map(|warnings| convert::fault(&warnings.to_fault())),
        Ok(Err(fault)) => {
            tracing::error!(cause = %fault, "the look at what a job file names failed");
            None
        }
        Err(_) => {
            tracing::warn!(
                "what a job file names was not found out in time: the user database or a file system is slow"
            );
            None
        }
    }
}

/// `DELETE /v1/jobs/{job}`, with `If-Match`.
pub async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JobParam(job): JobParam,
    headers: HeaderMap,
) -> Result<Json<JobDeleted>, ApiError> {
    let condition = match condition(&headers)? {
        Condition::Absent => return Err(ApiError::new(ErrorCode::BadRequest, "what is not there cannot be deleted")),
        condition @ (Condition::Present | Condition::Tagged(_)) => condition,
    };
    let path = api.handle().job_files().path(&job);
    let name = job.clone();
    let deleted = blocking(&api, move |files| files.delete(&name, &condition)).await;
    deleted.map_err(|error| or_unknown(&api, &job, error))?;
    tracing::info!(job = %job, uid = caller.uid, "a job file was deleted for a client");
    let mut summary = taken_over(&api, "deleted", &path).await?;
    if !summary.removed.contains(&job) && revision(&api, &job).is_none() {
        summary.removed.push(job.clone());
    }
    let live = api.handle().snapshot().live.keys().filter(|run| run.job == job).map(ToString::to_string).collect();
    Ok(Json(JobDeleted {
        job: job.to_string(),
        path: path.display().to_string(),
        live,
        reloaded: convert::load_summary(&summary, api.handle().config_fault()),
    }))
}

/// A file that is not there, of a job that nobody knows: the name may have been mistyped.
fn or_unknown(api: &Api, job: &JobName, error: ApiError) -> ApiError {
    let snapshot = api.handle().snapshot();
    let is_unknown = error.code == ErrorCode::NoJobFile && !snapshot.jobs.contains_key(job);
    if is_unknown { ApiError::no_such_job(job.as_str(), &snapshot) } else { error }
}

/// What the client says of the file as it is now. It must say something, so that no change is lost by one who did not look.
fn condition(headers: &HeaderMap) -> Result<Condition, ApiError> {
    let bad = |message: String| {
        ApiError::new(ErrorCode::BadRequest, message)
            .hint("an entity tag is that of GET /v1/jobs/{job}/file, in its quotes")
    };
    let said = |name: HeaderName| match headers.get(&name).map(HeaderValue::to_str) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text.trim().to_owned())),
        Some(Err(_)) => Err(bad(format!("{name} is not understood"))),
    };
    match (said(IF_MATCH)?.as_deref(), said(IF_NONE_MATCH)?.as_deref()) {
        (None, Some("*")) => Ok(Condition::Absent),
        (Some("*"), None) => Ok(Condition::Present),
        (Some(tags), None) => {
            let tags = tags.split(',').map(|tag| tag.trim().strip_prefix('"')?.strip_suffix('"').map(FileTag::named));
            let tags: Option<Vec<FileTag>> = tags.collect();
            tags.map(Condition::Tagged).ok_or_else(|| bad("if-match is no list of entity tags".to_owned()))
        }
        (None, Some(_)) => Err(bad("if-none-match can only be *".to_owned())),
        (Some(_), Some(_)) => Err(bad("if-match and if-none-match contradict each other".to_owned())),
        (None, None) => Err(ApiError::new(ErrorCode::NoCondition, "the request does not say what it replaces")
            .hint("send If-Match with the entity tag of GET /v1/jobs/{job}/file, or If-None-Match: * for a new job")),
    }
}

fn entity_tag(tag: &FileTag) -> HeaderValue {
    HeaderValue::try_from(format!("\"{tag}\"")).expect("hexadecimal digits")
}

async fn blocking<T: Send + 'static>(
    api: &Api,
    what: impl FnOnce(&JobFiles) -> Result<T, JobFileError> + Send + 'static,
) -> Result<T, ApiError> {
    let files = std::sync::Arc::clone(api.handle().job_files());
    match tokio::task::spawn_blocking(move || what(&files)).await {
        Ok(done) => done.map_err(ApiError::from),
        Err(fault) => Err(ApiError::internal("the job file cannot be worked on", &fault)),
    }
}

/// Has the directory read. The file is what it is already, whatever comes of that.
async fn taken_over(api: &Api, done: &str, path: &Path) -> Result<LoadSummary, ApiError> {
    let told = |error: ApiError| ApiError {
        message: format!("{} was {done}, but it is not in force: {}", path.display(), error.message),
        ..error
    };
    let summary = api.handle().reload(false).await.map_err(|fault| told(fault.into()))?;
    match summary.held_back {
        Some(held) => Err(told(ApiError::held_back(held))),
        None => Ok(summary),
    }
}

/// The definition in force.
fn revision(api: &Api, job: &JobName) -> Option<Revision> {
    api.handle().snapshot().jobs.get(job).and_then(|job| job.spec.as_ref()).map(|spec| spec.revision.clone())
}

fn next(api: &Api, job: &JobName) -> Option<Time> {
    let snapshot = api.handle().snapshot();
    let job = snapshot.jobs.get(job)?;
    let told = convert::job(job, &snapshot);
    told.next_start.or(told.next)
}
