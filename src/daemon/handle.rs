//! [`Handle`]: how the API, the signals and the watcher reach the event loop.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{broadcast, oneshot, watch};

use super::OutputBounds;
use super::config::AccessRules;
use super::jobs_dir::{JobFiles, Reading, Trust};
use super::loader::{LoaderBell, Reason};
use super::lookout::Warnings;
use super::mailbox::Mailbox;
use super::metrics::Metrics;
use super::notices::NotifySettings;
use super::shutdown::ShutdownMode;
use crate::clock::{Monotonic, Timestamp};
use crate::schedule::{Boot, Calendars};
use crate::scheduler::{Announcement, Answer, Command, LoadSummary, Named, Refusal, Snapshot};
use crate::spec::{Fault, LoadedSpec};
use crate::store;

/// A clonable handle to the running daemon. Commands are answered after their commit; reads come from the newest
/// published snapshot and never wait for the loop.
#[derive(Clone)]
pub struct Handle {
    mailbox: Mailbox,
    loader: LoaderBell,
    published: Arc<Published>,
}

/// What the loop publishes.
pub struct Published {
    pub(super) snapshot: arc_swap::ArcSwap<Snapshot>,
    pub(super) announcements: broadcast::Sender<Announcement>,
    pub(super) about: About,
    pub(super) supervisor: arc_swap::ArcSwap<SupervisorState>,
    /// Why the jobs directory could not be read last, when it could not.
    pub(super) jobs_dir_fault: arc_swap::ArcSwapOption<String>,
    /// Why the configuration that is in force is not the one that stands in its file.
    pub(super) config_fault: arc_swap::ArcSwapOption<String>,
    /// Files of the jobs directory that should be jobs and whose names cannot be.
    pub(super) strays: arc_swap::ArcSwap<Vec<Fault>>,
    /// What good job files name and this machine does not have.
    pub(super) warnings: arc_swap::ArcSwap<Warnings>,
    pub(super) circumstances: arc_swap::ArcSwap<Circumstances>,
    pub(super) store: store::Reader,
    pub(super) health: store::Health,
    /// What opening the store found wrong, until acknowledged.
    pub(super) notes: arc_swap::ArcSwap<Vec<store::Note>>,
    pub(super) caretaker: store::Caretaker,
    /// Who may do what.
    pub(super) access: watch::Sender<Arc<AccessRules>>,
    /// The jobs directory, to write to.
    pub(super) job_files: Arc<JobFiles>,
    /// How messages are sent.
    pub(super) notify: arc_swap::ArcSwap<NotifySettings>,
    pub(super) reading: arc_swap::ArcSwap<Reading>,
    /// Whose job files are believed.
    pub(super) trust: arc_swap::ArcSwap<Trust>,
    pub(super) metrics: Metrics,
    pub(super) output_bounds: arc_swap::ArcSwap<OutputBounds>,
}

/// What the stored definitions are read with, as of the newest look at the jobs directory.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Defaults, zone, rights.
    pub reading: Reading,
    /// The calendars, in their last good form where they are faulty or missing.
    pub calendars: Arc<Calendars>,
}

/// Facts of this process that do not change while it runs.
#[derive(Clone, Debug)]
pub struct About {
    /// When it began.
    pub started_at: Timestamp,
    /// The jobs directory.
    pub jobs_dir: PathBuf,
    /// The state directory; runs' output lies in `runs/<job>/<number>/<attempt>/` below it.
    pub state_dir: PathBuf,
    /// The API's socket.
    pub socket: PathBuf,
    /// The configuration file, when one was read.
    pub config: Option<PathBuf>,
    /// The release of the machine's own IANA time zone database, where it says which.
    pub machine_tz_database: Option<String>,
    /// The boot during which it runs; schedules that count from it need it.
    pub boot: Boot,
}

/// Whether there is a supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SupervisorState {
    /// Connected.
    Connected {
        /// Its process.
        pid: u32,
        /// Since when.
        since: Monotonic,
    },
    /// Not connected; the loop tries again.
    Missing {
        /// Why, in words.
        reason: String,
    },
}

/// Why a request to the daemon failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The scheduler refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The jobs directory could not be read; the last set stays in force.
    #[error("{reason}")]
    JobsDirectory {
        /// Why, in words.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// More requests wait than the daemon takes.
    #[error("the daemon is busy")]
    Busy,
    /// The daemon ended before it answered.
    #[error("the daemon is going down")]
    Gone,
}

impl Handle {
    pub(super) const fn new(mailbox: Mailbox, loader: LoaderBell, published: Arc<Published>) -> Self {
        Self { mailbox, loader, published }
    }

    /// Hands a command to the scheduler and waits for its answer.
    ///
    /// # Errors
    /// When it is refused, the daemon is busy, or goes down meanwhile.
    pub async fn command(&self, command: Command) -> Result<Answer, RequestError> {
        let (sender, receiver) = oneshot::channel();
        self.mailbox.command(command, sender)?;
        receiver.await.map_err(|_| RequestError::Gone)?.map_err(RequestError::Refused)
    }

    /// Hands the definition of an ad-hoc job to the scheduler and waits for its answer.
    ///
    /// # Errors
    /// When it is refused, the daemon is busy, or goes down meanwhile.
    pub async fn define(&self, job: LoadedSpec, uid: u32, named: Named) -> Result<Answer, RequestError> {
        let (sender, receiver) = oneshot::channel();
        self.mailbox.define(job, uid, named, sender)?;
        receiver.await.map_err(|_| RequestError::Gone)?.map_err(RequestError::Refused)
    }

    /// What job files are read with.
    pub fn reading(&self) -> Arc<Reading> {
        self.published.reading.load_full()
    }

    /// Whose job files are believed.
    pub fn trust(&self) -> Arc<Trust> {
        self.published.trust.load_full()
    }

    /// Reads the jobs directory now. `force` takes a set over in which more than half of the jobs are gone.
    ///
    /// # Errors
    /// When the directory cannot be read, the daemon is busy, or goes down meanwhile.
    pub async fn reload(&self, force: bool) -> Result<LoadSummary, RequestError> {
        let (sender, receiver) = oneshot::channel();
        if !self.loader.ring(Reason::Asked { force, answer: sender }) {
            return Err(RequestError::Gone);
        }
        receiver.await.map_err(|_| RequestError::Gone)?
    }

    /// Begins to go down. Returns at once.
    ///
    /// # Errors
    /// When the daemon is busy or already going down.
    pub fn shutdown(&self, mode: ShutdownMode) -> Result<(), RequestError> {
        self.mailbox.shutdown(mode)
    }

    /// Everything as of the newest commit.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.snapshot.load_full()
    }

    /// Changes as they are committed. A listener that falls behind by more than the channel holds is told so.
    pub fn subscribe(&self) -> broadcast::Receiver<Announcement> {
        self.published.announcements.subscribe()
    }

    /// What the stored definitions are read with.
    pub fn circumstances(&self) -> Arc<Circumstances> {
        self.published.circumstances.load_full()
    }

    /// Who may do what, as the configuration says now.
    pub fn access(&self) -> Arc<AccessRules> {
        Arc::clone(&self.published.access.borrow())
    }

    /// Tells of every change of [`Handle::access`].
    pub fn access_changes(&self) -> watch::Receiver<Arc<AccessRules>> {
        self.published.access.subscribe()
    }

    /// The jobs directory, to write to. [`Handle::reload`] brings what was written into force.
    pub fn job_files(&self) -> &Arc<JobFiles> {
        &self.published.job_files
    }

    /// The history.
    pub fn store(&self) -> &store::Reader {
        &self.published.store
    }

    /// Why the jobs directory could not be read last, when it could not; the last set stays in force.
    pub fn jobs_dir_fault(&self) -> Option<Arc<String>> {
        self.published.jobs_dir_fault.load_full()
    }

    /// Why the configuration could not be read again, with causes; what was read before is in force. `None` when it could.
    pub fn config_fault(&self) -> Option<Arc<String>> {
        self.published.config_fault.load_full()
    }

    /// Files of the jobs directory that should be jobs and whose names cannot be.
    pub fn strays(&self) -> Arc<Vec<Fault>> {
        self.published.strays.load_full()
    }

    /// What good job files name and this machine does not have, as of the newest look.
    pub fn warnings(&self) -> Arc<Warnings> {
        self.published.warnings.load_full()
    }

    /// Whether commits become durable.
    pub fn store_health(&self) -> store::WriteState {
        self.published.health.state()
    }

    /// What was not as it should be when the store was opened, and nobody has acknowledged.
    pub fn store_notes(&self) -> Arc<Vec<store::Note>> {
        self.published.notes.load_full()
    }

    /// Somebody has seen the notes of the store. Gives those that are told no more. Blocks on the disk.
    ///
    /// # Errors
    /// When that cannot be remembered.
    pub fn acknowledge_store_notes(&self) -> std::io::Result<Arc<Vec<store::Note>>> {
        self.published.caretaker.acknowledge_notes()?;
        Ok(self.published.notes.swap(Arc::default()))
    }

    /// Has the store do something beside its commits, and waits.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn store_upkeep(&self, what: store::Upkeep) -> Result<store::UpkeepOutcome, store::UpkeepError> {
        let (sender, receiver) = oneshot::channel();
        // A client that has gone away wants no answer.
        self.published.caretaker.ask(what, Box::new(move |result| drop(sender.send(result))));
        receiver.await.unwrap_or(Err(store::UpkeepError::Refused(store::CommitError::Closed)))
    }

    /// Facts of this process.
    pub fn about(&self) -> &About {
        &self.published.about
    }

    /// What was counted since the daemon began.
    pub fn metrics(&self) -> &Metrics {
        &self.published.metrics
    }

    /// Whether there is a supervisor.
    pub fn supervisor(&self) -> Arc<SupervisorState> {
        self.published.supervisor.load_full()
    }
}
