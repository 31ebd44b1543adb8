//! Out of processes, and out of memory: who cannot have what it wants says so or waits, and nothing else suffers.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use serde_json::Value;

use crate::cgroups::{Controlled, Controller};
use crate::clients::follow;
use crate::harness::{World, exists, kill_process};

/// Says that something is not tried here, and by what else it is.
fn not_here(what: &str, why: &str) {
    println!("{what}: not tried here, since {why}; tests/vm tries it on a machine of its own");
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Works through its jobs: one that ticks, one that runs through it all, one that is tried again when it fails.
fn begin(world: &mut World) {
    world.job("tick", "command = 'echo $JOBSD_RUN >> $DIR/out/ticks'\nschedule = 'every 1s'");
    world.job("long", "command = 'echo begun; while [ ! -e $DIR/out/end ]; do sleep 0.05; done; echo done'");
    world.job("again", "command = 'echo well'\n[retry]\nattempts = 100\ndelay = '500ms'");
    world.start();
    world.wait_for("the jobs", || world.jobctl(&["show", "again"]).status.success().then_some(()));
    world.run("long");
    world.wait_for("the long run to begin", || world.ok(&["logs", "long/1"]).contains("begun").then_some(()));
    ticks_on(world);
}

/// Two more occurrences run.
fn ticks_on(world: &World) {
    let before = world.lines("out/ticks").len();
    world.wait_for("two more occurrences", || (world.lines("out/ticks").len() >= before + 2).then_some(()));
}

/// The long run goes to its end as if nothing had been, and no occurrence was lost or doubled.
fn end_well(world: &World) {
    end_as(world, "succeeded");
}

fn end_as(world: &World, outcome: &str) {
    fs::write(world.path("out/end"), "").expect("written");
    assert_eq!(world.finished("long/1")["outcome"], outcome);
    assert_eq!(world.ok(&["logs", "long/1"]), "begun\ndone\n");
    for entry in world.history("tick") {
        assert_ne!(entry["outcome"], "lost", "{entry}");
    }
    let mut ticks = world.lines("out/ticks");
    let all = ticks.len();
    ticks.sort_unstable();
    ticks.dedup();
    assert_eq!(ticks.len(), all, "an attempt was started twice");
}

fn has_fork_failure(attempt: &Value) -> bool {
    attempt["setup_failure"]["step"] == "fork" && attempt["setup_failure"]["errno"] == libc::EAGAIN
}

/// What must be so when the supervisor cannot fork, until `relieve`.
fn launches_fail(world: &World, relieve: impl FnOnce()) {
    let (engine, supervisor) = (world.engine_pid(), world.supervisor_pid());
    world.run("again");
    let run = world.wait_for("it to be tried three times", || {
        let run = world.json_any(&["show", "again/1"]);
        run["attempt_records"].as_array().is_some_and(|attempts| attempts.len() >= 3).then_some(run)
    });
    assert!(has_fork_failure(&run["attempt_records"][0]), "{run}");
    let failed = world.wait_for("an occurrence to be recorded as one that could not be set up", || {
        world.history("tick").into_iter().find(|entry| entry["outcome"] == "setup_failed")
    });
    let run = failed["run"].as_str().expect("a run");
    assert!(has_fork_failure(&world.json(&["show", run])["attempt_records"][0]), "{failed}");
    let said = world.ok(&["history", "tick"]);
    assert!(said.contains("cannot fork: the limit of processes"), "{said}");
    relieve();
    let again = world.finished("again/1");
    assert_eq!(again["outcome"], "succeeded", "{again}");
    ticks_on(world);
    assert_eq!((world.engine_pid(), world.supervisor_pid()), (engine, supervisor), "nobody died of it");
    end_well(world);
}

/// The soft limit of processes of a user, as it holds for one of them: gives it, or sets it. A process may set that of
/// another one of its own user, so that root becomes that user first.
fn processes(of: i32, new: Option<&str>) -> String {
    let limit = new.map_or_else(|| "--nproc".to_owned(), |new| format!("--nproc={new}:"));
    let mut command = Command::new("prlimit");
    command.args(["--pid", &of.to_string(), &limit, "--output=SOFT", "--noheadings"]);
    if is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().expect("prlimit runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn without_processes_for_its_user_launches_fail_and_are_tried_again() {
    let mut world = if is_root() { World::of_nobody() } else { World::new() };
    begin(&mut world);
    let supervisor = world.supervisor_pid();
    let before = processes(supervisor, None);
    // The supervisor itself is one.
    processes(supervisor, Some("1"));
    launches_fail(&world, || {
        processes(supervisor, Some(&before));
    });
}

#[test]
fn without_processes_in_its_cgroup_launches_fail_and_are_tried_again() {
    let cgroup = match Controlled::new(Controller::Pids) {
        Ok(cgroup) => cgroup,
        Err(why) => return not_here("a full cgroup of the supervisor", &why),
    };
    let mut world = World::new();
    begin(&mut world);
    cgroup.take_in(world.supervisor_pid());
    cgroup.limit(Some(cgroup.usage()));
    launches_fail(&world, || cgroup.limit(None));
    drop(world);
}

#[test]
fn an_engine_that_may_have_no_more_threads_goes_on() {
    let cgroup = match Controlled::new(Controller::Pids) {
        Ok(cgroup) => cgroup,
        Err(why) => return not_here("a full cgroup of the engine", &why),
    };
    let mut world = World::new();
    begin(&mut world);
    let (engine, supervisor) = (world.engine_pid(), world.supervisor_pid());
    cgroup.take_in(i32::try_from(engine).expect("a pid"));
    cgroup.limit(Some(cgroup.usage()));
    ticks_on(&world);
    world.ok(&["list"]);
    assert_eq!(world.run("again"), "again/1");
    // It can start no other in its place.
    kill_process(supervisor);
    let problem = world.wait_for("health to tell of the missing supervisor", || {
        let health = world.json_any(&["health"]);
        health["ready"]["problems"].as_array().and_then(|problems| problems.first()).map(Value::to_string)
    });
    println!("{problem}");
    cgroup.limit(None);
    ticks_on(&world);
    assert_ne!(world.supervisor_pid(), supervisor);
    assert_eq!(world.engine_pid(), engine);
    world.finished("again/1");
    // It went on, but its exit status was for the supervisor that died.
    end_as(&world, "lost");
    drop(world);
}

/// Threads of an engine at work: with so many it comes up. The first that it lacks may be any of them.
const THREADS: u64 = 40;

#[test]
fn a_start_without_room_for_threads_is_refused_and_takes_nothing_for_damage() {
    let cgroup = match Controlled::new(Controller::Pids) {
        Ok(cgroup) => cgroup,
        Err(why) => return not_here("the start in a full cgroup", &why),
    };
    let mut world = World::new();
    begin(&mut world);
    let supervisor = world.supervisor_pid();
    // An unclean end, so that the next start looks at all of the database.
    world.kill();
    world.begin_in(Some(cgroup.procs()));
    let mut came_up = 0;
    for most in 1..THREADS {
        cgroup.limit(Some(most));
        world.spawn();
        if let Some(status) = world.wait_for_start() {
            assert_eq!(status.code(), Some(1), "with {most} threads: {status}\n{}", world.log());
        } else {
            came_up += 1;
            world.kill();
        }
    }
    assert!(came_up > 0 && came_up < THREADS - 1, "{came_up} came up");
    world.begin_in(None);
    cgroup.limit(None);
    world.start();
    let health = world.json_any(&["health"]);
    assert_eq!(health["store"]["notes"], serde_json::json!([]), "{health}");
    assert_eq!(world.supervisor_pid(), supervisor);
    ticks_on(&world);
    end_well(&world);
    drop(world);
}

/// What the engine may grow by before the kernel kills it.
const ROOM_BYTES: u64 = 8 << 20;

/// Clients that ask for much and read nothing: each makes the engine grow by about a MiB.
const FOLLOWERS: usize = 100;

#[test]
fn an_engine_that_the_kernel_kills_for_memory_is_back_as_it_was() {
    let cgroup = match Controlled::new(Controller::Memory) {
        Ok(cgroup) => cgroup,
        Err(why) => return not_here("the end of the engine for want of memory", &why),
    };
    let mut world = World::new();
    begin(&mut world);
    world.job("loud", "command = 'head -c 20000000 /dev/zero | tr \"\\\\0\" x'\n[output]\nlimit = '200MiB'");
    world.wait_for("the job", || world.jobctl(&["show", "loud"]).status.success().then_some(()));
    let loud = world.run("loud");
    assert_eq!(world.finished(&loud)["outcome"], "succeeded");
    let supervisor = world.supervisor_pid();
    world.kill();
    // The supervisor was there before, and so is not in it.
    world.begin_in(Some(cgroup.procs()));
    world.start();
    ticks_on(&world);
    let known = world.history("tick").len();
    cgroup.limit(Some(cgroup.usage() + ROOM_BYTES));
    let mut followers = Vec::new();
    let mut ended = None;
    for _ in 0..FOLLOWERS {
        match follow(&world, "loud") {
            Ok(stream) => followers.push(stream),
            // It is gone already.
            Err(fault) => ended = Some(fault),
        }
    }
    println!("{} followers came in; then {ended:?}", followers.len());
    let status = world.wait_for_end();
    assert_eq!(status.signal(), Some(libc::SIGKILL), "{status}\n{}", world.log());
    assert!(cgroup.killed() > 0, "the kernel did it");
    assert!(exists(supervisor), "the supervisor lives on");
    drop(followers);

    cgroup.limit(None);
    world.start();
    assert_eq!(world.supervisor_pid(), supervisor);
    assert!(world.history("tick").len() >= known, "what was recorded is there");
    let health = world.json_any(&["health"]);
    assert_eq!(health["store"]["notes"], serde_json::json!([]), "{health}");
    ticks_on(&world);
    end_well(&world);
    drop(world);
}
