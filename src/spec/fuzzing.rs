//! What the fuzz target does with the text of a job file. It lies here so that an ordinary test replays its corpus.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{Account, Authority, Faults, JobName, JobSpec, Machine, ReadContext, Source, read};
use crate::clock::{BootId, Timestamp};
use crate::schedule::{Boot, Calendar, Calendars, Context, Zone};

/// In an input: what stands below this line are the `[defaults]`.
const DEFAULTS: &str = "\n#defaults\n";

/// Occurrences that are asked of an accepted job.
const TAKEN: usize = 20;

/// Reads a job file the whole way, as the daemon of root and as one of an ordinary user does, and asks what it gives.
///
/// # Panics
/// When a promise is broken: a fault without words or outside the text, a revision that changes from one reading to the
/// next, an occurrence out of order.
pub fn job_file(input: &str) {
    let (text, defaults) = input.split_once(DEFAULTS).unwrap_or((input, ""));
    let source = Source { text: text.to_owned(), defaults: defaults.to_owned() };
    let account = Account { uid: 1000, user: "alice".into(), gid: 1000, group: "alice".into() };
    for authority in [Authority::Anybody, Authority::Only(account)] {
        let name = JobName::new("backup").expect("a name");
        let context = context(authority);
        match read(&name, &source, &context) {
            Ok(spec) => {
                let again = read(&name, &source, &context).map(|spec| spec.revision);
                assert_eq!(again.ok().as_ref(), Some(&spec.revision), "{input:?}");
                ask(&spec);
            }
            Err(faults) => tell(&faults),
        }
    }
}

/// As on a machine that can do everything, in Berlin, with a good calendar and a faulty one.
pub(crate) fn context(authority: Authority) -> ReadContext {
    let mut calendars = Calendars::default();
    let good = Calendar::from_toml("company", "days = ['01-01', '05-01', '2026-01-05']").expect("a calendar");
    calendars.insert("company", Ok(Arc::new(good)));
    calendars.insert("broken", Err("broken.toml:3: \"12-32\" names no day".to_owned()));
    ReadContext {
        path: "jobs.d/backup.toml".into(),
        authority,
        timezone: Zone::parse("Europe/Berlin").expect("a zone"),
        machine: Machine::default(),
        calendars: Arc::new(calendars),
    }
}

/// Tells all that is wrong in every form.
pub(crate) fn tell(faults: &Faults) {
    assert!(!faults.plain().is_empty() && !faults.styled().is_empty() && !faults.summary().is_empty());
    for fault in faults.iter() {
        assert!(!fault.message.is_empty());
        if let Some((start, end)) = faults.places(fault) {
            assert!((start.line, start.column) <= (end.line, end.column), "{start:?} {end:?}");
        }
    }
}

fn ask(spec: &JobSpec) {
    assert!(!format!("{spec:?}").is_empty());
    let first_seen = Timestamp::UNIX_EPOCH;
    let boot =
        Boot { id: BootId::new("fuzz"), at: first_seen + TimeDelta::days(1), seen_at: first_seen + TimeDelta::days(1) };
    let context = Context { first_seen, boot };
    let mut after = first_seen;
    for _ in 0..TAKEN {
        let Some(next) = spec.schedules.next(after, &context) else { return };
        assert!(next.at > after, "goes backwards at {after}");
        assert!(next.due >= next.at, "due before it is");
        after = next.at;
    }
}

#[cfg(test)]
mod tests {
    use crate::corpus::replay_text;

    #[test]
    fn the_corpus_breaks_nothing() {
        replay_text("job_file", 20, super::job_file);
    }
}
