//! [`Week`]: how many runs start in each hour of the week, and when most start together.

use std::collections::BTreeMap;

use chrono::{Datelike, DurationRound, TimeDelta, Timelike};

use super::plan::Event;
use crate::cli::Zone;
use crate::clock::Timestamp;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Shades from nothing to the greatest count, which say the same without colour.
const SHADES: [char; 6] = ['·', '░', '▒', '▓', '█', '█'];

/// Starts by day of the week and hour.
#[derive(Default)]
pub struct Week {
    /// From Monday, from 0 o'clock.
    pub starts: [[u32; 24]; 7],
}

impl Week {
    /// Counts the runs of a plan by the clock of a zone.
    pub fn of(events: &[Event], zone: Zone) -> Self {
        let mut week = Self::default();
        for event in events.iter().filter(|event| event.fate.starts()) {
            let local = zone.local(event.start);
            week.starts[local.weekday().num_days_from_monday() as usize][local.hour() as usize] += 1;
        }
        week
    }

    /// A line for each day, one sign an hour, and what the darkest means.
    pub fn lines(&self) -> Vec<String> {
        let most = self.starts.iter().flatten().copied().max().unwrap_or(0);
        let head = (0..24).map(|hour| if hour % 6 == 0 { format!("{hour:<6}") } else { String::new() });
        let mut lines = vec![format!("     {}", head.collect::<String>().trim_end())];
        for (day, hours) in DAYS.iter().zip(&self.starts) {
            let signs: String = hours.iter().map(|&count| shade(count, most)).collect();
            lines.push(format!("{day}  {signs}"));
        }
        lines.push(format!(
            "     {} none to {} {} in an hour",
            SHADES[0],
            SHADES[4],
            super::super::counted(most as usize, "start")
        ));
        lines
    }
}

fn shade(count: u32, most: u32) -> char {
    let steps = SHADES.len() as u32 - 2;
    let index = if count == 0 { 0 } else { 1 + (count * steps - 1) / most.max(1) };
    SHADES[index as usize % SHADES.len()]
}

/// The minutes in which most runs start, the fullest first, with their jobs.
pub fn busiest(events: &[Event], count: usize) -> Vec<(Timestamp, Vec<&str>)> {
    let mut minutes: BTreeMap<Timestamp, Vec<&str>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.fate.starts()) {
        let minute = event.start.duration_trunc(TimeDelta::minutes(1)).unwrap_or(event.start);
        minutes.entry(minute).or_default().push(event.job.as_str());
    }
    let mut busiest: Vec<_> = minutes.into_iter().filter(|(_, jobs)| jobs.len() > 1).collect();
    busiest.sort_by_key(|(minute, jobs)| (std::cmp::Reverse(jobs.len()), *minute));
    busiest.truncate(count);
    busiest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_grow_with_the_count() {
        assert_eq!(
            [0, 1, 25, 26, 50, 75, 76, 100].map(|count| shade(count, 100)),
            ['·', '░', '░', '▒', '▒', '▓', '█', '█']
        );
        assert_eq!(shade(0, 0), '·');
        assert_eq!(shade(1, 1), '█');
    }
}
