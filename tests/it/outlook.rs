//! What a job file names and the machine does not have: told when the file is loaded, and no reason not to load it.

use std::fs;

use serde_json::Value;

use crate::harness::World;

#[test]
fn a_user_who_is_not_there_is_told_of_at_load_and_keeps_no_job_away() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not tested: an ordinary user's daemon takes no other user");
        return;
    }
    let mut world = World::new();
    world.job("typo", "command = 'true'\nuser = 'rooot'\nworking_directory = '/no/such/place'");
    world.job("fine", "command = 'true'\nuser = 'root'");
    world.job("unfinished", "command = 'true'\nuser = 'rooot'\nenabled = false");
    world.start();
    let told = |world: &World| world.json_any(&["health"])["warnings"].as_array().expect("a list").clone();
    let is_mine = |told: &Value| told.as_str().is_some_and(|told| told.starts_with("typo"));
    let warnings =
        world.wait_for("the look at the machine", || Some(told(&world)).filter(|told| told.iter().any(is_mine)));
    let mine: Vec<_> = warnings.iter().filter_map(|told| told.as_str()).filter(|told| !told.contains("zone")).collect();
    assert_eq!(mine, ["typo: line 2: this machine has no user \"rooot\" (and 1 more)"]);
    // Before the supervisor is connected nothing is well.
    let is_well = |health: &Value| health["ok"] == true;
    let health = world.wait_for("health", || Some(world.json_any(&["health"])).filter(is_well));
    assert_eq!((&health["ok"], &health["jobs"]["faulty"]), (&true.into(), &serde_json::json!([])), "nothing is faulty");
    let shown = world.ok(&["show", "typo"]);
    assert!(shown.contains("warning") && shown.contains("did you mean \"root\"?"), "{shown}");
    assert!(shown.contains("the directory /no/such/place does not exist"), "{shown}");
    // It may be there by the time that it runs, and its run says what was missing.
    let run = world.run("typo");
    assert_eq!(world.finished(&run)["outcome"], "setup_failed");
    world.job("typo", "command = 'true'\nuser = 'root'");
    world.ok(&["reload"]);
    world.wait_for("the next look", || (!told(&world).iter().any(is_mine)).then_some(()));
    assert!(!world.ok(&["show", "typo"]).contains("warning"));
}

#[test]
fn a_command_for_nobody_is_refused_at_once() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not tested: only root may choose whom a command runs as");
        return;
    }
    let mut world = World::new();
    world.start();
    for (arguments, message) in [
        (["exec", "--user", "dameon", "--", "true"], "this machine has no user \"dameon\""),
        (["exec", "--user", "3999999", "--", "true"], "this machine has no user with the number 3999999"),
    ] {
        let refused = world.jobctl(&arguments);
        let talk = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{talk}");
        assert!(talk.contains(message) && talk.contains("hint: "), "{talk}");
    }
    assert_eq!(world.json(&["list"]).as_array().map(Vec::len), Some(0), "nothing was defined");
    world.ok(&["exec", "--user", "daemon", "--wait", "--", "true"]);
}

#[test]
fn who_writes_a_file_is_told_at_once() {
    let mut world = World::new();
    world.start();
    fs::write(world.path("text"), "command = 'true'\nworking_directory = '/no/such/place'\n").expect("a file");
    let file = world.path("text").display().to_string();
    let done = world.jobctl(&["create", "typo", &file]);
    let talk = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{talk}");
    assert!(talk.starts_with("warning: the directory /no/such/place does not exist"), "{talk}");
    assert!(talk.contains("nothing starts it by itself"), "{talk}");
}

#[test]
fn doctor_tells_of_the_daemon_whose_socket_is_named() {
    let mut world = World::new();
    world.start();
    world.supervisor_pid();
    let told = world.json(&["doctor"]);
    let state = world.path("state").canonicalize().expect("the state");
    assert_eq!((&told["found_by"], told["state_dir"].as_str()), (&"supervisor".into(), state.to_str()));
}

#[test]
fn events_after_what_is_no_event_are_refused() {
    let mut world = World::new();
    world.start();
    let refused = world.jobctl(&["events", "--after", "zz"]);
    let talk = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{talk}");
    assert!(talk.contains("\"zz\" is not the id of an event"), "{talk}");
}
