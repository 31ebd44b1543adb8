//! Stopping: ladders, trees of processes, and what a main process leaves behind.

use std::time::Duration;

use jobsd::run::StopReason;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::{World, by_kill, by_signal, lives, plan, read_pid, wait_for, wait_status};

/// A program that ignores SIGTERM and so does its grandchild, which hides: forked twice, in a session of its own.
fn stubborn(pids: &std::path::Path) -> String {
    let (inner, outer) = (pids.with_extension("inner"), pids.with_extension("outer"));
    format!(
        "trap '' TERM; (setsid sh -c 'trap \"\" TERM; echo $$ > {inner}.new; mv {inner}.new {inner}; \
         while :; do sleep 1000; done' & ) ; echo $$ > {outer}.new; mv {outer}.new {outer}; while :; do sleep 1000; done",
        inner = inner.display(),
        outer = outer.display(),
    )
}

#[test]
fn a_timeout_ends_the_whole_tree() {
    let world = World::new();
    let pids = world.path("pids");
    let mut plan = plan("stubborn", &["sh", "-c", &stubborn(&pids)]);
    plan.timeout = Some(Duration::from_millis(300));
    plan.stop.grace = Duration::from_millis(300);
    world.launch(&plan);
    let outer = world.started(&plan.attempt);
    let inner = read_pid(&pids.with_extension("inner"));
    assert!(lives(inner) && lives(outer) && inner != outer);
    let end = world.ended(&plan.attempt);
    assert_eq!((wait_status(&end), end.stopped), (Signal::SIGKILL as i32, by_kill(StopReason::TimedOut)));
    // The end is told when nothing is left, and not before.
    assert!(!lives(inner) && !lives(outer));
    let took = (end.ended_at - end.started_at.unwrap()).to_std().unwrap();
    assert!(took >= Duration::from_millis(600), "{took:?}");
}

#[test]
fn who_obeys_the_signal_is_not_killed() {
    let world = World::new();
    let line = "trap 'echo tidy; exit 3' USR1; echo ready > ready; while :; do sleep 0.01; done";
    let mut plan = plan("tidy", &["sh", "-c", line]);
    plan.working_directory = Some(world.path(""));
    plan.stop.signal = Signal::SIGUSR1;
    plan.stop.grace = Duration::from_secs(1000);
    world.launch(&plan);
    world.started(&plan.attempt);
    wait_for("the trap is set", || world.path("ready").exists());
    world.stop(&plan.attempt, StopReason::Cancelled);
    // A second reason changes nothing.
    world.stop(&plan.attempt, StopReason::Replaced);
    let end = world.ended(&plan.attempt);
    assert_eq!((wait_status(&end), end.stopped), (3 << 8, by_signal(StopReason::Cancelled)));
    // The shell may say before it that a signal ended its `sleep`.
    assert!(world.printed(&plan.attempt).ends_with(b"tidy\n"));
}

#[test]
fn who_was_stopped_hears_the_signal() {
    let world = World::new();
    let line = "trap 'echo tidy; exit 3' TERM; kill -STOP $$; while :; do sleep 0.01; done";
    let mut plan = plan("stopped", &["sh", "-c", line]);
    plan.stop.grace = Duration::from_secs(1000);
    world.launch(&plan);
    let main = world.started(&plan.attempt);
    wait_for("it is stopped", || {
        let stat = std::fs::read_to_string(format!("/proc/{main}/stat")).unwrap();
        stat.rsplit(')').next().unwrap().trim_start().starts_with('T')
    });
    world.stop(&plan.attempt, StopReason::Cancelled);
    let end = world.ended(&plan.attempt);
    assert_eq!((wait_status(&end), end.stopped), (3 << 8, by_signal(StopReason::Cancelled)));
    assert!(world.printed(&plan.attempt).ends_with(b"tidy\n"));
}

#[test]
fn the_signal_reaches_children_in_other_sessions() {
    let world = World::new();
    let line =
        "setsid sh -c 'trap \"echo child; exit\" TERM; echo > ready; while :; do sleep 0.01; done' & wait; sleep 0.2";
    let mut plan = plan("sessions", &["sh", "-c", &format!("trap : TERM; {line}; exit 0")]);
    plan.working_directory = Some(world.path(""));
    world.launch(&plan);
    world.started(&plan.attempt);
    wait_for("the trap is set", || world.path("ready").exists());
    world.stop(&plan.attempt, StopReason::Cancelled);
    world.ended(&plan.attempt);
    // The shell may say before it that a signal ended its `sleep`.
    assert!(world.printed(&plan.attempt).ends_with(b"child\n"));
}

#[test]
fn what_the_main_process_leaves_is_killed_and_its_last_words_are_kept() {
    let world = World::new();
    let pid = world.path("left");
    let line = format!(
        "(setsid sh -c 'printf left; echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000' &); \
         while [ ! -e {0} ]; do sleep 0.01; done; exit 4",
        pid.display()
    );
    let plan = plan("leaves", &["sh", "-c", &line]);
    let end = world.run(&plan);
    assert_eq!(wait_status(&end), 4 << 8);
    assert!(!lives(read_pid(&pid)));
    assert_eq!(world.printed(&plan.attempt), b"left");
}

#[test]
fn one_attempt_is_stopped_and_the_other_is_not() {
    let world = World::new();
    let (stopped, stays) = (plan("stopped", &["sleep", "1000"]), plan("stays", &["sleep", "1000"]));
    world.launch(&stopped);
    world.started(&stopped.attempt);
    world.launch(&stays);
    let pid = world.started(&stays.attempt);
    world.stop(&stopped.attempt, StopReason::Cancelled);
    assert_eq!(wait_status(&world.ended(&stopped.attempt)), Signal::SIGTERM as i32);
    assert!(lives(pid));
}

#[test]
fn no_zombies_stay() {
    let world = World::new();
    for number in 0..30 {
        // An orphan that ends after its parent, one that ends before.
        world.shell(&format!("orphans{number}"), "(setsid sleep 0.02 &); (setsid true &); true");
    }
    let supervisor = world.pid();
    let children = || {
        let stats = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
        let parent = |stat: &String| stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(2)?.parse().ok());
        stats.filter(|stat| parent(stat) == Some(supervisor.as_raw())).collect::<Vec<_>>()
    };
    wait_for("all children are reaped", || children().is_empty());
}

#[test]
fn the_hosts_shutdown_stops_every_run_and_keeps_the_ends() {
    let mut world = World::new();
    let obeys =
        plan("obeys", &["sh", "-c", "trap 'echo bye; exit 0' TERM; echo > ready; while :; do sleep 0.01; done"]);
    let mut obeys = obeys;
    obeys.working_directory = Some(world.path(""));
    let pids = world.path("pids");
    let mut ignores = plan("ignores", &["sh", "-c", &stubborn(&pids)]);
    ignores.stop.grace = Duration::from_millis(200);
    for plan in [&obeys, &ignores] {
        world.launch(plan);
        world.started(&plan.attempt);
    }
    let inner = read_pid(&pids.with_extension("inner"));
    wait_for("the trap is set", || world.path("ready").exists());
    kill(world.pid(), Signal::SIGTERM).unwrap();
    let status = world.supervisor.take().unwrap().wait().unwrap();
    assert!(status.success() && !lives(inner) && !world.socket().exists());
    world.disconnect();
    // The next supervisor tells what the engine has not acknowledged.
    world.start();
    world.connect();
    let mut ends = [(); 2].map(|()| match world.report() {
        jobsd::run::Report::Ended { attempt, end } => (attempt.run.job.to_string(), wait_status(&end), end.stopped),
        other => panic!("{other:?}"),
    });
    ends.sort_by(|one, other| one.0.cmp(&other.0));
    let reason = StopReason::HostShutdown;
    assert_eq!(ends, [("ignores".to_owned(), 9, by_kill(reason)), ("obeys".to_owned(), 0, by_signal(reason))]);
    // The shell may say on its other stream, before or after it, that a signal ended its `sleep`.
    let printed = world.printed(&obeys.attempt);
    assert!(printed.windows(4).any(|four| four == b"bye\n"), "{}", String::from_utf8_lossy(&printed));
}

#[test]
fn a_stop_for_what_has_ended_tells_the_end() {
    let world = World::new();
    let plan = plan("over", &["true"]);
    world.launch(&plan);
    let end = world.ended(&plan.attempt);
    world.stop(&plan.attempt, StopReason::Cancelled);
    assert_eq!(world.ended(&plan.attempt), end);
    assert!(!lives(Pid::from_raw(i32::MAX)));
}
