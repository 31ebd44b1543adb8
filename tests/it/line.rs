//! The straight line: a file becomes a run, a run becomes history.

use crate::harness::World;

#[test]
fn a_scheduled_job_runs_and_is_recorded() {
    let mut world = World::new();
    world.job("tick", "command = 'echo out; echo err >&2; echo $JOBSD_RUN >> $DIR/out/runs'\nschedule = 'every 1s'");
    world.start();
    let entry = world.finished("tick/2");
    assert_eq!(entry["outcome"], "succeeded");
    assert_eq!(entry["trigger"], "schedule");
    assert_eq!(entry["exit_code"], 0);
    assert_eq!(entry["attempts"], 1);
    for key in ["scheduled_at", "started_at", "ended_at"] {
        assert!(entry[key].as_str().is_some_and(|time| time.ends_with('Z')), "{key}: {entry}");
    }
    assert_eq!(&world.lines("out/runs")[..2], ["tick/1", "tick/2"]);
    assert_eq!(world.ok(&["logs", "tick/2"]), "out\nerr\n");
    let list = world.json(&["list"]);
    assert_eq!(list[0]["name"], "tick");
    assert_eq!(list[0]["last"]["outcome"], "succeeded");
    assert!(list[0]["next"].as_str().is_some_and(|time| time.ends_with('Z')), "{list}");
}

#[test]
fn a_manual_run_exits_as_the_job_did() {
    let mut world = World::new();
    world.job("seven", "command = 'echo hello; exit 7'");
    world.start();
    let output = world.jobctl(&["run", "seven", "--wait"]);
    assert_eq!(output.status.code(), Some(7));
    let followed = world.jobctl(&["run", "seven", "--follow"]);
    assert_eq!(followed.status.code(), Some(7));
    assert_eq!(String::from_utf8_lossy(&followed.stdout), "hello\n");
    let entry = world.finished("seven/2");
    assert_eq!((&entry["outcome"], &entry["trigger"]), (&"failed".into(), &"manual".into()));
}

#[test]
fn causes_are_told_apart() {
    let mut world = World::new();
    world.job("missing", "command = ['/no/such/program']");
    world.job("killed", "command = 'kill -9 $$'");
    world.job("slow", "command = 'sleep 60'\ntimeout = '200ms'\nstop_grace = '1s'");
    world.job("stubborn", "command = \"trap '' TERM; sleep 60 & wait; wait\"\ntimeout = '200ms'\nstop_grace = '200ms'");
    world.job("nobody", "command = 'true'\nworking_directory = '/no/such/directory'");
    world.start();
    for (job, outcome, code) in [
        ("missing", "setup_failed", 126),
        ("killed", "signaled", 137),
        ("slow", "timed_out", 124),
        ("stubborn", "timed_out", 124),
        ("nobody", "setup_failed", 126),
    ] {
        let output = world.jobctl(&["run", job, "--wait"]);
        assert_eq!(output.status.code(), Some(code), "{job}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(world.finished(&format!("{job}/1"))["outcome"], outcome, "{job}");
    }
    let show = world.ok(&["show", "missing/1"]);
    assert!(show.contains("/no/such/program"), "{show}");
}

#[test]
fn retries_repeat_within_one_run() {
    let mut world = World::new();
    world.job(
        "third-time",
        "command = 'echo x >> $DIR/out/tries; test $(wc -l < $DIR/out/tries) -ge 3'\n\
         [retry]\nattempts = 5\ndelay = '50ms'\nbackoff = 'fixed'",
    );
    world.start();
    let run = world.run("third-time");
    let entry = world.finished(&run);
    assert_eq!((&entry["outcome"], &entry["attempts"]), (&"succeeded".into(), &3.into()));
}

#[test]
fn overlap_policies_hold() {
    let mut world = World::new();
    let body = "command = 'echo start >> $DIR/out/NAME; sleep 0.7; echo end >> $DIR/out/NAME'\n";
    for (name, overlap) in [
        ("skip", "overlap = 'skip'"),
        ("queue", "overlap = 'queue'"),
        ("allow", "overlap = 'allow'\nmax_concurrent = 2"),
        ("replace", "overlap = 'replace'\nstop_grace = '1s'"),
    ] {
        world.job(name, &format!("{}{overlap}", body.replace("NAME", name)));
    }
    world.start();
    for job in ["skip", "queue", "allow", "replace"] {
        assert_eq!(world.run(job), format!("{job}/1"));
        world.wait_for("the first run to write", || (!world.lines(&format!("out/{job}")).is_empty()).then_some(()));
        let second = world.jobctl(&["run", job]);
        assert_eq!(second.status.code(), Some(if job == "skip" { 5 } else { 0 }), "{job}");
    }
    assert_eq!(world.finished("skip/1")["outcome"], "succeeded");
    for run in ["queue/2", "allow/2", "replace/2"] {
        assert_eq!(world.finished(run)["outcome"], "succeeded", "{run}");
    }
    assert_eq!(world.finished("replace/1")["outcome"], "replaced");
    assert_eq!(world.lines("out/queue"), ["start", "end", "start", "end"]);
    assert_eq!(world.lines("out/allow")[..2], ["start", "start"]);
}

#[test]
fn cancel_pause_and_resume() {
    let mut world = World::new();
    world.job("long", "command = 'sleep 60'\nstop_grace = '1s'");
    world.job("tick", "command = 'true'\nschedule = 'every 1s'\ntags = ['fast']");
    world.start();
    let run = world.run("long");
    world.ok(&["cancel", &run]);
    assert_eq!(world.finished(&run)["outcome"], "cancelled");
    assert_eq!(world.jobctl(&["cancel", &run]).status.code(), Some(5));

    world.finished("tick/1");
    world.ok(&["pause", "--tag", "fast"]);
    let skip = world.wait_for("an occurrence in the pause", || {
        world.history("tick").into_iter().find(|entry| entry["reason"] == "paused")
    });
    assert!(skip["run"].is_null() && skip["outcome"] == "skipped", "{skip}");
    assert!(world.ok(&["why", "tick"]).contains("paused"));
    // A pause is kept over a restart.
    world.kill();
    world.start();
    assert_eq!(world.json(&["list"])[1]["state"], "paused");
    world.ok(&["resume", "tick"]);
    let before = world.history("tick").len();
    world.wait_for("a run after the pause", || {
        (world
            .history("tick")
            .iter()
            .take(world.history("tick").len() - before)
            .any(|entry| entry["outcome"] == "succeeded"))
        .then_some(())
    });
}

#[test]
fn a_second_daemon_on_the_same_state_says_so() {
    let mut world = World::new();
    world.start();
    let output = world.jobsd().env("JOBSD_SOCKET", world.path("other")).output().expect("it runs");
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("another jobsd") && error.contains(&world.engine_pid().to_string()), "{error}");
}

#[test]
fn drain_waits_and_stop_runs_stops() {
    let mut world = World::new();
    world.job("long", "command = 'sleep 1; echo done >> $DIR/out/done'");
    world.start();
    world.run("long");
    world.ok(&["shutdown", "--drain"]);
    assert!(world.wait_for_end().success());
    assert_eq!(world.lines("out/done"), ["done"]);
    world.start();
    assert_eq!(world.finished("long/1")["outcome"], "succeeded");
    world.run("long");
    world.ok(&["shutdown", "--stop-runs"]);
    assert!(world.wait_for_end().success());
    world.start();
    assert_eq!(world.finished("long/2")["outcome"], "cancelled");
    assert_eq!(world.lines("out/done").len(), 1);
}

#[test]
fn whoever_was_told_ready_finds_it_well() {
    let mut world = World::new();
    let listener = std::os::unix::net::UnixDatagram::bind(world.path("notify")).expect("a socket");
    listener.set_read_timeout(Some(std::time::Duration::from_secs(30))).expect("a timeout");
    world.environment("NOTIFY_SOCKET", world.path("notify"));
    world.spawn();
    let mut heard = [0; 64];
    let length = listener.recv(&mut heard).expect("the daemon says that it is ready");
    assert_eq!(&heard[..length], b"READY=1");
    world.ok(&["health"]);
}
