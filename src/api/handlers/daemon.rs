//! The daemon itself: version, configuration, reload, shutdown.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::caller::Caller;
use crate::api::convert;
use crate::api::error::ApiError;
use crate::api::extract::BodyOf;
use crate::api::state::Api;
use crate::api::types::{Config, ReloadRequest, Reloaded, ShutdownRequest, ShuttingDown, Version};

/// `GET /v1/version`
pub async fn version(State(api): State<Api>) -> Json<Version> {
    Json(Version {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        api: "v1".to_owned(),
        tz_database: crate::schedule::Zone::database_version().to_owned(),
        pid: std::process::id(),
        uid: api.access().daemon_uid,
        started_at: api.handle().about().started_at.into(),
    })
}

/// `GET /v1/config`
pub async fn config(State(api): State<Api>) -> Json<Config> {
    let handle = api.handle();
    Json(convert::config(handle.about(), &handle.access(), &handle.trust()))
}

/// `POST /v1/reload`
pub async fn reload(
    State(api): State<Api>,
    BodyOf(request): BodyOf<ReloadRequest>,
) -> Result<Json<Reloaded>, ApiError> {
    let summary = api.handle().reload(request.force).await?;
    match summary.held_back {
        Some(held) => Err(ApiError::held_back(held)),
        None => Ok(Json(convert::load_summary(&summary))),
    }
}

/// `POST /v1/shutdown`
pub async fn shutdown(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    BodyOf(request): BodyOf<ShutdownRequest>,
) -> Result<(StatusCode, Json<ShuttingDown>), ApiError> {
    let live = api.handle().snapshot().live.keys().map(ToString::to_string).collect();
    tracing::info!(uid = caller.uid, mode = ?request.mode, "asked to shut down");
    api.handle().shutdown(convert::shutdown_mode(request.mode))?;
    Ok((StatusCode::ACCEPTED, Json(ShuttingDown { mode: request.mode, live })))
}
