//! What job files mean, and what is wrong with them.

mod conditions;
mod defaults;
mod faults;
mod keys;
mod laws;
mod manual;
mod process;
mod secrets;

use super::*;
use crate::schedule::{Calendar, Calendars, Zone};

/// Reads a file as the root daemon of a machine in Berlin does.
fn read_as_root(text: &str, defaults: &str) -> Result<JobSpec, Faults> {
    read_as(Authority::Anybody, text, defaults)
}

fn read_as(authority: Authority, text: &str, defaults: &str) -> Result<JobSpec, Faults> {
    let timezone = Zone::parse("Europe/Berlin").unwrap();
    let calendars = std::sync::Arc::new(calendars());
    let machine = Machine::default();
    let context = ReadContext { path: "jobs.d/backup.toml".into(), authority, timezone, machine, calendars };
    let source = Source { text: text.into(), defaults: defaults.into() };
    read(&JobName::new("backup").unwrap(), &source, &context)
}

/// One good calendar, in which New Year, May Day and 2026-01-05, a Monday, are holidays, and a faulty one.
fn calendars() -> Calendars {
    let good = Calendar::from_toml("company", "days = ['01-01', '05-01', '2026-01-05']").unwrap();
    let mut calendars = Calendars::default();
    calendars.insert("company", Ok(std::sync::Arc::new(good)));
    calendars.insert("broken", Err("/calendars.d/broken.toml:3: \"12-32\" names no day".to_owned()));
    calendars
}

/// A good job with some more lines in front.
fn job(lines: &str) -> JobSpec {
    read_as_root(&format!("command = 'true'\n{lines}"), "").unwrap_or_else(|faults| panic!("{}", faults.plain()))
}

/// What is wrong with a job that is good but for some lines: place, marked text and message of each fault.
fn faults_of(lines: &str) -> Vec<String> {
    faults_in(&format!("command = 'true'\n{lines}"))
}

fn faults_in(text: &str) -> Vec<String> {
    let faults = read_as_root(text, "").expect_err("the file is faulty");
    let tell = |fault: &Diagnostic| match faults.places(fault) {
        Some((place, _)) => {
            let marked = &text[fault.span.clone().unwrap()];
            format!("{}:{} {marked} -> {}", place.line, place.column, fault.message)
        }
        None => fault.message.clone(),
    };
    faults.iter().map(tell).collect()
}

/// The hint of the only fault of a job that is good but for some lines.
fn hint_of(lines: &str) -> Option<String> {
    let faults = read_as_root(&format!("command = 'true'\n{lines}"), "").expect_err("the file is faulty");
    let all = faults.iter().collect::<Vec<_>>();
    assert_eq!(all.len(), 1, "{}", faults.plain());
    all[0].hint.clone()
}
