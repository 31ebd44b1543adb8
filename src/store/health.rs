//! [`Health`]: whether commits become durable, for the health report and for the decision to start nothing new.

use tokio::sync::watch;

/// Whether commits become durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteState {
    /// They do.
    Writing,
    /// They do, since the reserve was given up: the disk is full otherwise. Nothing new should be started.
    OnReserve,
    /// They do not; they wait, and the store tries again by itself.
    Failing {
        /// Why, in words.
        reason: String,
        /// Whether it is for want of room.
        disk_full: bool,
        /// How often the oldest waiting commit has failed.
        failures: u32,
    },
    /// The store was closed.
    Closed,
}

impl WriteState {
    /// Whether a new run could be recorded to its end.
    pub const fn may_start_runs(&self) -> bool {
        matches!(self, Self::Writing)
    }
}

/// The writer's state, to look at and to wait on. Clones see the same.
#[derive(Clone, Debug)]
pub struct Health(watch::Receiver<WriteState>);

impl Health {
    pub(super) fn new() -> (Reporter, Self) {
        let (sender, receiver) = watch::channel(WriteState::Writing);
        (Reporter(sender), Self(receiver))
    }

    /// The state now.
    pub fn state(&self) -> WriteState {
        self.0.borrow().clone()
    }

    /// Waits until the state is another than the one last seen through this handle, and gives it.
    pub async fn changed(&mut self) -> WriteState {
        // An error means that the writer is gone; its last word was `Closed`.
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.0.borrow_and_update().clone()
    }
}

/// The writer's end.
pub(super) struct Reporter(watch::Sender<WriteState>);

impl Reporter {
    /// Tells a state; the same one again wakes nobody.
    pub fn tell(&self, state: WriteState) {
        self.0.send_if_modified(|current| {
            let differs = *current != state;
            *current = state;
            differs
        });
    }
}
