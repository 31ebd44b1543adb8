//! The real binaries: jobs from files, runs, output, faults, and the death of either process.
#![expect(clippy::disallowed_methods, reason = "a test waits for conditions by the real clock")]

mod access;
mod cgroups;
mod clients;
mod control_socket;
mod crash;
mod documents;
mod exec;
mod files;
mod harness;
mod line;
mod notify;
mod outlook;
mod output;
mod processes;
mod readme;
mod reload;
mod reporting;
mod schedule;
mod shortage;
mod upkeep;
