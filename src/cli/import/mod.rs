//! `jobctl import`: jobs from crontabs and systemd timers.

mod crontab;
mod disable;
mod gather;
mod report;
mod systemd_timer;
mod target;

use super::{Exit, Failure, Session};

#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    #[command(subcommand)]
    from: From,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum From {
    /// Import crontabs: each line becomes a job file
    Crontab(crontab::CrontabArgs),
    /// Import systemd timers: each timer with its service becomes a job file
    SystemdTimer(systemd_timer::TimerArgs),
}

/// Where jobs go, and how.
#[derive(Clone, Debug, clap::Args)]
struct WriteArgs {
    /// Write job files here [default: the daemon's jobs directory]
    #[arg(long, env = "JOBSD_JOBS_DIR", value_name = "DIR", hide_env_values = true)]
    jobs_dir: Option<std::path::PathBuf>,
    /// The daemon's configuration, whose [defaults] are read with each job [default: the usual place]
    #[arg(long, env = "JOBSD_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<std::path::PathBuf>,
    /// Put this in front of each job's name
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    /// Show the files and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Overwrite job files of the same names
    #[arg(short, long)]
    force: bool,
}

/// Makes job files of what other schedulers run.
pub async fn run(session: &mut Session, args: ImportArgs) -> Result<Exit, Failure> {
    match args.from {
        From::Crontab(args) => crontab::run(session, &args).await,
        From::SystemdTimer(args) => systemd_timer::run(session, &args).await,
    }
}
