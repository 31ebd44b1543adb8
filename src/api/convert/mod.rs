//! Domain types become wire types, here alone, so that the one can change without the other.

mod daemon;
mod explanation;
mod file;
mod health;
mod job;
mod notice;
mod process;
mod run;
mod state;
mod statistics;

pub use daemon::{config, load_summary, shutdown_mode};
pub use explanation::explanation;
pub use file::{file_fault, file_faults};
pub use health::{health, is_failure, jobs as jobs_health, live, ready};
pub use job::{definition, detail, excluded, fault, job, occurrence};
pub use notice::{delivery, outbox, targets};
pub use run::{entry_of_run, entry_of_skip, explain_outcome, history_entry, run, state as run_state};
pub use state::exported;
pub use statistics::statistics;

/// A length of time as a number of seconds, cut to microseconds.
fn seconds(duration: std::time::Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
    let micros = duration.as_micros() as f64;
    micros / 1e6
}

/// Seconds from one instant to a later one; zero when the clock was set back between them.
fn seconds_between(from: crate::clock::Timestamp, to: crate::clock::Timestamp) -> f64 {
    seconds((to - from).to_std().unwrap_or_default())
}
