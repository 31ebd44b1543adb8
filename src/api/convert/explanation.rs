//! What schedules mean.

use std::time::Duration;

use crate::api::types::{ClockChange, ScheduleExplanation, ScheduleKey, Time};
use crate::schedule::{ClockEffect, Examination, Zone};
use crate::units::format_duration;

/// One schedule; `expression` as it was written.
pub fn explanation(examination: &Examination, expression: Option<&str>) -> ScheduleExplanation {
    let key = |(key, value): &(&str, String)| ScheduleKey { key: (*key).to_owned(), value: value.clone() };
    ScheduleExplanation {
        expression: expression.map(str::to_owned),
        timezone: examination.zone.name().to_owned(),
        description: examination.description.clone(),
        class: examination.class.name().to_owned(),
        class_meaning: examination.class.meaning().to_owned(),
        keys: examination.keys.iter().map(key).collect(),
        per_year: examination.per_year,
        shortest_gap_seconds: examination.shortest_gap.map(|gap| gap.num_seconds()),
        longest_gap_seconds: examination.longest_gap.map(|gap| gap.num_seconds()),
        clock_changes: examination.clock_changes.iter().map(|one| clock_change(examination.zone, one)).collect(),
        warnings: examination.warnings.clone(),
        next: examination.next.iter().map(super::occurrence).collect(),
    }
}

fn clock_change(zone: Zone, ClockEffect { change, effect }: &ClockEffect) -> ClockChange {
    let shift = change.after_seconds - change.before_seconds;
    let length = format_duration(Duration::from_secs(shift.unsigned_abs()));
    ClockChange {
        at: Time(change.at),
        local: zone.local(change.at).to_rfc3339(),
        change: format!("the clock goes {} by {length}", if shift > 0 { "forward" } else { "back" }),
        effect: effect.clone(),
    }
}
