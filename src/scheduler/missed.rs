//! [`Missed`]: occurrences that did not run and should have, told once a step.

use super::{JobName, Scheduler};
use crate::clock::{Now, Timestamp};
use crate::run::{About, SkipReason};
use crate::spec::NoticeEvent;

/// Occurrences of one job that one step has skipped: after downtime these are many, and one message tells of them.
#[derive(Debug)]
pub(super) struct Missed {
    /// The newest reason.
    reason: SkipReason,
    first: Timestamp,
    last: Timestamp,
    count: u64,
}

impl Scheduler {
    /// Notes a skip that is told of.
    pub(super) fn note_missed(&mut self, name: &JobName, reason: SkipReason, at: Timestamp) {
        if reason.is_missed() {
            let fresh = Missed { reason, first: at, last: at, count: 0 };
            let missed = self.missed.entry(name.clone()).or_insert(fresh);
            missed.reason = reason;
            missed.first = missed.first.min(at);
            missed.last = missed.last.max(at);
            missed.count += 1;
        }
    }

    /// Tells of what this step has skipped.
    pub(super) fn tell_missed(&mut self, now: Now) {
        for (name, Missed { reason, first, last, count }) in std::mem::take(&mut self.missed) {
            let about = About::Skipped { reason, first, last, count };
            // Nobody can say whom to tell of a job without a definition.
            if let Some(spec) = self.snapshot.jobs.get(&name).and_then(|job| job.spec.clone()) {
                self.tell(&spec, &[NoticeEvent::Missed], &about, now);
            }
        }
    }
}
