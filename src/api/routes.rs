//! The table of the API: every path, its method, and what it takes to be allowed.

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};

use super::access::Action;
use super::caller::Caller;
use super::error::ApiError;
use super::handlers::{
    daemon, events, exec, explanation, health, jobs, metrics, notify, output, pauses, runs, state, statistics,
};
use super::openapi::openapi;
use super::state::Api;
use super::types::ErrorCode;

/// One path with one method: GET for what is read, POST for the rest.
struct Route {
    path: &'static str,
    action: Action,
    handler: MethodRouter<Api>,
}

fn read<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { path, action: Action::Read, handler: get(handler) }
}

fn operate<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { path, action: Action::Operate, handler: post(handler) }
}

fn administer<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { path, action: Action::Administer, handler: post(handler) }
}

fn table() -> Vec<Route> {
    vec![
        read("/v1/jobs", jobs::list),
        read("/v1/jobs/{job}", jobs::show),
        read("/v1/jobs/{job}/next", jobs::next),
        read("/v1/jobs/{job}/explanation", explanation::explanation),
        read("/v1/jobs/{job}/statistics", statistics::of_job),
        operate("/v1/jobs/{job}/pause", pauses::pause),
        operate("/v1/jobs/{job}/resume", pauses::resume),
        operate("/v1/jobs/{job}/notify/test", notify::test),
        operate("/v1/jobs/{job}/cancel", runs::cancel_all),
        read("/v1/jobs/{job}/runs", runs::history),
        operate("/v1/jobs/{job}/runs", runs::trigger),
        read("/v1/jobs/{job}/output", output::of_job),
        read("/v1/jobs/{job}/runs/{number}", runs::show),
        operate("/v1/jobs/{job}/runs/{number}/cancel", runs::cancel),
        read("/v1/jobs/{job}/runs/{number}/output", output::output),
        operate("/v1/exec", exec::exec),
        operate("/v1/pause", pauses::pause_selection),
        operate("/v1/resume", pauses::resume_selection),
        read("/v1/runs", runs::recent),
        read("/v1/statistics", statistics::of_all),
        read("/v1/events", events::events),
        read("/v1/health", health::all),
        read("/v1/health/live", health::live),
        read("/v1/health/ready", health::ready),
        read("/v1/health/jobs", health::jobs),
        read("/v1/config", daemon::config),
        read("/v1/version", daemon::version),
        administer("/v1/reload", daemon::reload),
        administer("/v1/shutdown", daemon::shutdown),
        administer("/v1/state/backup", state::backup),
        administer("/v1/state/export", state::export),
        administer("/v1/state/compact", state::compact),
        administer("/v1/state/acknowledge", state::acknowledge),
        read("/metrics", metrics::metrics),
        read("/openapi.json", openapi),
    ]
}

/// The API as a service. Every request must carry a [`Caller`].
pub fn router(api: Api) -> Router {
    let mut router = Router::new();
    for route in table() {
        let guard = middleware::from_fn_with_state((api.clone(), route.action), authorize);
        router = router.route(route.path, route.handler.route_layer(guard));
    }
    let router = router.fallback(no_such_path).method_not_allowed_fallback(method_not_allowed).with_state(api);
    router.layer(middleware::from_fn(super::request_id::identify))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::openapi::operations;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let method = |action| if action == Action::Read { "get" } else { "post" };
        let routes: BTreeSet<_> = table().into_iter().map(|route| (route.path, method(route.action))).collect();
        let described: BTreeSet<_> = operations().into_iter().map(|told| (told.path, told.method)).collect();
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
