//! [`Examination`]: what a schedule does, found out by asking it.

use chrono::TimeDelta;

use super::{Class, Context, Entry, Occurrence, ScheduleSet, SetError, Zone, ZoneChange};
use crate::clock::Timestamp;

/// Occurrences that are looked at to tell how often a schedule runs. More than in a year of every five minutes; what
/// runs more often is extrapolated.
const COUNTED: usize = 110_000;

/// Changes of the clock that are told: the next two, since one of them is a gap and one an overlap where there are any.
const CHANGES: usize = 2;

/// Changes farther ahead than this concern nobody yet.
const CHANGES_WITHIN: TimeDelta = TimeDelta::days(3 * 366);

/// Occurrences shown.
const SHOWN: usize = 3;

/// What a schedule means, how often it runs and what the next changes of the clock do to it.
#[derive(Clone, Debug)]
pub struct Examination {
    /// Its zone.
    pub zone: Zone,
    /// In plain English.
    pub description: String,
    /// How it goes by the clock.
    pub class: Class,
    /// What else the entry says, key by key.
    pub keys: Vec<(&'static str, String)>,
    /// Occurrences within 365 days.
    pub per_year: u64,
    /// The shortest time between two of these.
    pub shortest_gap: Option<TimeDelta>,
    /// The longest.
    pub longest_gap: Option<TimeDelta>,
    /// The next changes of the zone's clock.
    pub clock_changes: Vec<ClockEffect>,
    /// What may not be meant.
    pub warnings: Vec<String>,
    /// The next occurrences.
    pub next: Vec<Occurrence>,
}

/// A change of the zone's clock and what follows from it.
#[derive(Clone, Debug)]
pub struct ClockEffect {
    /// The change.
    pub change: ZoneChange,
    /// What it does to the schedule, for people.
    pub effect: String,
}

impl Examination {
    /// Looks at one schedule from `from` on.
    ///
    /// # Errors
    /// When it can never fire, or contradicts itself.
    pub fn of(entry: &Entry, job_name: &str, context: &Context, from: Timestamp) -> Result<Self, SetError> {
        let set = ScheduleSet::new(vec![entry.clone()], job_name)?;
        let asked = Asked { set: &set, entry, context };
        let year = from + TimeDelta::days(365);
        let times: Vec<Timestamp> = set.between(from, year, context).map(|one| one.at).take(COUNTED).collect();
        let gaps = || times.windows(2).map(|pair| pair[1] - pair[0]);
        Ok(Self {
            zone: entry.zone,
            description: entry.rule.describe(),
            class: entry.rule.class(),
            keys: entry.keys(),
            per_year: per_year(&times),
            shortest_gap: gaps().min(),
            longest_gap: gaps().max(),
            clock_changes: asked.clock_changes(from),
            warnings: entry.rule.advice(),
            next: set.between(from, Timestamp::MAX_UTC, context).take(SHOWN).collect(),
        })
    }
}

/// Occurrences of a year; of a schedule that has more than are counted, as many as its first part suggests.
fn per_year(times: &[Timestamp]) -> u64 {
    let counted = times.len() as u64;
    match times {
        [first, .., last] if times.len() == COUNTED => {
            let seconds = (*last - *first).num_seconds().max(1).unsigned_abs();
            (counted - 1) * 365 * 86_400 / seconds
        }
        [..] => counted,
    }
}

struct Asked<'a> {
    set: &'a ScheduleSet,
    entry: &'a Entry,
    context: &'a Context,
}

impl Asked<'_> {
    fn clock_changes(&self, from: Timestamp) -> Vec<ClockEffect> {
        let mut after = from;
        let changes = std::iter::from_fn(|| {
            let change = self.entry.zone.next_change(after)?;
            after = change.at;
            (change.at - from < CHANGES_WITHIN).then(|| ClockEffect { change, effect: self.effect(change) })
        });
        changes.take(CHANGES).collect()
    }

    /// What a change of the clock does to the schedule: how its occurrences round it are noted, and how many there are.
    fn effect(&self, change: ZoneChange) -> String {
        let day = TimeDelta::days(1);
        let near: Vec<_> = self.set.between(change.at - day, change.at + day, self.context).take(COUNTED).collect();
        let noted: Vec<_> = near.iter().filter_map(|one| Some((one, one.note.as_ref()?))).collect();
        match (noted.as_slice(), self.entry.rule.class()) {
            ([(only, note)], _) => {
                let local = self.entry.zone.local(only.at).to_rfc3339();
                format!("{}: {note} ({local})", only.nominal.format("%Y-%m-%d %H:%M:%S"))
            }
            ([_, _, ..], _) => {
                format!("{} occurrences lie in the times that come twice, or that are left out", noted.len())
            }
            ([], Class::Interval) if !near.is_empty() => {
                format!("none: elapsed time goes on, {} occurrences in these 48 hours", near.len())
            }
            ([], Class::Interval | Class::Fixed | Class::Once) => "none".to_owned(),
        }
    }
}
