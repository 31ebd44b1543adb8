//! A full disk under the whole daemon: live runs go on, nothing new begins, it says so, and recovers by itself.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::harness::World;
use crate::mounted::{Mounted, skip};

/// Room of the state's file system: the reserve (8 MiB), as much again so that it is taken, and some for the rest.
const MEBIBYTES: u32 = 40;

/// Prints without end, much while it is told to be loud, and notes each round outside of the full disk.
const TALKER: &str = "\
command = 'n=0; while [ ! -e $DIR/out/end ]; do if [ -e $DIR/out/loud ]; then size=20000; else size=10; fi; \
head -c $size /dev/zero | tr \"\\\\0\" x; n=$((n+1)); echo $n > $DIR/out/round; done'
[output]
limit = \"200MiB\"
";

/// Rounds in which it prints more than the room that the reserve gives up: 8 MiB.
const LOUD_ROUNDS: u64 = 800;

/// Shows each of its runs outside of the full disk.
const TICKER: &str = "\
command = 'echo x >> $DIR/out/ticks'
schedule = \"every 1s\"
";

#[test]
fn a_full_disk_stops_no_run_and_starts_none() {
    let mut world = World::new();
    let mounted = match Mounted::memory(&world.path("state"), MEBIBYTES) {
        Ok(mounted) => mounted,
        Err(reason) => return skip(&format!("no small file system can be mounted: {reason}")),
    };
    world.job("talker", TALKER);
    world.job("ticker", TICKER);
    world.start();
    world.ok(&["run", "talker"]);
    world.wait_for("the ticker to tick", || (ticks(&world) >= 2).then_some(()));
    world.wait_for("the talker to talk", || (round(&world) > 0).then_some(()));
    fill(&mounted.at.join("filler"));
    let problem = world.wait_for("health to tell of the full disk", || {
        let health = world.json_any(&["health"]);
        let problems = health["ready"]["problems"].as_array().cloned().unwrap_or_default();
        problems.iter().filter_map(Value::as_str).find(|problem| problem.contains("is full")).map(str::to_owned)
    });
    println!("{problem}");

    // From here on nothing begins, for as long as the talker goes its rounds: its output is lost and blocks it not.
    let (ticked, rounds) = (ticks(&world), round(&world));
    fs::write(world.path("out/loud"), "").expect("written");
    world.wait_for("the talker to go on", || (round(&world) > rounds + LOUD_ROUNDS).then_some(()));
    // Otherwise it would soon fill the room that comes.
    fs::remove_file(world.path("out/loud")).expect("removed");
    let refused = world.jobctl(&["run", "ticker"]);
    assert!(!refused.status.success(), "a new run is refused");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("could not be written"), "{refused:?}");
    assert!(world.jobctl(&["list"]).status.success(), "it answers");
    let since = ticks(&world);
    assert!(since <= ticked + 1, "{} runs began on the full disk", since - ticked);

    fs::remove_file(mounted.at.join("filler")).expect("removed");
    world.wait_for("the ticker to tick again", || (ticks(&world) > since + 1).then_some(()));
    world.wait_for("health to be good again", || world.json_any(&["health"])["ready"]["ok"].as_bool().filter(|ok| *ok));
    fs::write(world.path("out/end"), "").expect("written");
    let run = world.wait_for("the talker's end", || {
        let run = world.json_any(&["show", "talker/1"]);
        (run["outcome"] == "succeeded").then_some(run)
    });
    let lost = run["attempt_records"][0]["output"]["lost_bytes"].as_u64();
    assert!(lost.is_some_and(|lost| lost > 0), "what was lost is counted: {run}");
    // The daemon goes first.
    drop(world);
    drop(mounted);
}

fn ticks(world: &World) -> usize {
    fs::read_to_string(world.path("out/ticks")).unwrap_or_default().lines().count()
}

fn round(world: &World) -> u64 {
    fs::read_to_string(world.path("out/round")).unwrap_or_default().trim().parse().unwrap_or(0)
}

/// Writes until there is no room.
fn fill(path: &Path) {
    let mut file = File::create(path).expect("created");
    for chunk in [1 << 20, 4096, 64] {
        while file.write_all(&vec![7; chunk]).is_ok() {}
    }
}
