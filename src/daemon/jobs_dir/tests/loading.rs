//! What is read, and what is not read again.

use std::time::Duration;

use super::*;

#[test]
fn the_whole_set_with_good_and_faulty_files() {
    let place = Place::new();
    place.write("backup.toml", "command = 'true'");
    place.write("report.v2.toml", "comand = 'true'");
    let set = place.jobs().load().unwrap();
    assert_eq!(names(&set), ["backup", "report.v2"]);
    assert_eq!(good(&set, "backup").source.text, "command = 'true'");
    assert_eq!(good(&set, "backup").path, place.path("backup.toml"));
    let fault = fault(&set, "report.v2");
    assert_eq!(fault.path, place.path("report.v2.toml"));
    assert!(fault.report.contains("report.v2.toml:1:1"), "{}", fault.report);
}

#[test]
fn what_editors_and_packages_leave_behind_is_no_job() {
    let place = Place::new();
    for name in [
        ".backup.toml.swp",
        ".backup.toml",
        "#backup.toml#",
        ".#backup.toml",
        "#backup.toml",
        "backup.toml~",
        "backup.toml.tmp",
        "backup.toml.dpkg-new",
        "backup.toml.rpmsave",
        "backup",
        "README.md",
        "4913",
    ] {
        place.write(name, "no job at all");
    }
    let set = place.jobs().load().unwrap();
    assert!(set.jobs.is_empty() && set.strays.is_empty(), "{set:?}");
}

#[test]
fn names_that_cannot_be_jobs_are_told() {
    let place = Place::new();
    place.write("Back Up.toml", "command = 'true'");
    place.write("-x.toml", "command = 'true'");
    let not_utf8 = OsStr::from_bytes(b"caf\xe9.toml");
    fs::write(place.directory.path().join(not_utf8), "").unwrap();
    let set = place.jobs().load().unwrap();
    assert!(set.jobs.is_empty());
    let told = set.strays.iter().map(|fault| fault.summary.as_str()).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            "the file's name without .toml cannot be a job's name: a job name begins with a lower-case letter or a digit, not with '-'",
            "the file's name without .toml cannot be a job's name: a job name begins with a lower-case letter or a digit, not with 'B'",
            "the file's name is not UTF-8",
        ]
    );
    assert!(set.strays[1].report.contains("Back Up.toml") && set.strays[1].report.contains("rename it"));
}

#[test]
fn changes_appear_with_the_next_load() {
    let place = Place::new();
    let mut jobs = place.jobs();
    place.write("a.toml", "command = 'true'");
    place.write("b.toml", "command = 'true'");
    let first = jobs.load().unwrap();
    place.write("a.toml", "command = 'fals'");
    fs::rename(place.path("b.toml"), place.path("c.toml")).unwrap();
    let second = jobs.load().unwrap();
    assert_eq!(names(&second), ["a", "c"]);
    assert_ne!(good(&first, "a").spec.revision, good(&second, "a").spec.revision);
    fs::remove_file(place.path("a.toml")).unwrap();
    place.write("c.toml", "command = ");
    let third = jobs.load().unwrap();
    assert_eq!(names(&third), ["c"]);
    assert!(fault(&third, "c").report.contains("this is no value"));
    place.write("c.toml", "command = 'true'");
    assert_eq!(good(&jobs.load().unwrap(), "c").source.text, "command = 'true'");
}

#[test]
fn two_changes_within_one_tick_of_the_file_clock_are_both_seen() {
    let place = Place::new();
    let mut jobs = place.jobs();
    for round in 100..400 {
        // The same length and, before the finer stamps of Linux 6.13, often the same times.
        let text = format!("command = 'exit {round}'");
        place.write("a.toml", &text);
        assert_eq!(good(&jobs.load().unwrap(), "a").source.text, text);
    }
}

#[test]
fn a_file_that_was_left_alone_is_not_opened_again() {
    let place = Place::new();
    let mut jobs = place.jobs();
    place.write("a.toml", "command = 'true'");
    let first = jobs.load().unwrap();
    let deadline = Deadline::new();
    let settled = |jobs: &JobsDir| {
        let stamp = jobs.known[OsStr::new("a.toml")].stamp;
        stamp.is_still(Stamp::of(&nix::sys::stat::stat(&place.path("a.toml")).unwrap()))
    };
    while !settled(&jobs) {
        deadline.check("the file looks old");
        let again = jobs.load().unwrap();
        assert!(Arc::ptr_eq(good(&first, "a"), good(&again, "a")), "the same text is not parsed again");
    }
    // Something that no file says stays, so no file was read.
    let planted = Fault { path: place.path("a.toml"), summary: "planted".into(), report: String::new() };
    jobs.known.get_mut(OsStr::new("a.toml")).unwrap().meaning = Meaning::Stray(Arc::new(planted.clone()));
    assert_eq!(jobs.load().unwrap().strays, [planted]);
    // A change of the mode alone is a change.
    chmod(&place.path("a.toml"), 0o600);
    assert_eq!(names(&jobs.load().unwrap()), ["a"]);
}

#[test]
fn changed_defaults_change_every_job() {
    let place = Place::new();
    let mut jobs = place.jobs();
    place.write("a.toml", "command = 'true'");
    let before = jobs.load().unwrap();
    jobs.configure(jobs.trust.clone(), reading("timeout = '1h'"));
    let after = jobs.load().unwrap();
    assert_eq!(good(&before, "a").spec.timeout, None);
    assert_eq!(good(&after, "a").spec.timeout, Some(Duration::from_secs(3600)));
    assert_eq!(good(&after, "a").source.defaults, "timeout = '1h'");
}

/// Fails a test that waits in vain.
struct Deadline(std::time::Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "a test waits in real time")]
    fn new() -> Self {
        Self(std::time::Instant::now())
    }

    fn check(&self, what: &str) {
        assert!(self.0.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        std::thread::yield_now();
    }
}
