//! The engine process: event loop, configuration, jobs directory, single instance, shutdown.

mod alarm;
pub mod config;
mod event_loop;

mod handle;
pub mod jobs_dir;
mod mailbox;
mod system_clock;

pub use event_loop::{BACKLOG_LIMIT, COMMIT_LIMIT, EventLoop, Input, World};
pub use handle::{About, Handle, Published, RequestError, ShutdownMode, SupervisorState};
