//! Rights: what is left of root's, and that no program gains any.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jobsd::spec::{Capabilities, Capability, Identity, Isolation, ProcessSpec, Profile};

use crate::world::{World, is_root};
use crate::{job, open_world, run};

fn with(isolation: Isolation) -> ProcessSpec {
    ProcessSpec { isolation, ..ProcessSpec::default() }
}

fn set(names: &[&str]) -> std::collections::BTreeSet<Capability> {
    names.iter().map(|name| Capability::from_name(name).unwrap()).collect()
}

const SHOW: &str = "grep -E '^Cap(Prm|Eff|Bnd|Amb)' /proc/self/status | tr '\\n' ' '";

#[test]
fn root_keeps_what_it_is_left() {
    if !is_root("root_keeps_what_it_is_left") {
        return;
    }
    let world = open_world();
    let isolation = Isolation { capabilities: Capabilities::Within(set(&["chown", "kill"])), ..Isolation::default() };
    let line = format!("{SHOW}; chown 1 \"$0\"; mount -t tmpfs none /mnt; hostname x");
    let file = world.path("file");
    fs::write(&file, "").unwrap();
    let mut plan = job("root", &line, with(isolation));
    plan.argv.push(file.to_str().unwrap().to_owned());
    let result = run(&world, &plan);
    for word in ["CapPrm:\t0000000000000021", "CapEff:\t0000000000000021", "CapBnd:\t0000000000000021"] {
        assert!(result.printed.contains(word), "{}", result.printed);
    }
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&fs::metadata(&file).unwrap()), 1);
    assert_ne!(result.code(), 0);
}

#[test]
fn an_ordinary_user_is_given_what_the_job_says() {
    if !is_root("an_ordinary_user_is_given_what_the_job_says") {
        return;
    }
    let world = open_world();
    let bind = set(&["net_bind_service"]);
    for (name, capabilities, bits) in [
        ("given", Capabilities::Given(bind.clone()), "0000000000000400"),
        ("within", Capabilities::Within(bind), "0000000000000000"),
    ] {
        let mut plan = job(name, SHOW, with(Isolation { capabilities, ..Isolation::default() }));
        plan.identity = Identity { user: Some("nobody".into()), group: None };
        let printed = run(&world, &plan).good();
        assert!(printed.contains(&format!("CapEff:\t{bits}")), "{name}: {printed}");
        assert!(printed.contains("CapBnd:\t0000000000000400"), "{name}: {printed}");
    }
}

#[test]
fn no_rights_are_gained_by_a_setuid_program() {
    if !is_root("no_rights_are_gained_by_a_setuid_program") {
        return;
    }
    let world = open_world();
    let id = world.path("id");
    // By another process: what this one writes may still be open for writing in the fork of another test (ETXTBSY).
    let copied = std::process::Command::new("cp").arg("/usr/bin/id").arg(&id).status().unwrap();
    assert!(copied.success());
    fs::set_permissions(&id, fs::Permissions::from_mode(0o4755)).unwrap();
    for (name, no_new_privileges, uid) in [("gains", false, "0\n"), ("gains-not", true, "65534\n")] {
        let isolation = Isolation { no_new_privileges, ..Isolation::default() };
        let mut plan = job(name, &format!("{} -u", id.display()), with(isolation));
        plan.identity = Identity { user: Some("nobody".into()), group: None };
        assert_eq!(run(&world, &plan).good(), uid);
    }
    // The same with the daemon of an ordinary user; among mounts of its own nobody is root.
    let Ok(world) = World::of_nobody() else {
        return eprintln!("no_rights_are_gained_by_a_setuid_program: not tested as an ordinary user");
    };
    let strict = Isolation::of_profile(Profile::Strict);
    for (name, isolation, uid) in [
        ("gains", Isolation::default(), "0\n"),
        ("gains-not", Isolation { no_new_privileges: true, ..Isolation::default() }, "65534\n"),
        ("mounts", Isolation { private_devices: true, ..Isolation::default() }, "65534\n"),
        ("strict", Isolation { private_tmp: false, ..strict }, "65534\n"),
    ] {
        assert_eq!(run(&world, &job(name, &format!("{} -u", id.display()), with(isolation))).good(), uid, "{name}");
    }
}
