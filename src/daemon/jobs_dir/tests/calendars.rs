//! Calendars beside the jobs.

use super::*;

const USES: &str = "command = 'true'\nschedule = { cron = '@daily', skip_on = 'company' }";

/// A jobs directory and a calendars directory.
struct Both {
    jobs: Place,
    calendars: Place,
}

impl Both {
    fn new() -> Self {
        Self { jobs: Place::new(), calendars: Place::new() }
    }

    fn dir(&self) -> JobsDir {
        let mut dir = self.jobs.jobs();
        let calendars_dir = self.calendars.directory.path().to_owned();
        dir.configure(dir.trust.clone(), Reading { calendars_dir, ..reading("") });
        dir
    }
}

#[test]
fn a_changed_calendar_changes_the_jobs_that_use_it() {
    let both = Both::new();
    both.calendars.write("company.toml", "days = ['05-01']");
    both.jobs.write("uses.toml", USES);
    both.jobs.write("other.toml", "command = 'true'\nschedule = '@daily'");
    let mut dir = both.dir();
    let before = dir.load().unwrap();
    both.calendars.write("company.toml", "days = ['05-02']");
    let after = dir.load().unwrap();
    let revision = |set: &SpecSet, name| good(set, name).spec.revision.clone();
    assert_ne!(revision(&before, "uses"), revision(&after, "uses"));
    assert!(good(&before, "uses").spec.schedules != good(&after, "uses").spec.schedules);
    assert_eq!(revision(&before, "other"), revision(&after, "other"));
    assert!(after.strays.is_empty());
}

#[test]
fn a_missing_or_faulty_calendar_is_told_at_the_job_and_mended_without_touching_the_job() {
    let both = Both::new();
    both.jobs.write("uses.toml", USES);
    let mut dir = both.dir();
    assert!(fault(&dir.load().unwrap(), "uses").report.contains("there is no calendar \"company\""));
    let path = both.calendars.write("company.toml", "days = [\n  '13-01',\n]");
    let set = dir.load().unwrap();
    let report = &fault(&set, "uses").report;
    assert!(report.contains(&format!("{}:2:", path.display())), "{report}");
    assert_eq!(set.strays.len(), 1, "some other job may need it some day");
    both.calendars.write("company.toml", "days = ['05-01']");
    good(&dir.load().unwrap(), "uses");
    fs::remove_file(&path).unwrap();
    both.calendars.write(
        "company.ics",
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260501\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    );
    good(&dir.load().unwrap(), "uses");
    both.calendars.write("company.toml", "days = ['05-01']");
    assert!(fault(&dir.load().unwrap(), "uses").report.contains("two files have this name"));
}

#[test]
fn a_calendar_that_anybody_may_write_is_not_believed() {
    let both = Both::new();
    both.jobs.write("uses.toml", USES);
    let path = both.calendars.write("company.toml", "days = ['05-01']");
    chmod(&path, 0o666);
    let mut dir = both.dir();
    assert!(fault(&dir.load().unwrap(), "uses").report.contains("everybody may write it"));
    chmod(&path, 0o644);
    good(&dir.load().unwrap(), "uses");
    chmod(both.calendars.directory.path(), 0o777);
    assert!(fault(&dir.load().unwrap(), "uses").report.contains("everybody may write it"));
}
