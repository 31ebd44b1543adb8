//! The daemon: the engine by default, the supervisor and offline work as subcommands.

use std::process::ExitCode;

use clap::Parser as _;
use jobsd::daemon::args::{Arguments, Verb};
use jobsd::{daemon, supervisor};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match &arguments.verb {
        // First of all, while the process has one thread.
        Some(Verb::Supervise(supervise)) => supervisor::main(supervise),
        Some(Verb::State(arguments)) => daemon::work_on_state(arguments),
        None => daemon::main(&arguments),
    }
}
