//! Health: of the process, of what it needs, of the jobs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::convert;
use crate::api::state::Api;
use crate::api::types::{Health, JobsHealth, Live, Ready, StateHealth};

/// `GET /v1/health`; always 200, the report says what is wrong.
pub async fn all(State(api): State<Api>) -> Json<Health> {
    Json(report(&api))
}

/// `GET /v1/health/live`
pub async fn live(State(api): State<Api>) -> Json<Live> {
    Json(Live { ok: true, started_at: api.handle().about().started_at.into() })
}

/// `GET /v1/health/ready`
pub async fn ready(State(api): State<Api>) -> (StatusCode, Json<Ready>) {
    let ready = report(&api).ready;
    (status(ready.ok), Json(ready))
}

/// `GET /v1/health/jobs`
pub async fn jobs(State(api): State<Api>) -> (StatusCode, Json<JobsHealth>) {
    let jobs = report(&api).jobs;
    (status(jobs.ok), Json(jobs))
}

/// `GET /v1/health/state`
pub async fn state(State(api): State<Api>) -> (StatusCode, Json<StateHealth>) {
    let state = report(&api).state;
    (status(state.ok), Json(state))
}

fn report(api: &Api) -> Health {
    let handle = api.handle();
    let state = convert::state_health(&handle.store_health(), &handle.store_notes());
    convert::health(handle.about(), &handle.supervisor(), &handle.store_health(), state, &handle.snapshot())
}

/// So that a monitor need not read the body.
const fn status(ok: bool) -> StatusCode {
    if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
