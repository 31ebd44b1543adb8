//! Trying whether messages arrive.

use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use tokio::sync::broadcast::error::RecvError;

use super::runs::unexpected;
use crate::api::caller::Caller;
use crate::api::convert;
use crate::api::error::ApiError;
use crate::api::extract::{BodyOf, JobParam};
use crate::api::state::Api;
use crate::api::types::{ErrorCode, NotifyTestRequest, NotifyTested, TestedDelivery};
use crate::daemon::notices::said;
use crate::scheduler::{Announcement, Answer, Command, Delivery};
use crate::spec::NoticeEvent;

/// How long a test waits for its deliveries: their own time and some for others that are before them.
const WAIT: Duration = Duration::from_secs(90);

/// `POST /v1/jobs/{job}/notify/test`
pub async fn test(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JobParam(job): JobParam,
    BodyOf(request): BodyOf<NotifyTestRequest>,
) -> Result<Json<NotifyTested>, ApiError> {
    let event = request.event.as_deref().map(event).transpose()?;
    // Before the command: a delivery may be over before its answer is here.
    let mut announcements = api.handle().subscribe();
    let mut waiting = match api.handle().command(Command::TestNotice { job, event, uid: caller.uid }).await? {
        Answer::Told(numbers) => numbers,
        other => return Err(unexpected(&other)),
    };
    let mut deliveries = Vec::new();
    let limit = tokio::time::sleep(WAIT);
    tokio::pin!(limit);
    while !waiting.is_empty() {
        let heard = tokio::select! {
            heard = announcements.recv() => heard,
            () = &mut limit => break,
            () = api.stopping().cancelled() => break,
        };
        match heard {
            Ok(Announcement::Delivery(delivery)) if waiting.contains(&delivery.notice.number) => {
                waiting.retain(|&number| number != delivery.notice.number);
                deliveries.push(tested(&api, delivery).await);
            }
            Ok(Announcement::Delivery(_) | Announcement::Run(_) | Announcement::Skip(_) | Announcement::Job(_))
            | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => break,
        }
    }
    Ok(Json(NotifyTested { deliveries, pending: waiting.len() }))
}

fn event(word: &str) -> Result<NoticeEvent, ApiError> {
    NoticeEvent::from_word(word).ok_or_else(|| {
        let keys = NoticeEvent::ALL.map(NoticeEvent::key);
        ApiError::new(ErrorCode::BadRequest, format!("{word:?} is no event"))
            .hint(format!("events are {}", keys.join(", ")))
    })
}

async fn tested(api: &Api, delivery: Delivery) -> TestedDelivery {
    let (state_dir, attempt) = (api.handle().about().state_dir.clone(), delivery.attempt.clone());
    // Files are read, though small ones.
    let said = tokio::task::spawn_blocking(move || said(&state_dir, &attempt)).await.unwrap_or_default();
    TestedDelivery { delivery: convert::delivery(&delivery), said }
}
