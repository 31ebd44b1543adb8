//! Backups, exports and compaction of a daemon at work: clients and schedules go on, nothing is lost, `kill -9` in the middle
//! included.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::harness::{World, binary};

/// Rounds of a backup, an export and a compaction.
const ROUNDS: usize = 8;

fn jobctl(world: &World) -> Command {
    let mut command = Command::new(binary("jobctl", env!("CARGO_BIN_EXE_jobctl")));
    command.env("JOBCTL_SOCKET", world.path("sock")).stdin(Stdio::null());
    command
}

/// Runs that clients start, and that were acknowledged to them, until it is over.
fn load(world: &World, acknowledged: &Mutex<Vec<String>>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let told = jobctl(world).args(["run", "well", "-o", "json"]).output().expect("jobctl runs");
        // While the engine is down there is no answer.
        if let Ok(told) = serde_json::from_slice::<Value>(&told.stdout)
            && let Some(run) = told["run"].as_str()
        {
            acknowledged.lock().expect("nobody panics with it").push(run.to_owned());
        }
    }
}

fn runs_in(history: &[Value]) -> BTreeSet<String> {
    history.iter().filter_map(|entry| entry["run"].as_str()).map(str::to_owned).collect()
}

fn begin() -> World {
    let mut world = World::new();
    // All runs are looked for.
    world.configure("[defaults.retention]\nruns = 100000\n");
    world.job("well", "command = 'true'\noverlap = 'allow'\nmax_concurrent = 64");
    world.job("tick", "command = 'echo $JOBSD_RUN >> $DIR/out/ticks'\nschedule = 'every 1s'\ncatch_up = 'all'");
    world.start();
    world.wait_for("the jobs", || world.jobctl(&["show", "well"]).status.success().then_some(()));
    world
}

/// Works while clients do, and gives what was acknowledged to them.
fn under_load(world: &World, work: impl FnOnce(&Mutex<Vec<String>>)) -> Vec<String> {
    let (acknowledged, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| load(world, &acknowledged, &over));
        }
        // The clients end whatever happens here.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&acknowledged)));
        over.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    acknowledged.into_inner().expect("nobody panicked with it")
}

/// Every run that was acknowledged is in history and ended well; no tick was doubled; the state is good.
fn check(world: &World, acknowledged: &[String]) {
    assert!(!acknowledged.is_empty());
    for job in ["well", "tick"] {
        world.ok(&["pause", job]);
    }
    world.wait_for("all runs to end", || {
        let list = world.json(&["list"]);
        list.as_array().expect("an array").iter().all(|job| job["state"] == "paused").then_some(())
    });
    let found = runs_in(&world.history("well"));
    for run in acknowledged {
        assert!(found.contains(run), "{run} was acknowledged and is not there");
    }
    for entry in world.history("well").iter().chain(&world.history("tick")).filter(|entry| !entry["run"].is_null()) {
        assert_eq!(entry["outcome"], "succeeded", "{entry}");
    }
    let ticks = world.lines("out/ticks");
    assert_eq!(ticks.iter().collect::<BTreeSet<_>>().len(), ticks.len(), "an attempt was started twice");
    let health = world.json_any(&["health"]);
    assert_eq!((&health["store"]["ok"], &health["store"]["notes"]), (&Value::Bool(true), &serde_json::json!([])));
}

#[test]
fn upkeep_under_load_loses_nothing_and_holds_up_nobody() {
    let mut world = begin();
    let out = world.path("out");
    let export = |round: usize| out.join(format!("export-{round}.jsonl"));
    let mut before_last = Vec::new();
    let acknowledged = under_load(&world, |acknowledged: &Mutex<Vec<String>>| {
        for round in 0..ROUNDS {
            let so_far = acknowledged.lock().expect("nobody panics with it").clone();
            let backup = world.json(&["state", "backup"]);
            assert!(fs::exists(backup["path"].as_str().expect("a path")).expect("readable"), "{backup}");
            before_last = so_far;
            let path = export(round);
            let exported = world.json(&["state", "export", path.to_str().expect("a plain path")]);
            assert!(exported["records"].as_u64().is_some_and(|records| records > 0), "{exported}");
            let sizes = world.json(&["state", "compact"]);
            assert!(sizes["after_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{sizes}");
            // Clients got their answers meanwhile, and get more.
            let told = acknowledged.lock().expect("nobody panics with it").len();
            world.wait_for("clients to be served", || {
                (acknowledged.lock().expect("nobody panics with it").len() > told).then_some(())
            });
        }
    });
    let again = world.jobctl(&["state", "export", export(0).to_str().expect("a plain path")]);
    assert_eq!(again.status.code(), Some(1), "a file that is there is not written over: {again:?}");
    world.kill();
    world.start();
    check(&world, &acknowledged);

    // The last export, in a state of its own, has what was acknowledged before it.
    let mut other = World::new();
    other.configure("[defaults.retention]\nruns = 100000\n");
    let imported = other.jobsd().args(["state", "import"]).arg(export(ROUNDS - 1)).output().expect("jobsd runs");
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    other.job("well", "command = 'true'\noverlap = 'allow'\nmax_concurrent = 64");
    other.start();
    let found = runs_in(&other.history("well"));
    assert!(!before_last.is_empty());
    for run in &before_last {
        assert!(found.contains(run), "{run} is not in the export");
    }
}

/// Kills of the engine while it compacts.
const KILLS: u64 = 10;

#[test]
fn killing_the_engine_while_it_compacts_loses_nothing() {
    let mut world = begin();
    let mut all = Vec::new();
    for kill in 0..KILLS {
        let mut compacting = None;
        let told = under_load(&world, |acknowledged: &Mutex<Vec<String>>| {
            world.wait_for("some runs", || {
                (acknowledged.lock().expect("nobody panics with it").len() > 3).then_some(())
            });
            let mut command = jobctl(&world);
            command.args(["state", "compact"]).stdout(Stdio::null()).stderr(Stdio::null());
            compacting = Some(command.spawn().expect("jobctl runs"));
            // The instants are spread over the request and what the daemon does for it.
            std::thread::sleep(std::time::Duration::from_millis(1 + kill * 4));
            crate::harness::kill_process(i32::try_from(world.engine_pid()).expect("a pid"));
        });
        compacting.expect("it was begun").wait().expect("it is ours");
        all.extend(told);
        world.wait_for_end();
        world.start();
    }
    check(&world, &all);
}
