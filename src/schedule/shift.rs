//! [`Shifter`]: a wall-clock rule whose times are moved from closed days to business days.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta};

use super::calendar::{BusinessDays, FIRST_DAY, LAST_DAY};

const DAY_SECONDS: i64 = 86_400;

/// Where an occurrence on a day that is no business day goes. The time of day stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShiftRule {
    /// `next-business-day`.
    Next,
    /// `previous-business-day`.
    Previous,
}

impl ShiftRule {
    /// Its name in a job file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => "next-business-day",
            Self::Previous => "previous-business-day",
        }
    }
}

/// Moves local times.
#[derive(Clone, Debug)]
pub(super) struct Shifter {
    pub rule: ShiftRule,
    pub business: BusinessDays,
}

impl Shifter {
    /// The business day to which a day belongs; `None` when the calendars leave none.
    pub fn target(&self, date: NaiveDate) -> Option<NaiveDate> {
        match self.rule {
            ShiftRule::Next => self.business.at_or_after(date),
            ShiftRule::Previous => self.business.at_or_before(date),
        }
    }

    /// The first local time at or after `from` that is, or was moved to, a business day. `next_local` is the rule.
    ///
    /// Moving keeps no order: Saturday 10:00 comes after Monday 09:00. So for each business day all days that belong to
    /// it are asked, and the earliest time of day wins.
    pub fn next_local(&self, from: i64, next_local: &dyn Fn(i64) -> Option<i64>) -> Option<i64> {
        let from = from.max(0);
        let (mut day, mut time) = (self.first_target(date_of(from)?)?, from.rem_euclid(DAY_SECONDS));
        if start_of(day) > from {
            time = 0;
        }
        loop {
            let (first, last) = self.sources(day)?;
            // Where the rule has nothing on any of these days, go where it has.
            let nominal = date_of(next_local(start_of(first))?)?;
            if nominal > last {
                let target = self.target(nominal)?.max(self.first_target(day.succ_opt()?)?);
                (day, time) = (target, 0);
                continue;
            }
            let times = first.iter_days().take_while(|&date| date <= last);
            if let Some(time) = times.filter_map(|date| time_on(date, time, next_local)).min() {
                return Some(start_of(day) + time);
            }
            (day, time) = (self.first_target(day.succ_opt()?)?, 0);
        }
    }

    /// The local time that was moved to `local`: `local` itself when the rule names it.
    pub fn nominal(&self, local: i64, next_local: &dyn Fn(i64) -> Option<i64>) -> Option<i64> {
        let (day, time) = (date_of(local)?, local.rem_euclid(DAY_SECONDS));
        if next_local(local) == Some(local) {
            return Some(local);
        }
        let (first, last) = self.sources(day)?;
        let mut days = first.iter_days().take_while(|&date| date <= last);
        days.find_map(|date| Some(start_of(date) + time).filter(|&nominal| next_local(nominal) == Some(nominal)))
    }

    /// The first business day at or after `date`.
    fn first_target(&self, date: NaiveDate) -> Option<NaiveDate> {
        self.business.at_or_after(date)
    }

    /// The first and the last day that belong to the business day `day`.
    fn sources(&self, day: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
        match self.rule {
            ShiftRule::Next => {
                let before = self.business.at_or_before(day.pred_opt()?);
                Some((before.map_or(FIRST_DAY, |before| before + TimeDelta::days(1)), day))
            }
            ShiftRule::Previous => {
                let after = self.business.at_or_after(day.succ_opt()?);
                Some((day, after.map_or(LAST_DAY, |after| after - TimeDelta::days(1))))
            }
        }
    }
}

/// The rule's first time on `date` at or after the second `time` of the day.
fn time_on(date: NaiveDate, time: i64, next_local: &dyn Fn(i64) -> Option<i64>) -> Option<i64> {
    let start = start_of(date);
    let found = next_local(start + time)? - start;
    (found < DAY_SECONDS).then_some(found)
}

fn date_of(local: i64) -> Option<NaiveDate> {
    Some(DateTime::from_timestamp(local, 0)?.date_naive())
}

fn start_of(date: NaiveDate) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp()
}
