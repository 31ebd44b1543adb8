//! Every exit code of the documented list comes about as the list says.

use std::collections::BTreeSet;
use std::process::Stdio;

use jobsd::cli::EXIT_CODES;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::World;

const JOBS: &[(&str, &str)] = &[
    ("good", "command = 'true'"),
    ("three", "command = 'exit 3'"),
    ("killed", "command = 'kill -USR1 $$'"),
    ("slow", "command = 'sleep 60'\ntimeout = '100ms'\nstop_grace = '1s'"),
    ("long", "command = 'sleep 60'\nstop_grace = '1s'"),
    ("replaced", "command = 'sleep 60'\noverlap = 'replace'\nstop_grace = '1s'"),
    ("missing", "command = ['/no/such/program']"),
    ("faulty", "comand = 'true'"),
];

/// The numbers that the list names; `N` and `128+N` are each one of them.
fn documented() -> BTreeSet<String> {
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let is_code = |word: &String| word.starts_with(|c: char| c.is_ascii_digit()) || word == "N";
    EXIT_CODES.lines().filter_map(first).filter(is_code).collect()
}

#[test]
fn every_documented_code_comes_about() {
    let world = World::new(JOBS);
    let mut seen = BTreeSet::new();
    let mut see = |documented: &str, code: i32, found: i32| {
        assert_eq!(found, code, "{documented}");
        seen.insert(documented.to_owned());
    };
    see("0", 0, world.code(&["list"]));
    see("1", 1, world.code(&["check", "jobs.d"]));
    see("2", 2, world.code(&["frobnicate"]));
    see("3", 3, world.code(&["list", "--socket", "nowhere"]));
    see("4", 4, world.code(&["show", "nothing"]));
    see("N", 3, world.code(&["run", "--wait", "three"]));
    see("128+N", 128 + Signal::SIGUSR1 as i32, world.code(&["run", "--wait", "killed"]));
    see("124", 124, world.code(&["run", "--wait", "slow"]));
    see("126", 126, world.code(&["run", "--wait", "missing"]));

    // One waits, and something happens to its run.
    let waiting = |world: &World, job: &str| {
        let mut command = world.command(&["run", "--wait", job]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("jobctl runs");
        world.wait_for("the run to start", || (world.json(&["show", job])["state"] == "running").then_some(()));
        child
    };
    let end = |mut child: std::process::Child| child.wait().expect("it ends").code().expect("a code");
    let child = waiting(&world, "long");
    see("5", 5, world.code(&["run", "long"]));
    world.jobctl(&["cancel", "long"]);
    see("122", 122, end(child));
    let child = waiting(&world, "replaced");
    world.jobctl(&["run", "replaced"]);
    see("121", 121, end(child));
    world.jobctl(&["cancel", "replaced"]);
    let child = waiting(&world, "long");
    kill(Pid::from_raw(child.id().try_into().expect("a pid")), Signal::SIGINT).expect("it lives");
    see("130", 130, end(child));
    world.jobctl(&["cancel", "long"]);
    world.wait_for("the end", || (world.json(&["show", "long"])["state"] == "idle").then_some(()));

    // Nobody is there who could see the end: the daemon stands still until its supervisor and the run are gone, so that
    // no other supervisor finds the run while its end can still be asked for.
    let child = waiting(&world, "long");
    let run = world.json(&["show", "long"])["live"][0]["run"].as_str().expect("a run").to_owned();
    let health = world.json(&["health"]);
    let pid = |number: Option<i64>| Pid::from_raw(number.and_then(|number| number.try_into().ok()).expect("a pid"));
    let engine = pid(health["live"]["pid"].as_i64());
    let supervisor = pid(health["ready"]["supervisor_pid"].as_i64());
    let job = pid(Some(world.wait_for("its process", || world.json(&["show", &run])["pid"].as_i64())));
    kill(engine, Signal::SIGSTOP).expect("it lives");
    for process in [supervisor, job] {
        kill(process, Signal::SIGKILL).expect("it lives");
    }
    let gone = || (!std::path::Path::new(&format!("/proc/{job}")).exists()).then_some(());
    world.wait_for("the run's process to be reaped", gone);
    kill(engine, Signal::SIGCONT).expect("it lives");
    see("125", 125, end(child));

    // The supervisor is told that the machine goes down.
    let supervisor = world.wait_for("a supervisor", || world.json(&["health"])["ready"]["supervisor_pid"].as_i64());
    let child = waiting(&world, "long");
    kill(Pid::from_raw(supervisor.try_into().expect("a pid")), Signal::SIGTERM).expect("it lives");
    see("120", 120, end(child));

    // Going down, it waits for a run and starts no other.
    world.wait_for("a supervisor", || world.json(&["health"])["ready"]["supervisor_pid"].as_i64());
    world.running("long");
    world.jobctl(&["shutdown", "--drain", "--no-wait"]);
    see("6", 6, world.code(&["run", "good"]));
    world.jobctl(&["cancel", "long"]);
    // Out of memory needs the memory controller: `exit.rs` and the virtual machine's steps show it.
    seen.insert("137".to_owned());
    assert_eq!(seen, documented());
}
