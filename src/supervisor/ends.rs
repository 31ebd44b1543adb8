//! Ends: telling them, writing them down, and keeping them until they are acknowledged.

use super::attempt::{Attempt, LEFTOVER_INTERVAL, Left, Main, Phase};
use super::clock;
use super::directory::attempt_dir;
use super::isolate::credentials;
use super::line::Line;
use super::record;
use super::serve::{End, OnDisk, Supervisor, WRITE_INTERVAL};
use super::token::Key;
use crate::clock::Monotonic;
use crate::run::{AttemptEnd, AttemptId, Report};

impl Supervisor {
    /// Tells the end of an attempt of which something is still there.
    pub fn tell_early(&mut self, key: Key, what: Left) {
        let now = clock::now();
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        attempt.streams.read_rest(&mut self.buffer);
        let left = Phase::Left { what, next_look: now.monotonic.saturating_add(LEFTOVER_INTERVAL) };
        let Phase::Ending(main) = std::mem::replace(&mut attempt.phase, left) else { return };
        let at = main.at;
        let end = main.tell(attempt.stop, at, attempt.streams.drop_from_now(now.wall));
        let id = attempt.id.clone();
        self.by_id.remove(&id);
        self.left.insert(id.clone());
        self.keep_end(id, end, OnDisk::NotYet);
        self.arm(key);
    }

    /// The last process of an attempt whose end was told has ended, too.
    pub fn forget_leftovers(&mut self, key: Key) {
        self.disarm(key);
        self.ending.remove(&key);
        if let Some(mut attempt) = self.attempts.remove(&key) {
            attempt.streams.finish(&self.epoll, clock::now().wall);
            remove_credentials(&attempt);
            self.left.remove(&attempt.id);
            if !self.ends.contains_key(&attempt.id) {
                self.journal.forget(&attempt.id);
            }
        }
    }

    /// Tells the end of an attempt of which nothing is left.
    pub fn finish(&mut self, key: Key) {
        self.disarm(key);
        let Some(mut attempt) = self.attempts.remove(&key) else { return };
        remove_credentials(&attempt);
        self.ending.remove(&key);
        self.by_id.remove(&attempt.id);
        if let Main::Child(pid) = attempt.main
            && self.by_pid.get(&pid) == Some(&key)
        {
            // Killed during its set-up and not yet reaped; nobody asks for its status.
            self.by_pid.remove(&pid);
        }
        let Phase::Ending(main) = attempt.phase else { return };
        let now = clock::now().wall;
        let at = if main.waited { now } else { main.at };
        let end = main.tell(attempt.stop, at, attempt.streams.finish(&self.epoll, now));
        self.keep_end(attempt.id, end, OnDisk::NotYet);
    }

    /// Writes an end down, tells it, and keeps it until it is acknowledged.
    pub fn keep_end(&mut self, id: AttemptId, end: AttemptEnd, on_disk: OnDisk) {
        let report = Report::Ended { attempt: id.clone(), end: Box::new(end.clone()) };
        let mut kept = End { end, on_disk };
        self.write_end(&id, &mut kept);
        self.ends.insert(id, kept);
        self.report(&report);
    }

    fn write_end(&self, id: &AttemptId, kept: &mut End) {
        if kept.on_disk == OnDisk::NotYet {
            let dir = attempt_dir(&self.host.runs, id);
            match record::add(&dir, &Line::Ended(Box::new((&kept.end).into()))) {
                Ok(()) => kept.on_disk = OnDisk::Yes,
                Err(fault) => tracing::warn!(attempt = %id, %fault, "cannot write the end down; it is tried again"),
            }
        }
    }

    /// Tries again to write down what the disk did not take.
    pub fn write_ends(&mut self, now: Monotonic) {
        if now < self.write_again_at || !self.has_unwritten() {
            return;
        }
        self.write_again_at = now.saturating_add(WRITE_INTERVAL);
        let mut ends = std::mem::take(&mut self.ends);
        for (id, kept) in &mut ends {
            self.write_end(id, kept);
        }
        self.ends = ends;
    }
}

/// Secrets that lie in a directory go with the attempt.
fn remove_credentials(attempt: &Attempt) {
    if let Some(directory) = &attempt.facts.credentials
        && let Err(fault) = credentials::remove_directory(directory)
    {
        tracing::error!(attempt = %attempt.id, path = %directory.display(), %fault, "cannot remove credentials");
    }
}
