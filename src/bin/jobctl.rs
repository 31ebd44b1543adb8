//! The client of the daemon.

use std::process::ExitCode;

use clap::Parser as _;
use jobsd::cli::{self, args::Cli};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // One thread: a client waits for one answer, and a second thread would cost more than it brings.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the kernel gives an epoll");
    runtime.block_on(cli::run(cli)).code().into()
}
