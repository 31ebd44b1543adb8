//! [`Store`]: opened once, written by one thread, closed with the process.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Note;
use super::batch::Batch;
use super::check::Check;
use super::database::{Database, DatabaseError};
use super::faults::Faults;
use super::health::Health;
use super::journal::{Journal, JournalError, sync_parent};
use super::lock::{Lock, LockError};
use super::read::{ReadError, load_meta};
use super::reader::Reader;
use super::record::{Digest, Meta};
use super::recover::recover;
use super::writer::{CommitError, Done, Inbox, QUEUE_LIMIT, Request, Writer};
use crate::scheduler::{Change, Recovered};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for sled's pages, in bytes; 8 MiB unless said. More saves reads of long histories.
    pub cache_bytes: u64,
    /// Where tests make the disk fail; nowhere unless said.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 8 * 1024 * 1024, faults: Faults::default() }
    }
}

/// The durable state of one daemon.
pub struct Store {
    requests: SyncSender<Request>,
    stop: Option<SyncSender<()>>,
    writer: Option<JoinHandle<()>>,
    reader: Reader,
    health: Health,
    #[expect(dead_code, reason = "held until the writer has ended")]
    lock: Lock,
}

/// A store that was opened, with what it knows.
pub struct Opened {
    /// The store.
    pub store: Store,
    /// What the scheduler starts from.
    pub recovered: Recovered,
    /// What was not as it should be, for the log and the health report; empty in a good life.
    pub notes: Vec<Note>,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another jobsd{} is running on the state directory {}", describe(*pid), dir.display())]
    InUse {
        /// The state directory.
        dir: PathBuf,
        /// The other process, when it could be told.
        pid: Option<u32>,
    },
    /// A file or directory cannot be read or made.
    #[error("cannot {step} {}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A newer program wrote it.
    #[error("the state in {} was written by a newer jobsd (record version {version})", dir.display())]
    Newer {
        /// The state directory.
        dir: PathBuf,
        /// The version found.
        version: u8,
    },
    /// It is damaged.
    #[error("the state in {} is damaged: {reason}", dir.display())]
    Damaged {
        /// The state directory.
        dir: PathBuf,
        /// How that shows.
        reason: String,
    },
}

fn describe(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// The files of a state directory that belong to the store.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// The state directory.
    pub dir: PathBuf,
    /// sled's directory.
    pub database: PathBuf,
    /// The journal of a large commit under way.
    pub journal: PathBuf,
    /// The lock.
    pub lock: PathBuf,
}

impl Files {
    /// The files in a state directory.
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), database: dir.join("db"), journal: dir.join("journal"), lock: dir.join("lock") }
    }
}

impl Store {
    /// Opens the store in a state directory, or creates both; checks all of it; gives back what it knows.
    ///
    /// The directory is created with mode 0700: job files may hold secrets, and the store keeps their text.
    ///
    /// # Errors
    /// When another process has it, it cannot be read or written, a newer program wrote it, or it is damaged.
    pub fn open(dir: &Path, options: Options) -> Result<Opened, OpenError> {
        let files = Files::of(dir);
        make_directory(&files.dir)?;
        let lock = take_lock(&files)?;
        make_directory(&files.database)?;
        let mut notes = Vec::new();
        let (database, meta) = open_checked(&files, &options)?;
        let recovered = recover(&database, &mut notes).map_err(|fault| read_fault(&files, fault))?;
        let store = Self::start(database, meta, lock, files, options)?;
        Ok(Opened { store, recovered, notes })
    }

    fn start(database: Database, meta: Meta, lock: Lock, files: Files, options: Options) -> Result<Self, OpenError> {
        let shared = Arc::new(RwLock::new(Some(database)));
        let (requests, inbox) = sync_channel(QUEUE_LIMIT);
        let (stop, stopped) = sync_channel(1);
        let (reporter, health) = Health::new();
        let dir = files.dir.clone();
        let inbox = Inbox { requests: inbox, stop: stopped };
        let writer = Writer::new(Arc::clone(&shared), inbox, reporter, files, options, meta);
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::File { step: "start the thread that writes", path: dir, source })?;
        Ok(Self { requests, stop: Some(stop), writer: Some(writer), reader: Reader { shared }, health, lock })
    }

    /// Makes changes durable, all or none of them, then calls `done` from the writer's thread. Never blocks. Commits
    /// become durable in the order in which they come in; those that wait together become durable together.
    ///
    /// `done` gets an error only when the queue is full or the store is closed. While the disk fails, the commit waits
    /// and the store tries again; [`Store::health`] tells.
    pub fn commit(&self, changes: Vec<Change>, done: Done) {
        match self.requests.try_send(Request::Commit(changes, done)) {
            Ok(()) => {}
            Err(TrySendError::Full(request)) => refuse(request, CommitError::Busy),
            Err(TrySendError::Disconnected(request)) => refuse(request, CommitError::Closed),
        }
    }

    /// Reads beside the writer.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Whether commits become durable.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Writes what waits, and closes. A commit that fails meanwhile is given up (`CommitError::Closed`).
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The order matters: a writer that pauses after a failure looks at `stop`, one that waits for work at the queue.
        drop(self.stop.take());
        if self.requests.send(Request::Close).is_err() {
            tracing::debug!("the store's thread has ended already: a commit could not be written");
        }
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's thread panicked");
        }
    }
}

fn refuse(request: Request, fault: CommitError) {
    match request {
        Request::Commit(_, done) => done(Err(fault)),
        Request::Close => {}
    }
}

fn make_directory(path: &Path) -> Result<(), OpenError> {
    let fault = |step| move |source| OpenError::File { step, path: path.to_owned(), source };
    let existed = path.is_dir();
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fault("create"))?;
    if !existed {
        sync_parent(path).map_err(fault("sync the parent of"))?;
    }
    Ok(())
}

fn take_lock(files: &Files) -> Result<Lock, OpenError> {
    Lock::take(&files.lock).map_err(|fault| match fault {
        LockError::Held { pid } => OpenError::InUse { dir: files.dir.clone(), pid },
        LockError::Io(source) => OpenError::File { step: "lock", path: files.lock.clone(), source },
    })
}

/// Opens the database, completes a large commit that was under way, and compares all of it with what it says of itself.
fn open_checked(files: &Files, options: &Options) -> Result<(Database, Meta), OpenError> {
    let damaged = |reason: String| OpenError::Damaged { dir: files.dir.clone(), reason };
    let database = open_database(files, options).map_err(|fault| database_fault(files, fault))?;
    Journal::new(files.journal.clone(), &options.faults)
        .redo(&database)
        .map_err(|fault| journal_fault(files, fault))?;
    let check = Check::of(&database).map_err(|fault| read_fault(files, fault))?;
    let meta = match load_meta(&database).map_err(|fault| read_fault(files, fault))? {
        Some(meta) => meta,
        None if check.digest == Digest::default() => initialise(&database, files)?,
        None => return Err(damaged("it does not say what it holds".to_owned())),
    };
    if let Some(fault) = check.faults.first() {
        return Err(damaged(fault.clone()));
    }
    if check.digest != meta.digest {
        let (found, expected) = (check.digest.keys, meta.digest.keys);
        return Err(damaged(format!("it holds {found} keys where {expected} were written, or other ones")));
    }
    Ok((database, meta))
}

/// How often opening is tried while sled's own lock is taken: this process may just have closed it, and a thread of sled
/// may not have let go yet. Another daemon is ruled out by our own lock.
const OPEN_TRIES: u32 = 40;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

pub(super) fn open_database(files: &Files, options: &Options) -> Result<Database, DatabaseError> {
    let mut tries = 1;
    loop {
        match Database::open(&files.database, options.cache_bytes, &options.faults) {
            Err(DatabaseError::Locked(_)) if tries < OPEN_TRIES => {
                tries += 1;
                std::thread::sleep(OPEN_PAUSE);
            }
            result => return result,
        }
    }
}

/// Gives a new database its own record, and makes its files' names durable: sled does not.
fn initialise(database: &Database, files: &Files) -> Result<Meta, OpenError> {
    let nothing = Meta { writer: String::new(), sequence: 0, digest: Digest::default() };
    let sealed = Batch::new(database, &nothing).seal();
    database
        .apply(&sealed.operations)
        .and_then(|()| database.settle())
        .map_err(|fault| database_fault(files, fault))?;
    for name in ["db", "conf", "blobs"] {
        let path = files.database.join(name);
        fs::File::open(&path).and_then(|file| file.sync_all()).map_err(|source| OpenError::File {
            step: "sync",
            path: path.clone(),
            source,
        })?;
        sync_parent(&path).map_err(|source| OpenError::File { step: "sync the parent of", path, source })?;
    }
    Ok(sealed.meta)
}

fn database_fault(files: &Files, fault: DatabaseError) -> OpenError {
    match fault {
        DatabaseError::Locked(_) => OpenError::InUse { dir: files.dir.clone(), pid: None },
        DatabaseError::Io { step, source } => OpenError::File { step, path: files.database.clone(), source },
        DatabaseError::Broken { .. } => OpenError::Damaged { dir: files.dir.clone(), reason: fault.to_string() },
    }
}

fn journal_fault(files: &Files, fault: JournalError) -> OpenError {
    match fault {
        JournalError::File { step, path, source } => OpenError::File { step, path, source },
        JournalError::Database(fault) => database_fault(files, fault),
        JournalError::Read(fault) => read_fault(files, fault),
    }
}

fn read_fault(files: &Files, fault: ReadError) -> OpenError {
    let dir = files.dir.clone();
    match fault {
        ReadError::Newer { version, .. } => OpenError::Newer { dir, version },
        ReadError::Closed | ReadError::Store(_) | ReadError::Damaged { .. } => {
            OpenError::Damaged { dir, reason: fault.to_string() }
        }
    }
}
