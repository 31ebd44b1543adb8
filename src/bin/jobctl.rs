//! The client of the daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    jobsd::cli::main().into()
}
