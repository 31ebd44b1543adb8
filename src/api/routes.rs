//! The table of the API: every path, its method, and what it takes to be allowed.

use axum::Router;
use axum::extract::{Extension, RawPathParams, Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, get, on, post};

use super::access::{Action, Need};
use super::caller::Caller;
use super::error::ApiError;
use super::handlers::{
    daemon, events, exec, explanation, files, health, jobs, metrics, notify, output, pauses, runs, state, statistics,
};
use super::openapi::openapi;
use super::state::Api;
use super::types::ErrorCode;

/// One path with one method, and what its caller needs: none is without.
struct Route {
    method: Method,
    path: &'static str,
    need: Need,
    handler: MethodRouter<Api>,
}

fn read<H: Handler<T, Api>, T: 'static>(path: &'static str, need: fn(Action) -> Need, handler: H) -> Route {
    Route { method: Method::GET, path, need: need(Action::Read), handler: get(handler) }
}

fn operate<H: Handler<T, Api>, T: 'static>(path: &'static str, need: fn(Action) -> Need, handler: H) -> Route {
    Route { method: Method::POST, path, need: need(Action::Operate), handler: post(handler) }
}

/// What is done to the file of a job.
fn define<H: Handler<T, Api>, T: 'static>(method: Method, path: &'static str, handler: H) -> Route {
    let filter = MethodFilter::try_from(method.clone()).expect("a method that every router knows");
    Route { method, path, need: Need::Job(Action::Administer), handler: on(filter, handler) }
}

fn administer<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: Method::POST, path, need: Need::Daemon(Action::Administer), handler: post(handler) }
}

/// For everybody who may connect.
fn open<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: Method::GET, path, need: Need::Nothing, handler: get(handler) }
}

fn table() -> Vec<Route> {
    use Need::{Daemon, Job, Jobs};
    vec![
        read("/v1/jobs", Jobs, jobs::list),
        read("/v1/jobs/{job}", Job, jobs::show),
        define(Method::PUT, "/v1/jobs/{job}", files::write),
        define(Method::DELETE, "/v1/jobs/{job}", files::delete),
        define(Method::GET, "/v1/jobs/{job}/file", files::show),
        read("/v1/jobs/{job}/next", Job, jobs::next),
        read("/v1/jobs/{job}/explanation", Job, explanation::explanation),
        read("/v1/jobs/{job}/statistics", Job, statistics::of_job),
        operate("/v1/jobs/{job}/pause", Job, pauses::pause),
        operate("/v1/jobs/{job}/resume", Job, pauses::resume),
        operate("/v1/jobs/{job}/notify/test", Job, notify::test),
        operate("/v1/jobs/{job}/cancel", Job, runs::cancel_all),
        read("/v1/jobs/{job}/runs", Job, runs::history),
        operate("/v1/jobs/{job}/runs", Job, runs::trigger),
        read("/v1/jobs/{job}/output", Job, output::of_job),
        read("/v1/jobs/{job}/runs/{number}", Job, runs::show),
        operate("/v1/jobs/{job}/runs/{number}/cancel", Job, runs::cancel),
        read("/v1/jobs/{job}/runs/{number}/output", Job, output::output),
        operate("/v1/exec", Jobs, exec::exec),
        operate("/v1/pause", Jobs, pauses::pause_selection),
        operate("/v1/resume", Jobs, pauses::resume_selection),
        read("/v1/runs", Jobs, runs::recent),
        read("/v1/statistics", Jobs, statistics::of_all),
        read("/v1/events", Jobs, events::events),
        read("/v1/health", Jobs, health::all),
        open("/v1/health/live", health::live),
        read("/v1/health/ready", Jobs, health::ready),
        read("/v1/health/jobs", Jobs, health::jobs),
        read("/v1/config", Daemon, daemon::config),
        open("/v1/version", daemon::version),
        administer("/v1/reload", daemon::reload),
        administer("/v1/shutdown", daemon::shutdown),
        administer("/v1/state/backup", state::backup),
        administer("/v1/state/export", state::export),
        administer("/v1/state/compact", state::compact),
        operate("/v1/state/acknowledge", Daemon, state::acknowledge),
        read("/metrics", Daemon, metrics::metrics),
        open("/openapi.json", openapi),
    ]
}

/// What each route needs.
pub(super) fn needs() -> Vec<(Method, &'static str, Need)> {
    table().into_iter().map(|route| (route.method, route.path, route.need)).collect()
}

/// The API as a service. Every request must carry a [`Caller`].
pub fn router(api: Api) -> Router {
    let mut router = Router::new();
    for route in table() {
        let guard = middleware::from_fn_with_state((api.clone(), route.need), authorize);
        router = router.route(route.path, route.handler.route_layer(guard));
    }
    let router = router.fallback(no_such_path).method_not_allowed_fallback(method_not_allowed).with_state(api);
    router.layer(middleware::from_fn(super::request_id::identify))
}

async fn authorize(
    State((api, need)): State<(Api, Need)>,
    Extension(caller): Extension<Caller>,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let job = parameters.iter().find(|(name, _)| *name == "job").map_or("", |(_, job)| job);
    if let Err(refused) = api.access().check(&caller, need, job, &api.handle().snapshot()) {
        tracing::info!(
            uid = caller.uid,
            path = request.uri().path(),
            code = refused.code.name(),
            "refused: the caller lacks the right"
        );
        return Err(refused);
    }
    Ok(next.run(request).await)
}

async fn no_such_path(request: Request) -> ApiError {
    ApiError::new(ErrorCode::NoSuchPath, format!("the API has no path {}", request.uri().path()))
        .hint("paths begin with /v1, as in /v1/jobs")
}

async fn method_not_allowed(request: Request) -> ApiError {
    let path = request.uri().path();
    ApiError::new(ErrorCode::MethodNotAllowed, format!("{path} does not take the method {}", request.method()))
        .hint("GET shows, POST does, PUT and DELETE are for job files")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::openapi::operations;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let routes: BTreeSet<_> =
            table().into_iter().map(|route| (route.path, route.method.as_str().to_lowercase())).collect();
        let described: BTreeSet<_> = operations().into_iter().map(|told| (told.path, told.method.to_owned())).collect();
        assert_eq!(routes, described);
    }

    #[test]
    fn the_documentation_of_the_api_names_every_route() {
        let page = include_str!("mod.rs").lines().filter(|line| line.starts_with("//! ")).collect::<Vec<_>>().join(" ");
        let words: BTreeSet<_> = page.split([' ', ',']).collect();
        let missing: Vec<_> =
            table().into_iter().map(|route| route.path).filter(|path| !words.contains(path)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
