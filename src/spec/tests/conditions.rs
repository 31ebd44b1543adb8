//! On which days: calendars, conditions, shifts, windows, periods.

use super::keys::occurrences;
use super::*;

fn schedule(lines: &str) -> Vec<String> {
    occurrences(&format!("timezone = 'UTC'\n[[schedule]]\n{lines}"), 3)
}

#[test]
fn business_days_of_a_calendar() {
    // New Year's Day 2026 is a Thursday; the calendar closes Monday the 5th too.
    let first = ["01-02 09:00", "02-02 09:00", "03-02 09:00"];
    assert_eq!(schedule("business_day = 1\ntime = '09:00'\ncalendar = 'company'"), first);
    assert_eq!(schedule("business_day = [1]\ntime = 09:00:00\ncalendar = ['company']"), first, "TOML's own forms");
    assert_eq!(schedule("business_day = 1\ntime = '09:00'"), ["01-01 09:00", "02-02 09:00", "03-02 09:00"]);
    let both = schedule("business_day = [-1, 2]\ntime = '18:30'\ncalendar = 'company'");
    assert_eq!(both, ["01-06 18:30", "01-30 18:30", "02-03 18:30"]);
}

#[test]
fn days_on_which_a_schedule_runs() {
    let daily = |lines: &str| schedule(&format!("cron = '0 9 * * *'\n{lines}"));
    assert_eq!(daily("only_on = 'business-days'\ncalendar = 'company'"), ["01-02 09:00", "01-06 09:00", "01-07 09:00"]);
    assert_eq!(daily("skip_on = ['weekends', 'company']"), ["01-02 09:00", "01-06 09:00", "01-07 09:00"]);
    assert_eq!(daily("only_on = 'weekends'"), ["01-03 09:00", "01-04 09:00", "01-10 09:00"]);
    assert_eq!(daily("only_on = 'company'"), ["01-01 09:00", "01-05 09:00", "05-01 09:00"]);
    assert_eq!(daily("exclude = ['2026-01-01..2026-01-10', '2026-01-12']")[..2], ["01-11 09:00", "01-13 09:00"]);
    assert_eq!(daily("exclude = 2026-01-01")[0], "01-02 09:00");
    assert_eq!(daily("not_before = 2026-03-01\nnot_after = '2026-03-02'"), ["03-01 09:00", "03-02 09:00"]);
    let hourly = schedule("cron = '0 */6 * * *'\nexclude = '22:00-07:00'");
    assert_eq!(hourly, ["01-01 12:00", "01-01 18:00", "01-02 12:00"]);
    let monthly = |rule: &str| schedule(&format!("cron = '0 9 1 * *'\ncalendar = 'company'\nshift = '{rule}'"));
    assert_eq!(monthly("next-business-day"), ["01-02 09:00", "02-02 09:00", "03-02 09:00"]);
    assert_eq!(monthly("previous-business-day")[0], "01-30 09:00");
}

#[test]
fn the_calendar_of_the_job_counts_where_one_is_needed() {
    let of_job =
        |lines: &str| occurrences(&format!("timezone = 'UTC'\ncalendar = 'company'\n[[schedule]]\n{lines}"), 1);
    assert_eq!(of_job("cron = '0 9 * * *'\nonly_on = 'business-days'"), ["01-02 09:00"]);
    assert_eq!(of_job("business_day = 2\ntime = '09:00'"), ["01-06 09:00"]);
    assert_eq!(of_job("cron = '0 9 * * *'"), ["01-01 09:00"], "no condition asks for it");
    // A default that a job does not need is no fault of the job.
    let spec = read_as_root("command = 'true'\nschedule = '@daily'", "calendar = 'missing'");
    assert!(spec.is_ok());
    let faults =
        read_as_root("command = 'true'\nschedule = { cron = '@daily', skip_on = 'holidays' }", "calendar = 'missing'");
    assert!(faults.unwrap_err().plain().contains("there is no calendar \"missing\""));
}

#[test]
fn a_calendar_that_cannot_be_used_is_a_fault_of_the_job() {
    let fault = |lines: &str| faults_of(&format!("[[schedule]]\n{lines}"));
    assert_eq!(fault("cron = '@daily'\nskip_on = 'compny'"), ["4:11 'compny' -> there is no calendar \"compny\""]);
    assert_eq!(hint_of("[[schedule]]\ncron = '@daily'\nskip_on = 'compny'").unwrap(), "did you mean \"company\"?");
    assert_eq!(hint_of("[[schedule]]\ncron = '@daily'\nonly_on = 'weekend'").unwrap(), "did you mean \"weekends\"?");
    let broken = fault("business_day = 1\ntime = '09:00'\ncalendar = ['company', 'broken']");
    assert_eq!(broken.len(), 1);
    assert!(broken[0].contains("\"broken\" is faulty: /calendars.d/broken.toml:3"), "{broken:?}");
}

#[test]
fn a_changed_calendar_makes_another_revision_of_the_jobs_that_use_it() {
    let revision = |days: &str, lines: &str| {
        let mut calendars = Calendars::default();
        calendars.insert("company", Ok(std::sync::Arc::new(Calendar::from_toml("company", days).unwrap())));
        let context = ReadContext {
            machine: Default::default(),
            path: "jobs.d/backup.toml".into(),
            authority: Authority::Anybody,
            timezone: Zone::utc(),
            calendars: std::sync::Arc::new(calendars),
        };
        let source = Source { text: format!("command = 'true'\n[[schedule]]\n{lines}"), defaults: String::new() };
        read(&JobName::new("backup").unwrap(), &source, &context).unwrap().revision
    };
    let (before, after) = ("days = ['05-01']", "days = ['05-02']");
    for using in ["cron = '@daily'\nskip_on = 'company'", "business_day = 1\ntime = '9:00'\ncalendar = 'company'"] {
        assert_eq!(revision(before, using), revision(before, using));
        assert_ne!(revision(before, using), revision(after, using));
    }
    assert_eq!(revision(before, "cron = '@daily'"), revision(after, "cron = '@daily'"));
}

#[test]
fn faults_of_these_keys() {
    for (lines, part, message) in [
        ("business_day = 1", "1", "does not say at what time"),
        ("business_day = 0\ntime = '9:00'", "0", "business_day takes 1"),
        ("business_day = 'first'\ntime = '9:00'", "'first'", "cannot be a string"),
        ("business_day = 1\ntime = '9 Uhr'", "9 Uhr", "no time of day"),
        ("cron = '@daily'\ntime = '9:00'", "'9:00'", "has no effect without `business_day`"),
        ("cron = '@daily'\nfrom = '2026-01-01 00:00'", "'2026-01-01 00:00'", "has no effect without `every`"),
        ("cron = '@daily'\nbusiness_day = 1\ntime = '9:00'", "1", "a schedule has one rule"),
        ("cron = '@daily'\nexclude = 'at night'", "at night", "no window of time"),
        ("cron = '@daily'\nexclude = []", "[]", "empty list"),
        ("cron = '@daily'\nshift = 'next'", "'next'", "next"),
        ("every = '5m'\nshift = 'next-business-day'", "'5m'", "is for cron and at"),
        ("cron = '@daily'\nskip_on = 'holidays'", "'@daily'", "needs a calendar"),
        ("cron = '@daily'\nnot_before = 'soon'", "soon", "no date and time"),
        ("cron = '@daily'\ndst = { gap = 'maybe' }", "'maybe'", "maybe"),
        ("cron = '@daily'\ngap = 'skip'", "gap", "unknown key"),
        ("cron = '0 9 1 * *'\nnot_after = 1971-01-01\nnot_before = 1972-01-01", "'0 9 1 * *'", "its conditions"),
    ] {
        let faults = faults_of(&format!("[[schedule]]\n{lines}"));
        let found = faults.iter().any(|fault| fault.contains(&format!(" {part} -> ")) && fault.contains(message));
        assert!(found, "{lines}: {faults:?}");
    }
    assert_eq!(faults_of("start_deadline = '1h'"), ["2:18 '1h' -> `start_deadline` has no effect without a schedule"]);
    assert!(faults_of("schedule = '@daily'\nstart_deadline = '10ms'")[0].contains("too short"));
    assert!(faults_of("schedule = '@daily'\ncatch_up = 'none'\ncatch_up_spread = '1h'")[0].contains("no effect"));
}
