//! jobsd: a job scheduler for servers.
#![warn(missing_docs)]

pub mod api;
pub mod cli;
pub mod clock;
pub mod daemon;
pub mod run;
pub mod schedule;
pub mod scheduler;
pub mod spec;
pub mod store;
pub mod units;
