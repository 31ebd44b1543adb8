//! What the fuzz targets do with a text. It lies here so that an ordinary test replays their corpus.

use chrono::{NaiveDate, TimeDelta};

use super::{Boot, Calendar, Context, DaySet, Entry, Moment, ParseError, Rule, ScheduleSet, Window, Zone};
use crate::clock::{BootId, Timestamp};

/// Occurrences that are asked of an accepted schedule.
const TAKEN: usize = 20;

/// Reads a text in every way in which a job file's values are read, and asks what is accepted.
///
/// # Panics
/// When a promise is broken: a fault without message or outside the text, an occurrence out of order, a description
/// that says nothing.
pub fn rule(text: &str) {
    check(text, Moment::parse(text));
    check(text, Moment::parse_start(text));
    check(text, Window::parse(text));
    check(text, Zone::parse(text));
    check(text, Rule::time_of_day(text));
    let Some(rule) = check(text, Rule::parse_short(text, "fuzz")) else { return };
    assert!(!rule.describe().is_empty(), "{text:?}");
    assert!(rule.advice().iter().all(|advice| !advice.is_empty()), "{text:?}");
    let zone = Zone::parse("Europe/Berlin").expect("a zone");
    let Ok(set) = ScheduleSet::new(vec![Entry::new(rule, zone)], "fuzz") else { return };
    let mut after = Timestamp::UNIX_EPOCH;
    let context = Context {
        first_seen: after,
        boot: Boot { id: BootId::new("fuzz"), at: after + TimeDelta::days(1), seen_at: after + TimeDelta::days(1) },
    };
    for _ in 0..TAKEN {
        let Some(next) = set.next(after, &context) else { return };
        assert!(next.at > after, "{text:?} goes backwards at {after}");
        after = next.at;
    }
}

/// Reads a calendar as TOML, and asks it.
///
/// # Panics
/// As for [`rule`].
pub fn calendar_toml(text: &str) {
    if let Some(calendar) = check(text, Calendar::from_toml("fuzz", text)) {
        ask(calendar);
    }
}

/// Reads a calendar as iCalendar, and asks it.
///
/// # Panics
/// As for [`rule`].
pub fn calendar_ics(text: &str) {
    if let Some(calendar) = check(text, Calendar::from_ics("fuzz", text)) {
        ask(calendar);
    }
}

fn ask(calendar: Calendar) {
    let years = NaiveDate::from_ymd_opt(1970, 1, 1)..=NaiveDate::from_ymd_opt(2099, 12, 31);
    assert!(calendar.days().all(|day| years.contains(&Some(day)) && calendar.contains(day)));
    let rule = Rule::parse_short("0 9 * * *", "fuzz").expect("a rule");
    let calendar = std::sync::Arc::new(calendar);
    let skip_on = vec![DaySet::Calendar(std::sync::Arc::clone(&calendar))];
    let entry = Entry { skip_on, calendars: vec![calendar], ..Entry::new(rule, Zone::utc()) };
    // That a calendar closes every day is a fault of the schedule, not of this.
    drop(ScheduleSet::new(vec![entry], "fuzz"));
}

/// What was accepted; a fault must say something about a place inside the text.
fn check<T>(text: &str, read: Result<T, ParseError>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(fault) => {
            assert!(!fault.message.is_empty(), "{text:?}");
            assert!(fault.span.start <= fault.span.end && fault.span.end <= text.len(), "{text:?}: {:?}", fault.span);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::corpus::replay_text;

    #[test]
    fn the_corpus_breaks_nothing() {
        replay_text("rule", 30, super::rule);
        replay_text("calendar_toml", 10, super::calendar_toml);
        replay_text("calendar_ics", 10, super::calendar_ics);
    }
}
