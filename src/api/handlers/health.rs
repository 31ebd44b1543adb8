//! Health: of the process, of what it needs, of the jobs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::convert;
use crate::api::state::Api;
use crate::api::types::{Health, JobsHealth, Live, Ready};
use crate::api::view::View;

/// `GET /v1/health`; always 200, the report says what is wrong.
pub async fn all(State(api): State<Api>, view: View) -> Json<Health> {
    Json(convert::health(api.handle(), &view.snapshot(&api), view.reach(&api)))
}

/// `GET /v1/health/live`
pub async fn live(State(api): State<Api>) -> Json<Live> {
    Json(convert::live(api.handle()))
}

/// `GET /v1/health/ready`
pub async fn ready(State(api): State<Api>) -> (StatusCode, Json<Ready>) {
    let ready = convert::ready(api.handle());
    (status(ready.ok), Json(ready))
}

/// `GET /v1/health/jobs`
pub async fn jobs(State(api): State<Api>, view: View) -> (StatusCode, Json<JobsHealth>) {
    let jobs = convert::jobs_health(api.handle(), &view.snapshot(&api), view.reach(&api));
    (status(jobs.ok), Json(jobs))
}

/// So that a monitor need not read the body.
const fn status(ok: bool) -> StatusCode {
    if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
