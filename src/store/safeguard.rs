//! Opening the database so that no damage stays unseen, and repairing it as far as can be.
//!
//! 1. If its file is not, bit for bit, as it was left when it was closed in order, a copy is made, since opening changes
//!    what it finds, and a process of its own [looks](mod@super::inspect) at it first.
//! 2. The manifest is marked unclean before anything is touched.
//! 3. The database is opened and read to its end, every checksum compared; its content must have the fingerprint that
//!    it names itself, and be no older than what was remembered outside of it.
//! 4. If not, it is set aside, and another one is built from the newest backup that is whole, from the values that can be
//!    salvaged, and from the numbers of the run directories. What was done is told until acknowledged.

use std::io;
use std::path::Path;

use super::aside;
use super::backup::Backups;
use super::check::Check;
use super::database::{Database, DatabaseError};
use super::files::{Files, make_directory, sync_new_database};
use super::inspect;
use super::journal::{Journal, JournalError};
use super::manifest::{Expectation, Imprint, Manifest, Reading, Witness};
use super::notes::Note;
use super::open::{OpenError, Options};
use super::read::{ReadError, load_meta};
use super::rebuild::{self, Outcome, Rebuild, RebuildError, has_runs, newest_whole_backup};
use super::record::{Digest, Meta};
use crate::causes::chain;

/// Why a database cannot be used as it is.
pub(super) enum Unusable {
    /// It is damaged; another one can be built.
    Damaged(String),
    /// The reason lies outside of it, or it is newer: nothing is touched.
    Refused(OpenError),
}

/// Opens the database of a state directory to which this process has the right.
///
/// # Errors
/// When files cannot be read or written, or a newer program wrote it.
pub(super) fn open(files: &Files, options: &Options, notes: &mut Vec<Note>) -> Result<(Database, Meta), OpenError> {
    files.finish_swap().map_err(file_fault("complete the exchange of", &files.database))?;
    let expected = expectation(files, notes)?;
    if files.database.exists() && !files.database.is_dir() {
        return repair(files, options, &expected, "it is no directory".to_owned(), notes);
    }
    let bytes = files.database_bytes().map_err(file_fault("look at", &files.database))?;
    let doubtful = bytes > 0 && !is_as_left(files, bytes, &expected)?;
    if doubtful {
        notes.extend(aside::copy(files).err().map(Note::from));
    }
    mark_open(files, &expected)?;
    let usable = match bytes {
        0 if expected.sequence > 0 || has_traces(files)? => Err(Unusable::Damaged("it is gone".to_owned())),
        _ if doubtful => inspect::ask(options, &files.database, bytes)
            .map_err(Unusable::Damaged)
            .and_then(|()| open_checked(files, options, &expected)),
        _ => open_checked(files, options, &expected),
    };
    match usable {
        Ok(opened) => {
            aside::remove_if_there(&files.copy).map_err(file_fault("remove", &files.copy))?;
            Ok(opened)
        }
        Err(Unusable::Refused(fault)) => Err(fault),
        Err(Unusable::Damaged(reason)) => repair(files, options, &expected, reason, notes),
    }
}

/// Whether nobody has touched sled's file since it was closed in order.
fn is_as_left(files: &Files, bytes: u64, expected: &Expectation) -> Result<bool, OpenError> {
    let path = files.database_file();
    match expected.database {
        Some(left) if left.bytes == bytes => {
            Imprint::of(&path).map(|found| found == left).map_err(file_fault("read", &path))
        }
        Some(_) | None => Ok(false),
    }
}

/// Whether there was a database here once: without one, numbers of runs would begin anew and meet the directories of
/// those of before.
pub(super) fn has_traces(files: &Files) -> Result<bool, OpenError> {
    let backups = Backups::new(files.backups.clone()).list().map_err(file_fault("read", &files.backups))?;
    Ok(!backups.is_empty() || has_runs(&files.runs).map_err(file_fault("read", &files.runs))?)
}

/// What is remembered outside of the database.
pub(super) fn expectation(files: &Files, notes: &mut Vec<Note>) -> Result<Expectation, OpenError> {
    let reading = Manifest::read(&files.manifest).map_err(file_fault("read", &files.manifest))?;
    let witness = Witness::read(&files.witness).map_err(file_fault("read", &files.witness))?;
    let manifest = match reading {
        Reading::Good(manifest) => Some(manifest),
        Reading::None => None,
        Reading::Newer(format) => return Err(OpenError::NewerFormat { dir: files.dir.clone(), format }),
        Reading::Unreadable => {
            let key = files.manifest.display().to_string();
            notes.push(Note::DamagedRecord { key, reason: "it is no manifest".to_owned() });
            None
        }
    };
    Ok(Expectation::of(manifest.as_ref(), witness))
}

fn mark_open(files: &Files, expected: &Expectation) -> Result<(), OpenError> {
    let digest = expected.digest.unwrap_or_default();
    let meta = Meta { writer: String::new(), sequence: expected.sequence, digest };
    Manifest::new(&meta, None).write(&files.manifest).map_err(file_fault("write", &files.manifest))
}

/// Opens the database, completes a large commit that was under way, and compares all of it with what is known of it.
fn open_checked(files: &Files, options: &Options, expected: &Expectation) -> Result<(Database, Meta), Unusable> {
    make_directory(&files.database)
        .map_err(|source| Unusable::Refused(file_fault("create", &files.database)(source)))?;
    let database = open_database(&files.database, options).map_err(|fault| database_fault(files, fault))?;
    Journal::new(files.journal.clone(), &options.faults)
        .redo(&database)
        .map_err(|fault| journal_fault(files, fault))?;
    let check = Check::of(&database).map_err(|fault| read_fault(files, fault))?;
    if let Some(fault) = check.faults.first() {
        return Err(Unusable::Damaged(fault.clone()));
    }
    let meta = match load_meta(&database).map_err(|fault| read_fault(files, fault))? {
        Some(meta) => meta,
        None if check.digest == Digest::default() && expected.sequence == 0 => {
            initialise(&database, &files.database).map_err(|fault| database_fault(files, fault))?
        }
        None => return Err(Unusable::Damaged("it does not say what it holds".to_owned())),
    };
    if check.digest != meta.digest {
        let (found, said) = (check.digest.keys, meta.digest.keys);
        return Err(Unusable::Damaged(format!("it holds {found} keys where {said} were written, or other ones")));
    }
    let unheard_of = rebuild::unheard_of(&database, &files.runs).map_err(|fault| rebuild_unusable(files, fault))?;
    match expected.contradiction(meta.sequence, meta.digest).or(unheard_of) {
        Some(reason) => Err(Unusable::Damaged(reason)),
        None => Ok((database, meta)),
    }
}

/// Sets the damaged database aside and builds another one.
fn repair(
    files: &Files,
    options: &Options,
    expected: &Expectation,
    reason: String,
    notes: &mut Vec<Note>,
) -> Result<(Database, Meta), OpenError> {
    tracing::error!(reason, "the database is damaged; building another one from what is left");
    let set_aside = aside::set_aside(files, options.now).map_err(file_fault("set aside", &files.database))?;
    let mut outcome = Outcome::default();
    let backups = Backups::new(files.backups.clone());
    let backup = newest_whole_backup(&backups, &mut outcome).map_err(file_fault("read", &files.backups))?;
    let plan = Plan {
        backup: backup.as_deref(),
        evidence: set_aside.as_deref(),
        sequence: expected.sequence,
        is_exact: false,
    };
    build(files, options, &plan, &mut outcome)?;
    notes.push(Note::Repaired { reason, set_aside });
    tell(outcome, notes);
    // What was built is checked like any other; if it is not good now, the disk cannot be trusted with anything.
    match open_checked(files, options, &Expectation::of(None, None)) {
        Ok(opened) => Ok(opened),
        Err(Unusable::Refused(fault)) => Err(fault),
        Err(Unusable::Damaged(reason)) => Err(OpenError::Damaged { dir: files.dir.clone(), reason }),
    }
}

/// From what another database is built.
pub(super) struct Plan<'a> {
    /// An export.
    pub backup: Option<&'a Path>,
    /// A damaged database with all that belongs to it.
    pub evidence: Option<&'a Path>,
    /// Commits are counted on from here.
    pub sequence: u64,
    /// Whether it becomes what the backup says and nothing else; otherwise the time since then is recorded as unknown.
    pub is_exact: bool,
}

/// Builds a database and puts it in place.
pub(super) fn build(
    files: &Files,
    options: &Options,
    plan: &Plan<'_>,
    outcome: &mut Outcome,
) -> Result<Meta, OpenError> {
    aside::remove_if_there(&files.fresh).map_err(file_fault("remove", &files.fresh))?;
    make_directory(&files.fresh).map_err(file_fault("create", &files.fresh))?;
    let database = open_database(&files.fresh, options).map_err(|fault| refuse(files, database_fault(files, fault)))?;
    let meta = fill(&database, files, options, plan, outcome).map_err(|fault| rebuild_fault(files, fault))?;
    drop(database);
    sync_new_database(&files.fresh).map_err(file_fault("sync", &files.fresh))?;
    files.swap_in_fresh().map_err(file_fault("put in place", &files.database))?;
    Ok(meta)
}

fn fill(
    database: &Database,
    files: &Files,
    options: &Options,
    plan: &Plan<'_>,
    outcome: &mut Outcome,
) -> Result<Meta, RebuildError> {
    let mut rebuild = Rebuild::new(database, plan.sequence);
    let mut restored = 0;
    if let Some(backup) = plan.backup {
        restored = rebuild.import(backup)?.sequence;
    }
    if let Some(evidence) = plan.evidence {
        rebuild.salvage(evidence, restored, outcome)?;
    }
    if !plan.is_exact {
        outcome.gaps = rebuild.close_gaps(&files.runs, options.now)?;
        rebuild.forget_unused_sources()?;
    }
    rebuild.finish()
}

pub(super) fn tell(outcome: Outcome, notes: &mut Vec<Note>) {
    let Outcome { restored, unreadable, salvaged, broken, gaps } = outcome;
    notes.extend(unreadable.into_iter().map(|(backup, reason)| Note::DamagedBackup { backup, reason }));
    notes.push(match restored {
        Some((backup, summary)) => Note::Restored { backup, taken_at: summary.taken_at, records: summary.records },
        None => Note::NoBackup,
    });
    notes.push(Note::Salvaged { records: salvaged, broken });
    notes.push(Note::Unknown { jobs: gaps });
}

/// How often opening is tried while sled's own lock is taken: this process may just have closed it, and a thread of sled
/// may not have let go yet. Another daemon is ruled out by our own lock.
const OPEN_TRIES: u32 = 40;
const OPEN_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Opens sled in a directory.
pub(super) fn open_database(dir: &Path, options: &Options) -> Result<Database, DatabaseError> {
    let mut tries = 1;
    loop {
        match Database::open(dir, options.cache_bytes, &options.faults) {
            Err(DatabaseError::Locked(_)) if tries < OPEN_TRIES => {
                tries += 1;
                std::thread::sleep(OPEN_PAUSE);
            }
            result => return result,
        }
    }
}

/// Gives a new database its own record.
fn initialise(database: &Database, dir: &Path) -> Result<Meta, DatabaseError> {
    let nothing = Meta { writer: String::new(), sequence: 0, digest: Digest::default() };
    let sealed = super::batch::Batch::new(database, &nothing).seal();
    database.apply(&sealed.operations)?;
    database.settle()?;
    sync_new_database(dir).map_err(|source| DatabaseError::Io { step: "sync", source })?;
    Ok(sealed.meta)
}

pub(super) fn file_fault(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File { step, path, source }
}

pub(super) fn database_fault(files: &Files, fault: DatabaseError) -> Unusable {
    match fault {
        DatabaseError::Locked(_) => Unusable::Refused(OpenError::InUse { dir: files.dir.clone(), pid: None }),
        DatabaseError::Io { step, source } if is_of_content(&source) => {
            Unusable::Damaged(chain(&DatabaseError::Io { step, source }))
        }
        DatabaseError::Io { step, source } => {
            Unusable::Refused(OpenError::File { step, path: files.database.clone(), source })
        }
        DatabaseError::Broken { .. } => Unusable::Damaged(fault.to_string()),
    }
}

/// Whether an error says something of the file's content, and not of the system: sled passes reads beyond the end on.
pub(super) fn is_of_content(fault: &io::Error) -> bool {
    matches!(fault.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

pub(super) fn journal_fault(files: &Files, fault: JournalError) -> Unusable {
    match fault {
        JournalError::File { step, path, source } => Unusable::Refused(OpenError::File { step, path, source }),
        JournalError::Database(fault) => database_fault(files, fault),
        JournalError::Read(fault) => read_fault(files, fault),
    }
}

fn read_fault(files: &Files, fault: ReadError) -> Unusable {
    match fault {
        ReadError::Newer { version, .. } => Unusable::Refused(OpenError::Newer { dir: files.dir.clone(), version }),
        ReadError::Closed | ReadError::Store(_) | ReadError::Damaged { .. } => Unusable::Damaged(fault.to_string()),
    }
}

/// While another database is built, damage of it is an error like any other.
fn refuse(files: &Files, unusable: Unusable) -> OpenError {
    match unusable {
        Unusable::Refused(fault) => fault,
        Unusable::Damaged(reason) => OpenError::Damaged { dir: files.dir.clone(), reason },
    }
}

fn rebuild_fault(files: &Files, fault: RebuildError) -> OpenError {
    refuse(files, rebuild_unusable(files, fault))
}

fn rebuild_unusable(files: &Files, fault: RebuildError) -> Unusable {
    match fault {
        RebuildError::Database(fault) => database_fault(files, fault),
        RebuildError::Read(fault) => read_fault(files, fault),
        RebuildError::Io(source) => Unusable::Refused(file_fault("read", &files.dir)(source)),
        RebuildError::Import(fault) => Unusable::Refused(OpenError::Import(fault)),
    }
}
