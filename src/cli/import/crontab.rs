//! `jobctl import crontab`

use std::path::{Path, PathBuf};

use super::gather::{Gathered, STANDARD_INPUT};
use super::target::Target;
use super::{WriteArgs, disable, report};
use crate::cli::{Exit, Failure, Session};
use crate::migrate::crontab::Form;
use crate::migrate::{Comparison, compare};

#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true).multiple(true).args(["files", "user", "all_users", "system"]))]
pub struct CrontabArgs {
    /// Crontab files; - is standard input
    #[arg(value_name = "FILE", conflicts_with_all = ["user", "all_users", "system"])]
    pub(super) files: Vec<PathBuf>,
    /// A user's crontab; without a name your own
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", action = clap::ArgAction::Append)]
    pub(super) user: Vec<String>,
    /// Every user's crontab
    #[arg(long)]
    pub(super) all_users: bool,
    /// /etc/crontab, /etc/cron.d, /etc/cron.{hourly,daily,weekly,monthly} and /etc/anacrontab
    #[arg(long)]
    pub(super) system: bool,
    /// How FILE is read, when its place does not tell
    #[arg(long, value_name = "FORM", requires = "files")]
    pub(super) form: Option<FormWord>,
    /// The user whose crontab FILE is
    #[arg(long, value_name = "NAME", requires = "files")]
    pub(super) owner: Option<String>,
    /// Keep a directory of scripts, as /etc/cron.daily, one job that runs them one after another
    #[arg(long)]
    pub(super) whole_directories: bool,
    /// Read the crontabs of the machine whose files begin at DIR
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true, conflicts_with = "files")]
    pub(super) root: PathBuf,
    /// Compare the next 5000 fires of each job with those of its line, and write nothing if one differs
    #[arg(long)]
    check: bool,
    /// Comment the imported lines out in their crontabs, and keep copies of these
    #[arg(long)]
    disable: bool,
    #[command(flatten)]
    write: WriteArgs,
}

/// The two forms of a crontab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FormWord {
    /// Time, command
    User,
    /// Time, user, command
    System,
}

impl From<FormWord> for Form {
    fn from(word: FormWord) -> Self {
        match word {
            FormWord::User => Self::User,
            FormWord::System => Self::System,
        }
    }
}

/// Reads, checks, writes, comments out, in this order: nothing is written before all is known to be good, and no line is
/// taken from cron before its job is there.
pub(super) async fn run(session: &mut Session, args: &CrontabArgs) -> Result<Exit, Failure> {
    if args.disable && args.files.iter().any(|file| file == Path::new("-")) {
        return Err(Failure::usage(format!("--disable cannot change {STANDARD_INPUT}")));
    }
    let target = Target::of(session, &args.write).await?;
    let mut gathered = Gathered::of(args, &target.around)?;
    let finished = std::mem::take(&mut gathered.import).finish(&target.terms(&args.write));
    let now = session.terminal.now();
    let checks: Option<Vec<Comparison>> =
        args.check.then(|| finished.jobs.iter().map(|job| compare(job, target.context.timezone, now)).collect());
    let differs = checks.iter().flatten().any(|check| !check.is_good());
    let modes: Vec<u32> = finished.jobs.iter().map(|job| gathered.mode(&job.origin.place)).collect();
    let shown_only = WriteArgs { dry_run: true, ..args.write.clone() };
    let written = target.write(&finished, &modes, if differs { &shown_only } else { &args.write })?;
    let disabled = if args.disable && !args.write.dry_run && !differs {
        Some(disable::disable(&finished, &gathered, &target, now)?)
    } else {
        None
    };
    let report =
        report::Report { target: &target, gathered: &gathered, finished: &finished, checks, written, disabled };
    report.show(session, &args.write)?;
    if differs {
        let message = "nothing is written: some jobs would not run when their lines do";
        return Err(Failure::new(Exit::Failure, message).hint("leave these lines with cron, and report them to us"));
    }
    Ok(if finished.faults.is_empty() { Exit::Done } else { Exit::Failure })
}
