//! Events: what changes, as it is committed.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_core::Stream;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::api::access::Reach;
use crate::api::convert;
use crate::api::error::ApiError;
use crate::api::events::{Hub, Next, Place};
use crate::api::extract::QueryOf;
use crate::api::state::Api;
use crate::api::stream::Received;
use crate::api::types::{ErrorCode, Event};
use crate::api::view::View;
use crate::causes::chain;
use crate::scheduler::Announcement;
use crate::spec::JobName;

/// Events on their way to one listener. A listener that takes none keeps its place among those kept, and is told of a
/// gap when they have moved on.
const EVENTS_IN_FLIGHT: usize = 64;

/// A comment this often lets both ends see that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Query of `GET /v1/events`.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// What came after this event; the header `Last-Event-ID`, which browsers send by themselves, wins.
    after: Option<String>,
}

/// `GET /v1/events`; with the header `Last-Event-ID` or `after`, what came after it.
pub async fn events(
    State(api): State<Api>,
    view: View,
    headers: HeaderMap,
    QueryOf(query): QueryOf<EventsQuery>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, ApiError> {
    if let Some(id) = query.after.as_deref().filter(|id| !Hub::is_id(id)) {
        return Err(ApiError::new(ErrorCode::BadRequest, format!("{id:?} is not the id of an event")).hint(
            "it is the `id` of an event that came, two numbers with a hyphen; without one events come from now on",
        ));
    }
    let asked = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default().to_owned()).or(query.after);
    let (sender, receiver) = mpsc::channel(EVENTS_IN_FLIGHT);
    let start = match &asked {
        Some(id) => api.hub().place(id),
        None => Some(api.hub().end()),
    };
    tokio::spawn(feed(api, view, start, sender));
    Ok(Sse::new(Received(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Ends when the listener goes away or may listen no more, or the server stops.
async fn feed(api: Api, view: View, start: Option<Place>, listener: mpsc::Sender<Result<sse::Event, Infallible>>) {
    let mut changes = api.handle().access_changes();
    let mut place = start.unwrap_or_else(|| api.hub().end());
    if start.is_none() && send(&api, &listener, &Event::Gap, place).await.is_none() {
        return;
    }
    loop {
        if view.reach(&api) == Reach::None {
            return;
        }
        let (next, at) = tokio::select! {
            next = api.hub().next(place) => next,
            Ok(()) = changes.changed() => continue,
            () = listener.closed() => return,
            () = api.stopping().cancelled() => return,
        };
        place = at;
        if !concerns(&next, |job| view.sees(&api, job)) {
            continue;
        }
        if send(&api, &listener, &event(&api, &next), place).await.is_none() {
            return;
        }
    }
}

/// Whether an event is for somebody who sees these jobs. A gap may hide something of each.
fn concerns(next: &Next, sees: impl Fn(&JobName) -> bool) -> bool {
    match next {
        Next::Gap => true,
        Next::Announcement(Announcement::Run(run)) => sees(&run.id.job),
        Next::Announcement(Announcement::Skip(skip)) => sees(&skip.job),
        Next::Announcement(Announcement::Delivery(delivery)) => sees(&delivery.notice.job),
        Next::Announcement(Announcement::Job(name)) => sees(name),
    }
}

/// `None` when the listener is gone.
async fn send(
    api: &Api,
    listener: &mpsc::Sender<Result<sse::Event, Infallible>>,
    event: &Event,
    place: Place,
) -> Option<()> {
    match sse::Event::default().event(event.name()).id(api.hub().id(place)).json_data(event) {
        Ok(event) => listener.send(Ok(event)).await.ok(),
        Err(fault) => {
            tracing::error!(cause = %chain(&fault), "an event cannot be written as JSON");
            Some(())
        }
    }
}

fn event(api: &Api, next: &Next) -> Event {
    match next {
        Next::Gap => Event::Gap,
        Next::Announcement(Announcement::Run(run)) => Event::Run { run: Box::new(convert::entry_of_run(run)) },
        Next::Announcement(Announcement::Skip(skip)) => Event::Skip { skip: Box::new(convert::entry_of_skip(skip)) },
        Next::Announcement(Announcement::Delivery(delivery)) => {
            Event::Delivery { delivery: Box::new(convert::delivery(delivery)) }
        }
        Next::Announcement(Announcement::Job(name)) => {
            let snapshot = api.handle().snapshot();
            let job = snapshot.jobs.get(name).map(|job| Box::new(convert::job(job, &snapshot)));
            Event::Job { name: name.to_string(), job }
        }
    }
}
