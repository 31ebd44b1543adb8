//! The daemon.

use std::process::ExitCode;

use clap::Parser;
use jobsd::supervisor;

#[derive(Parser)]
#[command(version, about)]
enum Cli {
    /// Be the parent of every run.
    Supervise(supervisor::Arguments),
}

fn main() -> ExitCode {
    match Cli::parse() {
        Cli::Supervise(arguments) => supervisor::main(&arguments),
    }
}
