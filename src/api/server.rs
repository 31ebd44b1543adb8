//! The server: accepts connections, knows their callers, and keeps every client inside its bounds.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::caller::Caller;
use super::error::ApiError;
use super::routes;
use super::slots::{Slot, Slots};
use super::socket::ApiSocket;
use super::state::Api;
use super::types::ErrorCode;
use crate::causes::chain;
use crate::clock::Timestamp;
use crate::daemon::Handle;
use crate::daemon::config::{Audience, OwnJobs};

/// Time for a request's head to be complete, and time for which a connection may lie idle between two requests. Then it
/// is closed.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a request's head at most, and of what is read ahead. Longer heads are answered 431 and closed.
pub const HEAD_LIMIT_BYTES: usize = 16 * 1024;

/// Fields of a request's head at most; curl sends three. More are answered 431 and closed.
pub const HEAD_FIELDS: usize = 64;

/// Time for answers under way to be finished when the server stops. Streams end at once.
pub const STOP_GRACE: Duration = Duration::from_secs(2);

/// Clients that are told at once why they are not served. More than these are closed without a word.
const REFUSALS: usize = 64;

/// Time that a client has to send the request that is refused, and to take the refusal.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// Bytes of such a request that are read.
const REFUSAL_BYTES: u64 = 64 * 1024;

/// Wait after a failed `accept`: the causes (no descriptors, no memory) do not pass by themselves at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the API until `stopping`, then finishes the answers under way and removes the socket's file.
///
/// `clock` reads the wall clock. What the peers may do is said by [`Handle::access`] and may change at any time.
pub async fn serve(socket: ApiSocket, handle: Handle, clock: fn() -> Timestamp, stopping: CancellationToken) {
    let announcements = handle.subscribe();
    let mut access_changes = handle.access_changes();
    let api = Api::new(handle, nix::unistd::geteuid().as_raw(), clock, stopping.clone());
    let tasks = TaskTracker::new();
    let hub = Arc::clone(api.hub());
    let until = stopping.clone();
    tasks.spawn(async move { hub.collect(announcements, until).await });

    let server = Server {
        router: routes::router(api.clone()),
        api,
        slots: Slots::new(),
        refusals: Arc::new(Semaphore::new(REFUSALS)),
    };
    loop {
        let accepted = tokio::select! {
            accepted = socket.listener().accept() => accepted,
            // The sender lives as long as the daemon's handle, which the server holds.
            Ok(()) = access_changes.changed() => {
                let audience = access_changes.borrow_and_update().audience();
                open_to(&socket, audience);
                continue;
            }
            () = stopping.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => server.take(stream, &tasks),
            Err(fault) => {
                tracing::error!(cause = %fault, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(socket);
    tasks.close();
    if tokio::time::timeout(STOP_GRACE, tasks.wait()).await.is_err() {
        tracing::info!("connections that did not end in time were cut");
    }
}

struct Server {
    router: Router,
    api: Api,
    slots: Slots,
    /// Places of those who are told that there is none.
    refusals: Arc<Semaphore>,
}

impl Server {
    fn take(&self, stream: UnixStream, tasks: &TaskTracker) {
        let caller = match Caller::of(&stream) {
            Ok(caller) => caller,
            Err(fault) => {
                tracing::warn!(cause = %fault, "a connection was closed: the kernel does not say whose it is");
                return;
            }
        };
        if let Err(refused) = self.api.admit(&stream) {
            tracing::info!(
                uid = caller.uid,
                code = refused.code.name(),
                "a connection was refused: {}",
                refused.message
            );
            return self.turn_away(stream, refused, tasks);
        }
        let access = self.api.access();
        match self.slots.take(access.role(&caller), caller.uid) {
            Some(slot) => {
                let is_named = access.rules.own_jobs != OwnJobs::None;
                let connection = Connection { caller, is_named, slot, stopping: self.api.stopping().clone() };
                let router = self.router.clone();
                tasks.spawn(connection.serve(stream, router));
            }
            None => {
                tracing::warn!(uid = caller.uid, "a connection was refused: too many are open");
                let error = ApiError::new(ErrorCode::TooManyConnections, "too many connections are open")
                    .hint("close some, as those of `jobctl logs -f`, and try again");
                self.turn_away(stream, error, tasks);
            }
        }
    }

    /// Tells a client why it is not served. Without a place to be told in, it is closed at once.
    fn turn_away(&self, stream: UnixStream, why: ApiError, tasks: &TaskTracker) {
        if let Ok(place) = Arc::clone(&self.refusals).try_acquire_owned() {
            tasks.spawn(turn_away(stream, why, place));
        }
    }
}

/// One accepted connection, with the slot that it holds.
struct Connection {
    caller: Caller,
    /// Whether the caller's name is needed.
    is_named: bool,
    slot: Slot,
    stopping: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: UnixStream, router: Router) {
        let Self { caller, is_named, slot, stopping } = self;
        let Some(caller) = identify(caller, is_named).await else { return };
        let router = TowerToHyperService::new(router);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(caller.clone());
            let answer = router.call(request);
            async move { answer.await as Result<Response<Body>, Infallible> }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_LIMIT_BYTES)
            .max_headers(HEAD_FIELDS)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(fault) = ended {
            // A client that goes away or sends nonsense is its own business.
            tracing::debug!(cause = %chain(&fault), "a connection ended early");
        }
        drop(slot);
    }
}

/// The caller, with the name if that is needed.
async fn identify(caller: Caller, is_named: bool) -> Option<Caller> {
    if !is_named {
        return Some(caller);
    }
    match tokio::task::spawn_blocking(move || caller.named()).await {
        Ok(caller) => Some(caller),
        Err(fault) => {
            tracing::error!(cause = %fault, "a connection was closed: the look-up of its caller failed");
            None
        }
    }
}

fn open_to(socket: &ApiSocket, audience: Audience) {
    match socket.open_to(audience) {
        Ok(()) => tracing::info!(?audience, "[access] changed"),
        Err(fault) => {
            tracing::error!(cause = %fault, "[access] changed, and the socket is not open to those whom it names")
        }
    }
}

/// Tells a client that is not served. Its request is read and not looked at: a client takes an answer only after it
/// has asked, and a socket that is closed with something unread in it breaks the connection before the answer is read.
async fn turn_away(stream: UnixStream, why: ApiError, place: OwnedSemaphorePermit) {
    let refused = tokio::time::timeout(REFUSAL_TIME, refuse(stream, why)).await;
    match refused {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => tracing::debug!(cause = %fault, "a client that was turned away did not listen"),
        Err(_) => tracing::debug!("a client that was turned away took too long"),
    }
    drop(place);
}

async fn refuse(stream: UnixStream, why: ApiError) -> io::Result<()> {
    let status = StatusCode::from_u16(why.code.status()).expect("codes carry valid statuses");
    let body = serde_json::to_string(&why.body()).expect("an error is plain text");
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let (request, mut response) = stream.into_split();
    let mut request = request.take(REFUSAL_BYTES);
    let mut chunk = [0; 1024];
    // The head may come in pieces; what is asked does not matter.
    let mut asked = Vec::new();
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
        match request.read(&mut chunk).await? {
            0 => break,
            count => asked.extend_from_slice(&chunk[..count]),
        }
    }
    response.write_all(answer.as_bytes()).await?;
    response.shutdown().await?;
    // Until the client has closed, too, or has sent too much.
    while request.read(&mut chunk).await? > 0 {}
    Ok(())
}
