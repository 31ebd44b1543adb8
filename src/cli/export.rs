//! `jobctl export`: jobs in the form of other schedulers.

use std::path::PathBuf;

use super::{Exit, Failure, Session};
use crate::daemon::Config;
use crate::daemon::config::Flags;
use crate::daemon::jobs_dir::JobsDir;
use crate::migrate::crontab::Form;
use crate::migrate::export::{Job, Usual, crontab};
use crate::spec::{JobName, LoadedSpec, SpecEntry};
use crate::surroundings::Surroundings;

#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    #[command(subcommand)]
    to: To,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum To {
    /// Write a crontab; what it cannot say stands in it as comments
    Crontab(CrontabArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct CrontabArgs {
    /// Only these jobs
    #[arg(value_name = "JOB")]
    jobs: Vec<JobName>,
    /// A crontab as in /etc/cron.d, with a user in each line
    #[arg(long)]
    system: bool,
    /// Read job files from here [default: the daemon's jobs directory]
    #[arg(long, env = "JOBSD_JOBS_DIR", value_name = "DIR", hide_env_values = true)]
    jobs_dir: Option<PathBuf>,
    /// The daemon's configuration, whose [defaults] are read with each job [default: the usual place]
    #[arg(long, env = "JOBSD_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<PathBuf>,
}

/// Writes to standard output.
pub async fn run(session: &mut Session, args: ExportArgs) -> Result<Exit, Failure> {
    match args.to {
        To::Crontab(args) => export_crontab(session, &args).await,
    }
}

async fn export_crontab(session: &mut Session, args: &CrontabArgs) -> Result<Exit, Failure> {
    let flags = Flags { config: args.config.clone(), jobs_dir: args.jobs_dir.clone(), ..Flags::default() };
    let flags = session.places_of_daemon(flags).await;
    let around = Surroundings::of_process();
    let config = Config::load(&flags, &around).map_err(|fault| {
        let failure = Failure::new(Exit::Failure, fault.to_string());
        fault.hint().into_iter().fold(failure, Failure::hint)
    })?;
    let (defaults, zone) = (config.reading.defaults.clone(), config.reading.timezone);
    let set = JobsDir::new(config.paths.jobs_dir, config.trust, config.reading).load().map_err(|fault| {
        let failure = Failure::new(Exit::Failure, fault.to_string());
        fault.hint().into_iter().fold(failure, Failure::hint)
    })?;
    if let Some(missing) = args.jobs.iter().find(|name| !set.jobs.contains_key(*name)) {
        return Err(Failure::new(Exit::NotFound, format!("there is no job {missing}")));
    }
    let (mut good, mut faulty): (Vec<&LoadedSpec>, usize) = (Vec::new(), 0);
    for (_, entry) in set.jobs.iter().filter(|(name, _)| args.jobs.is_empty() || args.jobs.contains(name)) {
        match entry {
            SpecEntry::Good(loaded) => good.push(loaded),
            SpecEntry::Faulty(fault) => {
                faulty += 1;
                session.terminal.say(format!(
                    "warning: {} is faulty and left out: {}",
                    fault.path.display(),
                    fault.summary
                ));
            }
        }
    }
    let jobs: Vec<Job<'_>> =
        good.iter().map(|it| Job { spec: &it.spec, text: &it.source.text, defaults: &defaults }).collect();
    let form = if args.system { Form::System } else { Form::User };
    let usual = Usual { user: &around.account.user, zone: zone.name() };
    let exported = crontab(&jobs, form, usual);
    session.terminal.data(&exported.text)?;
    session.terminal.say(format!(
        "{}: {}; {} that a crontab cannot say, {} that it has no words for",
        super::counted(jobs.len(), "job"),
        super::counted(exported.lines, "line"),
        exported.unsaid,
        super::counted(exported.losses, "setting")
    ));
    Ok(if faulty == 0 { Exit::Done } else { Exit::Failure })
}
