//! Every key with what it means.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use nix::sys::signal::Signal;

use super::*;
use crate::clock::{BootId, Timestamp};
use crate::schedule::{Boot, Context};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn instant(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// The first occurrences of a job's schedule after New Year 2026, in a boot that began at noon of that day.
pub(super) fn occurrences(lines: &str, count: usize) -> Vec<String> {
    let spec = job(lines);
    let boot =
        Boot { id: BootId::new("boot"), at: instant("2026-01-01T12:00:00Z"), seen_at: instant("2026-01-01T12:00:00Z") };
    let context = Context { first_seen: instant("2026-01-01T10:00:00Z"), boot };
    let from = instant("2026-01-01T00:00:00Z");
    let all = spec.schedules.between(from, from + TimeDelta::days(400), &context);
    all.take(count).map(|occurrence| occurrence.at.format("%m-%d %H:%M").to_string()).collect()
}

#[test]
fn a_job_needs_a_command_and_nothing_else() {
    let spec = read_as_root("command = ['/bin/true']", "").unwrap();
    assert_eq!(spec.name.as_str(), "backup");
    assert_eq!(spec.command, Command::Argv(vec!["/bin/true".into()]));
    assert!(spec.schedules.is_empty(), "it runs by hand");
    assert!(spec.enabled);
    assert_eq!((spec.description, spec.working_directory, spec.timeout, spec.owner), (None, None, None, None));
    assert_eq!(spec.identity, Identity::default());
    assert_eq!(spec.stop, StopPolicy { signal: Signal::SIGTERM, grace: seconds(10) });
    assert_eq!(spec.overlap, Overlap::Skip);
    assert_eq!(spec.catch_up, CatchUp { policy: CatchUpPolicy::Latest, window: None, spread: None });
    assert_eq!(spec.retry.attempts, NonZeroU32::MIN);
    assert!(!spec.retry.on_lost);
    assert_eq!(spec.success_exit_codes, BTreeSet::from([0]));
    assert_eq!(spec.output.limit_bytes, 16 * 1024 * 1024);
    assert_eq!((spec.retention.runs.get(), spec.retention.age), (100, seconds(90 * 86_400)));
}

#[test]
fn commands_and_shells() {
    let argv = |text: &str| read_as_root(text, "").unwrap().command.argv();
    assert_eq!(argv("command = ['tar', 'cf', 'a b.tar', '']"), ["tar", "cf", "a b.tar", ""]);
    assert_eq!(argv("command = 'ls | wc -l'"), ["/bin/sh", "-c", "ls | wc -l"]);
    assert_eq!(argv("command = 'x'\nshell = '/bin/bash'"), ["/bin/bash", "-c", "x"]);
    assert_eq!(argv("command = 'x'\nshell = ['/bin/bash', '-eu', '-c']"), ["/bin/bash", "-eu", "-c", "x"]);
    assert_eq!(argv("command = '''\nset -e\nls\n'''"), ["/bin/sh", "-c", "set -e\nls\n"]);
}

#[test]
fn schedules_short_and_long() {
    // Berlin is an hour ahead of UTC in January.
    assert_eq!(occurrences("schedule = '30 2 * * *'", 2), ["01-01 01:30", "01-02 01:30"]);
    assert_eq!(occurrences("schedule = '@daily'\ntimezone = 'UTC'", 1), ["01-02 00:00"]);
    let twice = "schedule = ['0 1 * * *', '0 3 * * *']\ntimezone = 'UTC'";
    assert_eq!(occurrences(twice, 3), ["01-01 01:00", "01-01 03:00", "01-02 01:00"]);
    assert_eq!(occurrences("schedule = 'every 12h'\ntimezone = 'UTC'", 2), ["01-01 12:00", "01-02 00:00"]);
    assert_eq!(occurrences("schedule = 'at 2026-02-03 04:05'", 2), ["02-03 03:05"]);
    assert_eq!(occurrences("schedule = '@reboot'", 2), ["01-01 12:00"]);
    let long = "timezone = 'Asia/Tokyo'\n[[schedule]]\ncron = '0 12 1 * *'\n[[schedule]]\ncron = '0 12 1 * *'\ntimezone = 'UTC'";
    assert_eq!(occurrences(long, 3), ["01-01 03:00", "01-01 12:00", "02-01 03:00"]);
    assert_eq!(
        occurrences("[[schedule]]\nat = ['2026-02-03 04:05', '2026-02-04T00:00:00Z']", 3),
        ["02-03 03:05", "02-04 00:00"]
    );
    assert_eq!(occurrences("[[schedule]]\nat = 2026-02-03T04:05:00", 2), ["02-03 03:05"], "a date of TOML's own");
    assert_eq!(occurrences("[[schedule]]\nboot = '5m'", 2), ["01-01 12:05"]);
    assert_eq!(occurrences("[[schedule]]\nafter = '5m'", 2), ["01-01 10:05"]);
    assert_eq!(
        occurrences("[[schedule]]\nevery = '10d'\nfrom = '2026-01-05 06:00'", 2),
        ["01-05 05:00", "01-15 05:00"]
    );
    assert_eq!(occurrences("schedule = { cron = '0 12 1 * *' }", 1), ["01-01 11:00"]);
}

#[test]
fn schedules_at_changes_of_the_clock() {
    // Berlin goes from 02:00 to 03:00 on 29 March 2026 and from 03:00 back to 02:00 on 25 October.
    let at = |lines: &str| occurrences(&format!("[[schedule]]\n{lines}"), 400);
    let has = |all: &[String], wanted: &str| all.iter().any(|at| at == wanted);
    assert!(has(&at("cron = '30 2 * * *'"), "03-29 01:00"), "a gap runs right after it");
    assert!(!has(&at("cron = '30 2 * * *'\ndst = { gap = 'skip' }"), "03-29 01:00"));
    let (first, second) = ("10-25 00:30", "10-25 01:30");
    for (overlap, passes) in [("first", [true, false]), ("second", [false, true]), ("both", [true, true])] {
        let all = at(&format!("cron = '30 2 * * *'\ndst = {{ overlap = '{overlap}' }}"));
        assert_eq!([has(&all, first), has(&all, second)], passes, "{overlap}");
    }
}

#[test]
fn jitter_delays_the_start_and_not_the_occurrence() {
    let spec = job("[[schedule]]\ncron = '0 12 * * *'\njitter = '30m'");
    let boot =
        Boot { id: BootId::new("boot"), at: instant("2026-01-01T00:00:00Z"), seen_at: instant("2026-01-01T00:00:00Z") };
    let context = Context { first_seen: boot.at, boot };
    let days = spec.schedules.between(instant("2026-01-01T00:00:00Z"), instant("2026-02-01T00:00:00Z"), &context);
    let delays = days.map(|day| day.due - day.at).collect::<Vec<_>>();
    assert_eq!(delays.len(), 31);
    assert!(delays.iter().all(|delay| (TimeDelta::zero()..TimeDelta::minutes(30)).contains(delay)));
    assert!(delays.iter().any(|delay| *delay > TimeDelta::minutes(5)), "{delays:?}");
}

#[test]
fn where_and_as_whom() {
    let spec =
        job("working_directory = '/srv/app'\nuser = 'postgres'\ngroup = 33\nenvironment = { A = '1', 'b.c' = 'x' }");
    assert_eq!(spec.working_directory.as_deref(), Some(Path::new("/srv/app")));
    assert_eq!(spec.identity, Identity { user: Some("postgres".into()), group: Some("33".into()) });
    assert_eq!(spec.environment.0, [("A", "1"), ("b.c", "x")].map(|(name, value)| (name.into(), value.into())).into());
}

#[test]
fn time_limits_and_stopping() {
    let spec = job("timeout = '1h 30m'\nstop_signal = 'int'\nstop_grace = '0s'");
    assert_eq!(spec.timeout, Some(seconds(5400)));
    assert_eq!(spec.stop, StopPolicy { signal: Signal::SIGINT, grace: Duration::ZERO });
    assert_eq!(job("stop_signal = 'SIGUSR1'").stop.signal, Signal::SIGUSR1);
    assert_eq!(job("timeout = 'none'").timeout, None);
}

#[test]
fn overlap_and_catch_up() {
    let allow = |count| Overlap::Allow { max_concurrent: NonZeroU32::new(count).unwrap() };
    for (lines, expected) in [
        ("overlap = 'skip'", Overlap::Skip),
        ("overlap = 'queue'", Overlap::Queue),
        ("overlap = 'replace'", Overlap::Replace),
        ("overlap = 'allow'", allow(10)),
        ("overlap = 'allow'\nmax_concurrent = 3", allow(3)),
    ] {
        assert_eq!(job(lines).overlap, expected, "{lines}");
    }
    for (lines, policy, window) in [
        ("catch_up = 'none'", CatchUpPolicy::None, None),
        ("catch_up = 'latest'\ncatch_up_window = '1d'", CatchUpPolicy::Latest, Some(seconds(86_400))),
        ("catch_up = 'all'\ncatch_up_window = 'none'", CatchUpPolicy::All, None),
    ] {
        assert_eq!(job(lines).catch_up, CatchUp { policy, window, spread: None }, "{lines}");
    }
    assert_eq!(job("catch_up_spread = '20m'").catch_up.spread, Some(seconds(1200)));
    assert_eq!(job("schedule = '@daily'\nstart_deadline = '2h'").start_deadline, Some(seconds(7200)));
    assert_eq!(job("schedule = '@daily'\nstart_deadline = 'none'").start_deadline, None);
}

#[test]
fn retries() {
    let retry = |lines: &str| job(&format!("[retry]\nattempts = 3\n{lines}")).retry;
    let full = "backoff = 'linear'\ndelay = '30s'\nmax_delay = '10m'\non_lost = true";
    let expected = Retry {
        attempts: NonZeroU32::new(3).unwrap(),
        backoff: Backoff::Linear,
        delay: seconds(30),
        max_delay: seconds(600),
        on_lost: true,
    };
    assert_eq!(retry(full), expected);
    assert_eq!(retry(""), Retry { backoff: Backoff::Exponential, delay: seconds(10), on_lost: false, ..expected });
    assert_eq!(retry("backoff = 'fixed'").backoff, Backoff::Fixed);
    assert_eq!(retry("delay = '1h'").max_delay, seconds(3600), "never shorter than the delay");
    assert_eq!(retry("max_delay = '5s'").delay, seconds(5), "never longer than the longest");
}

#[test]
fn results_and_words() {
    let spec = job(
        "success_exit_codes = [0, '2-5', 255]\nenabled = false\ntags = ['db', 'nightly', 'db']\nowner = 'ops'\ndescription = 'Says true'\n[output]\nlimit = '1MiB'\n[retention]\nruns = 7\nage = '2w'",
    );
    assert_eq!(spec.success_exit_codes, BTreeSet::from([0, 2, 3, 4, 5, 255]));
    assert!(!spec.enabled);
    assert_eq!(spec.tags, ["db", "nightly"].map(str::to_owned).into());
    assert_eq!((spec.owner.as_deref(), spec.description.as_deref()), (Some("ops"), Some("Says true")));
    assert_eq!(spec.output.limit_bytes, 1024 * 1024);
    assert_eq!((spec.retention.runs.get(), spec.retention.age), (7, seconds(14 * 86_400)));
}

#[test]
fn an_ordinary_daemon_runs_everything_as_its_own_user() {
    let alice = Account { uid: 1000, user: "alice".into(), gid: 100, group: "users".into() };
    let read = |lines: &str| read_as(Authority::Only(alice.clone()), &format!("command = 'true'\n{lines}"), "");
    for lines in ["", "user = 'alice'", "user = 1000\ngroup = 'users'", "group = 100"] {
        assert_eq!(read(lines).unwrap().identity, Identity::default(), "{lines}");
    }
    for (lines, key) in [("user = 'root'", "user"), ("user = 0", "user"), ("group = 'wheel'", "group")] {
        let faults = read(lines).unwrap_err();
        assert!(faults.summary().starts_with(&format!("line 2: `{key}` cannot be")), "{}", faults.summary());
        assert!(faults.plain().contains("this jobsd runs as alice, not as root"), "{}", faults.plain());
    }
}
