//! [`Entry`]: one schedule of a job, as its file says it.

use std::sync::Arc;
use std::time::Duration;

use super::rule::RuleKind;
use super::{Calendar, DaySet, Dst, Moment, Rule, ShiftRule, Window, Zone};
use crate::units::format_duration;

/// One `[[schedule]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub rule: Rule,
    /// By which clock; UTC unless said.
    pub zone: Zone,
    /// Starts are spread over this time; zero unless said. Capped below the gap to the next occurrence.
    pub jitter: Duration,
    /// What happens at changes of the zone's offset.
    pub dst: Dst,
    /// The calendars whose days are holidays; they also say which days are the weekend.
    pub calendars: Vec<Arc<Calendar>>,
    /// Runs only on days of one of these sets; on every day when empty.
    pub only_on: Vec<DaySet>,
    /// Does not run on days of any of these sets.
    pub skip_on: Vec<DaySet>,
    /// Where occurrences go whose day is no business day. They move first; `only_on`, `skip_on` and `exclude` are then
    /// asked about the day to which they went.
    pub shift: Option<ShiftRule>,
    /// Does not run in any of these windows.
    pub exclude: Vec<Window>,
    /// Has no occurrence earlier than this.
    pub not_before: Option<Moment>,
    /// Has no occurrence later than this.
    pub not_after: Option<Moment>,
}

impl Entry {
    /// A rule in a zone, with nothing else said.
    pub fn new(rule: Rule, zone: Zone) -> Self {
        Self {
            rule,
            zone,
            jitter: Duration::ZERO,
            dst: Dst::default(),
            calendars: Vec::new(),
            only_on: Vec::new(),
            skip_on: Vec::new(),
            shift: None,
            exclude: Vec::new(),
            not_before: None,
            not_after: None,
        }
    }
}

impl Entry {
    /// The calendars on which it depends.
    pub fn calendars_used(&self) -> impl Iterator<Item = &Arc<Calendar>> {
        let sets = self.only_on.iter().chain(&self.skip_on).filter_map(|set| match set {
            DaySet::Calendar(calendar) => Some(calendar),
            DaySet::BusinessDays | DaySet::Holidays | DaySet::Weekends => None,
        });
        self.calendars.iter().chain(sets)
    }

    /// What it says beside rule and zone: each key with its value, as a job file writes them.
    pub fn keys(&self) -> Vec<(&'static str, String)> {
        let list = |names: Vec<&str>| (!names.is_empty()).then(|| names.join(", "));
        let sets = |sets: &[DaySet]| list(sets.iter().map(DaySet::name).collect());
        let moment = |said: &Option<Moment>| said.as_ref().map(super::explain::moment);
        let all = [
            ("calendar", list(self.calendars.iter().map(|calendar| calendar.name()).collect())),
            ("only_on", sets(&self.only_on)),
            ("skip_on", sets(&self.skip_on)),
            ("shift", self.shift.map(|shift| shift.name().to_owned())),
            ("exclude", list(self.exclude.iter().map(Window::as_str).collect())),
            ("not_before", moment(&self.not_before)),
            ("not_after", moment(&self.not_after)),
            ("dst.gap", self.dst.gap.map(|gap| gap.name().to_owned())),
            ("dst.overlap", self.dst.overlap.map(|overlap| overlap.name().to_owned())),
            ("jitter", (!self.jitter.is_zero()).then(|| format_duration(self.jitter))),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// Why it has no occurrence at all, for people.
    pub(super) fn why_never(&self) -> String {
        let bare = Self { dst: self.dst, ..Self::new(self.rule.clone(), self.zone) };
        let conditional = *self != Self { jitter: self.jitter, ..bare.clone() };
        if conditional && super::set::ScheduleSet::new(vec![bare], "").is_ok() {
            return "its conditions (only_on, skip_on, shift, exclude, not_before, not_after and the calendars) leave \
                    no occurrence"
                .to_owned();
        }
        self.rule.why_never()
    }

    /// What in it contradicts itself, for people.
    pub(super) fn contradiction(&self) -> Option<String> {
        if self.calendars.is_empty() && self.only_on.iter().chain(&self.skip_on).any(|set| *set == DaySet::Holidays) {
            return Some(
                "\"holidays\" needs a calendar that says which days they are: add calendar = \"NAME\"".to_owned(),
            );
        }
        let shift = self.shift?;
        match self.rule.0 {
            RuleKind::Cron(_) | RuleKind::At(_) => None,
            RuleKind::BusinessDay(_) => Some(format!("business_day needs no shift = {:?}", shift.name())),
            RuleKind::Every { .. } | RuleKind::Boot(_) | RuleKind::After(_) => {
                Some(format!("shift = {:?} is for cron and at, which name days", shift.name()))
            }
        }
    }
}
