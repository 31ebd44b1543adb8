//! The engine process: event loop, configuration, jobs directory, single instance, shutdown.

pub mod config;
mod handle;
pub mod jobs_dir;
mod mailbox;

pub use handle::{About, Handle, Published, RequestError, ShutdownMode, SupervisorState};
