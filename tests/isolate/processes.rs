//! Other processes and other users.

use std::process::{Child, Command};

use jobsd::run::{Ending, StopReason};
use jobsd::spec::{Isolation, ProcessSpec};
use nix::sys::signal::Signal;

use crate::world::{lives, wait_status};
use crate::{job, run, worlds};

fn with(isolation: Isolation) -> ProcessSpec {
    ProcessSpec { isolation, ..ProcessSpec::default() }
}

fn alone() -> Isolation {
    Isolation { processes_visible: false, ..Isolation::default() }
}

/// A process of everybody's, which may be signalled by who runs the test.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn other_processes_are_neither_seen_nor_signalled() {
    for (who, world) in worlds("other_processes_are_neither_seen_nor_signalled") {
        let other = Bystander::new();
        let line = format!(
            "test -d /proc/{0} && echo seen; kill -9 {0} && echo killed; echo $$; ls -d /proc/[0-9]* | wc -l",
            other.pid()
        );
        let printed = run(&world, &job("alone", &line, with(alone()))).good();
        assert!(!printed.contains("seen") && !printed.contains("killed\n"), "{who}: {printed}");
        // The shell is the second process; it, the first one, ls and wc are all there are.
        assert!(printed.ends_with("2\n4\n") || printed.ends_with("2\n3\n"), "{who}: {printed}");
        assert!(lives(nix::unistd::Pid::from_raw(other.pid() as i32)));
    }
}

#[test]
fn how_the_program_ended_is_told_as_it_was() {
    for (who, world) in worlds("how_the_program_ended_is_told_as_it_was") {
        for (name, line, status) in [("zero", "exit 0", 0), ("seven", "exit 7", 7 << 8), ("kill", "kill -9 $$", 9)] {
            assert_eq!(wait_status(&world.run(&job(name, line, with(alone())))), status, "{who}: {line}");
        }
        let end = world.run(&crate::world::plan("gone", &["no-such-program"]));
        assert!(matches!(end.ending, Ending::SetupFailed(_)), "{who}");
        let mut gone = job("gone-alone", "true", with(alone()));
        gone.argv = vec!["no-such-program".into()];
        let end = world.run(&gone);
        assert_eq!(crate::world::setup_failure(&end).step, "execute", "{who}");
    }
}

#[test]
fn the_ladder_reaches_processes_that_see_no_others() {
    for (who, world) in worlds("the_ladder_reaches_processes_that_see_no_others") {
        let obeys = job("obeys", "trap 'echo tidy; exit 3' TERM; echo; while :; do sleep 0.01; done", with(alone()));
        world.launch(&obeys);
        world.started(&obeys.attempt);
        crate::world::wait_for("the trap is set", || !world.printed(&obeys.attempt).is_empty());
        world.stop(&obeys.attempt, StopReason::Cancelled);
        assert_eq!(wait_status(&world.ended(&obeys.attempt)), 3 << 8, "{who}");
        let mut ignores = job("ignores", "trap '' TERM; echo; while :; do sleep 1000; done", with(alone()));
        ignores.stop.grace = std::time::Duration::from_millis(100);
        world.launch(&ignores);
        let first = world.started(&ignores.attempt);
        crate::world::wait_for("the trap is set", || !world.printed(&ignores.attempt).is_empty());
        world.stop(&ignores.attempt, StopReason::Cancelled);
        assert_eq!(wait_status(&world.ended(&ignores.attempt)), Signal::SIGKILL as i32, "{who}");
        assert!(!lives(first));
    }
}

#[test]
fn orphans_are_reaped_among_ones_own() {
    for (who, world) in worlds("orphans_are_reaped_among_ones_own") {
        let line =
            "for i in 1 2 3 4 5; do (setsid true &); done; sleep 0.3; grep -l 'State:.Z' /proc/[0-9]*/status; true";
        assert_eq!(run(&world, &job("orphans", line, with(alone()))).good(), "", "{who}");
    }
}

#[test]
fn other_users_are_nobody() {
    for (who, world) in worlds("other_users_are_nobody") {
        let isolation = Isolation { private_users: true, ..Isolation::default() };
        let line = "id -u; stat -c %u /proc/1; cat /proc/self/uid_map | tr -s ' '";
        let result = run(&world, &job("users", line, with(isolation)));
        let uid = if who == "nobody" { 65534 } else { nix::unistd::geteuid().as_raw() };
        let other = if uid == 0 { 0 } else { 65534 };
        let expected = format!("{uid}\n{other}\n {uid} {uid} 1\n");
        assert!(result.printed.starts_with(&expected), "{who}: {}", result.printed);
    }
}

#[test]
fn root_among_private_users_has_no_right_over_the_machine() {
    if !crate::world::is_root("root_among_private_users_has_no_right_over_the_machine") {
        return;
    }
    let world = crate::open_world();
    let isolation = Isolation { private_users: true, ..Isolation::default() };
    let line = "mount -t tmpfs none /mnt; hostname elsewhere; chown 1 /tmp/jobsd-none; mknod /tmp/jobsd-none c 1 3; \
                date -s 12:00; test ! -e /tmp/jobsd-none";
    let before = nix::unistd::gethostname().unwrap();
    let result = run(&world, &job("root", line, with(isolation)));
    assert_eq!(result.code(), 0, "{}", result.printed);
    assert_eq!(nix::unistd::gethostname().unwrap(), before);
    assert!(result.printed.contains("denied") || result.printed.contains("not permitted"), "{}", result.printed);
}
