//! What the fuzz target does with what is imported. It lies here so that an ordinary test replays its corpus.

use chrono::TimeDelta;

use super::check::compare_first;
use super::crontab::{Crontab, Form, Origin};
use super::systemd::{TimerUnits, Unit, service_of};
use super::{Anacrontab, Comparison, Import, System, Terms};
use crate::clock::Timestamp;
use crate::schedule::Zone;
use crate::spec::Authority;

/// Fires that are compared of one line, and lines of one table: more would only take time.
const FIRES: usize = 50;
const LINES: usize = 3;

/// Imports bytes as a crontab of either form, as an anacrontab, and as a systemd timer with its service.
///
/// # Panics
/// When a promise is broken: a line that becomes neither job nor fault, a job that does not run when its line ran.
pub fn import(bytes: &[u8]) {
    for form in [Form::User, Form::System] {
        crontab(bytes, form);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut import = Import::default();
    import.system(&System { anacron: Some(Anacrontab::read(text)), ..System::default() });
    finish(import);
    let unit = Unit::read(text);
    let (timer_name, service_name) = ("fuzz.timer".to_owned(), service_of("fuzz.timer", &unit));
    let mut import = Import::default();
    import.timer(&TimerUnits { timer_name, timer: unit.clone(), service_name, service: unit, is_system: true });
    let finished = finish(import);
    assert_eq!(finished.jobs.len() + finished.faults.len(), 1);
}

fn crontab(bytes: &[u8], form: Form) {
    let crontab = Crontab::read(bytes, form);
    let lines = crontab.entries.len() + crontab.faults.len();
    let mut import = Import::default();
    import.crontab(&crontab, &Origin { place: "/etc/crontab".to_owned(), form, owner: None, name: None });
    let finished = finish(import);
    assert_eq!(finished.jobs.len() + finished.faults.len(), lines, "each line becomes a job or a fault");
    let zone = Zone::parse("Europe/Berlin").expect("a zone");
    let after = Timestamp::UNIX_EPOCH + TimeDelta::days(20_500);
    for job in finished.jobs.iter().take(LINES) {
        let comparison = compare_first(job, zone, after, FIRES);
        assert!(comparison.is_good(), "{:?} does not run as {:?}: {comparison:?}", job.text, job.origin);
        assert_ne!(comparison, Comparison::Equal { fires: 0, last: None }, "{}: never runs", job.text);
    }
}

fn finish(import: Import) -> super::Finished {
    let context = crate::spec::fuzzing::context(Authority::Anybody);
    let finished = import.finish(&Terms { context: &context, defaults: "", prefix: "" });
    assert!(finished.faults.iter().all(|fault| !fault.reason.is_empty()));
    finished
}

#[cfg(test)]
mod tests {
    use crate::corpus::replay;

    #[test]
    fn the_corpus_breaks_nothing() {
        replay("import", 10, super::import);
    }
}
