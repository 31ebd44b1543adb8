//! Plain attributes of processes.

use jobsd::spec::{Attributes, CpuScheduling, IoPriority, ProcessSpec, Rlimit, RlimitValue};

use crate::world::{is_root, setup_failure};
use crate::{job, run, worlds};

fn with(attributes: Attributes) -> ProcessSpec {
    ProcessSpec { attributes, ..ProcessSpec::default() }
}

fn limit(name: &str, soft: u64, hard: u64) -> Attributes {
    let limit = Rlimit::from_name(name).unwrap();
    Attributes { rlimits: [(limit, RlimitValue { soft, hard })].into(), ..Attributes::default() }
}

#[test]
fn each_is_what_was_asked_for() {
    for (who, world) in worlds("each_is_what_was_asked_for") {
        let table = [
            ("umask", Attributes { umask: Some(0o27), ..Attributes::default() }, "umask", "0027\n"),
            ("nice", Attributes { nice: Some(7), ..Attributes::default() }, "nice", "7\n"),
            (
                "io",
                Attributes { io: Some(IoPriority::BestEffort { level: 6 }), ..Attributes::default() },
                "ionice",
                "best-effort: prio 6\n",
            ),
            ("idle", Attributes { io: Some(IoPriority::Idle), ..Attributes::default() }, "ionice", "idle\n"),
            (
                "cpus",
                Attributes { cpu_affinity: Some([0].into()), ..Attributes::default() },
                "grep Cpus_allowed_list /proc/self/status | cut -f 2",
                "0\n",
            ),
            (
                "batch",
                Attributes { cpu_scheduling: Some(CpuScheduling::Batch), ..Attributes::default() },
                "grep ^policy /proc/self/sched | tr -d ' ' || true",
                "policy:3\n",
            ),
            (
                "oom",
                Attributes { oom_score_adjust: Some(500), ..Attributes::default() },
                "cat /proc/self/oom_score_adj",
                "500\n",
            ),
            ("nofile", limit("nofile", 50, 60), "ulimit -Sn; ulimit -Hn", "50\n60\n"),
            ("core", limit("core", 0, 0), "ulimit -c", "0\n"),
            // Too small for anything that the supervisor's own steps could write.
            ("fsize", limit("fsize", 0, 0), "ulimit -f; echo printed", "0\nprinted\n"),
        ];
        for (name, attributes, line, expected) in table {
            if name == "batch" && !std::path::Path::new("/proc/self/sched").exists() {
                eprintln!("each_is_what_was_asked_for: batch is not tested, because the kernel does not show it");
                continue;
            }
            assert_eq!(run(&world, &job(name, line, with(attributes))).good(), expected, "{who}: {name}");
        }
    }
}

#[test]
fn a_limit_ends_who_exceeds_it() {
    for (who, world) in worlds("a_limit_ends_who_exceeds_it") {
        let file = world.path("large");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let line = format!("head -c 100000 /dev/zero > {}; echo $?", file.display());
        let printed = run(&world, &job("fsize", &line, with(limit("fsize", 4096, 4096)))).printed;
        assert!(std::fs::metadata(&file).unwrap().len() == 4096 && !printed.ends_with("\n0\n"), "{who}: {printed}");
    }
}

#[test]
fn root_may_do_more_and_others_fail_at_the_step() {
    let urgent = || Attributes { nice: Some(-5), ..Attributes::default() };
    for (who, world) in worlds("root_may_do_more_and_others_fail_at_the_step") {
        let plan = job("urgent", "nice", with(urgent()));
        if who == "own" && is_root("root_may_do_more_and_others_fail_at_the_step") {
            assert_eq!(run(&world, &plan).good(), "-5\n");
            let mut other = job("other", "nice; id -un", with(urgent()));
            other.identity.user = Some("nobody".into());
            assert_eq!(run(&world, &other).good(), "-5\nnobody\n");
        } else {
            let end = world.run(&plan);
            let failure = setup_failure(&end);
            assert_eq!((failure.step.as_str(), failure.errno), ("set nice", libc::EACCES), "{who}");
        }
    }
}
