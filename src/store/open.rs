//! [`Store`]: opened once, written by one thread, closed with the process.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use super::caretaker::{self, Caretaker};
use super::compact::WORTHWHILE_BYTES;
use super::database::Database;
use super::export::ImportError;
use super::faults::Faults;
use super::files::{Files, make_directory};
use super::health::Health;
use super::inspect::Inspector;
use super::lock::{Lock, LockError};
use super::notes::{self, Note};
use super::reader::Reader;
use super::record::Meta;
use super::recover::recover;
use super::reserve::RESERVE_BYTES;
use super::safeguard::{self, file_fault};
use super::upkeep::UpkeepError;
use super::writer::{CommitError, Done, Inbox, QUEUE_LIMIT, Request, Writer};
use crate::clock::Timestamp;
use crate::scheduler::{Change, Recovered};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time now: what a repair could not find out ends here, and files are named after it.
    pub now: Timestamp,
    /// Memory for sled's pages, in bytes; 8 MiB unless said. More saves reads of long histories.
    pub cache_bytes: u64,
    /// Room on the disk that is kept for the records of running runs when there is no other, in bytes; 8 MiB unless said,
    /// none with 0.
    pub reserve_bytes: u64,
    /// Size of the database, in bytes, from which [`Upkeep::Routine`](super::Upkeep::Routine) looks whether it is mostly
    /// holes and compacts it; 64 MiB unless said.
    pub compact_from_bytes: u64,
    /// Who looks at a database that was not closed in order before this process opens it; nobody unless said, and then
    /// damage on which sled aborts or hangs takes this process with it.
    pub inspector: Option<Inspector>,
    /// Where tests make the disk fail; nowhere unless said.
    pub faults: Faults,
}

impl Options {
    /// The defaults.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            cache_bytes: 8 * 1024 * 1024,
            reserve_bytes: RESERVE_BYTES,
            compact_from_bytes: WORTHWHILE_BYTES,
            inspector: None,
            faults: Faults::default(),
        }
    }
}

/// The durable state of one daemon.
pub struct Store {
    requests: SyncSender<Request>,
    stop: Option<SyncSender<()>>,
    writer: Option<JoinHandle<()>>,
    reader: Reader,
    health: Health,
    notices: PathBuf,
    #[expect(dead_code, reason = "held until the writer has ended")]
    lock: Lock,
}

/// A store that was opened, with what it knows.
pub struct Opened {
    /// The store.
    pub store: Store,
    /// What the scheduler starts from.
    pub recovered: Recovered,
    /// What was not as it should be, now or earlier and not acknowledged since, for the log and the health report; empty
    /// in a good life.
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
    /// A newer program wrote its records.
    #[error("the state in {} was written by a newer jobsd (record version {version})", dir.display())]
    Newer {
        /// The state directory.
        dir: PathBuf,
        /// The version found.
        version: u8,
    },
    /// A newer program laid it out.
    #[error("the state in {} was written by a newer jobsd (state format {format})", dir.display())]
    NewerFormat {
        /// The state directory.
        dir: PathBuf,
        /// The format found.
        format: u32,
    },
    /// Somebody else could have written it.
    #[error("the state directory {} {}", dir.display(), untrusted(*owner, *mode))]
    Untrusted {
        /// The directory, or one in it.
        dir: PathBuf,
        /// Its owner, when that is somebody else.
        owner: Option<u32>,
        /// Its permission bits.
        mode: u32,
    },
    /// An export that is to be restored cannot be read.
    #[error("the export cannot be restored")]
    Import(#[source] ImportError),
    /// It is damaged, and what was built in its place is too.
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

fn untrusted(owner: Option<u32>, mode: u32) -> String {
    match owner {
        Some(owner) => format!("belongs to the user {owner}"),
        None => format!("can be written by others (mode {mode:04o})"),
    }
}

impl Store {
    /// Opens the store in a state directory, or creates both; checks all of it; gives back what it knows.
    ///
    /// The directory is created with mode 0700: job files may hold secrets, and the store keeps their text. A damaged
    /// database is repaired as far as can be; `notes` tell what was lost.
    ///
    /// # Errors
    /// When another process has it, somebody else may write to it, it cannot be read or written, or a newer program wrote it.
    pub fn open(dir: &Path, options: Options) -> Result<Opened, OpenError> {
        let files = Files::of(dir);
        make_directory(&files.dir).map_err(file_fault("create", &files.dir))?;
        check_owner(&files)?;
        let lock = take_lock(&files)?;
        let earlier = notes::unacknowledged(&files.notices).map_err(file_fault("read", &files.notices))?;
        let mut notes = Vec::new();
        let (database, meta) = safeguard::open(&files, &options, &mut notes)?;
        let recovered = recover(&database, &mut notes)
            .map_err(|fault| OpenError::Damaged { dir: files.dir.clone(), reason: fault.to_string() })?;
        let is_new = !notes.is_empty();
        let notes: Vec<Note> = earlier.into_iter().chain(notes).collect();
        if is_new {
            notes::keep(&files.notices, &notes, options.now).map_err(file_fault("write", &files.notices))?;
        }
        let store = Self::start(database, meta, lock, files, options)?;
        Ok(Opened { store, recovered, notes })
    }

    fn start(database: Database, meta: Meta, lock: Lock, files: Files, options: Options) -> Result<Self, OpenError> {
        let shared = Arc::new(RwLock::new(Some(database)));
        let (requests, inbox) = sync_channel(QUEUE_LIMIT);
        let (stop, stopped) = sync_channel(1);
        let (reporter, health) = Health::new();
        let (dir, notices) = (files.dir.clone(), files.notices.clone());
        let inbox = Inbox { requests: inbox, stop: stopped };
        let writer = Writer::new(Arc::clone(&shared), inbox, reporter, files, options, meta)
            .map_err(file_fault("open the witness in", &dir))?;
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run())
            .map_err(file_fault("start the thread that writes", &dir))?;
        let reader = Reader { shared };
        Ok(Self { requests, stop: Some(stop), writer: Some(writer), reader, health, notices, lock })
    }

    /// Makes changes durable, all or none of them, then calls `done` from the writer's thread. Never blocks. Commits
    /// become durable in the order in which they come in; those that wait together become durable together.
    ///
    /// `done` gets an error only when the queue is full or the store is closed. While the disk fails, the commit waits
    /// and the store tries again; [`Store::health`] tells.
    pub fn commit(&self, changes: Vec<Change>, done: Done) {
        caretaker::send(&self.requests, Request::Commit(changes, done));
    }

    /// Reads beside the writer.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Whether commits become durable.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Asks for upkeep, and acknowledges notes.
    pub fn caretaker(&self) -> Caretaker {
        Caretaker { requests: self.requests.clone(), notices: self.notices.clone() }
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

impl Request {
    /// Answers a request that will not be carried out.
    pub(super) fn refuse(self, fault: CommitError) {
        match self {
            Self::Commit(_, done) => done(Err(fault)),
            Self::Upkeep(_, done) => done(Err(UpkeepError::Refused(fault))),
            Self::Close => {}
        }
    }
}

/// Takes the exclusive right to a state directory.
pub(super) fn take_lock(files: &Files) -> Result<Lock, OpenError> {
    Lock::take(&files.lock).map_err(|fault| match fault {
        LockError::Held { pid } => OpenError::InUse { dir: files.dir.clone(), pid },
        LockError::Io(source) => OpenError::File { step: "lock", path: files.lock.clone(), source },
    })
}

/// Whoever can write the state can have any command run as the user of any job: it must belong to this process's user, or
/// to root, and nobody else may write to it.
///
/// # Errors
/// When it is not so, or the directory cannot be looked at.
pub(super) fn check_owner(files: &Files) -> Result<(), OpenError> {
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    for dir in [&files.dir, &files.database] {
        let metadata = match std::fs::metadata(dir) {
            Ok(metadata) => metadata,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => continue,
            Err(fault) => return Err(file_fault("look at", dir)(fault)),
        };
        let mode = metadata.mode() & 0o7777;
        let owner = Some(metadata.uid()).filter(|uid| *uid != 0 && *uid != nix::unistd::geteuid().as_raw());
        if owner.is_some() || mode & WRITABLE_BY_OTHERS != 0 {
            return Err(OpenError::Untrusted { dir: dir.clone(), owner, mode });
        }
    }
    Ok(())
}
