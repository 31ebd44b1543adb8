//! [`Api`]: what every handler works with.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::access::{self, Access};
use super::error::ApiError;
use super::events::Hub;
use crate::clock::Timestamp;
use crate::daemon::Handle;
use crate::output::Watcher;
use crate::run::{AttemptId, RunState};
use crate::scheduler::Snapshot;
use crate::supervisor::Origins;

/// The state of the server, shared by all connections.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    handle: Handle,
    daemon_uid: u32,
    clock: fn() -> Timestamp,
    hub: Arc<Hub>,
    stopping: CancellationToken,
    origins: Origins,
    watcher: Mutex<Option<Watcher>>,
}

impl Api {
    /// `daemon_uid` is the daemon's own user; `clock` reads the wall clock; `stopping` ends every stream.
    pub fn new(handle: Handle, daemon_uid: u32, clock: fn() -> Timestamp, stopping: CancellationToken) -> Self {
        let hub = Arc::new(Hub::new(clock()));
        let origins = Origins::new(&handle.about().state_dir);
        Self(Arc::new(Shared { handle, daemon_uid, clock, hub, stopping, origins, watcher: Mutex::default() }))
    }

    /// The daemon.
    pub fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// Who may do what, by the rules of this moment.
    pub fn access(&self) -> Access {
        Access {
            daemon_uid: self.0.daemon_uid,
            rules: self.0.handle.access(),
            file: self.0.handle.about().config.clone(),
        }
    }

    /// Whether who has connected here may use this daemon at all.
    ///
    /// # Errors
    /// The answer, when it may not.
    pub fn admit(&self, stream: &UnixStream) -> Result<(), ApiError> {
        let origins = &self.0.origins;
        let origin = origins.of_peer(stream, |fits| attempts(&self.0.handle.snapshot(), fits));
        access::admit(&origin, |attempt| origins.may_use_jobsd(attempt))
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// The newest events.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    /// Watches output for those who follow it. Made when somebody does: the kernel has few of them for each user.
    ///
    /// # Errors
    /// When the kernel has none left.
    pub fn watcher(&self) -> io::Result<Watcher> {
        let mut made = self.0.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        match &*made {
            Some(watcher) => Ok(watcher.clone()),
            None => Ok(made.insert(Watcher::new()?).clone()),
        }
    }

    /// Ends when the server does.
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }
}

/// What the supervisor may be carrying out, and the main process of which fits: runs, and the programs of messages.
fn attempts(all: &Snapshot, fits: &dyn Fn(Option<u32>) -> bool) -> Vec<AttemptId> {
    let main = |state: &RunState| match *state {
        RunState::Running { pid, .. } | RunState::Stopping { pid, .. } if pid > 0 => Some(pid),
        RunState::Running { .. }
        | RunState::Stopping { .. }
        | RunState::Starting { .. }
        | RunState::Queued { .. }
        | RunState::Backoff { .. }
        | RunState::Finished { .. } => None,
    };
    let runs = all.live.values().filter(|run| fits(main(&run.state))).filter_map(|run| run.current_attempt());
    let notices = all.outbox.waiting.values().filter(|_| fits(None)).map(|notice| notice.attempt());
    runs.chain(notices).collect()
}
