//! Processes that outlive the main one.

use std::time::Duration;

use jobsd::run::{Leftovers, StopReason};
use jobsd::spec::{Isolation, OnLeftover, ProcessSpec};

use crate::world::{by_kill, by_signal, is_root, lives, read_pid, wait_for, wait_status};
use crate::{job, open_world, worlds};

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
        let go = world.path(&format!("{name}.go"));
        std::fs::write(&go, "").unwrap();
        let end = world.ended(&plan.attempt);
        assert_eq!((wait_status(&end), end.stopped), (4 << 8, None));
        let released = std::fs::metadata(&go).unwrap().modified().unwrap();
        assert!(
            end.ended_at >= jobsd::clock::Timestamp::from(released),
            "{name}: the last of them ends it, not the main process"
        );
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

#[test]
fn who_is_killed_is_told() {
    for (who, world) in worlds("who_is_killed_is_told") {
        for (name, isolation) in
            [("plain", Isolation::default()), ("alone", Isolation { processes_visible: false, ..Isolation::default() })]
        {
            let process = ProcessSpec { isolation, ..ProcessSpec::default() };
            let line = "(setsid sleep 1000 &); (setsid sleep 1001 &); sleep 1002 & \
                while ! ls -l /proc/$!/exe | grep -q sleep; do :; done; exit 4";
            let end = world.run(&job(name, line, process.clone()));
            assert_eq!(wait_status(&end), 4 << 8, "{who}: {name}");
            assert_eq!(end.leftovers.count, 3, "{who}: {name}: {:?}", end.leftovers);
            assert!(end.leftovers.names.contains(&"sleep".to_owned()), "{who}: {name}: {:?}", end.leftovers);
            let alone = world.run(&job(&format!("{name}-nobody"), "sleep 0 & wait; true", process.clone()));
            assert_eq!(alone.leftovers, Leftovers::default(), "{who}: {name}");
            // Who is stopped with the attempt does not outlive it.
            let mut stopped = job(&format!("{name}-stopped"), "sleep 1000 & sleep 1000; true", process);
            stopped.timeout = Some(Duration::from_millis(50));
            assert_eq!(world.run(&stopped).leftovers, Leftovers::default(), "{who}: {name}");
        }
    }
}

/// Root may move its processes anywhere; those that have nobody above them but the supervisor are found all the same.
#[test]
fn who_left_the_cgroup_is_found_at_the_end() {
    if !is_root("who_left_the_cgroup_is_found_at_the_end") {
        return;
    }
    let Some(leave) = crate::greed::leaving() else {
        return eprintln!("who_left_the_cgroup_is_found_at_the_end: no cgroup v2 here");
    };
    let world = open_world();
    for (name, start) in [("session", "setsid"), ("bare", "setsid env -i PATH=$PATH"), ("child", "")] {
        let path = world.path(name);
        let shown = path.display();
        let line = format!(
            "({start} sh -c '{leave} && {{ sleep 1000 & echo $$ > {shown}.new; mv {shown}.new {shown}; wait; }}' &); \
             while [ ! -e {shown} ]; do sleep 0.01; done; exit 4"
        );
        let end = world.run(&job(name, &line, ProcessSpec::default()));
        let left = read_pid(&path);
        assert_eq!(wait_status(&end), 4 << 8);
        match name {
            // In a session of its own and without the variable it is nobody's.
            "bare" => {
                assert!(lives(left), "the page that says what is promised says too little");
                nix::sys::signal::kill(left, nix::sys::signal::Signal::SIGKILL).unwrap();
            }
            _ => {
                assert!(!lives(left), "{name}");
                assert_eq!(end.leftovers.count, 2, "{name}: {:?}", end.leftovers);
            }
        }
    }
}
