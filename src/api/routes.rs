//! The table of the API: every path, its method, and what it takes to be allowed.

use axum::extract::{Extension, Request, State};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde_json::Value;

use super::access::Action;
use super::caller::Caller;
use super::error::ApiError;
use super::handlers::events::EventsQuery;
use super::handlers::explanation::ExplanationQuery;
use super::handlers::jobs::{ListQuery, NextQuery};
use super::handlers::output::OutputParams;
use super::handlers::runs::{HistoryParams, RecentQuery, RunQuery};
use super::handlers::statistics::StatisticsQuery;
use super::handlers::{daemon, events, explanation, health, jobs, metrics, output, pauses, runs, state, statistics};
use super::openapi::{Operation, document};
use super::state::Api;
use super::types::{
    Acknowledged, Cancelled, Compacted, Config, ErrorCode, Event, Explanation, ExportRequest, Exported, Health,
    HistoryPage, JobDetail, JobPage, JobStatistics, JobsHealth, Live, Occurrences, OutputLine, PauseRequest,
    PauseSelectionRequest, Paused, Ready, ReloadRequest, Reloaded, ResumeSelectionRequest, Resumed, Run, Runs,
    ShutdownRequest, ShuttingDown, StatisticsPage, Triggered, Version,
};

/// One path with one method: GET for what is read, POST for the rest.
struct Route {
    path: &'static str,
    method: &'static str,
    action: Action,
    handler: MethodRouter<Api>,
    operation: Operation,
}

fn read<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H, operation: Operation) -> Route {
    Route { path, method: "get", action: Action::Read, handler: get(handler), operation }
}

fn operate<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H, operation: Operation) -> Route {
    Route { path, method: "post", action: Action::Operate, handler: post(handler), operation }
}

fn administer<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H, operation: Operation) -> Route {
    Route { path, method: "post", action: Action::Administer, handler: post(handler), operation }
}

fn table() -> Vec<Route> {
    let is = Operation::new;
    let mut table = jobs_and_runs();
    table.extend([
        operate(
            "/v1/pause",
            pauses::pause_selection,
            is("Suspend the schedules of jobs").body::<PauseSelectionRequest>().gives::<Paused>(),
        ),
        operate(
            "/v1/resume",
            pauses::resume_selection,
            is("Take up the schedules of jobs again").body::<ResumeSelectionRequest>().gives::<Resumed>(),
        ),
        read(
            "/v1/statistics",
            statistics::of_all,
            is("What the history of all jobs adds up to").query::<StatisticsQuery>().gives::<StatisticsPage>(),
        ),
        read(
            "/v1/events",
            events::events,
            is("Every change as it is committed")
                .query::<EventsQuery>()
                .streams_of::<Event>("text/event-stream", "Server-sent events without end."),
        ),
        read("/v1/health", health::all, is("Whether the daemon and its jobs are well").gives::<Health>()),
        read("/v1/health/live", health::live, is("Whether the daemon answers").gives::<Live>()),
        read(
            "/v1/health/ready",
            health::ready,
            is("Whether runs are started; 503 when not").gives::<Ready>().gives_as::<Ready>(503),
        ),
        read(
            "/v1/health/jobs",
            health::jobs,
            is("Whether the jobs are well; 503 when not").gives::<JobsHealth>().gives_as::<JobsHealth>(503),
        ),
        read("/v1/config", daemon::config, is("Where things lie").gives::<Config>()),
        read("/v1/version", daemon::version, is("The version of the daemon").gives::<Version>()),
        administer(
            "/v1/reload",
            daemon::reload,
            is("Read the configuration and the jobs directory again").body::<ReloadRequest>().gives::<Reloaded>(),
        ),
        administer(
            "/v1/shutdown",
            daemon::shutdown,
            is("Go down").body::<ShutdownRequest>().gives_as::<ShuttingDown>(202),
        ),
        administer("/v1/state/backup", state::backup, is("Back up the state").gives::<Exported>()),
        administer(
            "/v1/state/export",
            state::export,
            is("Write the state as lines of JSON").body::<ExportRequest>().gives::<Exported>(),
        ),
        administer(
            "/v1/state/compact",
            state::compact,
            is("Make the database as small as its content").gives::<Compacted>(),
        ),
        administer(
            "/v1/state/acknowledge",
            state::acknowledge,
            is("Tell no more of what was found wrong").gives::<Acknowledged>(),
        ),
        read(
            "/metrics",
            metrics::metrics,
            is("Measurements in the text format of Prometheus").streams("text/plain", "Measurements."),
        ),
        read("/openapi.json", openapi, is("This description").streams("application/json", "An OpenAPI document.")),
    ]);
    table
}

fn jobs_and_runs() -> Vec<Route> {
    let is = Operation::new;
    vec![
        read("/v1/jobs", jobs::list, is("The jobs, in order of their names").query::<ListQuery>().gives::<JobPage>()),
        read("/v1/jobs/{job}", jobs::show, is("A job with its definition").gives::<JobDetail>()),
        read("/v1/jobs/{job}/next", jobs::next, is("When a job runs next").query::<NextQuery>().gives::<Occurrences>()),
        read(
            "/v1/jobs/{job}/explanation",
            explanation::explanation,
            is("What a job's schedules mean").query::<ExplanationQuery>().gives::<Explanation>(),
        ),
        read(
            "/v1/jobs/{job}/statistics",
            statistics::of_job,
            is("What the history of a job adds up to").query::<StatisticsQuery>().gives::<JobStatistics>(),
        ),
        operate(
            "/v1/jobs/{job}/pause",
            pauses::pause,
            is("Suspend the schedule of a job").body::<PauseRequest>().gives::<Paused>(),
        ),
        operate("/v1/jobs/{job}/resume", pauses::resume, is("Take up the schedule of a job again").gives::<Resumed>()),
        operate("/v1/jobs/{job}/cancel", runs::cancel_all, is("Stop all runs of a job").gives_as::<Cancelled>(202)),
        read(
            "/v1/jobs/{job}/runs",
            runs::history,
            is("The history of a job, newest first").query::<HistoryParams>().gives::<HistoryPage>(),
        ),
        operate("/v1/jobs/{job}/runs", runs::trigger, is("Run a job now").gives_as::<Triggered>(201)),
        read(
            "/v1/jobs/{job}/runs/{number}",
            runs::show,
            is("A run with its attempts; may wait for its end").query::<RunQuery>().gives::<Run>(),
        ),
        operate("/v1/jobs/{job}/runs/{number}/cancel", runs::cancel, is("Stop a run").gives_as::<Cancelled>(202)),
        read(
            "/v1/jobs/{job}/runs/{number}/output",
            output::output,
            is("What a run printed")
                .query::<OutputParams>()
                .streams("application/octet-stream", "The bytes, or a line of JSON for each piece.")
                .streams_of::<OutputLine>("application/x-ndjson", ""),
        ),
        read(
            "/v1/runs",
            runs::recent,
            is("Live runs, and the newest records of all jobs").query::<RecentQuery>().gives::<Runs>(),
        ),
    ]
}

/// `GET /openapi.json`
async fn openapi() -> Json<Value> {
    Json(description())
}

fn description() -> Value {
    let table = table();
    document(table.iter().map(|route| (route.method, route.path, &route.operation)))
}

/// The API as a service. Every request must carry a [`Caller`].
pub fn router(api: Api) -> Router {
    let mut router = Router::new();
    for route in table() {
        let guard = middleware::from_fn_with_state((api.clone(), route.action), authorize);
        router = router.route(route.path, route.handler.route_layer(guard));
    }
    router.fallback(no_such_path).method_not_allowed_fallback(method_not_allowed).with_state(api)
}

async fn authorize(
    State((api, action)): State<(Api, Action)>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if api.access().role(&caller).may(action) {
        return Ok(next.run(request).await);
    }
    let what = match action {
        Action::Read => "read from this daemon",
        Action::Operate => "trigger, cancel, pause or resume",
        Action::Administer => "reload or shut down this daemon, or look after its state",
    };
    tracing::info!(uid = caller.uid, path = request.uri().path(), "refused: the caller lacks the right");
    Err(ApiError::new(ErrorCode::Forbidden, format!("uid {} may not {what}", caller.uid))
        .hint(api.access().hint(action)))
}

async fn no_such_path(request: Request) -> ApiError {
    ApiError::new(ErrorCode::NoSuchPath, format!("the API has no path {}", request.uri().path()))
        .hint("paths begin with /v1, as in /v1/jobs")
}

async fn method_not_allowed(request: Request) -> ApiError {
    let path = request.uri().path();
    ApiError::new(ErrorCode::MethodNotAllowed, format!("{path} does not take the method {}", request.method()))
        .hint("GET shows, POST does")
}
