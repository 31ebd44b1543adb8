//! The engine process: event loop, configuration, jobs directory, single instance, shutdown.

mod alarm;
pub mod args;
pub mod config;
mod event_loop;
mod handle;
mod janitor;
pub mod jobs_dir;
mod keeper;
mod loader;
mod local;
mod log;
mod lookout;
mod mailbox;
mod metrics;
pub mod notices;
mod output_keeper;
mod service_manager;
mod shutdown;
mod start;
mod state;
mod system_clock;

pub use args::{main, work_on_state};
pub use config::Config;
pub use event_loop::{BACKLOG_LIMIT, COMMIT_LIMIT, EventLoop, Input, StoreCondition, World};
pub use handle::{About, Circumstances, Handle, Published, RequestError, SupervisorState};
pub use log::LogFormat;
pub use lookout::Warnings;
pub use metrics::Metrics;
pub use output_keeper::OutputBounds;
pub use shutdown::ShutdownMode;
pub use start::{Mode, run};
pub use system_clock::now;
