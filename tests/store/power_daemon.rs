//! A power cut under the whole daemon: what a client was told, and what lay in history, is there on the machine that comes
//! up again, in another boot.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::disk::Cut;
use crate::harness::{World, binary};
use crate::kit::Chance;
use crate::mounted::skip;
use crate::power::{Copy, Live, cuts};

/// Runs that are acknowledged between two cuts at least.
const RUNS: usize = 5;

fn jobs(world: &World) {
    // All runs are looked for.
    world.configure("[defaults.retention]\nruns = 100000\n");
    world.job("well", "command = 'echo well'\noverlap = 'allow'\nmax_concurrent = 64");
    world.job("tick", "command = 'true'\nschedule = 'every 1s'\ncatch_up = 'all'");
}

#[test]
fn runs_that_were_acknowledged_survive_power_cuts() {
    let mut world = World::new();
    let live = match Live::new(&world.path("")) {
        Ok(live) => live,
        Err(reason) => return skip(&reason),
    };
    fs::create_dir(live.mounted.at.join("state")).expect("created");
    std::os::unix::fs::symlink(live.mounted.at.join("state"), world.path("state")).expect("linked");
    jobs(&world);
    world.start();
    world.wait_for("the jobs", || world.jobctl(&["show", "well"]).status.success().then_some(()));
    let (acknowledged, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let mut client = Command::new(binary("jobctl", env!("CARGO_BIN_EXE_jobctl")));
                let told = client.args(["run", "well", "-o", "json"]).env("JOBCTL_SOCKET", world.path("sock")).output();
                let told = told.expect("jobctl runs");
                // All places may be taken.
                if let Ok(told) = serde_json::from_slice::<Value>(&told.stdout) {
                    let run = told["run"].as_str().expect("a run").to_owned();
                    acknowledged.lock().expect("nobody panics with it").push(run);
                }
            }
        });
        // The thread ends whatever happens here.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut chance = Chance(3);
            for number in 0..cuts().div_ceil(4) {
                let before = acknowledged.lock().expect("nobody panics with it").len();
                let told = world.wait_for("some runs to be acknowledged", || {
                    let told = acknowledged.lock().expect("nobody panics with it").clone();
                    (told.len() >= before + RUNS).then_some(told)
                });
                let Cut { image, cached, lost } = live.disk.cut(&mut chance);
                println!("cut {number}: {} runs acknowledged, {lost} of {cached} sectors lost", told.len());
                comes_up_again(number, &image, &told);
            }
        }));
        over.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    // The daemon goes first.
    drop(world);
    drop(live);
}

/// Another machine, as it were, finds the disk.
fn comes_up_again(number: u64, image: &[u8], told: &[String]) {
    let mut world = World::new();
    let copy = Copy::new(&world.path(""), "cut", image);
    std::os::unix::fs::symlink(copy.mounted.at.join("state"), world.path("state")).expect("linked");
    jobs(&world);
    world.begin_in_boot(&format!("{number:08}-0000-4000-8000-000000000000"));
    world.start();
    let health = world.json_any(&["health"]);
    assert_eq!(health["store"]["notes"], serde_json::json!([]), "cut {number}: {health}");
    let history = world.wait_for("every run to have ended", || {
        let history = world.history("well");
        history.iter().all(|entry| !entry["outcome"].is_null()).then_some(history)
    });
    let outcomes: BTreeMap<&str, &Value> =
        history.iter().filter_map(|entry| Some((entry["run"].as_str()?, &entry["outcome"]))).collect();
    for run in told {
        let outcome = outcomes.get(run.as_str()).unwrap_or_else(|| panic!("cut {number}: {run} is not there"));
        // What ran while the power went is lost with the machine, and says so; or it was never begun, and is begun now.
        assert!(**outcome == "succeeded" || **outcome == "lost", "cut {number}: {run} ended as {outcome}");
    }
    let newest = told.iter().map(|run| number_of(run)).max().expect("some");
    assert!(number_of(&world.run("well")) > newest, "cut {number}: a number is used twice");
    let ticks = world.history("tick").len();
    world.wait_for("the schedule to go on", || (world.history("tick").len() > ticks).then_some(()));
    drop(world);
    drop(copy);
}

fn number_of(run: &str) -> u64 {
    run.split('/').nth(1).expect("a number").parse().expect("a number")
}
