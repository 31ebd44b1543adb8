//! The state: backups, exports, compaction, what was found wrong.

use std::path::PathBuf;

use axum::Json;
use axum::extract::State;

use crate::api::convert;
use crate::api::error::ApiError;
use crate::api::extract::BodyOf;
use crate::api::state::Api;
use crate::api::types::{Acknowledged, Compacted, ErrorCode, ExportRequest, Exported};
use crate::causes::chain;
use crate::store::{Upkeep, UpkeepError, UpkeepOutcome};

/// `POST /v1/state/backup`
pub async fn backup(State(api): State<Api>) -> Result<Json<Exported>, ApiError> {
    let done = upkeep(&api, Upkeep::Backup { now: api.now() }, "the backup cannot be made").await?;
    let (path, summary) = done.written.expect("a backup is written");
    Ok(Json(convert::exported(&path, &summary)))
}

/// `POST /v1/state/export`
pub async fn export(
    State(api): State<Api>,
    BodyOf(request): BodyOf<ExportRequest>,
) -> Result<Json<Exported>, ApiError> {
    let path = PathBuf::from(&request.path);
    if !path.is_absolute() {
        return Err(ApiError::new(ErrorCode::BadRequest, format!("{:?} is not an absolute path", request.path)));
    }
    let done = upkeep(&api, Upkeep::Export { path, now: api.now() }, "the export cannot be made").await?;
    let (path, summary) = done.written.expect("an export is written");
    Ok(Json(convert::exported(&path, &summary)))
}

/// `POST /v1/state/compact`
pub async fn compact(State(api): State<Api>) -> Result<Json<Compacted>, ApiError> {
    let done = upkeep(&api, Upkeep::Compact, "the database cannot be compacted").await?;
    let sizes = done.compacted.expect("it was compacted");
    Ok(Json(Compacted { before_bytes: sizes.before_bytes, after_bytes: sizes.after_bytes }))
}

/// `POST /v1/state/acknowledge`
pub async fn acknowledge(State(api): State<Api>) -> Result<Json<Acknowledged>, ApiError> {
    let handle = api.handle().clone();
    let told = tokio::task::spawn_blocking(move || handle.acknowledge_store_notes()).await;
    match told {
        Ok(Ok(notes)) => Ok(Json(Acknowledged { notices: notes.iter().map(ToString::to_string).collect() })),
        Ok(Err(fault)) => Err(ApiError::internal("the notices cannot be acknowledged", &fault)),
        Err(fault) => Err(ApiError::internal("the notices cannot be acknowledged", &fault)),
    }
}

/// Whoever may ask for upkeep owns the daemon, so that the reason is no secret: often it is in what was asked for.
async fn upkeep(api: &Api, what: Upkeep, failed: &str) -> Result<UpkeepOutcome, ApiError> {
    api.handle().store_upkeep(what).await.map_err(|fault| {
        let code = match &fault {
            UpkeepError::Refused(_) => ErrorCode::Busy,
            UpkeepError::Export { .. } => ErrorCode::ExportFailed,
            UpkeepError::Read(_) | UpkeepError::Compact(_) => ErrorCode::StoreFailed,
        };
        ApiError::new(code, format!("{failed}: {}", chain(&fault)))
    })
}
