//! The command line of `jobsd`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::config::Flags;
use super::state::{self, StateArguments};
use super::{Config, Mode};
use crate::machine;
use crate::store::OpenError;
use crate::supervisor;
use crate::surroundings::Surroundings;

/// Run jobs from a directory of TOML files, and keep a record of every occurrence.
///
/// Without a subcommand, jobsd is the engine: it stays in the foreground, decides when each job runs, and answers jobctl.
/// SIGTERM and SIGINT take it down and leave running jobs to the supervisor; SIGHUP reads configuration and jobs again.
#[derive(Debug, Parser)]
#[command(name = "jobsd", version, about, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    /// Where things lie.
    #[command(flatten)]
    pub flags: Flags,

    /// Wait for a supervisor that somebody else starts, as systemd does, instead of starting one
    #[arg(long)]
    pub external_supervisor: bool,

    /// What to do instead of running jobs.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// What else the program can be.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Be the parent of every run; jobsd starts this by itself
    Supervise(supervisor::Arguments),
    /// Look at, repair or move the state while no daemon runs on it
    State(StateArguments),
}

/// The engine's program: returns when the daemon has gone down.
pub fn main(arguments: &Arguments) -> ExitCode {
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            complain(&fault);
            ExitCode::FAILURE
        }
    }
}

/// The program of `jobsd state`.
pub fn work_on_state(arguments: &StateArguments) -> ExitCode {
    state::run(arguments).unwrap_or_else(|fault| {
        complain(&fault);
        ExitCode::FAILURE
    })
}

fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let flags = arguments.flags.clone();
    let external = arguments.external_supervisor;
    let configure = move || {
        let mut config = Config::load(&flags, &Surroundings::of_process())?;
        // An engine that starts its supervisor itself has the same rights. One beside a supervisor of its own unit may have
        // far fewer, and goes by what that one found out.
        config.reading.machine = match external {
            true => machine::of_supervisor(&config.paths.state_dir),
            false => machine::of_this_process(),
        };
        Ok(config)
    };
    let config = configure()?;
    super::log::start(config.log, config.log_format);
    super::run(&config, Mode { external_supervisor: arguments.external_supervisor, configure: Box::new(configure) })
}

/// `error:`, the causes beneath, and what to do.
fn complain(fault: &anyhow::Error) {
    use std::io::Write as _;
    let mut text = format!("error: {fault}\n");
    for cause in fault.chain().skip(1) {
        text.push_str(&format!("  caused by: {cause}\n"));
    }
    if let Some(hint) = hint(fault) {
        text.push_str(&format!("\nhint: {hint}\n"));
    }
    // Where standard error is closed there is nobody to tell.
    drop(std::io::stderr().write_all(text.as_bytes()));
}

fn hint(fault: &anyhow::Error) -> Option<String> {
    use super::config::ConfigError;
    use super::jobs_dir::JobsDirError;
    use crate::store::OfflineError;
    let of = |cause: &(dyn std::error::Error + 'static)| {
        if let Some(fault) = cause.downcast_ref::<ConfigError>() {
            return fault.hint();
        }
        if let Some(fault) = cause.downcast_ref::<JobsDirError>() {
            return fault.hint();
        }
        if let Some(fault) = cause.downcast_ref::<OfflineError>() {
            return state::hint(fault);
        }
        cause.downcast_ref::<OpenError>().and_then(open_hint)
    };
    fault.chain().find_map(of)
}

/// What somebody can do about a state that does not open.
pub(super) fn open_hint(fault: &OpenError) -> Option<String> {
    match fault {
        OpenError::InUse { .. } => Some(
            "each daemon needs a state directory of its own: stop the other, or name another by --state-dir".into(),
        ),
        OpenError::Newer { .. } | OpenError::NewerFormat { .. } => {
            Some("start the jobsd that wrote it, or a newer one".into())
        }
        OpenError::Untrusted { dir, owner: Some(_), .. } => {
            Some(format!("`chown -R` {} to the user that the daemon runs as, if you know what is in it", dir.display()))
        }
        OpenError::Untrusted { dir, owner: None, .. } => Some(format!("`chmod go-w {}`", dir.display())),
        OpenError::File { .. } | OpenError::Damaged { .. } | OpenError::Import(_) => None,
    }
}
