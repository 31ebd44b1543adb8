//! [`Hub`]: the newest announcements, numbered, so that a listener can go on where it stopped.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::scheduler::Announcement;

/// Announcements kept for listeners that come back. One that was away for longer is told of a gap.
pub const EVENTS_KEPT: usize = 4096;

/// The newest announcements of this daemon.
pub struct Hub {
    /// Tells events of this process from those of an earlier one.
    epoch: i64,
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    /// The number of the newest announcement; 0 before the first.
    newest: u64,
    /// The newest last. `None` is a gap in what the hub itself heard.
    announcements: VecDeque<Option<Announcement>>,
}

/// A listener's place: the number of the last event it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u64);

/// What a listener reads next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// An announcement.
    Announcement(Announcement),
    /// Some are missing here.
    Gap,
}

impl Hub {
    /// An empty hub of a daemon that started at `epoch`.
    pub fn new(epoch: Timestamp) -> Self {
        let (newest, _) = watch::channel(0);
        Self { epoch: epoch.timestamp_micros(), kept: Mutex::default(), newest }
    }

    /// Takes announcements in until the daemon or the server ends.
    pub async fn collect(&self, mut from: broadcast::Receiver<Announcement>, stopping: CancellationToken) {
        loop {
            let heard = tokio::select! {
                heard = from.recv() => heard,
                () = stopping.cancelled() => return,
            };
            match heard {
                Ok(announcement) => self.push(Some(announcement)),
                Err(broadcast::error::RecvError::Lagged(_)) => self.push(None),
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn push(&self, announcement: Option<Announcement>) {
        let mut kept = self.lock();
        if kept.announcements.len() == EVENTS_KEPT {
            kept.announcements.pop_front();
        }
        kept.announcements.push_back(announcement);
        kept.newest += 1;
        let newest = kept.newest;
        drop(kept);
        self.newest.send_replace(newest);
    }

    /// The place after everything so far.
    pub fn end(&self) -> Place {
        Place(self.lock().newest)
    }

    /// The id of a place, for `Last-Event-ID`.
    pub fn id(&self, place: Place) -> String {
        format!("{}-{}", self.epoch, place.0)
    }

    /// Whether a text could be the id of some daemon's event.
    pub fn is_id(text: &str) -> bool {
        let numbers = text.split_once('-').map(|(epoch, number)| (epoch.parse::<i64>(), number.parse::<u64>()));
        matches!(numbers, Some((Ok(_), Ok(_))))
    }

    /// The place that an id names; `None` when it is not one of this daemon's.
    pub fn place(&self, id: &str) -> Option<Place> {
        let (_, number) = id.split_once('-')?;
        let place = Place(number.parse().ok().filter(|&number| number <= self.lock().newest)?);
        // As it was given out: a place has one id.
        (self.id(place) == id).then_some(place)
    }

    /// The event after `place`, and its own place; waits until there is one.
    pub async fn next(&self, place: Place) -> (Next, Place) {
        let mut newest = self.newest.subscribe();
        loop {
            // Marked as seen before the look, so that an event pushed between the look and the wait wakes the wait.
            newest.borrow_and_update();
            if let Some(next) = self.look(place) {
                return next;
            }
            newest.changed().await.expect("the hub holds the sender while it is borrowed");
        }
    }

    fn look(&self, place: Place) -> Option<(Next, Place)> {
        let kept = self.lock();
        let behind = usize::try_from(kept.newest - place.0).unwrap_or(usize::MAX);
        if behind == 0 {
            return None;
        }
        let Some(index) = kept.announcements.len().checked_sub(behind) else {
            let before_oldest = kept.newest - kept.announcements.len() as u64;
            return Some((Next::Gap, Place(before_oldest)));
        };
        let next = kept.announcements[index].clone().map_or(Next::Gap, Next::Announcement);
        Some((next, Place(place.0 + 1)))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // No code that can panic runs under the lock; were it to, the queue would still be whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::at;
    use crate::spec::JobName;

    fn hub() -> Hub {
        Hub::new(at("2026-11-21T00:00:00Z"))
    }

    fn announcement(name: &str) -> Announcement {
        Announcement::Job(JobName::new(name).unwrap())
    }

    #[tokio::test]
    async fn a_listener_reads_on_from_the_id_it_has() {
        let hub = hub();
        let start = hub.end();
        hub.push(Some(announcement("a")));
        hub.push(Some(announcement("b")));
        let (first, place) = hub.next(start).await;
        assert_eq!(first, Next::Announcement(announcement("a")));
        let again = hub.place(&hub.id(place)).unwrap();
        assert_eq!(hub.next(again).await.0, Next::Announcement(announcement("b")));
    }

    #[tokio::test]
    async fn a_listener_that_was_away_too_long_learns_of_the_gap_and_gets_the_rest() {
        let hub = hub();
        let start = hub.end();
        for number in 0..EVENTS_KEPT + 5 {
            hub.push(Some(announcement(&format!("job{number}"))));
        }
        let (gap, place) = hub.next(start).await;
        assert_eq!(gap, Next::Gap);
        assert_eq!(hub.next(place).await.0, Next::Announcement(announcement("job5")));
    }

    #[test]
    fn ids_of_another_daemon_or_of_the_future_are_no_place() {
        let hub = hub();
        hub.push(Some(announcement("a")));
        assert_eq!(hub.place(&hub.id(hub.end())), Some(hub.end()));
        assert_eq!(hub.place("1-1"), None);
        assert_eq!(hub.place(&format!("{}-2", hub.epoch)), None);
        assert_eq!(hub.place("nonsense"), None);
        for (text, is_id) in
            [("1-1", true), (hub.id(hub.end()).as_str(), true), ("zz", false), ("1-x", false), ("", false)]
        {
            assert_eq!(Hub::is_id(text), is_id, "{text}");
        }
        assert_eq!(hub.place(&format!("0{}", hub.id(hub.end()))), None);
    }

    #[tokio::test]
    async fn what_the_hub_did_not_hear_is_a_gap() {
        let (sender, receiver) = broadcast::channel(2);
        for name in ["a", "b", "c", "d"] {
            sender.send(announcement(name)).unwrap();
        }
        drop(sender);
        let hub = hub();
        let start = hub.end();
        hub.collect(receiver, CancellationToken::new()).await;
        let (gap, place) = hub.next(start).await;
        assert_eq!(gap, Next::Gap);
        assert_eq!(hub.next(place).await.0, Next::Announcement(announcement("c")));
    }
}
