//! The profiles: what they forbid, and that honest work goes on.

use std::fs;

use jobsd::spec::{Identity, Isolation, ProcessSpec, Profile};

use crate::world::is_root;
use crate::{job, open_world, run, worlds};

fn profile(profile: Profile) -> ProcessSpec {
    ProcessSpec { isolation: Isolation::of_profile(profile), ..ProcessSpec::default() }
}

/// What jobs do all day.
const HONEST: &str = "set -e; cd /tmp; mkdir a; echo text > a/b; cp a/b a/c; mv a/c d; ln -s d e; chmod 600 d; \
    tar cf t.tar a; tar tf t.tar | wc -l; seq 1000 | sort -rn | head -1; date > /dev/null; id > /dev/null; \
    sleep 0.01 & wait; kill -0 $$; (exit 0); mktemp > /dev/null; echo x | tee /dev/null; echo e >&2; df / > /dev/null; \
    getent hosts localhost > /dev/null; ls /proc/self/fd > /dev/null; nice true; timeout 5 true; echo done";

#[test]
fn honest_work_goes_on() {
    for (who, world) in worlds("honest_work_goes_on") {
        for (name, level) in [("none", Profile::None), ("basic", Profile::Basic), ("strict", Profile::Strict)] {
            let line =
                if level == Profile::None { HONEST.replace("cd /tmp", "cd $(mktemp -d)") } else { HONEST.to_owned() };
            let printed = run(&world, &job(name, &line, profile(level))).good();
            assert_eq!(printed.replace("e\n", ""), "2\n1000\nx\ndon", "{who}: {name}: {printed}");
        }
    }
}

#[test]
fn a_strict_job_of_root_gets_nowhere() {
    if !is_root("a_strict_job_of_root_gets_nowhere") {
        return;
    }
    let world = open_world();
    let before = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let attempts = [
        ("mounts", "mount -t tmpfs none /mnt"),
        ("remounts", "mount -o remount,rw /"),
        ("unmounts", "umount /tmp"),
        ("core-pattern", "echo '|/bin/sh' > /proc/sys/kernel/core_pattern"),
        ("sysrq", "echo h > /proc/sysrq-trigger"),
        ("cgroup", "echo $$ > /sys/fs/cgroup/unified/cgroup.procs || echo $$ > /sys/fs/cgroup/cgroup.procs"),
        ("device", "mknod /tmp/disk b 254 0"),
        ("namespace", "unshare -m true"),
        ("clock", "date -s 12:00"),
        ("module", "modprobe loop"),
        ("hostname", "hostname elsewhere"),
        ("packet", "bash -c 'exec 3<>/dev/raw'"),
        ("etc", "touch /etc/x"),
        ("var", "touch /var/lib/x"),
        ("home", "touch /root/x"),
        ("chroot", "chroot / true"),
        ("kmsg", "dmesg"),
    ];
    for (name, line) in attempts {
        let result = run(&world, &job(name, line, profile(Profile::Strict)));
        assert_ne!(result.code(), 0, "{name}: {}", result.printed);
    }
    assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), before);
}

#[test]
fn a_strict_job_of_an_ordinary_user_is_started_by_root() {
    if !is_root("a_strict_job_of_an_ordinary_user_is_started_by_root") {
        return;
    }
    let world = open_world();
    let line =
        "id -un; grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'; touch /tmp/x && echo ok";
    let mut plan = job("nobody", line, profile(Profile::Strict));
    plan.identity = Identity { user: Some("nobody".into()), group: None };
    let printed = run(&world, &plan).good();
    assert_eq!(printed, "nobody\nCapEff:0000000000000000\nNoNewPrivs:1\nSeccomp:2\nok\n");
}

#[test]
fn nothing_of_the_supervisor_reaches_an_isolated_job() {
    for (who, world) in worlds("nothing_of_the_supervisor_reaches_an_isolated_job") {
        let other = job("other", "sleep 1000", profile(Profile::Strict));
        world.launch(&other);
        world.started(&other.attempt);
        let printed = run(&world, &job("fds", "ls /proc/self/fd", profile(Profile::Strict))).good();
        // The listing itself takes 3.
        assert_eq!(printed, "0\n1\n2\n3\n", "{who}");
        // The first process cannot be looked into, let alone be traced.
        let look = "(readlink /proc/1/fd/* /proc/1/exe; head -c 1 /proc/1/environ; head -c 1 /proc/1/mem) 2> /dev/null | wc -c";
        assert_eq!(run(&world, &job("first", look, profile(Profile::Strict))).good(), "0\n", "{who}");
    }
}
