//! [`Plan`]: what a fleet would do in a stretch of time. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::{BootId, Timestamp};
use crate::schedule::{Boot, Context, Zone};
use crate::spec::{JobName, JobSpec, Overlap};

use super::fleet::Fleet;

/// Occurrences of one job that are simulated, excluded ones too: ten weeks of every minute. What is beyond is told.
pub const OF_A_JOB: usize = 100_000;

/// A stretch of time, occurrence by occurrence.
pub struct Plan {
    /// In order of their starts.
    pub events: Vec<Event>,
    /// Jobs with more occurrences than are simulated.
    pub cut: Vec<JobName>,
}

/// One occurrence.
#[derive(Clone, Debug)]
pub struct Event {
    /// The job.
    pub job: JobName,
    /// The instant of the schedule.
    pub at: Timestamp,
    /// The schedule's zone; absent for excluded ones.
    pub zone: Option<Zone>,
    /// When it is to start, jitter included.
    pub start: Timestamp,
    /// What moved it.
    pub note: Option<String>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of an occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs, and ends then where its length is known.
    Runs { until: Option<Timestamp> },
    /// It waits for an earlier run, and starts then.
    Waits { from: Timestamp, until: Timestamp },
    /// It takes the place of a run that is live.
    Replaces { until: Option<Timestamp> },
    /// As many runs as may be are live until then.
    Overlaps { until: Timestamp },
    /// A condition excludes it.
    Excluded { cause: String },
}

impl Fate {
    /// In one word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Runs { .. } => "runs",
            Self::Waits { .. } => "waits",
            Self::Replaces { .. } => "replaces",
            Self::Overlaps { .. } => "overlap",
            Self::Excluded { .. } => "excluded",
        }
    }

    /// Whether a run starts at once.
    pub const fn starts(&self) -> bool {
        match self {
            Self::Runs { .. } | Self::Replaces { .. } => true,
            Self::Waits { .. } | Self::Overlaps { .. } | Self::Excluded { .. } => false,
        }
    }
}

impl Plan {
    /// What the fleet does after `from` and up to `to`.
    pub fn new(
        fleet: &Fleet,
        durations: &BTreeMap<JobName, Duration>,
        assumed: Option<Duration>,
        from: Timestamp,
        to: Timestamp,
    ) -> Self {
        let (mut events, mut cut) = (Vec::new(), Vec::new());
        for (name, spec) in &fleet.jobs {
            let length = durations.get(name).copied().or(assumed);
            let before = events.len();
            events.extend(of_job(name, spec, length, from, to));
            if events.len() - before >= OF_A_JOB {
                cut.push(name.clone());
            }
        }
        events.sort_by(|left, right| (left.start, &left.job).cmp(&(right.start, &right.job)));
        Self { events, cut }
    }
}

fn of_job(name: &JobName, spec: &JobSpec, length: Option<Duration>, from: Timestamp, to: Timestamp) -> Vec<Event> {
    // The machine does not boot meanwhile; what counts from its deploy counts from the beginning.
    let boot = Boot { id: BootId::new(""), at: Timestamp::UNIX_EPOCH, seen_at: Timestamp::UNIX_EPOCH };
    let context = Context { first_seen: from, boot };
    let mut room = Room { policy: spec.overlap, live: VecDeque::new() };
    let length = length.and_then(|length| TimeDelta::from_std(length).ok());
    let runs = spec.schedules.between(from, to, &context).take(OF_A_JOB).map(|one| Event {
        job: name.clone(),
        at: one.at,
        zone: Some(one.zone),
        start: one.due,
        note: one.note.as_ref().map(ToString::to_string),
        fate: room.admit(one.due, length),
    });
    let mut events: Vec<Event> = runs.collect();
    let excluded = spec.schedules.excluded(from, to, &context).take(OF_A_JOB).map(|one| Event {
        job: name.clone(),
        at: one.at,
        zone: None,
        start: one.at,
        note: None,
        fate: Fate::Excluded { cause: one.cause.to_string() },
    });
    events.extend(excluded);
    events
}

/// The live runs of a job, by their ends.
struct Room {
    policy: Overlap,
    live: VecDeque<Timestamp>,
}

impl Room {
    /// What the policy makes of a run that is to start now and takes so long. Without a length nothing overlaps.
    fn admit(&mut self, now: Timestamp, length: Option<TimeDelta>) -> Fate {
        let Some(length) = length else { return Fate::Runs { until: None } };
        self.live.retain(|&end| end > now);
        let until = now + length;
        if self.live.len() < self.policy.max_concurrent() {
            self.live.push_back(until);
            return Fate::Runs { until: Some(until) };
        }
        let first_end = self.live.iter().min().copied().unwrap_or(now);
        match self.policy {
            Overlap::Skip | Overlap::Allow { .. } => Fate::Overlaps { until: first_end },
            Overlap::Replace => {
                self.live.clear();
                self.live.push_back(until);
                Fate::Replaces { until: Some(until) }
            }
            Overlap::Queue => {
                let from = self.live.back().copied().unwrap_or(now);
                self.live.push_back(from + length);
                Fate::Waits { from, until: from + length }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn fates(policy: Overlap, length: i64, starts: &[i64]) -> Vec<Fate> {
        let mut room = Room { policy, live: VecDeque::new() };
        starts.iter().map(|&start| room.admit(at(start), Some(TimeDelta::minutes(length)))).collect()
    }

    #[test]
    fn each_policy_decides_as_the_scheduler_does() {
        let runs = |until| Fate::Runs { until: Some(at(until)) };
        assert_eq!(fates(Overlap::Skip, 7, &[0, 5, 10]), [runs(7), Fate::Overlaps { until: at(7) }, runs(17)]);
        let waits = |from: i64, until: i64| Fate::Waits { from: at(from), until: at(until) };
        assert_eq!(fates(Overlap::Queue, 7, &[0, 5, 10]), [runs(7), waits(7, 14), waits(14, 21)]);
        let two = Overlap::Allow { max_concurrent: 2.try_into().unwrap() };
        assert_eq!(fates(two, 12, &[0, 5, 10]), [runs(12), runs(17), Fate::Overlaps { until: at(12) }]);
        assert_eq!(fates(Overlap::Replace, 7, &[0, 5]), [runs(7), Fate::Replaces { until: Some(at(12)) }]);
        let mut unknown = Room { policy: Overlap::Skip, live: VecDeque::new() };
        assert_eq!(unknown.admit(at(0), None), Fate::Runs { until: None });
    }
}
