//! Jobs that take more than they are given: memory, processes, disk, another cgroup. Each is bounded by itself as well, so
//! that a limit that does not hold endangers no machine.

use std::fs;
use std::time::Duration;

use jobsd::run::StopReason;
use jobsd::spec::{Attributes, Identity, Isolation, ProcessSpec, Profile, Rlimit, RlimitValue};
use nix::unistd::Pid;

use crate::world::{by_kill, is_root, lives, wait_for, wait_status};
use crate::{job, open_world, run, worlds};

/// A profile, with one limit for each process.
fn limited(profile: Profile, limit: Option<(&str, u64)>) -> ProcessSpec {
    let limit = limit.map(|(name, value)| (Rlimit::from_name(name).unwrap(), RlimitValue { soft: value, hard: value }));
    let attributes = Attributes { rlimits: limit.into_iter().collect(), ..Attributes::default() };
    ProcessSpec { attributes, isolation: Isolation::of_profile(profile), ..ProcessSpec::default() }
}

const PROFILES: [(&str, Profile); 2] = [("none", Profile::None), ("strict", Profile::Strict)];

#[test]
fn a_memory_bomb_ends_at_its_limit() {
    // Doubled 24 times: 128 MiB.
    let bomb = "x=12345678; i=0; while [ $i -lt 24 ]; do x=$x$x; i=$((i+1)); done; echo survived";
    for (who, world) in worlds("a_memory_bomb_ends_at_its_limit") {
        let free = run(&world, &job("free", bomb, limited(Profile::None, None))).good();
        assert_eq!(free, "survived\n", "{who}");
        for (name, profile) in PROFILES {
            let result = run(&world, &job(name, bomb, limited(profile, Some(("as", 64 << 20)))));
            assert_ne!(wait_status(&result.end), 0, "{who}: {name}");
            assert!(!result.printed.contains("survived"), "{who}: {name}: {}", result.printed);
        }
    }
}

/// Processes that a fork bomb tries to start, and how many its user may have. Other tests have a few as that user, too.
const FORKS: usize = 160;
const FORKS_ALLOWED: u64 = 80;

#[test]
fn a_fork_bomb_ends_at_its_limit_and_leaves_nothing() {
    let bomb = format!("i=0; while [ $i -lt {FORKS} ]; do sleep 1000 & echo $!; i=$((i+1)); done; echo survived");
    for (who, world) in worlds("a_fork_bomb_ends_at_its_limit_and_leaves_nothing") {
        let free = run(&world, &job("free", &bomb, limited(Profile::None, None))).good();
        assert!(free.ends_with("survived\n"), "{who}: {free}");
        assert_all_gone(&free);
        for (name, profile) in PROFILES {
            let mut plan = job(name, &bomb, limited(profile, Some(("nproc", FORKS_ALLOWED))));
            if who == "own" && nix::unistd::geteuid().is_root() {
                // Root has no such limit.
                plan.identity = Identity { user: Some("nobody".into()), group: None };
            }
            let result = run(&world, &plan);
            assert_ne!(wait_status(&result.end), 0, "{who}: {name}");
            let forked = numbers(&result.printed).count();
            assert!(forked <= FORKS_ALLOWED as usize, "{who}: {name}: {forked} processes: {}", result.printed);
            assert!(!result.printed.contains("survived"), "{who}: {name}: {}", result.printed);
            if profile == Profile::None {
                assert_all_gone(&result.printed);
            }
        }
        // Nothing of it counts against the next run.
        assert_eq!(run(&world, &job("next", "echo well", limited(Profile::None, None))).good(), "well\n", "{who}");
    }
}

fn numbers(printed: &str) -> impl Iterator<Item = i32> {
    printed.lines().filter_map(|line| line.parse().ok())
}

/// The processes of a run that is over, whose numbers it printed.
fn assert_all_gone(printed: &str) {
    for pid in numbers(printed) {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!lives(Pid::from_raw(pid)) || !command.starts_with(b"sleep\x001000\0"), "{pid} outlived its run");
    }
}

#[test]
fn a_file_grows_to_its_limit_also_among_temporary_files() {
    for (who, world) in worlds("a_file_grows_to_its_limit_also_among_temporary_files") {
        let fill = "head -c 1000000 /dev/zero > /tmp/filled; echo $? $(stat -c %s /tmp/filled)";
        let free = run(&world, &job("free", fill, limited(Profile::Strict, None))).good();
        assert_eq!(free, "0 1000000\n", "{who}");
        let held = run(&world, &job("held", fill, limited(Profile::Strict, Some(("fsize", 65536))))).printed;
        assert!(held.ends_with(" 65536\n") && !held.ends_with("\n0 65536\n"), "{who}: {held}");
    }
}

#[test]
fn temporary_files_cannot_fill_the_memory() {
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let total: u64 = memory.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    for (who, world) in worlds("temporary_files_cannot_fill_the_memory") {
        let line = "for d in /tmp /var/tmp; do df -k --output=fstype,size $d | tail -1; done";
        let printed = run(&world, &job("bound", line, limited(Profile::Basic, None))).good();
        for found in printed.lines() {
            let (kind, size) = found.split_once(' ').unwrap();
            let size: u64 = size.trim().parse().unwrap();
            // No bound would be shown as zero.
            assert!(kind == "tmpfs" && size > 0 && size <= total / 2 + 4, "{who}: {found} of {total} KiB");
        }
        assert_eq!(printed.lines().count(), 2, "{who}: {printed}");
    }
}

/// Moves the shell into the cgroup above, and says whether that went well.
pub fn leaving() -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields[2] == "cgroup2")?;
    let here = "$(grep ^0:: /proc/self/cgroup | cut -d : -f 3)";
    // "0" is who writes it.
    Some(format!("before={here}; echo 0 > {}${{before%/*}}/cgroup.procs; test \"{here}\" != \"$before\"", mount[1]))
}

#[test]
fn nobody_leaves_its_cgroup_under_strict() {
    let Some(leave) = leaving() else { return eprintln!("nobody_leaves_its_cgroup_under_strict: no cgroup v2 here") };
    for (who, world) in worlds("nobody_leaves_its_cgroup_under_strict") {
        let result = run(&world, &job("leaves", &format!("{leave} && echo away"), limited(Profile::Strict, None)));
        assert_ne!(result.code(), 0, "{who}: {}", result.printed);
        assert!(!result.printed.contains("away"), "{who}: {}", result.printed);
        if who == "nobody" {
            let result = run(&world, &job("plain", &format!("{leave} && echo away"), limited(Profile::None, None)));
            assert_ne!(result.code(), 0, "{who}: {}", result.printed);
        }
    }
}

#[test]
fn who_left_its_cgroup_is_stopped_all_the_same() {
    if !is_root("who_left_its_cgroup_is_stopped_all_the_same") {
        return;
    }
    let Some(leave) = leaving() else { return eprintln!("who_left_its_cgroup_…: no cgroup v2 here") };
    let world = open_world();
    let line = format!("trap '' TERM; {leave} && echo away; while :; do sleep 0.05; done");
    let mut plan = job("left", &line, limited(Profile::None, None));
    plan.stop.grace = Duration::from_millis(100);
    world.launch(&plan);
    let main = world.started(&plan.attempt);
    wait_for("it has left", || String::from_utf8_lossy(&world.printed(&plan.attempt)).contains("away"));
    world.stop(&plan.attempt, StopReason::Cancelled);
    assert_eq!(world.ended(&plan.attempt).stopped, by_kill(StopReason::Cancelled));
    assert!(!lives(main));
}
