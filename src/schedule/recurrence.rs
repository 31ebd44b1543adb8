//! [`Recurrence`]: a rule put on its zone, ready to be asked.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::cron::Cron;
use super::rule::{Rule, RuleKind};
use super::segments::HORIZON;
use super::wall::{Dst, DstRules, Hit, WallShift, next_hit};
use super::{Context, Moment, Occurrence, Shift, Zone};
use crate::clock::Timestamp;

/// The Monday to whose midnight `every` is aligned: then `every 1w` means Mondays, `every 1d` midnights (of the zone's
/// time in January).
const ANCHOR: NaiveDate = NaiveDate::from_ymd_opt(2024, 1, 1).expect("a date");

/// A rule on a zone.
#[derive(Clone, Debug)]
pub(super) enum Recurrence {
    Cron {
        cron: Cron,
        dst: DstRules,
    },
    Every {
        period: i64,
        anchor: i64,
    },
    /// Resolved, in order.
    At(Box<[Occurrence]>),
    Boot(Duration),
    After(Duration),
}

impl Recurrence {
    /// Puts a rule on its zone.
    pub fn new(rule: &Rule, zone: Zone, dst: Dst) -> Self {
        match &rule.0 {
            RuleKind::Cron(expression) => {
                Self::Cron { cron: Cron::new(expression), dst: dst.resolve(expression.interval) }
            }
            RuleKind::Every { period_seconds, anchor } => {
                let anchor = anchor.unwrap_or(Moment::Local(ANCHOR.and_time(NaiveTime::MIN)));
                // An anchor only fixes a phase: at a doubled or missing local time any rule will do.
                let anchor = instants(zone, Dst::default().resolve(false), anchor).next();
                Self::Every { period: *period_seconds, anchor: anchor.map_or(0, |anchor| anchor.at.timestamp()) }
            }
            RuleKind::At(moments) => {
                let dst = dst.resolve(false);
                let mut all: Vec<_> = moments.iter().flat_map(|&moment| instants(zone, dst, moment)).collect();
                all.sort_by_key(|occurrence| occurrence.at);
                all.dedup_by_key(|occurrence| occurrence.at);
                Self::At(all.into())
            }
            RuleKind::Boot(delay) => Self::Boot(*delay),
            RuleKind::After(delay) => Self::After(*delay),
        }
    }

    /// The first occurrence after `after`; `due` is not set yet.
    pub fn next(&self, zone: Zone, after: Timestamp, context: &Context) -> Option<Occurrence> {
        match self {
            Self::Cron { cron, dst } => {
                let hit = next_hit(zone.segments(), *dst, after.timestamp(), |from| cron.next_local(from))?;
                occurrence_of(hit)
            }
            Self::Every { period, anchor } => {
                let periods = (after.timestamp() - anchor).div_euclid(*period) + 1;
                let at = anchor + periods * period;
                plain(zone, DateTime::from_timestamp(at, 0).filter(|_| at < HORIZON)?)
            }
            Self::At(all) => all.get(all.partition_point(|occurrence| occurrence.at <= after)).cloned(),
            Self::Boot(delay) => once(zone, context.boot.at, *delay, after),
            Self::After(delay) => once(zone, context.first_seen, *delay, after),
        }
    }
}

fn once(zone: Zone, from: Timestamp, delay: Duration, after: Timestamp) -> Option<Occurrence> {
    let at = from.checked_add_signed(TimeDelta::from_std(delay).ok()?)?;
    plain(zone, at).filter(|occurrence| occurrence.at > after)
}

/// An occurrence that happens when it says.
fn plain(zone: Zone, at: Timestamp) -> Option<Occurrence> {
    Some(Occurrence { at, due: at, nominal: zone.naive(at), note: None })
}

fn occurrence_of(hit: Hit) -> Option<Occurrence> {
    let at = DateTime::from_timestamp(hit.at, 0)?;
    let note = hit.shift.map(|shift| match shift {
        WallShift::Gap => Shift::Gap,
        WallShift::FirstPass => Shift::FirstPass,
        WallShift::SecondPass => Shift::SecondPass,
    });
    Some(Occurrence { at, due: at, nominal: naive_of(hit.local)?, note })
}

fn naive_of(seconds: i64) -> Option<NaiveDateTime> {
    Some(DateTime::from_timestamp(seconds, 0)?.naive_utc())
}

/// The occurrences of one moment: none in a gap that is skipped, two where both passes count.
fn instants(zone: Zone, dst: DstRules, moment: Moment) -> impl Iterator<Item = Occurrence> {
    let local = match moment {
        Moment::Local(time) => Some(time.and_utc().timestamp()),
        Moment::Absolute(_) => None,
    };
    let absolute = match moment {
        Moment::Local(_) => None,
        Moment::Absolute(at) => plain(zone, at),
    };
    let mut after = -1;
    let by_wall = std::iter::from_fn(move || {
        let local = local?;
        let hit = next_hit(zone.segments(), dst, after, |from| (from <= local).then_some(local))?;
        after = hit.at;
        occurrence_of(hit)
    });
    absolute.into_iter().chain(by_wall)
}
