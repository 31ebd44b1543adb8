//! Whether a job runs when its line ran: the fires of both, compared one by one.

use chrono::{DateTime, NaiveDateTime, Utc};

use super::crontab::{Fields, Times};
use super::import::{Imported, Reading};
use crate::clock::{BootId, Timestamp};
use crate::schedule::{Boot, Context, ScheduleSet, Zone};

/// Fires of one line that are compared.
pub const FIRES_COMPARED: usize = 5000;

/// Fires by which a time that cron would have drawn is found out.
const FIRES_SEEN: usize = 100;

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// All the same.
    Equal {
        /// How many: [`FIRES_COMPARED`], or all until 2099.
        fires: usize,
        /// The last of them.
        last: Option<Timestamp>,
    },
    /// The first difference.
    Differs {
        /// How many fires before it are the same.
        equal: usize,
        /// What the crontab says comes then.
        line: Option<Timestamp>,
        /// What the job file says.
        job: Option<Timestamp>,
    },
    /// Both run once after each boot.
    Boot,
    /// There is nothing exact to compare with.
    Inexact,
}

impl Comparison {
    /// Whether nothing speaks against the import.
    pub const fn is_good(&self) -> bool {
        match self {
            Self::Equal { .. } | Self::Boot | Self::Inexact => true,
            Self::Differs { .. } => false,
        }
    }
}

/// Compares the next [`FIRES_COMPARED`] fires after `after`. `machine` is the zone of lines that name none.
pub fn compare(job: &Imported, machine: Zone, after: Timestamp) -> Comparison {
    compare_first(job, machine, after, FIRES_COMPARED)
}

/// The same for the next `count` fires.
pub(super) fn compare_first(job: &Imported, machine: Zone, after: Timestamp, count: usize) -> Comparison {
    match &job.reading {
        Reading::Inexact => Comparison::Inexact,
        Reading::Times(times, zone) => match &**times {
            Times::Boot => Comparison::Boot,
            Times::Fields(fields) => compare_fields(fields, &job.spec.schedules, zone.unwrap_or(machine), after, count),
        },
    }
}

fn compare_fields(fields: &Fields, schedules: &ScheduleSet, zone: Zone, after: Timestamp, count: usize) -> Comparison {
    // Neither the boot nor the moment of loading matters to times of the clock.
    let context = Context { first_seen: after, boot: Boot { id: BootId::new("none"), at: after, seen_at: after } };
    let ours: Vec<Timestamp> =
        schedules.between(after, DateTime::<Utc>::MAX_UTC, &context).map(|it| it.at).take(count).collect();
    let database: chrono_tz::Tz = zone.name().parse().expect("the zone came from the same database");
    let seen: Vec<NaiveDateTime> =
        ours.iter().take(FIRES_SEEN).map(|fire| fire.with_timezone(&database).naive_local()).collect();
    let theirs = match fields.clone().settled(&seen) {
        Some(fields) => fields.fires(database, after, count),
        // What was drawn is outside the range: show what the line could have meant at the earliest.
        None => Vec::new(),
    };
    match (0..ours.len().max(theirs.len())).find(|&index| ours.get(index) != theirs.get(index)) {
        None => Comparison::Equal { fires: ours.len(), last: ours.last().copied() },
        Some(equal) => Comparison::Differs { equal, line: theirs.get(equal).copied(), job: ours.get(equal).copied() },
    }
}
