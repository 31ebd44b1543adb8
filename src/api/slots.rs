//! [`Slots`]: how many connections are open at once, and whose.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::Role;

/// Connections that admins hold at once. Their slots are their own, so that no operator's script can lock an administrator
/// out. One more, here as below, is answered `too_many_connections` and closed.
pub const ADMIN_CONNECTIONS: usize = 256;

/// Connections that operators and viewers hold at once, together.
pub const MEMBER_CONNECTIONS: usize = 256;

/// Connections that all others hold at once, together: those who may connect for their own jobs, or by mistake.
pub const STRANGER_CONNECTIONS: usize = 128;

/// Connections that one of those others holds at once, so that no user can lock all others out.
pub const CONNECTIONS_OF_A_STRANGER: usize = 16;

/// The free places.
pub struct Slots {
    admins: Arc<Semaphore>,
    members: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    shares: Arc<Shares>,
}

/// Connections of each stranger who has one.
type Shares = Mutex<HashMap<u32, usize>>;

/// One place, free again when it is dropped.
pub struct Slot {
    _place: OwnedSemaphorePermit,
    _share: Option<Share>,
}

struct Share {
    uid: u32,
    shares: Arc<Shares>,
}

impl Slots {
    /// All places are free.
    pub fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            admins: places(ADMIN_CONNECTIONS),
            members: places(MEMBER_CONNECTIONS),
            strangers: places(STRANGER_CONNECTIONS),
            shares: Arc::default(),
        }
    }

    /// A place for a connection; `None` when there is none left.
    pub fn take(&self, role: Role, uid: u32) -> Option<Slot> {
        let (places, share) = match role {
            Role::Admin => (&self.admins, None),
            Role::Operator | Role::Viewer => (&self.members, None),
            Role::Stranger => (&self.strangers, Some(Share::take(&self.shares, uid)?)),
        };
        let place = Arc::clone(places).try_acquire_owned().ok()?;
        Some(Slot { _place: place, _share: share })
    }
}

impl Share {
    fn take(shares: &Arc<Shares>, uid: u32) -> Option<Self> {
        let mut open = lock(shares);
        let count = open.entry(uid).or_default();
        if *count == CONNECTIONS_OF_A_STRANGER {
            return None;
        }
        *count += 1;
        Some(Self { uid, shares: Arc::clone(shares) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = lock(&self.shares);
        match open.get_mut(&self.uid) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(open.remove(&self.uid)),
        }
    }
}

fn lock(shares: &Shares) -> MutexGuard<'_, HashMap<u32, usize>> {
    // No code that can panic runs under the lock.
    shares.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_take_the_places_of_others() {
        let slots = Slots::new();
        let mut greedy: Vec<Slot> = std::iter::from_fn(|| slots.take(Role::Stranger, 1000)).collect();
        assert_eq!(greedy.len(), CONNECTIONS_OF_A_STRANGER);
        assert!(slots.take(Role::Stranger, 1001).is_some(), "another user has places of its own");
        greedy.pop();
        assert!(slots.take(Role::Stranger, 1000).is_some(), "a place that was left is free");
        drop(greedy);
        assert!(lock(&slots.shares).is_empty(), "who has left is forgotten");

        let crowd: Vec<Slot> = (2000..).map_while(|uid| slots.take(Role::Stranger, uid)).collect();
        assert_eq!(crowd.len(), STRANGER_CONNECTIONS);
        let members: Vec<Slot> = std::iter::from_fn(|| slots.take(Role::Operator, 7)).collect();
        assert_eq!(members.len(), MEMBER_CONNECTIONS);
        assert!(slots.take(Role::Viewer, 8).is_none());
        assert!(slots.take(Role::Admin, 0).is_some());
    }
}
