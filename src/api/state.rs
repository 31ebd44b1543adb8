//! [`Api`]: what every handler works with.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::events::Hub;
use crate::clock::Timestamp;
use crate::daemon::Handle;
use crate::output::Watcher;

/// The state of the server, shared by all connections.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    handle: Handle,
    daemon_uid: u32,
    clock: fn() -> Timestamp,
    hub: Arc<Hub>,
    stopping: CancellationToken,
    watcher: Mutex<Option<Watcher>>,
}

impl Api {
    /// `daemon_uid` is the daemon's own user; `clock` reads the wall clock; `stopping` ends every stream.
    pub fn new(handle: Handle, daemon_uid: u32, clock: fn() -> Timestamp, stopping: CancellationToken) -> Self {
        let hub = Arc::new(Hub::new(clock()));
        Self(Arc::new(Shared { handle, daemon_uid, clock, hub, stopping, watcher: Mutex::default() }))
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
