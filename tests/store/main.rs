//! The state under faults: damage, power cuts, full disks, and its ways out and back in.
//!
//! | variable | what | by default |
//! |---|---|---|
//! | `JOBSD_DAMAGES` | seeds of damage that are tried | 60 |
//! | `JOBSD_DAMAGE_SEED` | only this seed, with a trace | |
//! | `JOBSD_POWER_CUTS` | power cuts | 10 |
//! | `JOBSD_REQUIRE_MOUNT` | fail where no file system can be mounted, instead of saying so | |
#![expect(clippy::disallowed_methods, reason = "a test waits for conditions by the real clock")]

mod build;
mod compaction;
mod damage;
mod disk;
mod disk_full;
#[expect(dead_code, reason = "it serves the daemon's own tests too")]
#[path = "../it/harness.rs"]
mod harness;
mod kit;
mod mounted;
mod power;
mod power_daemon;
mod refuse;
mod ways_out;
mod writer;
