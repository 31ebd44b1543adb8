//! The handlers, one file per noun.

pub mod daemon;
pub mod events;
pub mod exec;
pub mod explanation;
pub mod files;
pub mod health;
pub mod jobs;
pub mod metrics;
pub mod notify;
pub mod output;
pub mod pauses;
pub mod runs;
pub mod state;
pub mod statistics;

use crate::api::error::ApiError;
use crate::api::state::Api;
use crate::store::{ReadError, Reader};

/// Reads the store on a thread that may block.
async fn read_store<T: Send + 'static>(
    api: &Api,
    read: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ApiError> {
    let reader = api.handle().store().clone();
    match tokio::task::spawn_blocking(move || read(&reader)).await {
        Ok(answer) => Ok(answer?),
        Err(fault) => Err(ApiError::internal("the history cannot be read", &fault)),
    }
}
