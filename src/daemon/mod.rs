//! The engine process: event loop, configuration, jobs directory, single instance, shutdown.

mod handle;
mod mailbox;

pub use handle::{About, Handle, Published, RequestError, ShutdownMode, SupervisorState};
