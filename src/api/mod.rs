//! The API: HTTP/1.1 with JSON over a Unix socket. `curl --unix-socket` is a client, and `jobctl` is one more.
//!
//! ```text
//! GET  /v1/jobs                            ?limit= &after= &tag= &state= &failing=
//! GET  /v1/jobs/{job}
//! PUT, DELETE /v1/jobs/{job}              its file; If-Match or If-None-Match
//! GET  /v1/jobs/{job}/file                 with ETag
//! GET  /v1/jobs/{job}/next                 ?count=
//! GET  /v1/jobs/{job}/explanation          ?from=
//! POST /v1/jobs/{job}/pause                {"until"}
//! POST /v1/jobs/{job}/resume
//! POST /v1/jobs/{job}/cancel
//! POST /v1/jobs/{job}/notify/test          {"event"}
//! GET  /v1/jobs/{job}/runs                 ?limit= &before= &outcome= &since= &until=
//! POST /v1/jobs/{job}/runs                 trigger
//! GET  /v1/jobs/{job}/output               of several runs: ?previous= and those below
//! GET  /v1/jobs/{job}/statistics
//! GET  /v1/jobs/{job}/runs/{number}        ?wait=
//! GET  /v1/jobs/{job}/runs/{number}/output ?format= &follow= &tail= &stream= &attempt= &since= &until= &after=
//!                                          &grep= &timestamps=
//! POST /v1/jobs/{job}/runs/{number}/cancel
//! POST /v1/exec                            an ad-hoc job: argv or line, at, limits…
//! POST /v1/pause, /v1/resume               {"tag"} or {"all": true}; pause takes "until"
//! GET  /v1/runs, /v1/statistics            ?limit=
//! GET  /v1/events                          server-sent; header Last-Event-ID
//! GET  /v1/health, /v1/health/live, /v1/health/ready, /v1/health/jobs
//! GET  /v1/config, /v1/version
//! POST /v1/reload                          {"force"}
//! POST /v1/shutdown                        {"mode"}
//! POST /v1/state/backup, /v1/state/export, /v1/state/compact, /v1/state/acknowledge
//! GET  /metrics                            for Prometheus
//! GET  /openapi.json                       all of this, for programs
//! ```
//!
//! A request comes in through `server`, which knows the `caller` by the socket and keeps the bounds; `routes` is
//! the table of paths and of the right that each needs (`access`); a handler that tells of more than one job reads from
//! its caller's `view`; it asks the daemon's handle, and `convert`
//! turns what it answers into [`types`]. Reads come from the published snapshot or from history, and never wait for
//! the daemon's loop; commands are answered when they are durable.

mod access;
mod caller;
pub mod client;
pub mod convert;
mod error;
mod events;
mod extract;
#[doc(hidden)]
pub mod fuzzing;
mod handlers;
#[cfg(test)]
mod matrix;
pub mod openapi;
mod request_id;
mod routes;
mod server;
mod slots;
mod socket;
mod state;
mod stream;
#[cfg(test)]
pub(crate) mod testing;
pub mod types;
mod view;

pub use server::{HEAD_TIMEOUT, serve};
pub use slots::{ADMIN_CONNECTIONS, CONNECTIONS_OF_A_STRANGER, MEMBER_CONNECTIONS, STRANGER_CONNECTIONS};
pub use socket::{ApiSocket, SocketError};
