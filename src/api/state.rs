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
    access: Access,
    clock: fn() -> Timestamp,
    hub: Arc<Hub>,
    stopping: CancellationToken,
    watcher: Mutex<Option<Watcher>>,
}

impl Api {
    /// `clock` reads the wall clock; `stopping` ends every stream.
    pub fn new(handle: Handle, access: Access, clock: fn() -> Timestamp, stopping: CancellationToken) -> Self {
        let hub = Arc::new(Hub::new(clock()));
        Self(Arc::new(Shared { handle, access, clock, hub, stopping, watcher: Mutex::default() }))
    }

    /// The daemon.
    pub fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// Who may do what.
    pub fn access(&self) -> &Access {
        &self.0.access
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
