//! Schedules from the outside: what is shown before it happens, calendars, deadlines, boots.

use std::fs;

use serde_json::{Value, json};

use crate::harness::World;

/// `jobctl` without a daemon.
fn offline(world: &World, arguments: &[&str]) -> Value {
    let output = world.jobctl(&[arguments, &["-o", "json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn next_of_an_expression_needs_no_daemon() {
    let world = World::new();
    let next = |expression: &str, zone: &str, from: &str, count: &str| {
        let asked = ["next", "--cron", expression, "--timezone", zone, "--from", from, "--count", count];
        offline(&world, &asked)
    };
    let spring = next("30 2 * * *", "Europe/Berlin", "2026-03-28T01:30:00Z", "2");
    assert_eq!(spring.as_array().map(Vec::len), Some(2), "--from is exclusive: {spring}");
    let gap = &spring[0];
    assert_eq!(gap["at"], "2026-03-29T01:00:00Z");
    assert_eq!(gap["local"], "2026-03-29T03:00:00+02:00");
    assert_eq!(gap["nominal"], "2026-03-29T02:30:00");
    assert!(gap["note"].as_str().is_some_and(|note| note.contains("right after the gap")), "{gap}");
    assert_eq!(spring[1]["note"], Value::Null);
    let autumn = next("*/30 2 * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", "4");
    let instants: Vec<&str> = autumn.as_array().unwrap().iter().filter_map(|one| one["at"].as_str()).collect();
    let passes = ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"];
    assert_eq!(instants, passes);
    assert_eq!(next("0 0 0 1 1 * 2020", "UTC", "2026-01-01T00:00:00Z", "5"), json!([]));
    for (arguments, told) in [
        (&["next", "--cron", "61 * * * *"][..], "^^ 61 is no minute"),
        (&["next", "--cron", "0 0 30 2 *"], "none of its months has a day 30"),
        (&["next", "--cron", "@daily", "--timezone", "Mars/Base"], "no time zone"),
        (&["next", "--cron", "@daily", "--from", "soonish"], "soonish"),
    ] {
        let output = world.jobctl(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
}

#[test]
fn explain_tells_what_an_expression_means() {
    let world = World::new();
    let from = ["--from", "2026-03-01T00:00:00Z", "--timezone", "Europe/Berlin"];
    let told = offline(&world, &[&["explain", "30 2 31 * *"][..], &from].concat());
    assert_eq!(told["description"], "at 02:30, on the 31st of the month");
    assert_eq!((&told["class"], &told["per_year"]), (&json!("fixed"), &json!(7)));
    assert!(told["warnings"][0].as_str().is_some_and(|warning| warning.contains("seven months a year")), "{told}");
    let told = offline(&world, &[&["explain", "30 2 * * *"][..], &from].concat());
    let effects = [&told["clock_changes"][0], &told["clock_changes"][1]];
    assert_eq!(effects[0]["at"], "2026-03-29T01:00:00Z");
    assert!(effects[0]["effect"].as_str().is_some_and(|effect| effect.contains("right after the gap")), "{told}");
    assert!(effects[1]["effect"].as_str().is_some_and(|effect| effect.contains("first pass")), "{told}");
    let text = world.ok(&[&["explain", "*/15 * * * *"][..], &from].concat());
    for expected in ["every 15 minutes", "interval", "35040 times within a year, 96 a day, 15m apart"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn version_tells_which_time_zones_are_carried() {
    let mut world = World::new();
    world.start();
    let version = world.json(&["version"]);
    assert_eq!(version["client"]["tz_database"], chrono_tz::IANA_TZDB_VERSION);
    assert_eq!(version["daemon"]["tz_database"], chrono_tz::IANA_TZDB_VERSION);
}

#[test]
fn a_calendar_decides_and_its_change_takes_effect_by_itself() {
    let mut world = World::new();
    fs::create_dir(world.path("calendars.d")).expect("a directory");
    let path = world.path("calendars.d/company.toml");
    let calendar = |text: &str| fs::write(&path, text).expect("a calendar");
    calendar("days = ['2030-01-01']");
    world.job(
        "pay",
        "command = 'true'\ntimezone = 'UTC'\n[[schedule]]\nbusiness_day = 1\ntime = '09:00'\ncalendar = 'company'",
    );
    world.job("plain", "command = 'true'\nschedule = '@daily'");
    world.start();
    let first = || {
        let next = world.json(&["next", "pay", "--from", "2029-12-31T00:00:00Z", "-n", "1"]);
        next[0]["at"].as_str().map(str::to_owned)
    };
    assert_eq!(first().as_deref(), Some("2030-01-02T09:00:00Z"));
    calendar("days = ['2030-01-01..2030-01-03']");
    world.wait_for("the changed calendar", || (first().as_deref() == Some("2030-01-04T09:00:00Z")).then_some(()));
    calendar("days = ['2030-13-01']");
    let faulty = || {
        let health = world.json_any(&["health"]);
        health["jobs"]["faulty"][0].as_object().cloned().map(Value::from)
    };
    let fault = world.wait_for("the fault of the job", faulty);
    assert_eq!((&fault["job"], &fault["last_good"]), (&json!("pay"), &json!(true)));
    assert!(fault["summary"].as_str().is_some_and(|told| told.contains("\"company\" is faulty")), "{fault}");
    assert_eq!(first().as_deref(), Some("2030-01-04T09:00:00Z"), "the last good revision stays in force");
    calendar("days = ['2030-01-01']");
    world.wait_for("the mended calendar", || faulty().is_none().then_some(()));
    assert_eq!(first().as_deref(), Some("2030-01-02T09:00:00Z"));
}

#[test]
fn a_job_whose_calendar_is_faulty_goes_on_by_the_last_good_one_across_a_restart() {
    let mut world = World::new();
    fs::create_dir(world.path("calendars.d")).expect("a directory");
    let path = world.path("calendars.d/company.toml");
    fs::write(&path, "days = ['2030-01-01..2030-01-03']").expect("a calendar");
    world.job("pay", "command = 'true'\ntimezone = 'UTC'\nschedule = { cron = '0 9 * * *', skip_on = 'company' }");
    world.job("tick", "command = 'true'\n[[schedule]]\nevery = '1s'\nskip_on = 'company'");
    world.start();
    let faulty = |world: &World| {
        let health = world.json_any(&["health"]);
        let faulty = health["jobs"]["faulty"].as_array().cloned().unwrap_or_default();
        (faulty.len() == 2).then_some(faulty)
    };
    for text in ["days = ['2030-13-01']", ""] {
        match text {
            "" => fs::remove_file(&path).expect("a calendar"),
            faulty => fs::write(&path, faulty).expect("a calendar"),
        }
        world.wait_for("the faults", || faulty(&world));
        world.kill();
        world.start();
        let faults = world.wait_for("the faults after the restart", || faulty(&world));
        assert!(faults.iter().all(|fault| fault["last_good"] == true), "{faults:?}");
        let next = world.json(&["next", "pay", "--from", "2029-12-31T12:00:00Z", "-n", "1"]);
        assert_eq!(next[0]["at"], "2030-01-04T09:00:00Z", "by the calendar as it was last good");
        let before = world.history("tick").len();
        world.wait_for("a run by the last good revision", || (world.history("tick").len() > before).then_some(()));
    }
    fs::write(&path, "days = ['2030-01-01']").expect("a calendar");
    world.wait_for("the mended calendar", || {
        let health = world.json_any(&["health"]);
        health["jobs"]["faulty"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    let next = world.json(&["next", "pay", "--from", "2029-12-31T12:00:00Z", "-n", "1"]);
    assert_eq!(next[0]["at"], "2030-01-02T09:00:00Z");
}

#[test]
fn an_occurrence_past_its_deadline_is_a_record_and_no_run() {
    let mut world = World::new();
    world.job("late", "command = 'true'\nschedule = 'every 1s'\ncatch_up = 'all'\nstart_deadline = '2s'");
    world.start();
    world.finished("late/1");
    world.kill();
    let dead_since = std::time::Instant::now();
    world.wait_for("some occurrences to pass", || (dead_since.elapsed().as_secs() >= 5).then_some(()));
    world.start();
    let skip = world.wait_for("the record", || {
        world.history("late").into_iter().find(|entry| entry["skipped"]["reason"] == "expired")
    });
    assert!(skip["skipped"]["count"].as_u64().is_some_and(|count| (1..=10).contains(&count)), "{skip}");
}

#[test]
fn a_boot_schedule_does_not_run_for_the_boot_in_which_it_is_installed() {
    let mut world = World::new();
    world.job("boot", "command = 'true'\n[[schedule]]\nboot = '100d'");
    world.job("tick", "command = 'true'\nschedule = 'every 1s'");
    world.start();
    assert_eq!(world.json(&["next", "boot"]), json!([]), "not even with its delay still to come");
    world.finished("tick/1");
    world.kill();
    world.start();
    let again = world.wait_for("the restarted daemon", || world.history("tick").first().cloned());
    assert!(!again.is_null() && world.history("boot").is_empty());
}

#[test]
fn a_boot_schedule_runs_once_in_each_boot_whatever_becomes_of_the_engine() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can show the engine another boot");
        return;
    }
    let mut world = World::new();
    world.job("boot", "command = 'true'\nschedule = '@reboot'");
    world.job("tick", "command = 'true'\nschedule = 'every 1s'");
    world.start();
    // The uptime of the next boot is up to two seconds: it must not reach back to where the job was installed.
    world.finished("tick/5");
    assert!(world.history("boot").is_empty(), "installing starts nothing");
    for (boot, id) in [(1, "11111111-0000-4000-8000-000000000000"), (2, "22222222-0000-4000-8000-000000000000")] {
        world.reboot_into(id);
        world.start();
        let run = world.finished(&format!("boot/{boot}"));
        assert_eq!((&run["trigger"], &run["outcome"]), (&json!("schedule"), &json!("succeeded")));
        for _ in 0..2 {
            world.kill();
            world.start();
            let ticks = world.history("tick").len();
            world.wait_for("the restarted engine to run jobs", || (world.history("tick").len() > ticks).then_some(()));
            assert_eq!(world.history("boot").len(), boot, "the engine's start is no boot");
        }
    }
}

#[test]
fn simulate_shows_a_fleet_before_it_is_deployed() {
    let world = World::new();
    fs::create_dir(world.path("calendars.d")).expect("a directory");
    fs::write(world.path("calendars.d/freeze.toml"), "days = ['2026-03-28']").expect("a calendar");
    world.job("backup", "command = 'true'\nschedule = '30 2 * * *'\ntimezone = 'Europe/Berlin'");
    world.job("probe", "command = 'true'\nschedule = 'every 5m'");
    world.job(
        "report",
        "command = 'true'\n[[schedule]]\ncron = '30 2 * * *'\ntimezone = 'Europe/Berlin'\nskip_on = 'freeze'",
    );
    world.job("off", "command = 'true'\nschedule = 'every 1m'\nenabled = false");
    let (jobs, calendars) = (world.path("jobs.d"), world.path("calendars.d"));
    let window = ["--from", "2026-03-28T00:00:00Z", "--to", "2026-03-29T06:00:00Z", "--timezone", "Europe/Berlin"];
    let asked = [&["simulate", "--jobs-dir", jobs.to_str().unwrap()][..], &window, &["--assume", "7m"]].concat();
    let told = offline(&world, &asked);
    assert_eq!(told["jobs"], 3);
    assert_eq!(told["excluded"], 1, "found beside the jobs: {}", calendars.display());
    let of =
        |job: &str| told["occurrences"].as_array().unwrap().iter().filter(|one| one["job"] == job).collect::<Vec<_>>();
    let reports = of("report");
    assert_eq!((&reports[0]["fate"], reports.len()), (&json!("excluded"), 2));
    assert!(reports[0]["note"].as_str().is_some_and(|note| note.contains("the day is in freeze")), "{}", reports[0]);
    let gap = of("backup")[1];
    assert!(gap["note"].as_str().is_some_and(|note| note.contains("right after the gap")), "{gap}");
    assert_eq!(gap["ends"], "2026-03-29T01:07:00Z");
    let probes = of("probe");
    assert_eq!(probes.len(), 30 * 12);
    assert_eq!([&probes[0]["fate"], &probes[1]["fate"]], [&json!("runs"), &json!("overlap")]);
    assert_eq!(told["overlaps"], 15 * 12);
    assert_eq!(
        told["busiest"][0],
        json!({
            "minute": "2026-03-29T01:00:00Z", "starts": 2, "jobs": ["backup", "report"]
        }),
        "the probe of that minute overlaps"
    );
    let week: u64 =
        told["week"].as_array().unwrap().iter().flat_map(|day| day.as_array().unwrap()).filter_map(Value::as_u64).sum();
    assert_eq!(told["starts"], json!(week));
    let text = world.ok(&asked);
    for expected in ["3 jobs:", "STARTS", "starts by hour of the week", "Sun  ", "an earlier run is live until"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    world.job("broken", "command = 'true'\nschedule = 'sometimes'");
    assert_eq!(world.jobctl(&asked).status.code(), Some(1), "a faulty file is told");
}
