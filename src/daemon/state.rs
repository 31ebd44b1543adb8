//! `jobsd state`: looks at and repairs a state directory on which no daemon runs.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::config::Flags;
use super::{Config, system_clock};
use crate::store::{self, ExportSummary, Finding, Inspector, Note, OfflineError, Options, Verified};
use crate::surroundings::Surroundings;

/// Look at, repair or move the state while no daemon runs on it
#[derive(Clone, Debug, Args)]
pub struct StateArguments {
    #[command(flatten)]
    place: Place,

    #[command(subcommand)]
    verb: StateVerb,
}

/// Which state directory.
#[derive(Clone, Debug, Args)]
struct Place {
    /// Read this configuration file [default: as for the daemon]
    #[arg(long, global = true, env = "JOBSD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// The state directory [default: as for the daemon]
    #[arg(long, global = true, env = "JOBSD_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
enum StateVerb {
    /// Read all of the database and of the backups, and say whether they are whole; changes nothing
    Verify,
    /// Put a backup in the place of the present database, which is set aside
    Restore {
        /// The backup [default: the newest one that is whole]
        #[arg(value_name = "FILE")]
        backup: Option<PathBuf>,
    },
    /// Build the database anew from the newest backup and all records that are found in a damaged one
    Salvage {
        /// Where to look for records: a directory below `aside` [default: the present database]
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
    },
    /// Write all records into a new file, as JSON lines
    Export {
        /// The file; it must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make a state of an export, where there is none yet
    Import {
        /// The export
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Read a database whose content is in doubt; the daemon has this done by a process of its own
    #[command(hide = true)]
    Inspect {
        #[arg(value_name = "DIR")]
        database: PathBuf,
    },
}

/// The database is damaged: what `jobsd state verify` ends with.
const EXIT_DAMAGED: u8 = 3;

/// The one who looks at doubtful databases: this program.
pub(super) fn inspector() -> Option<Inspector> {
    match std::env::current_exe() {
        Ok(program) => Some(Inspector { program, arguments: vec!["state".into(), "inspect".into()] }),
        Err(fault) => {
            tracing::debug!(%fault, "cannot find the jobsd program");
            None
        }
    }
}

/// Does what was asked for.
///
/// # Errors
/// When it cannot be done.
pub(super) fn run(arguments: &StateArguments) -> anyhow::Result<ExitCode> {
    if let StateVerb::Inspect { database } = &arguments.verb {
        return Ok(inspect(database)?);
    }
    let flags = Flags {
        config: arguments.place.config.clone(),
        state_dir: arguments.place.state_dir.clone(),
        ..Flags::default()
    };
    let dir = Config::load(&flags, &Surroundings::of_process())?.paths.state_dir;
    let options = Options { inspector: inspector(), ..Options::at(system_clock::now().wall) };
    let mut code = ExitCode::SUCCESS;
    let text = match &arguments.verb {
        StateVerb::Verify => {
            let verified = store::verify(&dir, &options)?;
            if !verified.faults.is_empty() {
                code = ExitCode::from(EXIT_DAMAGED);
            }
            describe(&verified)
        }
        StateVerb::Restore { backup } => list(&store::restore(&dir, backup.as_deref(), &options)?),
        StateVerb::Salvage { from } => list(&store::salvage(&dir, from.as_deref(), &options)?),
        StateVerb::Export { file } => summary("exported", &store::export(&dir, file, &options)?),
        StateVerb::Import { file } => summary("imported", &store::import(&dir, file, &options)?),
        StateVerb::Inspect { .. } => unreachable!("it was done above"),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(code)
}

fn inspect(database: &std::path::Path) -> io::Result<ExitCode> {
    let finding = store::inspect(database, system_clock::now().wall);
    if let Finding::Damaged(reason) | Finding::Untold(reason) = &finding {
        writeln!(io::stdout(), "{reason}")?;
    }
    Ok(ExitCode::from(finding.exit_code()))
}

fn describe(verified: &Verified) -> String {
    let mut text = String::new();
    let word = if verified.faults.is_empty() { "whole" } else { "damaged" };
    line(&mut text, format_args!("database  {word}"));
    if verified.sequence > 0 {
        let Verified { jobs, runs, skips, sequence, .. } = verified;
        line(
            &mut text,
            format_args!("          {jobs} jobs, {runs} runs, {skips} records of skips, commit {sequence}"),
        );
    }
    for fault in &verified.faults {
        line(&mut text, format_args!("          {fault}"));
    }
    for (path, read) in &verified.backups {
        match read {
            Ok(summary) => line(&mut text, format_args!("backup    {}: {} records", path.display(), summary.records)),
            Err(fault) => line(&mut text, format_args!("backup    {}: damaged: {fault}", path.display())),
        }
    }
    if verified.backups.is_empty() {
        line(&mut text, format_args!("backup    none"));
    }
    text
}

fn list(notes: &[Note]) -> String {
    let mut text = String::new();
    for note in notes {
        line(&mut text, format_args!("{note}"));
    }
    text
}

fn summary(word: &str, summary: &ExportSummary) -> String {
    format!("{word} {} records, up to commit {}\n", summary.records, summary.sequence)
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
}

/// What somebody can do about a failure.
pub(super) fn hint(fault: &OfflineError) -> Option<String> {
    match fault {
        OfflineError::Open(store::OpenError::InUse { .. }) => Some(
            "this needs the state to itself: stop the daemon first, or use `jobctl state`, which works on a running one"
                .to_owned(),
        ),
        OfflineError::Open(fault) => super::args::open_hint(fault),
        OfflineError::Nothing(_) => Some("name the state directory by --state-dir".to_owned()),
        OfflineError::NotEmpty(_) => {
            Some("an import goes into an empty state directory; to replace a state use `jobsd state restore FILE`".to_owned())
        }
        OfflineError::NoBackup(_) => Some("`jobsd state salvage` takes what is found in the database itself".to_owned()),
        OfflineError::Damaged { .. } => {
            Some("`jobsd state salvage` builds it anew from the newest backup and what can be read; so does the daemon at its start".to_owned())
        }
        OfflineError::Import { .. } | OfflineError::Export { .. } => None,
    }
}
