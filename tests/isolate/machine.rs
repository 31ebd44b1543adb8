//! What the supervisor finds out about the machine, which decides what is a fault when a job file is read, is what jobs get.

use jobsd::machine;
use jobsd::run::Ending;
use jobsd::spec::{Bind, Feature, Filesystem, Isolation, Network, ProcessSpec, SyscallGroup, Syscalls};

use crate::{job, run, worlds};

/// For each key that needs the feature an isolation that has it and no other.
fn isolations(feature: Feature) -> Vec<Isolation> {
    let usual = Isolation::default;
    let filtering = || Isolation { no_new_privileges: true, ..usual() };
    let srv = || vec!["/srv".into()];
    match feature {
        Feature::Mounts => vec![
            Isolation { private_tmp: true, ..usual() },
            Isolation { private_devices: true, ..usual() },
            Isolation { filesystem: Filesystem::SystemReadOnly, ..usual() },
            Isolation { filesystem: Filesystem::ReadOnly, ..usual() },
            Isolation { writable: srv(), ..usual() },
            Isolation { read_only: srv(), ..usual() },
            Isolation { hidden: srv(), ..usual() },
            Isolation { bind: vec![Bind { source: "/usr".into(), target: "/srv".into(), read_only: true }], ..usual() },
        ],
        Feature::Processes => vec![Isolation { processes_visible: false, ..usual() }],
        Feature::Network => {
            vec![Isolation { network: Network::None, ..usual() }, Isolation { network: Network::Loopback, ..usual() }]
        }
        Feature::Hostname => vec![Isolation { hostname: Some("elsewhere".to_owned()), ..usual() }],
        Feature::Users => vec![Isolation { private_users: true, ..usual() }],
        Feature::SystemCalls => vec![
            Isolation {
                syscalls: Syscalls { denied: [SyscallGroup::Reboot].into(), ..Syscalls::default() },
                ..filtering()
            },
            Isolation { lock_personality: true, ..filtering() },
            Isolation { restrict_namespaces: true, ..filtering() },
            Isolation { restrict_address_families: Some([].into()), ..filtering() },
        ],
        // Whether they are enforced is asked in tests of their own; without them a launch fails, too.
        Feature::Controller(_) | Feature::DiskWeights | Feature::Cgroups | Feature::Landlock => Vec::new(),
    }
}

#[test]
fn what_is_found_is_what_jobs_get() {
    for (who, world) in worlds("what_is_found_is_what_jobs_get") {
        let found = machine::told(&world.state_dir()).unwrap().expect("a supervisor writes it down when it starts");
        for feature in Feature::ALL {
            for (number, isolation) in isolations(feature).into_iter().enumerate() {
                let name = format!("{}-{number}", feature.name().replace(' ', "-"));
                let process = ProcessSpec { isolation, ..ProcessSpec::default() };
                let result = run(&world, &job(&name, "echo here", process));
                let got = result.end.ending == Ending::Exited { wait_status: 0 } && result.printed == "here\n";
                let lacks = found.lacks.get(&feature);
                assert_eq!(
                    got,
                    lacks.is_none(),
                    "{who}: {name}: {lacks:?}, {:?}: {}",
                    result.end.ending,
                    result.printed
                );
            }
        }
    }
}

/// Who may do it by hand may have it in a job.
#[test]
fn who_may_mount_by_hand_has_private_mounts() {
    for (who, world) in worlds("who_may_mount_by_hand_has_private_mounts") {
        let line = "unshare --user --map-root-user --mount mount -t tmpfs none /tmp";
        let by_hand = run(&world, &job("by-hand", line, ProcessSpec::default())).code() == 0;
        let found = machine::told(&world.state_dir()).unwrap().unwrap();
        if by_hand {
            assert_eq!(found.lacks.get(&Feature::Mounts), None, "{who}");
        } else {
            eprintln!("who_may_mount_by_hand_has_private_mounts: {who} may not mount here, so nothing follows");
        }
    }
}

#[test]
fn the_bounds_that_are_found_are_those_of_launches() {
    for (who, world) in worlds("the_bounds_that_are_found_are_those_of_launches") {
        let found = machine::told(&world.state_dir()).unwrap().unwrap();
        let attempt = |name: &str, change: &dyn Fn(&mut ProcessSpec)| {
            let mut process = ProcessSpec::default();
            change(&mut process);
            run(&world, &job(name, "true", process)).end.ending == Ending::Exited { wait_status: 0 }
        };
        if let Some(least) = found.least_nice {
            assert!(attempt("nice", &|process| process.attributes.nice = Some(least)), "{who}: {least}");
            assert!(!attempt("nicer", &|process| process.attributes.nice = Some(least - 1)), "{who}: {least}");
        }
        if let Some(least) = found.least_oom_score {
            assert!(attempt("oom", &|process| process.attributes.oom_score_adjust = Some(least)), "{who}: {least}");
            let below = least > -1000 && attempt("below", &|p| p.attributes.oom_score_adjust = Some(least - 1));
            assert!(!below, "{who}: {least}");
        }
        let bounded = who == "nobody" || !nix::unistd::geteuid().is_root();
        assert_eq!((found.least_nice.is_some(), found.least_oom_score.is_some()), (bounded, bounded), "{who}");
    }
}
