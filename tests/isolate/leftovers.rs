//! Processes that outlive the main one.

use std::time::Duration;

use jobsd::run::StopReason;
use jobsd::spec::{Isolation, OnLeftover, ProcessSpec};

use crate::world::{by_kill, by_signal, lives, read_pid, wait_for, wait_status};
use crate::{job, open_world};

fn with(on_leftover: OnLeftover) -> ProcessSpec {
    ProcessSpec { on_leftover, ..ProcessSpec::default() }
}

/// A program that ends with 4 and leaves a process behind, forked twice and in a session of its own, which writes its
/// number, then waits for a file, then prints.
fn leaves(dir: &std::path::Path, name: &str) -> String {
    let path = dir.join(name);
    format!(
        "(setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; while [ ! -e {0}.go ]; do sleep 0.02; done; echo last' &); \
         while [ ! -e {0} ]; do sleep 0.01; done; exit 4",
        path.display()
    )
}

#[test]
fn they_are_waited_for() {
    let world = open_world();
    for (name, isolation) in
        [("plain", Isolation::default()), ("alone", Isolation { processes_visible: false, ..Isolation::default() })]
    {
        let process = ProcessSpec { isolation, ..with(OnLeftover::Wait) };
        let plan = job(name, &leaves(&world.path(""), name), process);
        world.launch(&plan);
        world.started(&plan.attempt);
        wait_for("it leaves a process", || world.path(name).exists());
        std::fs::write(world.path(&format!("{name}.go")), "").unwrap();
        let end = world.ended(&plan.attempt);
        assert_eq!((wait_status(&end), end.stopped), (4 << 8, None));
        assert_eq!(world.printed(&plan.attempt), b"last\n", "{name}");
    }
}

#[test]
fn waiting_ends_with_the_timeout_and_by_a_stop() {
    let world = open_world();
    let mut timed = job("timed", &leaves(&world.path(""), "timed"), with(OnLeftover::Wait));
    timed.timeout = Some(Duration::from_millis(400));
    let end = world.run(&timed);
    assert_eq!(end.stopped, by_signal(StopReason::TimedOut));
    assert!(!lives(read_pid(&world.path("timed"))));
    let stubborn = leaves(&world.path(""), "stubborn").replace("sh -c '", "sh -c 'trap \"\" TERM; ");
    let mut stopped = job("stubborn", &stubborn, with(OnLeftover::Wait));
    stopped.stop.grace = Duration::from_millis(200);
    world.launch(&stopped);
    world.started(&stopped.attempt);
    let left = read_pid(&world.path("stubborn"));
    world.stop(&stopped.attempt, StopReason::Cancelled);
    assert_eq!(world.ended(&stopped.attempt).stopped, by_kill(StopReason::Cancelled));
    assert!(!lives(left));
}

#[test]
fn they_go_on_when_they_may_and_nothing_stays_in_the_end() {
    let world = open_world();
    let plan = job("left", &leaves(&world.path(""), "left"), with(OnLeftover::Leave));
    let end = world.run(&plan);
    assert_eq!((wait_status(&end), end.stopped), (4 << 8, None));
    let pid = read_pid(&world.path("left"));
    assert!(lives(pid));
    std::fs::write(world.path("left.go"), "").unwrap();
    wait_for("it ends", || !lives(pid));
    // What it printed after the end is not kept, and did not block it.
    assert_eq!(world.printed(&plan.attempt), b"");
    let cgroups = "grep ^0:: /proc/self/cgroup | cut -d : -f 3";
    let own = crate::run(&world, &job("cgroup", cgroups, ProcessSpec::default())).good();
    let base = std::path::Path::new(own.trim()).parent().map(std::path::Path::to_owned);
    let mounted = std::fs::read_to_string("/proc/mounts").unwrap();
    let point =
        mounted.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2")).and_then(|line| line.split(' ').nth(1));
    let (Some(base), Some(point)) = (base.filter(|base| base.ends_with("") && own.contains("jobsd-")), point) else {
        eprintln!("they_go_on_when_they_may_and_nothing_stays_in_the_end: no cgroups here, so none was looked for");
        return;
    };
    let base = std::path::Path::new(point).join(base.strip_prefix("/").unwrap());
    wait_for("the cgroup is removed", || {
        std::fs::read_dir(&base).unwrap().flatten().filter(|entry| entry.path().is_dir()).count() == 0
    });
}
