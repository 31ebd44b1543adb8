//! The real binaries: jobs from files, runs, output, faults, and the death of either process.
#![expect(clippy::disallowed_methods, reason = "a test waits for conditions by the real clock")]

mod api;
mod crash;
mod harness;
mod line;
mod readme;
mod reload;
mod schedule;
