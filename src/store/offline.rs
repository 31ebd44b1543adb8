//! What is done to a state directory while no daemon runs on it. Each takes the daemon's own lock.

use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::aside::{copy_directory, remove_if_there, set_aside};
use super::backup::Backups;
use super::check::Check;
use super::database::Database;
use super::export::{self, ExportError, ExportSummary, ImportError};
use super::files::Files;
use super::inspect;
use super::journal::Journal;
use super::notes::{self, Note};
use super::open::{OpenError, Options, check_owner, take_lock};
use super::read::load_meta;
use super::rebuild::{Outcome, newest_whole_backup};
use super::safeguard::{self, Plan, Unusable, file_fault, open_database};
use crate::causes::chain;

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Jobs, those included whose file is gone.
    pub jobs: u64,
    /// Runs.
    pub runs: u64,
    /// Records of skips.
    pub skips: u64,
    /// The newest commit.
    pub sequence: u64,
    /// What is wrong with the database, in sentences; empty when nothing is.
    pub faults: Vec<String>,
    /// The backups, newest first, with what is in each or what is wrong with it.
    pub backups: Vec<(PathBuf, Result<ExportSummary, String>)>,
}

/// Why an offline work was not done.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The state cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no state in the directory.
    #[error("there is no state in {}", .0.display())]
    Nothing(PathBuf),
    /// There is a state already.
    #[error("there is a state in {} already", .0.display())]
    NotEmpty(PathBuf),
    /// There is no backup that is whole.
    #[error("there is no backup in {} that is whole", .0.display())]
    NoBackup(PathBuf),
    /// A given file is no export that is whole.
    #[error("cannot use {}", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ImportError,
    },
    /// The export cannot be written.
    #[error("cannot write {}", path.display())]
    Export {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ExportError,
    },
    /// The database is damaged, and nothing was changed.
    #[error("the database in {} is damaged: {reason}", dir.display())]
    Damaged {
        /// The state directory.
        dir: PathBuf,
        /// How that shows.
        reason: String,
    },
}

/// Reads all of the database, from a copy, and all backups. Changes nothing.
///
/// # Errors
/// When a daemon runs, there is no state, or there is no room for the copy.
pub fn verify(dir: &Path, options: &Options) -> Result<Verified, OfflineError> {
    let files = existing(dir)?;
    let _lock = take_lock(&files)?;
    let mut verified = Verified::default();
    match with_copy(&files, options, |database| Ok(examine(database, &files))) {
        Ok(Ok(found)) => verified = found,
        Ok(Err(fault)) => verified.faults.push(fault),
        Err(OfflineError::Damaged { reason, .. }) => verified.faults.push(reason),
        Err(fault) => return Err(fault),
    }
    let backups = Backups::new(files.backups.clone()).list().map_err(file_fault("read", &files.backups))?;
    verified.backups = backups.into_iter().map(|path| (path.clone(), read_through(&path))).collect();
    Ok(verified)
}

fn examine(database: &Database, files: &Files) -> Result<Verified, String> {
    let check = Check::of(database).map_err(|fault| chain(&fault))?;
    let mut faults = check.faults.clone();
    let unlisted = check.damaged - faults.len() as u64;
    if unlisted > 0 {
        faults.push(format!("and {unlisted} more values are damaged"));
    }
    let meta = load_meta(database).map_err(|fault| chain(&fault))?;
    let expected = safeguard::expectation(files, &mut Vec::new()).map_err(|fault| chain(&fault))?;
    let sequence = meta.as_ref().map_or(0, |meta| meta.sequence);
    match meta {
        Some(meta) if meta.digest != check.digest => {
            faults.push(format!(
                "it holds {} keys where {} were written, or other ones",
                check.digest.keys, meta.digest.keys
            ));
        }
        Some(meta) => faults.extend(expected.contradiction(meta.sequence, meta.digest)),
        None => faults.push("it does not say what it holds".to_owned()),
    }
    let Check { jobs, runs, skips, .. } = check;
    Ok(Verified { jobs, runs, skips, sequence, faults, backups: Vec::new() })
}

fn read_through(path: &Path) -> Result<ExportSummary, String> {
    read_export(path).map_err(|fault| chain(&fault))
}

fn read_export(path: &Path) -> Result<ExportSummary, ImportError> {
    let file = fs::File::open(path).map_err(ImportError::Read)?;
    export::read(&mut BufReader::new(file), |_record, _sequence| Ok::<(), ImportError>(()))
}

/// Writes an export of a state into a new file, from a copy. Changes nothing.
///
/// # Errors
/// When a daemon runs, the database is damaged, or the file cannot be written.
pub fn export(dir: &Path, path: &Path, options: &Options) -> Result<ExportSummary, OfflineError> {
    let files = existing(dir)?;
    let _lock = take_lock(&files)?;
    with_copy(&files, options, |database| {
        write_export(database, path, options).map_err(|source| OfflineError::Export { path: path.to_owned(), source })
    })
}

fn write_export(database: &Database, path: &Path, options: &Options) -> Result<ExportSummary, ExportError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut out = BufWriter::new(file);
    let summary = export::write(database, &mut out, options.now)?;
    out.flush()?;
    out.get_ref().sync_all()?;
    Ok(summary)
}

/// Makes a state of an export, exactly: schedules go on from where they stood then, and what came due since is caught up
/// or recorded as missed, as after any time that the daemon was down.
///
/// # Errors
/// When there is a state already, or the file is not whole.
pub fn import(dir: &Path, path: &Path, options: &Options) -> Result<ExportSummary, OfflineError> {
    let files = Files::of(dir);
    let summary = read_export(path).map_err(|source| OfflineError::Import { path: path.to_owned(), source })?;
    super::files::make_directory(dir).map_err(file_fault("create", dir))?;
    let _lock = take_lock(&files)?;
    let present = files.database_bytes().map_err(file_fault("look at", &files.database))?;
    if present > 0 || files.manifest.exists() || safeguard::has_traces(&files)? {
        return Err(OfflineError::NotEmpty(dir.to_owned()));
    }
    let plan = Plan { backup: Some(path), evidence: None, sequence: summary.sequence, is_exact: true };
    safeguard::build(&files, options, &plan, &mut Outcome::default())?;
    Ok(summary)
}

/// Puts a backup, the newest that is whole unless one is named, in the place of the present state. The present database is
/// set aside. Numbers go on above those of all run directories, and for each job the time between is one record of skips
/// for the reason `unknown`.
///
/// # Errors
/// When a daemon runs, or there is no such backup that is whole; then nothing was changed.
pub fn restore(dir: &Path, backup: Option<&Path>, options: &Options) -> Result<Vec<Note>, OfflineError> {
    let files = existing(dir)?;
    let _lock = take_lock(&files)?;
    let mut outcome = Outcome::default();
    let chosen = choose(&files, backup, &mut outcome)?.ok_or_else(|| OfflineError::NoBackup(files.backups.clone()))?;
    replace(&files, options, Some(&chosen), None, "a backup was to be restored", outcome)
}

/// Builds the database anew from the newest backup that is whole and all values that are found in `from`: the present
/// database, or a damaged one that was set aside. The present database is set aside.
///
/// # Errors
/// When a daemon runs, or files cannot be read or written.
pub fn salvage(dir: &Path, from: Option<&Path>, options: &Options) -> Result<Vec<Note>, OfflineError> {
    let files = existing(dir)?;
    let _lock = take_lock(&files)?;
    if let Some(from) = from {
        fs::read_dir(from).map_err(file_fault("read", from))?;
    }
    let mut outcome = Outcome::default();
    let backup = choose(&files, None, &mut outcome)?;
    let evidence = from.map_or(Evidence::Present, Evidence::Given);
    replace(&files, options, backup.as_deref(), Some(evidence), "it was to be salvaged", outcome)
}

/// Where values are looked for.
enum Evidence<'a> {
    Present,
    Given(&'a Path),
}

fn choose(files: &Files, backup: Option<&Path>, outcome: &mut Outcome) -> Result<Option<PathBuf>, OfflineError> {
    match backup {
        Some(path) => {
            let read = read_export(path).map_err(|source| OfflineError::Import { path: path.to_owned(), source })?;
            outcome.restored = Some((path.to_owned(), read));
            Ok(Some(path.to_owned()))
        }
        None => {
            let backups = Backups::new(files.backups.clone());
            Ok(newest_whole_backup(&backups, outcome).map_err(file_fault("read", &files.backups))?)
        }
    }
}

fn replace(
    files: &Files,
    options: &Options,
    backup: Option<&Path>,
    evidence: Option<Evidence<'_>>,
    reason: &str,
    mut outcome: Outcome,
) -> Result<Vec<Note>, OfflineError> {
    files.finish_swap().map_err(file_fault("complete the exchange of", &files.database))?;
    let mut told = Vec::new();
    let expected = safeguard::expectation(files, &mut told)?;
    let place = set_aside(files, options.now).map_err(file_fault("set aside", &files.database))?;
    let evidence = match &evidence {
        Some(Evidence::Present) => place.as_deref(),
        Some(Evidence::Given(path)) => Some(*path),
        None => None,
    };
    let plan = Plan { backup, evidence, sequence: expected.sequence, is_exact: false };
    safeguard::build(files, options, &plan, &mut outcome)?;
    told.push(Note::Repaired { reason: reason.to_owned(), set_aside: place });
    safeguard::tell(outcome, &mut told);
    let earlier = notes::unacknowledged(&files.notices).map_err(file_fault("read", &files.notices))?;
    let all: Vec<Note> = earlier.into_iter().chain(told.iter().cloned()).collect();
    notes::keep(&files.notices, &all, options.now).map_err(file_fault("write", &files.notices))?;
    Ok(told)
}

fn existing(dir: &Path) -> Result<Files, OfflineError> {
    let files = Files::of(dir);
    check_owner(&files)?;
    let is_there = files.database.exists() || files.ready.exists() || files.backups.exists();
    if is_there { Ok(files) } else { Err(OfflineError::Nothing(dir.to_owned())) }
}

/// Opens a copy of the database, with a large commit that was under way completed. sled changes what it opens.
fn with_copy<T>(
    files: &Files,
    options: &Options,
    work: impl FnOnce(&Database) -> Result<T, OfflineError>,
) -> Result<T, OfflineError> {
    let bytes = files.database_bytes().map_err(file_fault("look at", &files.database))?;
    let damaged = |reason: String| OfflineError::Damaged { dir: files.dir.clone(), reason };
    if bytes == 0 {
        return Err(damaged("it is gone".to_owned()));
    }
    let scratch = Scratch::of(files).map_err(file_fault("copy the database to", &files.scratch))?;
    inspect::ask(options, &scratch.0, bytes).map_err(damaged)?;
    let opened = open_database(&scratch.0, options).map_err(|fault| safeguard::database_fault(files, fault));
    let database = opened.map_err(|fault| unusable(fault, damaged))?;
    let journal = Journal::new(scratch.0.join("journal"), &options.faults);
    journal.redo(&database).map_err(|fault| unusable(safeguard::journal_fault(files, fault), damaged))?;
    work(&database)
}

fn unusable(fault: Unusable, damaged: impl FnOnce(String) -> OfflineError) -> OfflineError {
    match fault {
        Unusable::Damaged(reason) => damaged(reason),
        Unusable::Refused(fault) => fault.into(),
    }
}

/// A copy that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn of(files: &Files) -> io::Result<Self> {
        remove_if_there(&files.scratch)?;
        let scratch = Self(files.scratch.clone());
        copy_directory(&files.database, &scratch.0)?;
        match fs::copy(&files.journal, scratch.0.join("journal")) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
            Ok(_) | Err(_) => {}
        }
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(fault) = remove_if_there(&self.0) {
            tracing::warn!(%fault, path = %self.0.display(), "a copy of the database stays behind");
        }
    }
}
