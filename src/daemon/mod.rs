//! The engine process: event loop, configuration, jobs directory, single instance, shutdown.

mod alarm;
mod event_loop;
mod handle;
mod mailbox;
mod system_clock;

pub use event_loop::{BACKLOG_LIMIT, COMMIT_LIMIT, EventLoop, Input, World};
pub use handle::{About, Handle, Published, RequestError, ShutdownMode, SupervisorState};
