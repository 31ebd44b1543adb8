//! jobsd is a scheduler for servers: one TOML file per job, isolated runs, and a record of every occurrence.
//!
//! This page tells how it works, from a file to a line of history. The promise that shapes all of it:
//!
//! > Every occurrence ends in a record, and no run is lost. A job runs, or a record says why it did not. Killing
//! > the daemon, upgrading it, setting the clock or filling the disk neither kills a running job nor loses its exit
//! > status, its timeout or its place in the overlap policy, nor starts anything twice.
//!
//! # The straight line
//!
//! ```text
//! jobs.d/backup.toml
//!   → spec::read              text → JobSpec: checked once, trusted from here on; carries its Revision
//!   → Event::SpecsLoaded      always the whole set, never a difference
//!   → Scheduler::step         (now, event) → Decision { changes, effects, answer }      pure
//!   → Store::commit           changes become durable, one atomic batch
//!   → Effect::Launch(plan)    to the supervisor process, which starts it and carries it to its end
//!   → Report::Ended           → step → commit → acknowledge
//!   → RunState::Finished      in history; what it printed lies in runs/<job>/<number>/<attempt>/
//! ```
//!
//! # Two processes
//!
//! The **engine** ([`daemon`]) decides and remembers. It may be killed or replaced at any time. The **supervisor**
//! ([`supervisor`]) is the parent of every run: small, single-threaded, without tokio. It carries each
//! [launch plan](run::LaunchPlan) to its end, engine or no engine: deadline and stop ladder, output, exit status and usage, kept until the
//! engine has acknowledged them.
//!
//! *At most one launch per attempt, and what cannot be told is `Lost`.* The engine commits
//! [`Starting`](run::RunState::Starting), then asks. The supervisor creates the attempt's directory before it forks, and `mkdir` fails
//! if it exists; so a repeated request starts nothing twice, whichever of the two died in between. An attempt with
//! a directory, without a process and without an end is [`Lost`](run::Outcome::Lost).
//!
//! # The core is pure
//!
//! [`spec`], [`schedule`], [`run`] and [`scheduler`] use no clock, file, environment or randomness: these come in as
//! arguments. [`scheduler::Scheduler::step`] is the only place where a run changes state, through one function,
//! [`run::Run::advance`]. The [event loop](daemon::EventLoop) is the scheduler's only owner and keeps one rule: **commit, then act,
//! then reply**. It reaches everything else through the [`daemon::World`] trait; `tests/sim` runs the same
//! loop in a world made of one seed, with crashes between any two steps.
//!
//! Reads come from the published [snapshot](scheduler::Snapshot), which shares its structure with the scheduler's own state. No lock is shared
//! with the loop.
//!
//! # Ad-hoc runs and messages
//!
//! `jobctl exec` defines a job by a request and by no file. It goes the same straight line: its definition is stored by
//! revision, a load of the directory neither adds nor removes it, and it is forgotten with its history.
//!
//! What somebody is to be told of becomes a [notice](run::Notice) in the same commit as the record that it tells of, so neither is
//! there without the other. The outbox in [`scheduler`] has the supervisor start its program, like an attempt, until one
//! succeeds or it is given up: sent at least once, bounded, and no run ever waits for it.
//!
//! # Rules of time
//!
//! The cursor of a schedule means *evaluated through*. Occurrences are found from the stored cursor, not from now:
//! whatever lies between is run, caught up, or recorded as a skip with its [reason](run::SkipReason). A new job, a changed schedule and the
//! end of a pause begin at now and invent no misses. Consecutive skips of a job for one reason are one record, so that a month of
//! downtime of a job that runs each second stays small.
//!
//! # Modules
//!
//! | module | what it is for |
//! |---|---|
//! | [`clock`], [`units`], [`causes`], [`threads`] | instants, durations and sizes; what lies beneath an error; room for threads |
//! | [`schedule`] | recurrence rules, zones, DST |
//! | [`spec`] | a job file → [`spec::JobSpec`], with every fault shown at its place |
//! | [`run`] | names, states and outcomes of runs; launch plans and reports |
//! | [`scheduler`] | what is due, and what follows |
//! | [`store`] | durable state in sled |
//! | [`machine`] | what can be had on this machine, found out by trying |
//! | [`supervisor`] | the other process |
//! | [`output`] | what runs print: written, bounded, read, followed |
//! | [`daemon`] | the engine process: event loop, configuration, jobs directory |
//! | [`migrate`] | crontabs and systemd timers → job files, and back |
//! | [`api`] | HTTP over the Unix socket |
//! | [`cli`] | `jobctl` |
//!
//! Dependencies point one way: `schedule ← spec ← run ← scheduler ← {store, supervisor, output} ← daemon ← api ← cli`;
//! `tests/edges.rs` checks it.
#![warn(missing_docs)]

pub mod api;
pub mod causes;
pub mod cli;
pub mod clock;
#[cfg(test)]
mod corpus;
pub mod daemon;
pub mod machine;
pub mod migrate;
pub mod output;
pub mod places;
pub mod run;
pub mod schedule;
pub mod scheduler;
pub mod spec;
pub mod store;
pub mod supervisor;
pub mod surroundings;
pub mod threads;
pub mod units;
