//! What handlers take out of a request. A request that does not fit is answered in the API's own form of errors.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::Uri;
use axum::http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::state::Api;
use super::types::ErrorCode;
use crate::run::RunId;
use crate::spec::JobName;

/// Bytes of a request's body at most, but for job files; requests are a few short fields. A larger body is refused (`body_too_large`)
/// and its connection closed without reading it.
pub const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// Time in which a body must be complete. Later it is refused (`body_timeout`).
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The `{job}` of a path.
pub struct JobParam(pub JobName);

impl FromRequestParts<Api> for JobParam {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let text = param(parts, api, "job").await?;
        match JobName::new(&text) {
            Ok(name) => Ok(Self(name)),
            Err(fault) => Err(ApiError::no_such_job(&text, &api.handle().snapshot()).hint(fault.to_string())),
        }
    }
}

/// The `{job}` of a path, when it need not be there yet.
pub struct NewJobParam(pub JobName);

impl FromRequestParts<Api> for NewJobParam {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let text = param(parts, api, "job").await?;
        JobName::new(&text).map(Self).map_err(|fault| bad_request("it cannot be a job's name", fault.to_string()))
    }
}

/// The `{job}` and `{number}` of a path.
pub struct RunParam(pub RunId);

impl FromRequestParts<Api> for RunParam {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let JobParam(job) = JobParam::from_request_parts(parts, api).await?;
        let text = param(parts, api, "number").await?;
        match text.parse() {
            Ok(number) if number > 0 => Ok(Self(RunId { job, number })),
            Ok(_) | Err(_) => Err(ApiError::new(ErrorCode::NoSuchRun, format!("{text:?} is not the number of a run"))
                .hint("runs are counted from 1, as in /v1/jobs/backup/runs/42")),
        }
    }
}

async fn param(parts: &mut Parts, api: &Api, name: &str) -> Result<String, ApiError> {
    let bad = |text: String| ApiError::new(ErrorCode::NoSuchPath, text);
    let params = RawPathParams::from_request_parts(parts, api).await.map_err(|fault| bad(fault.body_text()))?;
    let value = params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    value.ok_or_else(|| bad(format!("the path has no {name}")))
}

/// The query, as `T` says. Unknown and malformed parameters are refused.
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Api> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        query_of(&parts.uri).map(Self)
    }
}

/// The query of an address.
pub fn query_of<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    match Query::try_from_uri(uri) {
        Ok(Query(query)) => Ok(query),
        Err(fault) => Err(bad_request("the query is not understood", source_text(&fault))),
    }
}

/// The body, as `T` says; `T`'s default when there is none. It is read as JSON whatever its media type is, so that
/// `curl --data` needs no header.
pub struct BodyOf<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Api> for BodyOf<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Api) -> Result<Self, ApiError> {
        body_of(&read(request.into_body(), BODY_LIMIT_BYTES).await?).map(Self)
    }
}

/// What a body says.
pub fn body_of<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(bytes).map_err(|fault| bad_request("the body is not understood", fault.to_string()))
}

/// A body of at most `limit` bytes.
pub async fn read(body: Body, limit: usize) -> Result<bytes::Bytes, ApiError> {
    let whole = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect());
    match whole.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => {
            Err(ApiError::new(ErrorCode::BodyTooLarge, format!("the body is larger than {limit} bytes")))
        }
        Ok(Err(fault)) => Err(bad_request("the body ended early", fault.to_string())),
        Err(_) => {
            let message = format!("the body was not complete within {} seconds", BODY_TIMEOUT.as_secs());
            Err(ApiError::new(ErrorCode::BodyTimeout, message))
        }
    }
}

/// The innermost cause: what the deserializer said, without axum's words around it.
fn source_text(fault: &dyn std::error::Error) -> String {
    let mut innermost = fault;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn bad_request(what: &str, cause: String) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, format!("{what}: {cause}"))
}
