//! [`Timetable`]: one schedule of a job, ready to be asked.

use chrono::TimeDelta;

use super::calendar::BusinessDays;
use super::condition::Conditions;
use super::recurrence::{Recurrence, instant};
use super::{Context, Entry, ExclusionCause, Occurrence, OverlapRule, Zone};
use crate::clock::Timestamp;

/// An entry's recurrence with its conditions.
#[derive(Clone, Debug)]
pub(super) struct Timetable {
    recurrence: Recurrence,
    zone: Zone,
    jitter: TimeDelta,
    restrictions: Option<Box<Restrictions>>,
}

/// What most schedules do not have.
#[derive(Clone, Debug)]
struct Restrictions {
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    conditions: Option<Conditions>,
}

/// An occurrence, run or not.
pub(super) struct Planned {
    pub occurrence: Occurrence,
    pub excluded: Option<ExclusionCause>,
}

impl Timetable {
    /// Makes an entry ready.
    pub fn new(entry: &Entry) -> Self {
        let business = BusinessDays::new(&entry.calendars);
        let restrictions = Restrictions {
            not_before: entry.not_before.and_then(|moment| instant(entry.zone, moment, OverlapRule::First)),
            not_after: entry.not_after.and_then(|moment| instant(entry.zone, moment, OverlapRule::Second)),
            conditions: Conditions::new(&entry.only_on, &entry.skip_on, &entry.exclude, &business),
        };
        Self {
            recurrence: Recurrence::new(entry, &business),
            zone: entry.zone,
            // What does not fit is longer than any gap, by which jitter is capped.
            jitter: TimeDelta::from_std(entry.jitter).unwrap_or(TimeDelta::MAX),
            restrictions: restrictions.are_needed().then(|| Box::new(restrictions)),
        }
    }

    /// How far starts are spread.
    pub const fn jitter(&self) -> TimeDelta {
        self.jitter
    }

    /// The first occurrence after `after` that runs; `due` is not set yet.
    pub fn next(&self, after: Timestamp, context: &Context) -> Option<Occurrence> {
        let Some(restrictions) = &self.restrictions else { return self.recurrence.next(self.zone, after, context) };
        let mut after = restrictions.begin(after);
        loop {
            let occurrence = self.recurrence.next(self.zone, after, context)?;
            if restrictions.is_over(occurrence.at) {
                return None;
            }
            let local = self.local(&occurrence);
            let Some(until) = restrictions.conditions.as_ref().and_then(|all| all.excluded_until(local)) else {
                return Some(occurrence);
            };
            let resume = self.zone.segments().resume(occurrence.at.timestamp(), until);
            after = Timestamp::from_timestamp(resume, 0)? - TimeDelta::nanoseconds(1);
        }
    }

    /// The first occurrence after `after`, whether it runs or is excluded.
    pub fn planned(&self, after: Timestamp, context: &Context) -> Option<Planned> {
        let Some(restrictions) = &self.restrictions else {
            return Some(Planned { occurrence: self.recurrence.next(self.zone, after, context)?, excluded: None });
        };
        let occurrence = self.recurrence.next(self.zone, restrictions.begin(after), context)?;
        let excluded = restrictions.conditions.as_ref().and_then(|all| all.cause(self.local(&occurrence)));
        (!restrictions.is_over(occurrence.at)).then_some(Planned { occurrence, excluded })
    }

    /// When an occurrence starts by the zone's clock, in seconds since 1970.
    fn local(&self, occurrence: &Occurrence) -> i64 {
        self.zone.naive(occurrence.at).and_utc().timestamp()
    }
}

impl Restrictions {
    const fn are_needed(&self) -> bool {
        self.not_before.is_some() || self.not_after.is_some() || self.conditions.is_some()
    }

    /// `after`, moved to just before `not_before` when it lies earlier.
    fn begin(&self, after: Timestamp) -> Timestamp {
        self.not_before.map_or(after, |first| after.max(first - TimeDelta::nanoseconds(1)))
    }

    fn is_over(&self, at: Timestamp) -> bool {
        self.not_after.is_some_and(|last| at > last)
    }
}
