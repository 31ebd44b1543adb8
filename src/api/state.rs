//! [`Api`]: what every handler works with.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::events::Hub;
use crate::clock::Timestamp;
use crate::daemon::Handle;

/// The state of the server, shared by all connections.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    handle: Handle,
    access: Access,
    clock: fn() -> Timestamp,
    hub: Arc<Hub>,
    stopping: CancellationToken,
}

impl Api {
    /// `clock` reads the wall clock; `stopping` ends every stream.
    pub fn new(handle: Handle, access: Access, clock: fn() -> Timestamp, stopping: CancellationToken) -> Self {
        let hub = Arc::new(Hub::new(clock()));
        Self(Arc::new(Shared { handle, access, clock, hub, stopping }))
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

    /// Ends when the server does.
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }
}
