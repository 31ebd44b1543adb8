//! SIGKILL: of the engine at many instants, of the supervisor, and what is left of it afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{World, exists, kill_process};

/// How often the engine is killed. `.ci/run` asks for more.
fn kills() -> u64 {
    std::env::var("JOBSD_TEST_KILLS").map_or(15, |text| text.parse().expect("JOBSD_TEST_KILLS is a number"))
}

#[test]
fn killing_the_engine_changes_nothing_for_the_jobs() {
    let mut world = World::new();
    // All of it is looked at in the end.
    world.configure("[defaults.retention]\nruns = 100000\n");
    world.job("tick", "command = 'echo $JOBSD_RUN >> $DIR/out/tick'\nschedule = 'every 1s'\ncatch_up = 'all'");
    world.job(
        "queued",
        "command = 'echo $JOBSD_RUN >> $DIR/out/queued; sleep 0.4; echo $JOBSD_RUN >> $DIR/out/queued'\n\
         schedule = 'every 1s'\noverlap = 'queue'\ncatch_up = 'all'",
    );
    world.job("printer", "command = 'for i in $(seq 2000); do echo line $i; done; exit 3'\nschedule = 'every 1s'\noverlap = 'allow'\nmax_concurrent = 4");
    world.job("failing", "command = 'echo $JOBSD_RUN/$JOBSD_ATTEMPT >> $DIR/out/failing; exit 1'\nschedule = 'every 2s'\n[retry]\nattempts = 3\ndelay = '100ms'");
    let mut pause = 7_u64;
    for _ in 0..kills() {
        world.spawn();
        // The instants are spread over everything that the engine does in its first second, by a fixed sequence.
        pause = pause.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(20 + (pause >> 33) % 700));
        world.kill();
    }
    world.start();
    for job in ["tick", "queued", "printer", "failing"] {
        world.ok(&["pause", job]);
    }
    // A full queue of its runs, 100 and each of half a second, on a machine that does much else.
    world.wait_within(Duration::from_secs(600), "all runs to end", || {
        let list = world.json(&["list"]);
        list.as_array().expect("an array").iter().all(|job| job["state"] == "paused").then_some(())
    });
    for job in ["tick", "queued", "printer", "failing"] {
        check_history(&world, job);
    }
    check_once(&world.lines("out/tick"), 1);
    check_once(&world.lines("out/queued"), 2);
    check_once(&world.lines("out/failing"), 1);
    let whole: String = (1..=2000).map(|i| format!("line {i}\n")).collect();
    for entry in world.history("printer").iter().filter(|entry| !entry["run"].is_null()) {
        assert_eq!(entry["outcome"], "failed", "{entry}");
        assert_eq!(entry["exit_code"], 3, "{entry}");
        let run = entry["run"].as_str().expect("a run");
        assert_eq!(world.ok(&["logs", run]), whole, "{run} lost output");
    }
}

/// Each line the same number of times: a run that was started twice would have more.
fn check_once(lines: &[String], times: usize) {
    let mut counts = BTreeMap::<&str, usize>::new();
    for line in lines {
        *counts.entry(line).or_default() += 1;
    }
    assert!(!counts.is_empty());
    for (line, count) in counts {
        assert_eq!(count, times, "{line}");
    }
}

/// Between the first and the last occurrence each second is covered once; numbers have no gap; nothing is lost.
fn check_history(world: &World, job: &str) {
    let history = world.history(job);
    let mut covered = BTreeMap::<i64, usize>::new();
    let mut numbers = Vec::new();
    let second = |value: &Value| {
        let time: chrono::DateTime<chrono::Utc> = value.as_str().expect("a time").parse().expect("RFC 3339");
        time.timestamp()
    };
    let step = if job == "failing" { 2 } else { 1 };
    for entry in &history {
        assert_ne!(entry["outcome"], "lost", "{entry}");
        assert_ne!(entry["outcome"], Value::Null, "{entry}");
        if let Some(run) = entry["run"].as_str() {
            numbers.push(run.split('/').nth(1).expect("a number").parse::<u64>().expect("a number"));
            *covered.entry(second(&entry["scheduled_at"])).or_default() += 1;
        } else if entry["reason"] != "paused" {
            let span = &entry["skipped"];
            let (first, last) = (second(&span["first"]), second(&span["last"]));
            let all: Vec<i64> = (first..=last).step_by(step).collect();
            assert_eq!(all.len() as u64, span["count"].as_u64().expect("a count"), "{entry}");
            for at in all {
                *covered.entry(at).or_default() += 1;
            }
        }
    }
    numbers.sort_unstable();
    let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, expected, "{job}");
    let (&first, &last) = (covered.keys().next().expect("one"), covered.keys().last().expect("one"));
    for at in (first..=last).step_by(step) {
        assert_eq!(covered.get(&at), Some(&1), "{job}: the occurrence at {at} is not covered once");
    }
}

#[test]
fn deadlines_are_kept_without_an_engine() {
    let mut world = World::new();
    world.job(
        "slow",
        "command = 'echo begun; trap \"echo stopped; exit 9\" TERM; while :; do sleep 0.05; done'\ntimeout = '1s'",
    );
    world.start();
    let run = world.run("slow");
    world.wait_for("its output", || world.ok(&["logs", &run]).contains("begun").then_some(()));
    world.kill();
    // Nothing of the daemon but the supervisor is there while the time runs out.
    let output = world.path("state/runs/slow/1/1/0.out");
    world.wait_for("the job to be stopped", || {
        std::fs::read_to_string(&output).unwrap_or_default().contains("stopped").then_some(())
    });
    world.start();
    assert_eq!(world.finished(&run)["outcome"], "timed_out");
    // The shell may tell of the `sleep` that got the stop signal, too.
    let output = world.ok(&["logs", &run]);
    assert!(output.starts_with("begun\n") && output.ends_with("stopped\n"), "{output}");
}

#[test]
fn the_overlap_lock_holds_across_the_engines_death() {
    let mut world = World::new();
    world.job("lock", "command = 'sleep 60'\nstop_grace = '1s'");
    world.start();
    world.run("lock");
    world.wait_for("it to run", || (world.json(&["list"])[0]["state"] == "running").then_some(()));
    world.kill();
    world.start();
    let second = world.jobctl(&["run", "lock"]);
    assert_eq!(second.status.code(), Some(5), "{}", String::from_utf8_lossy(&second.stderr));
    world.ok(&["cancel", "lock/1"]);
    assert_eq!(world.finished("lock/1")["outcome"], "cancelled");
}

#[test]
fn the_supervisors_death_loses_no_lock_and_doubles_nothing() {
    let mut world = World::new();
    world.job("lock", "command = 'echo $$ >> $DIR/out/pid; exec sleep 60'\nstop_grace = '1s'");
    world.start();
    world.run("lock");
    world.wait_for("it to run", || (!world.lines("out/pid").is_empty()).then_some(()));
    let job: i32 = world.lines("out/pid")[0].parse().expect("a pid");
    let supervisor = world.supervisor_pid();
    kill_process(supervisor);
    world.wait_for("another supervisor", || (world.supervisor_pid() != supervisor).then_some(()));
    assert!(exists(job), "the job lives on");
    assert_eq!(world.jobctl(&["run", "lock"]).status.code(), Some(5), "it still holds its place");
    kill_process(job);
    assert_eq!(world.finished("lock/1")["outcome"], "lost");
    assert_eq!(world.lines("out/pid").len(), 1, "it was started once");
    let again = world.run("lock");
    assert_eq!(again, "lock/2");
}

#[test]
fn downtime_is_caught_up_or_recorded() {
    let mut world = World::new();
    world.job("all", "command = 'true'\nschedule = 'every 1s'\ncatch_up = 'all'\noverlap = 'queue'");
    world.job("latest", "command = 'true'\nschedule = 'every 1s'\ncatch_up = 'latest'");
    world.start();
    world.finished("all/1");
    world.finished("latest/1");
    world.kill();
    // The occurrences of three seconds fall into a time without an engine.
    std::thread::sleep(Duration::from_secs(3));
    world.start();
    let caught_up = world.wait_for("a catch-up", || {
        world.history("all").into_iter().find(|entry| entry["trigger"] == "catch_up" && entry["outcome"] == "succeeded")
    });
    assert!(caught_up["run"].is_string());
    world.wait_for("a record of what was missed", || {
        world.history("latest").into_iter().find(|entry| entry["reason"] == "missed")
    });
}
