//! Calendars written as iCalendar ([RFC 5545]): days touched by an event are days of the calendar.
//!
//! [RFC 5545]: https://www.rfc-editor.org/rfc/rfc5545

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{NaiveDateTime, TimeDelta};
use icalendar::parser::{Component, read_components, unfold};

use super::event::{Time, instances, length, value};
use super::{CALENDAR_LIMIT_BYTES, Calendar, FIRST_DAY, LAST_DAY};
use crate::schedule::ParseError;

/// Events of one file at most, and days that all events together touch: bounds of the work, each far above what a calendar
/// of holidays or freezes has.
const EVENTS_LIMIT: usize = 20_000;
const TOUCHED_LIMIT: usize = 500_000;

/// How deep components may lie in each other: the parser recurses, and RFC 5545 needs three.
const DEPTH_LIMIT: usize = 16;

impl Calendar {
    /// Reads an iCalendar file: every day that an event touches, by the clock that the event is written in, with
    /// recurrences (`RRULE`, `RDATE`, `EXDATE`, `RECURRENCE-ID`); cancelled events do not count. The file says nothing
    /// about weekends.
    ///
    /// # Errors
    /// When the file is longer than [`CALENDAR_LIMIT_BYTES`], is no iCalendar, or has an event whose times cannot be
    /// understood; the message names the event.
    pub fn from_ics(name: &str, text: &str) -> Result<Self, ParseError> {
        let fault = |message: String| ParseError::new(0..0, message);
        if text.len() > CALENDAR_LIMIT_BYTES {
            return Err(fault(format!("a calendar has at most {CALENDAR_LIMIT_BYTES} bytes")));
        }
        check_lines(text)?;
        // Files saved on other systems begin with a byte order mark, end without a line break, or have lines that end with
        // LF alone; the crate wants CRLF, as RFC 5545 does.
        let text = text.trim_start_matches('\u{feff}').trim_end().replace("\r\n", "\n").replace('\n', "\r\n");
        let unfolded = format!("{}\r\n", unfold(&text));
        let roots = read_components(&unfolded).map_err(|_| {
            fault("the file is no iCalendar: BEGIN and END do not match, or a line is malformed".to_owned())
        })?;
        let events: Vec<&Component<'_>> =
            roots.iter().flat_map(|root| &root.components).filter(|part| part.name == "VEVENT").collect();
        if roots.iter().any(|root| root.name != "VCALENDAR") {
            return Err(fault("the file is no iCalendar: it does not begin with BEGIN:VCALENDAR".to_owned()));
        }
        if events.len() > EVENTS_LIMIT {
            return Err(fault(format!("the calendar has {} events; {EVENTS_LIMIT} are allowed", events.len())));
        }
        let mut calendar = Self::empty(name, None);
        let replaced = replaced_instances(&events).map_err(fault)?;
        let mut touched = 0;
        for event in events {
            calendar.insert_event(event, &replaced, &mut touched).map_err(fault)?;
        }
        Ok(calendar)
    }

    fn insert_event(&mut self, event: &Component<'_>, replaced: &Replaced, touched: &mut usize) -> Result<(), String> {
        if value(event, "STATUS").is_some_and(|status| status.eq_ignore_ascii_case("CANCELLED")) {
            return Ok(());
        }
        let summary: Option<Arc<str>> = value(event, "SUMMARY").map(Arc::from);
        let title = || value(event, "SUMMARY").or_else(|| value(event, "UID")).unwrap_or("without a name").to_owned();
        let named = |message: String| format!("the event {:?}: {message}", title());
        let start = event.find_prop("DTSTART").ok_or_else(|| named("DTSTART is missing".to_owned()))?;
        let start = Time::of(start).map_err(named)?;
        let length = length(event, &start).map_err(named)?;
        let none = BTreeSet::new();
        let is_instance = event.find_prop("RECURRENCE-ID").is_some();
        let replaced = value(event, "UID").and_then(|uid| replaced.get(uid)).filter(|_| !is_instance).unwrap_or(&none);
        for instance in instances(event, &start).map_err(named)? {
            if replaced.contains(&instance) {
                continue;
            }
            // An event that ends at midnight does not touch the day that begins then.
            let last = (instance + length - TimeDelta::seconds(1)).max(instance).date().min(LAST_DAY);
            let first = instance.date().max(FIRST_DAY);
            for day in first.iter_days().take_while(|&day| day <= last) {
                self.insert(day, summary.as_ref());
                *touched += 1;
            }
            if *touched > TOUCHED_LIMIT {
                return Err(format!("the events touch more than {TOUCHED_LIMIT} days in all"));
            }
        }
        Ok(())
    }
}

/// Start times of instances that an event of their own replaces or cancels, by the UID of their series.
type Replaced = BTreeMap<String, BTreeSet<NaiveDateTime>>;

fn replaced_instances(events: &[&Component<'_>]) -> Result<Replaced, String> {
    let mut replaced = Replaced::new();
    for event in events {
        if let (Some(uid), Some(instance)) = (value(event, "UID"), event.find_prop("RECURRENCE-ID")) {
            replaced.entry(uid.to_owned()).or_default().insert(Time::of(instance)?.naive);
        }
    }
    Ok(replaced)
}

/// Refuses what the parser would pass over in silence, or recurse into too deeply.
fn check_lines(text: &str) -> Result<(), ParseError> {
    let begins = |line: &str, word: &str| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let mut depth = 0usize;
    for (index, line) in text.lines().enumerate() {
        let continues = line.starts_with([' ', '\t']);
        if !continues && !line.trim().is_empty() && !line.contains(':') {
            let fault = format!("the file is no iCalendar: line {} is no NAME:VALUE", index + 1);
            return Err(ParseError::new(0..0, fault));
        }
        if begins(line, "BEGIN:") {
            depth += 1;
        } else if begins(line, "END:") {
            depth = depth.saturating_sub(1);
        }
        if depth > DEPTH_LIMIT {
            return Err(ParseError::new(0..0, format!("components lie more than {DEPTH_LIMIT} deep in each other")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::Datelike;

    use super::*;

    fn file(events: &[&str]) -> String {
        let events: String = events
            .iter()
            .map(|event| format!("BEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\n", event.replace('\n', "\r\n")))
            .collect();
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n{events}END:VCALENDAR\r\n")
    }

    fn days(events: &[&str], year: i32) -> Vec<String> {
        let calendar = Calendar::from_ics("test", &file(events)).unwrap_or_else(|fault| panic!("{fault}"));
        calendar.days().filter(|day| day.year() == year).map(|day| day.format("%m-%d").to_string()).collect()
    }

    #[test]
    fn days_that_events_touch() {
        let table: &[(&str, &[&str])] = &[
            ("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261227", &["12-25", "12-26"]),
            ("DTSTART;VALUE=DATE:20261225", &["12-25"]),
            (
                "DTSTART;VALUE=DATE:20261225\nDURATION:P1W",
                &["12-25", "12-26", "12-27", "12-28", "12-29", "12-30", "12-31"],
            ),
            ("DTSTART:20260501T220000Z\nDTEND:20260502T060000Z", &["05-01", "05-02"]),
            ("DTSTART;TZID=Europe/Berlin:20260501T220000\nDURATION:PT2H", &["05-01"]),
            ("DTSTART:20260501T220000", &["05-01"]),
            ("DTSTART;VALUE=DATE:20200704\nRRULE:FREQ=YEARLY", &["07-04"]),
            ("DTSTART;VALUE=DATE:19000704\nRRULE:FREQ=YEARLY", &["07-04"]),
            ("DTSTART;VALUE=DATE:20200525\nRRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO", &["05-25"]),
            ("DTSTART;VALUE=DATE:20200704\nRRULE:FREQ=YEARLY;UNTIL=20250704", &[]),
            ("DTSTART;VALUE=DATE:20200704\nRRULE:FREQ=YEARLY;UNTIL=20260704", &["07-04"]),
            ("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=WEEKLY;COUNT=3", &["01-05", "01-12", "01-19"]),
            ("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;VALUE=DATE:20260112", &["01-05", "01-19"]),
            ("DTSTART;VALUE=DATE:20260105\nRDATE;VALUE=DATE:20260206,20260301", &["01-05", "02-06", "03-01"]),
            ("DTSTART;VALUE=DATE:20260105\nSTATUS:CANCELLED", &[]),
            (
                "DTSTART;TZID=Europe/Berlin:20260105T090000\nRRULE:FREQ=DAILY;UNTIL=20260107T080000Z",
                &["01-05", "01-06", "01-07"],
            ),
            (
                "DTSTART;TZID=Europe/Berlin:20260105T090000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260106T080000Z",
                &["01-05", "01-07"],
            ),
        ];
        for (event, expected) in table {
            assert_eq!(days(&[event], 2026), *expected, "{event}");
        }
    }

    #[test]
    fn an_instance_of_its_own_replaces_one_of_its_series() {
        let series = "UID:a\nDTSTART;VALUE=DATE:20260105\nRRULE:FREQ=WEEKLY;COUNT=3";
        let moved = "UID:a\nRECURRENCE-ID;VALUE=DATE:20260112\nDTSTART;VALUE=DATE:20260114";
        assert_eq!(days(&[series, moved], 2026), ["01-05", "01-14", "01-19"]);
        let cancelled = "UID:a\nRECURRENCE-ID;VALUE=DATE:20260112\nDTSTART;VALUE=DATE:20260112\nSTATUS:CANCELLED";
        assert_eq!(days(&[series, cancelled], 2026), ["01-05", "01-19"]);
    }

    #[test]
    fn folded_lines_names_and_other_components() {
        let text =
            file(&["DTSTART;VALUE=DATE:20261225\nSUMMARY:Christmas\n  Day\nBEGIN:VALARM\nTRIGGER:-PT5M\nEND:VALARM"]);
        let calendar = Calendar::from_ics("test", &format!("\u{feff}{text}")).unwrap();
        assert_eq!(calendar.name_of("2026-12-25".parse().unwrap()), Some("Christmas Day"));
        assert_eq!(Calendar::from_ics("test", &text.replace("\r\n", "\n")), Ok(calendar));
    }

    #[test]
    fn faults_name_the_event() {
        for (event, piece) in [
            ("SUMMARY:Party", "\"Party\": DTSTART is missing"),
            ("SUMMARY:Party\nDTSTART:tomorrow", "tomorrow is no date"),
            ("SUMMARY:Party\nDTSTART;VALUE=DATE:20260230", "20260230"),
            ("SUMMARY:Party\nDTSTART;VALUE=DATE:20260102\nDTEND;VALUE=DATE:20260101", "ends before"),
            ("SUMMARY:Party\nDTSTART;VALUE=DATE:20260102\nRRULE:FREQ=OFTEN", "FREQ=OFTEN"),
            ("SUMMARY:Party\nDTSTART:20260102T000000\nRRULE:FREQ=SECONDLY", "too many"),
            ("SUMMARY:Party\nDTSTART:20260102T000000\nDURATION:1 hour", "no duration"),
        ] {
            let fault = Calendar::from_ics("test", &file(&[event])).unwrap_err();
            assert!(fault.message.contains(piece), "{event}: {fault}");
        }
        for text in ["", "hello", "BEGIN:VEVENT\r\nEND:VEVENT\r\n", "BEGIN:VCALENDAR\r\nnothing\r\nEND:VCALENDAR\r\n"] {
            let fault = Calendar::from_ics("test", text).unwrap_err();
            assert!(fault.message.contains("no iCalendar"), "{text}: {fault}");
        }
        let deep = "BEGIN:A\r\n".repeat(100_000);
        assert!(Calendar::from_ics("test", &deep).unwrap_err().message.contains("deep"));
    }
}
