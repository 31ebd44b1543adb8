//! Files that come, change, break, move and go.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::World;

fn state_of(world: &World, name: &str) -> Option<Value> {
    world.json(&["list"]).as_array().expect("an array").iter().find(|job| job["name"] == name).cloned()
}

#[test]
fn a_dropped_changed_and_deleted_file_takes_effect_by_itself() {
    let mut world = World::new();
    world.start();
    world.job("a", "command = 'echo one'");
    world.wait_for("the job to appear", || state_of(&world, "a"));
    world.job("a", "command = 'echo two'");
    world.wait_for("the change to take effect", || {
        let output = world.jobctl(&["run", "a", "--follow"]);
        (output.stdout == b"two\n").then_some(())
    });
    fs::rename(world.path("jobs.d/a.toml"), world.path("jobs.d/b.toml")).expect("a rename");
    world.wait_for("the rename", || (state_of(&world, "a").is_none() && state_of(&world, "b").is_some()).then_some(()));
    assert!(!world.history("a").is_empty(), "history stays");
    world.job("a", "command = 'echo three'");
    world.wait_for("the job to return", || state_of(&world, "a"));
    let newest = world.history("a")[0]["run"].as_str().expect("a run").to_owned();
    let number: u64 = newest.trim_start_matches("a/").parse().expect("a number");
    assert_eq!(world.run("a"), format!("a/{}", number + 1), "numbers never restart");
}

#[test]
fn a_faulty_file_leaves_the_last_good_revision_in_force() {
    let mut world = World::new();
    world.job("a", "command = 'echo good'");
    world.start();
    world.job("a", "comand = 'echo bad'\nschedule = 'every 5 parsecs'");
    let reload = world.jobctl(&["reload"]);
    let said = format!("{}{}", String::from_utf8_lossy(&reload.stdout), String::from_utf8_lossy(&reload.stderr));
    assert_eq!(reload.status.code(), Some(1), "{said}");
    assert!(said.contains('a'), "{said}");
    assert_eq!(world.jobctl(&["run", "a", "--follow"]).stdout, b"good\n");
    // The last good revision survives a restart that finds the file still faulty.
    world.kill();
    world.start();
    assert_eq!(world.jobctl(&["run", "a", "--follow"]).stdout, b"good\n");
    let check = world.jobctl(&["check", world.path("jobs.d/a.toml").to_str().expect("a path")]);
    let report = format!("{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
    assert_eq!(check.status.code(), Some(1));
    for expected in ["a.toml:1:", "did you mean", "command", "parsecs", "^"] {
        assert!(report.contains(expected), "{expected:?} is missing in:\n{report}");
    }
}

#[test]
fn a_directory_that_loses_most_jobs_is_held_back_until_confirmed() {
    let mut world = World::new();
    for name in ["a", "b", "c", "d", "e"] {
        world.job(name, "command = 'true'");
    }
    world.start();
    for name in ["a", "b", "c", "d"] {
        world.remove_job(name);
    }
    let reload = world.jobctl(&["reload"]);
    assert!(!reload.status.success());
    let said = String::from_utf8_lossy(&reload.stderr);
    assert!(said.contains("--force"), "{said}");
    assert!(state_of(&world, "a").is_some());
    assert_ne!(world.jobctl(&["health"]).status.code(), Some(0));
    // Nor is anything new taken over, and whoever misses it is told.
    world.job("f", "command = 'true'");
    let missed = world.jobctl(&["run", "f"]);
    let said = String::from_utf8_lossy(&missed.stderr);
    assert!(missed.status.code() == Some(4) && said.contains("held back"), "{said}");
    world.ok(&["reload", "--force"]);
    assert!(state_of(&world, "a").is_none() && state_of(&world, "e").is_some());
}

#[test]
fn a_file_that_others_may_write_is_refused_with_the_reason() {
    let mut world = World::new();
    world.job("open", "command = 'true'");
    fs::set_permissions(world.path("jobs.d/open.toml"), fs::Permissions::from_mode(0o666)).expect("its mode");
    world.start();
    let job = state_of(&world, "open").expect("the file is shown");
    assert_eq!(job["state"], "faulty");
    let show = world.ok(&["show", "open"]);
    assert!(show.contains("chmod"), "{show}");
}

#[test]
fn a_file_that_is_not_believed_is_no_change_to_come() {
    let mut world = World::new();
    world.job("known", "command = 'true'");
    world.start();
    // Both would be fine, were they not writable by everybody.
    world.job("known", "command = 'false'");
    world.job("fresh", "command = 'true'");
    for job in ["known", "fresh"] {
        let path = world.path(&format!("jobs.d/{job}.toml"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("its mode");
    }
    assert_eq!(world.jobctl(&["reload"]).status.code(), Some(1), "faulty files");
    let plan = world.json_any(&["diff"]);
    assert_eq!((&plan["added"], &plan["changed"]), (&json!([]), &json!([])), "{plan}");
    let faulty: Vec<&str> =
        plan["faulty"].as_array().expect("files").iter().filter_map(|file| file["job"].as_str()).collect();
    assert_eq!(faulty, ["fresh", "known"]);
    // A directory that is to be put in its place is another matter.
    let elsewhere = world.json_any(&["diff", world.path("jobs.d").to_str().expect("a path")]);
    let jobs = (&elsewhere["added"][0]["job"], &elsewhere["changed"][0]["job"]);
    assert_eq!(jobs, (&"fresh".into(), &"known".into()), "{elsewhere}");
}

#[test]
fn a_faulty_configuration_is_told_until_it_is_mended() {
    let mut world = World::new();
    world.configure("[access]\nviewer = { users = ['daemon'] }\n");
    world.start();
    let is_healthy = || world.jobctl(&["health"]).status.success().then_some(());
    world.wait_for("a healthy daemon", is_healthy);
    // Somebody takes a right away, and errs.
    world.configure("[access]\nviewer = { userz = [] }\n");
    let reloaded = world.jobctl(&["reload"]);
    let talk = String::from_utf8_lossy(&reloaded.stderr).into_owned();
    assert_eq!(reloaded.status.code(), Some(1), "{talk}");
    assert!(talk.contains("the configuration is not taken over") && talk.contains("userz"), "{talk}");
    let health = world.jobctl(&["health"]);
    let told = String::from_utf8_lossy(&health.stdout).into_owned();
    assert_eq!(health.status.code(), Some(1), "{told}");
    assert!(told.contains("config   ") && told.contains("what it said before is in force"), "{told}");
    world.configure("[access]\n");
    world.ok(&["reload"]);
    world.wait_for("a healthy daemon", is_healthy);
}

#[test]
fn who_asks_first_is_told_of_every_job() {
    const JOBS: usize = 500;
    let mut world = World::new();
    for number in 0..JOBS {
        world.job(&format!("job-{number}"), "command = 'true'");
    }
    world.spawn();
    // The first answer that there is, not the first that is complete.
    let listed = world.wait_for("an answer", || {
        let answer = world.jobctl(&["list", "-o", "json"]);
        answer.status.success().then(|| serde_json::from_slice::<Value>(&answer.stdout).expect("JSON"))
    });
    assert_eq!(listed.as_array().expect("jobs").len(), JOBS);
}
