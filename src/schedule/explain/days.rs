//! The days, months and years of an expression in English.

use super::times::range_or_list;
use super::{list, ordinal};
use crate::schedule::cron::{DayRule, DayTerm, Days, Expression, Unit, Values};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// As in `on Mondays in June to August`; `None` when the times alone say all.
pub(super) fn days(expression: &Expression) -> Option<String> {
    let (by_month, by_week) = (&expression.days_of_month, &expression.days_of_week);
    let months = (!expression.months.is_full()).then(|| range_or_list(&expression.months, month));
    let years = expression.years.as_ref().map(|years| format!("in {}", range_or_list(years, |year| year.to_string())));
    // Days of the month are told together with their month: the 1st of January.
    let of_month = |months: &Option<String>| months.clone().unwrap_or_else(|| "the month".to_owned());
    let in_months = |told: String| match &months {
        Some(months) => format!("{told} in {months}"),
        None => told,
    };
    let told = match (by_month.is_all(), by_week.is_all(), expression.day_rule) {
        (true, true, _) | (true, false, DayRule::Either) | (false, true, DayRule::Either) => {
            let daily = months.is_some() || !expression.interval;
            daily.then(|| in_months("every day".to_owned()))
        }
        (false, true, DayRule::Both) => Some(format!("on {}", days_of_month(by_month, &of_month(&months)))),
        (true, false, DayRule::Both) => Some(in_months(on_weekdays(by_week))),
        (false, false, DayRule::Both) => {
            let when = weekday_names(by_week, "a", "");
            Some(format!("on {} when that is {when}", days_of_month(by_month, &of_month(&months))))
        }
        (false, false, DayRule::Either) => {
            let told = format!("on {} and {}", days_of_month(by_month, &of_month(&months)), on_weekdays(by_week));
            Some(if months.is_some() { in_months(told) } else { told })
        }
    };
    let told: Vec<String> = told.into_iter().chain(years).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// `the 1st and 15th of the month`.
fn days_of_month(days: &Days, of: &str) -> String {
    let mut told = Vec::new();
    match days.plain.progression() {
        Some((first, last, step)) if step > 1 && last + step > 31 => {
            told.push(format!("every {} day of {of} from the {}", ordinal(step), ordinal(first)));
        }
        _ if !days.plain.is_empty() => told.push(format!("the {} of {of}", range_or_list(&days.plain, ordinal))),
        Some(_) | None => {}
    }
    let term = |term: &DayTerm| match *term {
        DayTerm::Last => format!("the last day of {of}"),
        DayTerm::LastWeekday => format!("the last day from Monday to Friday of {of}"),
        DayTerm::NearestWeekday(day) => {
            format!("the day from Monday to Friday nearest to the {} of {of}", ordinal(day))
        }
        DayTerm::LastOf(weekday) => format!("the last {} of {of}", weekday_name(weekday)),
        DayTerm::NthOf(weekday, nth) => format!("the {} {} of {of}", ordinal(nth), weekday_name(weekday)),
    };
    told.extend(days.terms.iter().map(term));
    list(&told, "and")
}

/// `on Mondays and Fridays`, `from Monday to Friday`, `on the 2nd Friday of the month`.
fn on_weekdays(days: &Days) -> String {
    let mut told = Vec::new();
    match days.plain.progression() {
        Some((first, last, 1)) => told.push(format!("from {} to {}", weekday_name(first), weekday_name(last))),
        _ if !days.plain.is_empty() => told.push(format!("on {}", weekday_names(days_only(&days.plain), "", "s"))),
        Some(_) | None => {}
    }
    if !days.terms.is_empty() {
        let terms = Days { plain: Values::empty(Unit::DayOfMonth), terms: days.terms.clone() };
        told.push(format!("on {}", days_of_month(&terms, "the month")));
    }
    list(&told, "and")
}

/// Names of plain days, or of terms, with an article before or an ending behind each.
fn weekday_names<'a>(days: impl Into<WeekdaysOf<'a>>, article: &str, ending: &str) -> String {
    let WeekdaysOf { plain, terms } = days.into();
    let with = |name: &str| format!("{article} {name}{ending}").trim_start().to_owned();
    let mut names: Vec<String> = plain.iter().map(|day| with(weekday_name(day))).collect();
    if !terms.is_empty() {
        let terms = Days { plain: Values::empty(Unit::DayOfMonth), terms: terms.to_vec() };
        names.push(days_of_month(&terms, "the month"));
    }
    list(&names, if ending.is_empty() { "or" } else { "and" })
}

/// What a day-of-week field holds.
struct WeekdaysOf<'a> {
    plain: &'a Values,
    terms: &'a [DayTerm],
}

impl<'a> From<&'a Days> for WeekdaysOf<'a> {
    fn from(days: &'a Days) -> Self {
        Self { plain: &days.plain, terms: &days.terms }
    }
}

const fn days_only(plain: &Values) -> WeekdaysOf<'_> {
    WeekdaysOf { plain, terms: &[] }
}

fn weekday_name(day: u32) -> &'static str {
    WEEKDAYS[day as usize % 7]
}

fn month(month: u32) -> String {
    MONTHS[(month as usize + 11) % 12].to_owned()
}
