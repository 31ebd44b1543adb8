//! The examples that come with the project.

use chrono::{DateTime, TimeDelta};

use super::*;
use crate::clock::BootId;
use crate::schedule::{Boot, Context};
use crate::spec::Account;

/// Reads a copy of the examples: in a clone they may belong to anybody.
fn examples(authority: Authority) -> SpecSet {
    let place = Place::new();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs.d")).unwrap() {
        let entry = entry.unwrap();
        place.write(entry.file_name().to_str().unwrap(), &fs::read_to_string(entry.path()).unwrap());
    }
    let mut jobs = place.jobs();
    jobs.configure(jobs.trust.clone(), Reading { authority, ..reading("") });
    jobs.load().unwrap()
}

#[test]
fn are_good_for_root_and_for_anybody_else() {
    let alice = Account { uid: 1000, user: "alice".into(), gid: 1000, group: "alice".into() };
    for authority in [Authority::Anybody, Authority::Only(alice)] {
        let set = examples(authority);
        assert!(set.strays.is_empty());
        assert_eq!(
            names(&set),
            ["backup", "certificates", "cleanup", "disk-space", "health", "heartbeat", "weekly-report"]
        );
        for name in names(&set) {
            let spec = &good(&set, name).spec;
            assert!(spec.description.is_some() && spec.timeout.is_some() && spec.enabled, "{name}");
            assert!(spec.tags.contains("example"), "{name}");
        }
    }
}

#[test]
fn one_of_them_runs_at_once_and_each_within_a_week() {
    let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let context = Context { first_seen: now, boot: Boot { id: BootId::new("boot"), at: now, seen_at: now } };
    let set = examples(Authority::Anybody);
    let wait = |name: &str| good(&set, name).spec.schedules.next(now, &context).unwrap().due - now;
    assert!(wait("heartbeat") <= TimeDelta::seconds(10));
    for name in names(&set) {
        assert!(wait(name) <= TimeDelta::days(8), "{name}");
    }
}

#[test]
fn are_programs_that_the_shell_understands() {
    let set = examples(Authority::Anybody);
    for name in names(&set) {
        let crate::spec::Command::Shell { line, .. } = &good(&set, name).spec.command else { continue };
        let check = std::process::Command::new("/bin/sh").args(["-n", "-c", line]).output().unwrap();
        assert!(check.status.success(), "{name}: {}", String::from_utf8_lossy(&check.stderr));
    }
}
