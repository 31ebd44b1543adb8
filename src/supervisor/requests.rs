//! What the engine asks, and what the supervisor does about it.

use super::clock;
use super::engines::{Heard, Introduction};
use super::protocol::ConversionError;
use super::protocol::wire::ToSupervisor;
use super::serve::Supervisor;
use super::token::Key;
use crate::run::{AttemptId, LaunchPlan, Report};

impl Supervisor {
    /// Takes every connection that waits.
    pub fn accept(&mut self) {
        loop {
            let key = self.new_key();
            let now = clock::now().monotonic;
            if !self.engines.accept(self.instance.listener(), key, &self.epoll, now) {
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
