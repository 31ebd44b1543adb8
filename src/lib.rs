//! jobsd: a job scheduler for servers.
#![warn(missing_docs)]

pub mod clock;
pub mod daemon;
pub mod output;
pub mod run;
pub mod schedule;
pub mod scheduler;
pub mod spec;
pub mod store;
pub mod supervisor;
pub mod units;
