//! Where output goes, how much of it, and what is said of what is not there.

use serde_json::Value;

use crate::harness::World;

fn attempt(world: &World, run: &str) -> Value {
    world.finished(run);
    world.json(&["show", run])["attempt_records"][0]["output"].clone()
}

#[test]
fn output_that_is_not_in_files_is_said_to_be_elsewhere() {
    let mut world = World::new();
    for to in ["journal", "syslog", "null"] {
        world.job(to, &format!("command = 'echo out; echo err >&2'\n[output]\nto = '{to}'"));
    }
    world.start();
    for (to, hint) in [
        ("journal", "hint: `journalctl JOBSD_RUN=journal/1`"),
        ("syslog", "hint: its lines are tagged syslog[1]"),
        ("null", "hint: its job says [output] to = \"null\""),
    ] {
        let run = world.run(to);
        let output = attempt(&world, &run);
        assert_eq!((&output["bytes"], &output["to"]), (&8.into(), &to.into()));
        let logs = world.jobctl(&["logs", &run]);
        let error = String::from_utf8_lossy(&logs.stderr);
        assert!(!logs.status.success() && logs.stdout.is_empty());
        // Not every machine has a journal, or somebody who listens at /dev/log.
        let hint = if output["lost_bytes"] == 8 { "took none of it\n\nhint: see whether " } else { hint };
        assert!(error.starts_with("error: the output of ") && error.contains(hint), "{error}");
        assert!(!world.path(&format!("state/runs/{to}/1/1/0.out")).exists());
    }
}

#[test]
fn what_comes_too_fast_is_dropped_counted_and_marked() {
    let mut world = World::new();
    world.job("fast", "command = 'seq 1000; seq 1000 >&2; sleep 2.5; echo last'\n[output]\nrate_limit = '10 lines/s'");
    world.start();
    let run = world.run("fast");
    let output = attempt(&world, &run);
    let logs = world.jobctl(&["logs", &run]);
    let text = String::from_utf8(logs.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.parse::<u32>().is_ok()).count(), 10, "{text}");
    assert!(text.ends_with("last\n"), "{text}");
    let kept = output["bytes"].as_u64().unwrap() - output["limited_bytes"].as_u64().unwrap();
    assert_eq!(kept, text.len() as u64);
    let talk = String::from_utf8_lossy(&logs.stderr);
    assert!(talk.contains("rate limit"), "{talk}");
}

#[test]
fn old_output_is_compressed_and_the_oldest_goes_at_the_bound() {
    let mut world = World::new();
    world.configure("[output]\ncompress_after = '1s'\n");
    world.job(
        "random",
        "command = ['head', '-c', '40000', '/dev/urandom']\noverlap = 'queue'\n[retention]\noutput = '100KiB'",
    );
    world.job("words", "command = 'seq 20000'");
    world.start();
    let words = world.run("words");
    for number in 1..=3 {
        assert_eq!(world.run("random"), format!("random/{number}"));
    }
    world.finished("random/3");
    let before = world.ok(&["logs", &words]);
    let gone = world.wait_for("the oldest output to go", || {
        let logs = world.jobctl(&["logs", "random/1"]);
        (!logs.status.success()).then(|| String::from_utf8_lossy(&logs.stderr).into_owned())
    });
    assert!(gone.starts_with("error: the output of random/1 was removed at 20") && gone.contains("hint: "), "{gone}");
    assert!(world.json(&["show", "random/1"])["output_removed_at"].is_string());
    assert!(world.json(&["show", "random/2"])["output_removed_at"].is_null());
    assert_eq!(world.jobctl(&["logs", "random/3"]).stdout.len(), 40_000);
    world.wait_for("its files to go", || (!world.path("state/runs/random/1").exists()).then_some(()));
    world.wait_for("compression", || world.path("state/runs/words/1/1/0.out.zst").exists().then_some(()));
    assert!(!world.path("state/runs/words/1/1/0.out").exists());
    assert_eq!(world.ok(&["logs", &words]), before);
    assert_eq!(world.ok(&["logs", &words, "-n", "2"]), "19999\n20000\n");
}

#[test]
fn the_bound_of_all_jobs_takes_the_oldest_of_any() {
    let mut world = World::new();
    world.configure("[output]\ntotal = '100KiB'\n");
    for name in ["a", "b"] {
        world.job(name, "command = ['head', '-c', '70000', '/dev/urandom']");
    }
    world.start();
    for name in ["b", "a"] {
        let run = world.run(name);
        world.finished(&run);
    }
    world.wait_for("the oldest output to go", || (!world.path("state/runs/b/1").exists()).then_some(()));
    assert_eq!(world.jobctl(&["logs", "a/1"]).stdout.len(), 70_000);
    assert!(world.json(&["show", "b/1"])["output_removed_at"].is_string());
}
