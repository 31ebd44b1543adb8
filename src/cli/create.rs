//! `jobctl create`

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::edit::{self, Draft};
use super::failure::plain;
use super::job_file::{self, Put};
use super::session::Session;
use super::{Exit, Failure};
use crate::api::client::Precondition;
use crate::migrate::Template;
use crate::spec::{FILE_LIMIT, JobName};
use crate::units;

#[derive(Clone, Debug, clap::Args)]
pub struct CreateArgs {
    /// The job's name
    name: JobName,
    /// The job file, or - for standard input; on a terminal an editor opens with a template unless said
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Replace a job of the same name
    #[arg(long, requires = "file")]
    replace: bool,
}

/// Has a job file checked, written and read. Faults are shown as `jobctl check` shows them, and nothing is written then.
pub async fn run(session: &mut Session, args: CreateArgs) -> Result<Exit, Failure> {
    let job = args.name.as_str();
    let text = match args.file.as_deref() {
        Some(path) if path == Path::new("-") => standard_input()?,
        Some(path) => read(path)?,
        None if io::stdin().is_terminal() => {
            let text = Template::Command.text(&args.name);
            return edit::run_with(session, job, Draft { text, condition: Precondition::Absent }).await;
        }
        None => standard_input()?,
    };
    let mut put = job_file::put(session, job, &text, &Precondition::Absent).await?;
    if let (Put::Changed(_), true) = (&put, args.replace) {
        put = job_file::put(session, job, &text, &Precondition::Present).await?;
    }
    match put {
        Put::Written { answer, written } => job_file::show_written(session, &answer, &written),
        Put::Faulty(faults) => {
            job_file::show_faults(session, &faults);
            Err(job_file::not_taken(job, &faults))
        }
        Put::Changed(failure) => Err(failure),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let failed = |fault: io::Error| {
        let exit = if fault.kind() == io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failure };
        Failure::new(exit, format!("cannot read {}", path.display())).causes([plain(&fault)])
    };
    text_of(File::open(path).map_err(failed)?, &path.display().to_string())
}

fn standard_input() -> Result<String, Failure> {
    text_of(io::stdin(), "standard input")
}

fn text_of(from: impl Read, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    from.take(FILE_LIMIT as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|fault| Failure::new(Exit::Failure, format!("cannot read {name}")).causes([plain(&fault)]))?;
    if text.len() > FILE_LIMIT {
        let limit = units::format_size(FILE_LIMIT as u64);
        return Err(Failure::usage(format!("{name} is larger than {limit}: it is no job file")));
    }
    Ok(text)
}
