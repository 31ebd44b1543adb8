//! [`Target`]: the jobs directory that is written to, with everything that its jobs are read with.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::WriteArgs;
use crate::causes::causes;
use crate::cli::Session;
use crate::cli::failure::plain;
use crate::cli::{Exit, Failure};
use crate::daemon::Config;
use crate::daemon::config::Flags;
use crate::migrate::files::{self, WriteError};
use crate::migrate::{Finished, Imported, Terms};
use crate::spec::{Authority, ReadContext};
use crate::surroundings::Surroundings;

/// Where jobs go.
pub(super) struct Target {
    pub jobs_dir: PathBuf,
    pub state_dir: PathBuf,
    pub context: ReadContext,
    pub defaults: String,
    pub around: Surroundings,
}

/// What became of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileState {
    /// It is there now.
    Written,
    /// It was there, word for word.
    Unchanged,
    /// It was only shown.
    #[serde(rename = "not_written")]
    Shown,
}

impl Target {
    /// Finds it: where the flags say, otherwise where the daemon works.
    pub async fn of(session: &mut Session, args: &WriteArgs) -> Result<Self, Failure> {
        let around = Surroundings::of_process();
        let flags = Flags { config: args.config.clone(), jobs_dir: args.jobs_dir.clone(), ..Flags::default() };
        let flags = session.places_of_daemon(flags).await;
        let config = Config::load(&flags, &around).map_err(|fault| {
            let failure = Failure::new(Exit::Failure, fault.to_string()).causes(causes(&fault));
            fault.hint().into_iter().fold(failure, Failure::hint)
        })?;
        let reading = config.reading;
        // What is only shown may be another user's: whoever writes it needs the right.
        let authority = if args.dry_run { Authority::Anybody } else { reading.authority.clone() };
        let context = ReadContext { authority, ..reading.context(config.paths.jobs_dir.clone(), &Arc::default()) };
        Ok(Self {
            jobs_dir: config.paths.jobs_dir,
            state_dir: config.paths.state_dir,
            context,
            defaults: reading.defaults,
            around,
        })
    }

    /// What names and files are made with.
    pub fn terms<'a>(&'a self, args: &'a WriteArgs) -> Terms<'a> {
        Terms { context: &self.context, defaults: &self.defaults, prefix: &args.prefix }
    }

    /// Where a job's file is.
    pub fn path(&self, job: &Imported) -> PathBuf {
        self.jobs_dir.join(format!("{}.toml", job.name))
    }

    /// Writes all files or, when one of them must not be overwritten, none.
    pub fn write(&self, finished: &Finished, modes: &[u32], args: &WriteArgs) -> Result<Vec<FileState>, Failure> {
        let unchanged = |job: &Imported| fs::read(self.path(job)).is_ok_and(|text| text == job.text.as_bytes());
        let wanted = if args.dry_run { FileState::Shown } else { FileState::Written };
        let plan: Vec<FileState> =
            finished.jobs.iter().map(|job| if unchanged(job) { FileState::Unchanged } else { wanted }).collect();
        let to_write =
            || finished.jobs.iter().zip(&plan).zip(modes).filter(|((_, what), _)| **what == FileState::Written);
        if !args.force && !args.dry_run {
            self.refuse_overwriting(&to_write().map(|((job, _), _)| self.path(job)).collect::<Vec<_>>())?;
        }
        if to_write().next().is_some() {
            // 755: job files tell by their own modes who may read them.
            fs::DirBuilder::new().recursive(true).mode(0o755).create(&self.jobs_dir).map_err(|fault| {
                Failure::new(Exit::Failure, format!("cannot create {}", self.jobs_dir.display()))
                    .causes([plain(&fault)])
            })?;
        }
        for ((job, _), mode) in to_write() {
            files::create(&self.path(job), job.text.as_bytes(), mode & 0o644, args.force).map_err(told)?;
        }
        Ok(plan)
    }

    fn refuse_overwriting(&self, paths: &[PathBuf]) -> Result<(), Failure> {
        let there: Vec<_> = paths.iter().filter(|path| fs::symlink_metadata(path).is_ok()).collect();
        if there.is_empty() {
            return Ok(());
        }
        let message = "nothing is written: job files of these names exist and say something else";
        Err(Failure::new(Exit::Refused, message)
            .causes(there.iter().map(|path| path.display().to_string()))
            .hint("--force overwrites them; --prefix TEXT gives the imported jobs other names; --dry-run shows them"))
    }
}

/// A file that was not written.
pub(super) fn told(fault: WriteError) -> Failure {
    let message = fault.to_string();
    match fault {
        WriteError::Exists(_) => Failure::new(Exit::Refused, message).hint("--force overwrites it"),
        WriteError::Changed(_) => Failure::new(Exit::Refused, message).hint("try again"),
        WriteError::Io { source, .. } => Failure::new(Exit::Failure, message).causes([plain(&source)]),
    }
}
