//! `jobctl new`

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use super::failure::plain;
use super::{Exit, Failure, Session};
use crate::daemon::Config;
use crate::daemon::config::Flags;
use crate::migrate::Template;
use crate::migrate::files::{self, WriteError};
use crate::spec::JobName;
use crate::surroundings::Surroundings;

#[derive(Clone, Debug, clap::Args)]
pub struct NewArgs {
    /// The job's name
    name: JobName,
    /// What to begin with
    #[arg(short, long, value_name = "TEMPLATE", default_value = "command")]
    template: Word,
    /// Write the file here [default: the daemon's jobs directory]
    #[arg(long, env = "JOBSD_JOBS_DIR", value_name = "DIR", hide_env_values = true)]
    jobs_dir: Option<PathBuf>,
    /// The daemon's configuration, which may name the jobs directory [default: the usual place]
    #[arg(long, env = "JOBSD_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Print the file and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Overwrite a job file of the same name
    #[arg(short, long)]
    force: bool,
}

/// A template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Word {
    /// A program with its arguments
    Command,
    /// A shell script inside the job file
    Script,
    /// A nightly copy with retries
    Backup,
    /// Old files are removed
    Cleanup,
    /// Output on every weekday
    Report,
    /// A look at a service, each minute
    HealthCheck,
}

impl From<Word> for Template {
    fn from(word: Word) -> Self {
        match word {
            Word::Command => Self::Command,
            Word::Script => Self::Script,
            Word::Backup => Self::Backup,
            Word::Cleanup => Self::Cleanup,
            Word::Report => Self::Report,
            Word::HealthCheck => Self::HealthCheck,
        }
    }
}

/// Writes a job file, which is not enabled until somebody deletes a line of it.
pub async fn run(session: &mut Session, args: NewArgs) -> Result<Exit, Failure> {
    let text = Template::from(args.template).text(&args.name);
    if args.dry_run {
        session.terminal.data(&text)?;
        return Ok(Exit::Done);
    }
    let flags = Flags { config: args.config.clone(), jobs_dir: args.jobs_dir.clone(), ..Flags::default() };
    let flags = session.places_of_daemon(flags).await;
    let config = Config::load(&flags, &Surroundings::of_process()).map_err(|fault| {
        let failure = Failure::new(Exit::Failure, fault.to_string());
        fault.hint().into_iter().fold(failure, Failure::hint)
    })?;
    let directory = config.paths.jobs_dir;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&directory).map_err(|fault| {
        Failure::new(Exit::Failure, format!("cannot create {}", directory.display())).causes([plain(&fault)])
    })?;
    let path = directory.join(format!("{}.toml", args.name));
    files::create(&path, text.as_bytes(), 0o644, args.force).map_err(|fault| {
        let message = fault.to_string();
        match fault {
            WriteError::Exists(_) => Failure::new(Exit::Refused, message).hint("--force overwrites it"),
            WriteError::Changed(_) => Failure::new(Exit::Refused, message),
            WriteError::Io { source, .. } => Failure::new(Exit::Failure, message).causes([plain(&source)]),
        }
    })?;
    session.terminal.line(path.display().to_string())?;
    session.terminal.say("edit it, then delete the line `enabled = false`");
    Ok(Exit::Done)
}
