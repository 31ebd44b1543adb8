//! Isolation, proved by jobs that try to get round it: for each key one that tries, and honest work beside it.
//!
//! Each attempt is launched by a real supervisor, as root and, where it makes a difference, by a supervisor of an ordinary
//! user. A test that cannot be made where it runs says so on standard error.

mod attributes;
mod capabilities;
mod files;
mod greed;
mod inputs;
mod kernel;
mod leftovers;
mod links;
mod machine;
mod network;
mod processes;
mod strict;
mod syscalls;
mod traces;
#[path = "../supervisor/world.rs"]
mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jobsd::run::{AttemptEnd, Ending, LaunchPlan};
use jobsd::spec::ProcessSpec;
use world::World;

/// A supervisor whose directory everybody may enter, so that jobs of other users find what lies in it.
pub fn open_world() -> World {
    let world = World::new();
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    world
}

/// A job that runs a shell line with these settings.
pub fn job(name: &str, line: &str, process: ProcessSpec) -> LaunchPlan {
    LaunchPlan { process, ..world::plan(name, &["sh", "-c", line]) }
}

/// What a job printed, and how it ended.
pub struct Result {
    /// What it printed.
    pub printed: String,
    /// How it ended.
    pub end: AttemptEnd,
}

impl Result {
    /// What it printed, when it ended well.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.end.ending, Ending::Exited { wait_status: 0 }, "{}", self.printed);
        self.printed
    }

    /// Its exit code.
    #[track_caller]
    pub fn code(&self) -> i32 {
        match self.end.ending {
            Ending::Exited { wait_status } if libc::WIFEXITED(wait_status) => libc::WEXITSTATUS(wait_status),
            ref other => panic!("{other:?}: {}", self.printed),
        }
    }
}

/// Runs a job to its end.
pub fn run(world: &World, plan: &LaunchPlan) -> Result {
    let end = world.run(plan);
    Result { printed: String::from_utf8_lossy(&world.printed(&plan.attempt)).into_owned(), end }
}

/// A world as root, and one as an ordinary user where root runs the test; each with its name.
pub fn worlds(test: &str) -> Vec<(&'static str, World)> {
    let mut worlds = vec![("own", open_world())];
    if nix::unistd::geteuid().is_root() {
        match World::of_nobody() {
            Ok(world) => worlds.push(("nobody", world)),
            Err(why) => eprintln!("{test}: not tested as an ordinary user: {why}"),
        }
    } else {
        eprintln!("{test}: not tested as root, because root does not run it");
    }
    worlds
}
