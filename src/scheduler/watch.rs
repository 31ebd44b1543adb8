//! [`Watch`]: what a job's health and its messages follow from, and the episodes of `alert_after`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Job, JobName, Scheduler};
use crate::clock::{Now, Timestamp};
use crate::run::{About, Outcome};
use crate::spec::NoticeEvent;

/// What is remembered of a job to judge its health and to bound its messages. Durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Finished runs in a row that failed; runs that a person, a newer run or a shutdown ended neither count nor break
    /// the row.
    pub failures: u64,
    /// The end of the newest run that succeeded.
    pub last_success: Option<Timestamp>,
    /// From when on a success is awaited, where that is not the first sight of the job: the end of a pause, its being
    /// enabled, its return.
    pub awaited_from: Option<Timestamp>,
    /// When `alert_after` was over; absent while it is not.
    pub overdue_since: Option<Timestamp>,
    /// Messages of the present hour, by event.
    pub told: BTreeMap<NoticeEvent, Told>,
}

/// Messages of one event within an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When the hour began.
    pub since: Timestamp,
    /// Messages that went out.
    pub sent: u32,
    /// Messages that were held back.
    pub held_back: u64,
}

/// The time for which `notify.per_hour` counts.
const HOUR: Duration = Duration::from_secs(3600);

impl Watch {
    /// Whether one more message of an event may go out: then how many were held back before it, which it tells.
    pub(super) fn admit(&mut self, event: NoticeEvent, per_hour: u32, now: Timestamp) -> Option<u64> {
        let fresh = Told { since: now, sent: 1, held_back: 0 };
        let Some(told) = self.told.get_mut(&event) else {
            self.told.insert(event, fresh);
            return Some(0);
        };
        // A clock that was set back must not hold messages for longer than an hour.
        let over = now < told.since || now - told.since >= HOUR_DELTA;
        if over {
            let held_back = told.held_back;
            *told = fresh;
            return Some(held_back);
        }
        if told.sent < per_hour {
            told.sent += 1;
            return Some(0);
        }
        told.held_back += 1;
        None
    }

    /// Takes the end of a run in.
    pub(super) fn note_end(&mut self, outcome: &Outcome, ended_at: Timestamp) {
        if outcome.is_success() {
            self.failures = 0;
            self.last_success = self.last_success.max(Some(ended_at));
            self.overdue_since = None;
        } else if outcome.is_failure() {
            self.failures += 1;
        }
    }
}

const HOUR_DELTA: chrono::TimeDelta = chrono::TimeDelta::seconds(HOUR.as_secs().cast_signed());

impl Job {
    /// Since when a success is awaited.
    pub fn awaited_since(&self) -> Timestamp {
        let watch = &self.state.watch;
        let from = watch.awaited_from.unwrap_or(self.state.first_seen);
        watch.last_success.map_or(from, |success| success.max(from))
    }

    /// When `alert_after` will be over: not for a job that is paused, disabled or gone, and not twice in one episode.
    pub(super) fn overdue_at(&self) -> Option<Timestamp> {
        let spec = self.spec.as_ref().filter(|spec| spec.enabled)?;
        let quiet = self.is_removed() || self.state.paused.is_some() || self.state.watch.overdue_since.is_some();
        spec.alert_after.filter(|_| !quiet).map(|limit| self.awaited_since() + limit)
    }
}

impl Scheduler {
    /// Begins an episode when `alert_after` is over, and tells of it once.
    pub(super) fn check_overdue(&mut self, name: &JobName, now: Now) {
        let job = self.job(name);
        let Some(at) = job.overdue_at().filter(|&at| at <= now.wall) else { return };
        let spec = job.spec.clone().expect("only a definition has alert_after");
        let limit = spec.alert_after.expect("it is over");
        let about = About::Overdue { last_success: job.state.watch.last_success, since: job.awaited_since(), limit };
        self.job_mut(name).state.watch.overdue_since = Some(at);
        self.ledger.job(name);
        self.tell(&spec, &[NoticeEvent::Missed], &about, now);
        self.update_wake(name);
    }

    /// A success is awaited from now on: a pause ends, the job is enabled, or its file comes back.
    pub(super) fn await_anew(&mut self, name: &JobName, now: Now) {
        let watch = &mut self.job_mut(name).state.watch;
        watch.awaited_from = Some(now.wall);
        watch.overdue_since = None;
        self.ledger.job(name);
    }

    /// Ends an episode that the definition in force would not have begun.
    pub(super) fn review_overdue(&mut self, name: &JobName, now: Now) {
        let job = self.job_mut(name);
        if let Some(since) = job.state.watch.overdue_since.take() {
            let still = job.overdue_at().is_some_and(|at| at <= now.wall);
            job.state.watch.overdue_since = Some(since).filter(|_| still);
        }
    }

    /// A wall clock that was set back must not make anybody wait for longer than `alert_after` says.
    pub(super) fn rebase_watches(&mut self, now: Now) {
        let ahead = |job: &&std::sync::Arc<Job>| job.awaited_since() > now.wall;
        let names: Vec<JobName> = self.snapshot.jobs.values().filter(ahead).map(|job| job.name.clone()).collect();
        for name in names {
            let watch = &mut self.job_mut(&name).state.watch;
            watch.awaited_from = Some(now.wall);
            watch.last_success = watch.last_success.map(|success| success.min(now.wall));
            self.ledger.job(&name);
            self.update_wake(&name);
        }
    }
}
