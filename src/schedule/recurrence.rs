//! [`Recurrence`]: a rule put on its zone, ready to be asked.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, TimeDelta};

use super::business_rule::BusinessDayRule;
use super::calendar::BusinessDays;
use super::cron::Cron;
use super::rule::RuleKind;
use super::segments::HORIZON;
use super::shift::Shifter;
use super::wall::{DstRules, Hit, WallShift, next_hit};
use super::{Context, Entry, GapRule, Moment, Occurrence, OverlapRule, Shift, ShiftRule, Zone};
use crate::clock::Timestamp;

/// The Monday to whose midnight `every` is aligned: then `every 1w` means Mondays, `every 1d` midnights (of the zone's
/// time in January).
const ANCHOR: NaiveDate = NaiveDate::from_ymd_opt(2024, 1, 1).expect("a date");

/// A rule on a zone.
#[derive(Clone, Debug)]
pub(super) enum Recurrence {
    /// A rule of the wall clock.
    Wall {
        clock: WallRule,
        shifter: Option<Box<Shifter>>,
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

/// What gives local times.
#[derive(Clone, Debug)]
pub(super) enum WallRule {
    Cron(Cron),
    BusinessDay(Box<(BusinessDayRule, BusinessDays)>),
}

impl WallRule {
    /// The first local time at or after `from`, in seconds since 1970.
    fn next_local(&self, from: i64) -> Option<i64> {
        match self {
            Self::Cron(cron) => cron.next_local(from),
            Self::BusinessDay(rule) => rule.0.next_local(from, &rule.1),
        }
    }
}

impl Recurrence {
    /// Puts an entry's rule on its zone.
    pub fn new(entry: &Entry, business: &BusinessDays) -> Self {
        let (zone, dst) = (entry.zone, entry.dst);
        let shifter = entry.shift.map(|rule| Box::new(Shifter { rule, business: business.clone() }));
        match &entry.rule.0 {
            RuleKind::Cron(expression) => {
                let clock = WallRule::Cron(Cron::new(expression));
                Self::Wall { clock, shifter, dst: dst.resolve(expression.interval) }
            }
            RuleKind::BusinessDay(rule) => {
                let clock = WallRule::BusinessDay(Box::new((rule.clone(), business.clone())));
                Self::Wall { clock, shifter: None, dst: dst.resolve(false) }
            }
            RuleKind::Every { period_seconds, anchor } => {
                let anchor = anchor.unwrap_or(Moment::Local(ANCHOR.and_time(NaiveTime::MIN)));
                // An anchor only fixes a phase: at a doubled or missing local time any rule will do.
                let anchor = instant(zone, anchor, OverlapRule::First);
                Self::Every { period: *period_seconds, anchor: anchor.map_or(0, |anchor| anchor.timestamp()) }
            }
            RuleKind::At(moments) => {
                let dst = dst.resolve(false);
                let resolve = |&moment: &Moment| occurrences(zone, dst, moment, shifter.as_deref());
                let mut all: Vec<_> = moments.iter().flat_map(resolve).collect();
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
            Self::Wall { clock, shifter, dst } => {
                let next_local = |from| clock.next_local(from);
                let (segments, after) = (zone.segments(), after.timestamp());
                match shifter {
                    None => occurrence_of(zone, next_hit(segments, *dst, after, next_local)?),
                    Some(shifter) => {
                        let hit = next_hit(segments, *dst, after, |from| shifter.next_local(from, &next_local))?;
                        let nominal = shifter.nominal(hit.local, &next_local);
                        moved(occurrence_of(zone, hit)?, shifter.rule, naive_of(nominal?)?)
                    }
                }
            }
            Self::Every { period, anchor } => {
                let periods = (after.timestamp() - anchor).div_euclid(*period) + 1;
                let at = anchor + periods * period;
                plain(zone, DateTime::from_timestamp(at, 0).filter(|_| at < HORIZON)?)
            }
            Self::At(all) => all.get(all.partition_point(|occurrence| occurrence.at <= after)).cloned(),
            // What is installed during a boot does not run for that boot, not even when its delay is not over yet.
            Self::Boot(_) if context.boot.at <= context.first_seen => None,
            Self::Boot(delay) => {
                let occurrence = once(zone, context.boot.at, *delay, after)?;
                Some(Occurrence { due: occurrence.at.max(context.boot.seen_at), ..occurrence })
            }
            Self::After(delay) => once(zone, context.first_seen, *delay, after),
        }
    }
}

/// An occurrence that a calendar moved, when it did.
fn moved(occurrence: Occurrence, rule: ShiftRule, nominal: NaiveDateTime) -> Option<Occurrence> {
    if nominal == occurrence.nominal {
        return Some(occurrence);
    }
    let rule = format!("moved from {} ({})", nominal.date(), rule.name());
    Some(Occurrence { nominal, note: Some(Shift::Calendar { rule }), ..occurrence })
}

/// Cut to microseconds: cursors are kept in these, and one that was kept must not lie before its occurrence.
fn once(zone: Zone, from: Timestamp, delay: Duration, after: Timestamp) -> Option<Occurrence> {
    let at = from.checked_add_signed(TimeDelta::from_std(delay).ok()?)?;
    plain(zone, at.trunc_subsecs(6)).filter(|occurrence| occurrence.at > after)
}

/// An occurrence that happens when it says.
fn plain(zone: Zone, at: Timestamp) -> Option<Occurrence> {
    Some(Occurrence { at, due: at, nominal: zone.naive(at), zone, note: None })
}

fn occurrence_of(zone: Zone, hit: Hit) -> Option<Occurrence> {
    let at = DateTime::from_timestamp(hit.at, 0)?;
    let note = hit.shift.map(|shift| match shift {
        WallShift::Gap => Shift::Gap,
        WallShift::FirstPass => Shift::FirstPass,
        WallShift::SecondPass => Shift::SecondPass,
    });
    Some(Occurrence { at, due: at, nominal: naive_of(hit.local)?, zone, note })
}

fn naive_of(seconds: i64) -> Option<NaiveDateTime> {
    Some(DateTime::from_timestamp(seconds, 0)?.naive_utc())
}

/// The occurrences of one moment: none in a gap that is skipped, two where both passes count.
fn occurrences(zone: Zone, dst: DstRules, moment: Moment, shifter: Option<&Shifter>) -> Vec<Occurrence> {
    let nominal = match moment {
        Moment::Local(local) => local,
        Moment::Absolute(at) => zone.naive(at),
    };
    if let Some(shifter) = shifter.filter(|shifter| shifter.target(nominal.date()) != Some(nominal.date())) {
        let Some(target) = shifter.target(nominal.date()) else { return Vec::new() };
        let occurrences = at_local(zone, dst, target.and_time(nominal.time()));
        return occurrences.filter_map(|occurrence| moved(occurrence, shifter.rule, nominal)).collect();
    }
    match moment {
        Moment::Local(local) => at_local(zone, dst, local).collect(),
        Moment::Absolute(at) => plain(zone, at).into_iter().collect(),
    }
}

/// The instants of one local time.
fn at_local(zone: Zone, dst: DstRules, local: NaiveDateTime) -> impl Iterator<Item = Occurrence> {
    let local = local.and_utc().timestamp();
    let mut after = -1;
    std::iter::from_fn(move || {
        let hit = next_hit(zone.segments(), dst, after, |from| (from <= local).then_some(local))?;
        after = hit.at;
        occurrence_of(zone, hit)
    })
}

/// The instant of a moment that is no occurrence itself: right after a gap, and in an overlap as told.
pub(super) fn instant(zone: Zone, moment: Moment, overlap: OverlapRule) -> Option<Timestamp> {
    match moment {
        Moment::Absolute(at) => Some(at),
        Moment::Local(local) => {
            at_local(zone, DstRules { gap: GapRule::Run, overlap }, local).next().map(|occurrence| occurrence.at)
        }
    }
}
