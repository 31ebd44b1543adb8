//! What the engine asks, and what the supervisor does about it.

use std::os::unix::net::UnixStream;

use super::attempt::{Attempt, Main};
use super::clock;
use super::engines::{Heard, Introduction};
use super::protocol::ConversionError;
use super::protocol::wire::ToSupervisor;
use super::serve::Supervisor;
use super::token::Key;
use crate::run::{AttemptId, LaunchPlan, Report};

/// Connections taken before everything else gets its turn; those that still wait are heard of again. Looking where one comes
/// from costs some ten microseconds, and a job may connect as often as it likes.
const ACCEPTED_AT_ONCE: usize = 16;

impl Supervisor {
    /// Takes connections that wait, but none of a run: what a run needs of the supervisor it has, and one that spoke as an
    /// engine would take the engine's place.
    pub fn accept(&mut self) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let key = self.new_key();
            let now = clock::now().monotonic;
            let (origins, attempts) = (&self.origins, &self.attempts);
            let origin = |socket: &UnixStream| {
                origins.of_peer(socket, |fits| {
                    // Its own children are found as such.
                    let adopted = |attempt: &&Attempt| match attempt.main {
                        Main::Adopted(pid, _) => fits(Some(pid.as_raw().unsigned_abs())),
                        Main::Child(_) | Main::Gone => false,
                    };
                    attempts.values().filter(adopted).map(|attempt| attempt.id.clone()).collect()
                })
            };
            if !self.engines.accept(self.instance.listener(), key, &self.epoll, now, origin) {
                return;
            }
        }
    }

    /// Reads from a connection and does what the engine asks.
    pub fn hear_engine(&mut self, key: Key) {
        let introduction = Introduction { pid: self.host.pid.as_raw().unsigned_abs(), boot: &self.host.boot };
        for heard in self.engines.hear(key, &self.epoll, &introduction) {
            match heard {
                Heard::Arrived => self.report_everything(),
                Heard::Message(message) => {
                    if let Err(fault) = self.obey(message) {
                        tracing::error!(%fault, "a request means nothing");
                    }
                }
            }
        }
    }

    fn obey(&mut self, message: ToSupervisor) -> Result<(), ConversionError> {
        match message {
            ToSupervisor::Hello { .. } => tracing::warn!("the engine said hello twice"),
            ToSupervisor::Launch { plan } => self.launch(&LaunchPlan::try_from(*plan)?),
            ToSupervisor::Find { plan } => self.find(&plan.attempt.try_into()?),
            ToSupervisor::Stop { attempt, reason } => {
                let id = attempt.try_into()?;
                match self.by_id.get(&id) {
                    Some(&key) => self.stop(key, reason.into()),
                    // It ended meanwhile, or was never here: the engine should know.
                    None => self.find(&id),
                }
            }
            ToSupervisor::Acknowledge { attempt } => self.acknowledge(&attempt.try_into()?),
        }
        Ok(())
    }

    /// The inventory: what runs, and what ended and was not acknowledged.
    fn report_everything(&mut self) {
        let started: Vec<Report> = self.attempts.values().filter_map(Supervisor::started).collect();
        let ended =
            self.ends.iter().map(|(id, end)| Report::Ended { attempt: id.clone(), end: Box::new(end.end.clone()) });
        for report in started.into_iter().chain(ended.collect::<Vec<_>>()) {
            self.report(&report);
        }
    }

    /// Says what is known of an attempt, here or on disk. An attempt that is being set up is reported when it is not.
    pub fn find(&mut self, id: &AttemptId) {
        if let Some(end) = self.ends.get(id) {
            let report = Report::Ended { attempt: id.clone(), end: Box::new(end.end.clone()) };
            return self.report(&report);
        }
        match self.by_id.get(id).and_then(|key| self.attempts.get(key)) {
            Some(attempt) => {
                if let Some(report) = Self::started(attempt) {
                    self.report(&report);
                }
            }
            None => self.find_on_disk(id),
        }
    }

    /// The engine has stored the end.
    fn acknowledge(&mut self, id: &AttemptId) {
        if self.by_id.contains_key(id) {
            tracing::warn!(attempt = %id, "the end of a live attempt was acknowledged");
            return;
        }
        self.ends.remove(id);
        // What goes on is to be found by the next supervisor, too: somebody has to read what it prints.
        if !self.left.contains(id) {
            self.journal.forget(id);
        }
    }
}
