//! [`Cron`]: an expression ready to be asked, on the wall clock alone.
//!
//! The `cron` crate searches times of day, months and plain days. It is asked about the naive wall clock, disguised as
//! UTC, and never about a zone, where it goes backwards in overlaps. It also joins its two day fields by "and" only, so
//! an "or" becomes two strands, the earlier of which wins; days that it does not know are filtered from a superset. It is
//! spared the question where the answer lies on the same day.

use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate};

use super::days::Days;
use super::expression::{DayRule, Expression};
use super::same_day::SameDay;
use super::unit::{Unit, Values};
use crate::schedule::segments::HORIZON;

/// An expression's times by the wall clock.
#[derive(Clone, Debug)]
pub(in crate::schedule) struct Cron(Box<[Strand]>);

impl Cron {
    /// Makes an expression ready.
    pub fn new(expression: &Expression) -> Self {
        let (by_month, by_week) = (&expression.days_of_month, &expression.days_of_week);
        let strands = match expression.day_rule {
            DayRule::Both => vec![Strand::new(expression, Some(by_month), Some(by_week))],
            DayRule::Either if by_month.is_all() || by_week.is_all() => vec![Strand::new(expression, None, None)],
            DayRule::Either => {
                vec![Strand::new(expression, Some(by_month), None), Strand::new(expression, None, Some(by_week))]
            }
        };
        Self(strands.into_iter().flatten().collect())
    }

    /// The first local time at or after `from`, in seconds since 1970, if there is one before [`HORIZON`].
    pub fn next_local(&self, from: i64) -> Option<i64> {
        self.0.iter().filter_map(|strand| strand.next_local(from)).min()
    }
}

/// What the crate can search in one go.
#[derive(Clone, Debug)]
struct Strand {
    same_day: SameDay,
    schedule: cron::Schedule,
    filter: Option<Box<DateFilter>>,
}

/// What the crate does not know about dates.
#[derive(Clone, Debug)]
struct DateFilter {
    days_of_month: Option<Days>,
    days_of_week: Option<Days>,
    years: Option<Values>,
}

impl Strand {
    /// `None` when the two day fields have no day in common.
    fn new(expression: &Expression, by_month: Option<&Days>, by_week: Option<&Days>) -> Option<Self> {
        let mut days = by_month.map_or(Values::full(Unit::DayOfMonth), Days::candidate_days_of_month);
        let mut weekdays = Values::full(Unit::DayOfWeek);
        if let Some(by_week) = by_week {
            let (on_weekdays, on_days) = by_week.candidate_days_of_week();
            weekdays = on_weekdays;
            days = days.intersection(&on_days);
        }
        let special = |days: Option<&Days>| days.filter(|days| !days.terms.is_empty()).cloned();
        let filter =
            DateFilter { days_of_month: special(by_month), days_of_week: special(by_week), years: expression.years };
        if days.is_empty() {
            return None;
        }
        let filter = filter.is_needed().then(|| Box::new(filter));
        let text = [
            crate_list(&expression.seconds, 0),
            crate_list(&expression.minutes, 0),
            crate_list(&expression.hours, 0),
            crate_list(&days, 0),
            crate_list(&expression.months, 0),
            // The crate counts days of the week from Sunday, 1.
            crate_list(&weekdays, 1),
        ]
        .join(" ");
        let schedule = cron::Schedule::from_str(&text).expect("the text is built from checked values");
        Some(Self { same_day: SameDay::new(expression, &days, &weekdays), schedule, filter })
    }

    fn next_local(&self, from: i64) -> Option<i64> {
        let mut from = from;
        loop {
            let found = self.search(from.max(0))?;
            if found >= HORIZON {
                return None;
            }
            let Some(filter) = &self.filter else { return Some(found) };
            match filter.verdict(DateTime::from_timestamp(found, 0)?.date_naive()) {
                Verdict::Matches => return Some(found),
                Verdict::ResumeAt(date) => from = midnight(date),
                Verdict::Over => return None,
            }
        }
    }

    /// The first time at or after `from` on one of the days that the crate knows.
    fn search(&self, from: i64) -> Option<i64> {
        self.same_day.next(from).or_else(|| {
            let before = DateTime::from_timestamp(from - 1, 0)?;
            Some(self.schedule.after(&before).next()?.timestamp())
        })
    }
}

/// What a filter says of a date.
enum Verdict {
    Matches,
    /// The next date that may match.
    ResumeAt(NaiveDate),
    /// No later date matches.
    Over,
}

impl DateFilter {
    fn is_needed(&self) -> bool {
        self.days_of_month.is_some() || self.days_of_week.is_some() || self.years.is_some()
    }

    fn verdict(&self, date: NaiveDate) -> Verdict {
        let year = date.year().unsigned_abs();
        if let Some(years) = self.years.as_ref().filter(|years| !years.contains(year)) {
            let later = years.iter().find(|&later| later > year);
            let start = later.and_then(|later| NaiveDate::from_ymd_opt(later.cast_signed(), 1, 1));
            return start.map_or(Verdict::Over, Verdict::ResumeAt);
        }
        let by_month = self.days_of_month.as_ref().is_none_or(|days| days.match_day_of_month(date));
        let by_week = self.days_of_week.as_ref().is_none_or(|days| days.match_day_of_week(date));
        if by_month && by_week {
            return Verdict::Matches;
        }
        date.succ_opt().map_or(Verdict::Over, Verdict::ResumeAt)
    }
}

/// A set as the crate reads it, in few characters since the crate keeps its text.
fn crate_list(values: &Values, add: u32) -> String {
    if values.is_full() {
        return "*".to_owned();
    }
    if let Some((first, last, step)) = values.progression() {
        let range = format!("{}-{}", first + add, last + add);
        return if step == 1 { range } else { format!("{range}/{step}") };
    }
    values.iter().map(|value| (value + add).to_string()).collect::<Vec<_>>().join(",")
}

fn midnight(date: NaiveDate) -> i64 {
    date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp()
}
