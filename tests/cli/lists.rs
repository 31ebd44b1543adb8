//! What lists and histories choose, and in which order.

use crate::world::World;

fn names(world: &World, arguments: &[&str]) -> Vec<String> {
    let jobs = world.json(arguments);
    jobs.as_array().expect("jobs").iter().map(|job| job["name"].as_str().expect("a name").to_owned()).collect()
}

fn runs(world: &World, arguments: &[&str]) -> Vec<String> {
    let entries = world.json(arguments);
    let entries = entries.as_array().expect("records").iter();
    entries.map(|entry| entry["run"].as_str().unwrap_or("skip").to_owned()).collect()
}

#[test]
fn lists_are_filtered_and_sorted() {
    let world = World::new(&[
        ("bad", "command = 'exit 1'\ntags = ['night']"),
        ("good", "command = 'sleep 0.3'\ntags = ['night', 'db']"),
        ("late", "command = 'true'\nschedule = 'every 30d'"),
        ("slow", "command = 'sleep 60'\nstop_grace = '1s'"),
        ("soon", "command = 'true'\nschedule = 'every 10m'"),
    ]);
    world.jobctl(&["run", "--wait", "good"]);
    world.jobctl(&["run", "--wait", "bad"]);
    world.running("slow");
    world.jobctl(&["pause", "late"]);
    let list = |arguments: &[&str]| names(&world, &[&["list"], arguments].concat());
    assert_eq!(list(&[]), ["bad", "good", "late", "slow", "soon"]);
    assert_eq!(list(&["--failing"]), ["bad"]);
    assert_eq!(list(&["--running"]), ["slow"]);
    assert_eq!(list(&["--tag", "night"]), ["bad", "good"]);
    assert_eq!(list(&["--tag", "night", "--failing"]), ["bad"]);
    assert_eq!(list(&["--due", "1h"]), ["soon"]);
    assert_eq!(list(&["--state", "paused,running"]), ["late", "slow"]);
    assert_eq!(list(&["--reverse"]), ["soon", "slow", "late", "good", "bad"]);
    assert_eq!(list(&["--sort", "next"])[0], "soon");
    // At every tenth minute "soon" runs, too.
    let ended: Vec<String> = list(&["--sort", "last"]).into_iter().filter(|job| job != "soon").collect();
    assert_eq!(ended[..2], ["bad", "good"], "the newest end first");
    assert_eq!(list(&["--tag", "nonesuch"]), Vec::<String>::new());
}

#[test]
fn histories_are_filtered_and_turned_page_by_page() {
    let world = World::new(&[("bad", "command = 'exit 1'"), ("good", "command = 'true'")]);
    for job in ["good", "bad", "good", "bad"] {
        world.jobctl(&["run", "--wait", job]);
    }
    let history = |arguments: &[&str]| runs(&world, &[&["history"], arguments].concat());
    assert_eq!(history(&[]), ["bad/2", "good/2", "bad/1", "good/1"]);
    assert_eq!(history(&["-n", "3"]), ["bad/2", "good/2", "bad/1"]);
    assert_eq!(history(&["bad", "--before", "2"]), ["bad/1"]);
    assert_eq!(history(&["--failed"]), ["bad/2", "bad/1"]);
    assert_eq!(history(&["--outcome", "succeeded"]), ["good/2", "good/1"]);
    assert_eq!(history(&["--trigger", "schedule"]), Vec::<String>::new());
    assert_eq!(history(&["--longer", "1h"]), Vec::<String>::new());
    assert_eq!(history(&["--since", "1h", "good"]), ["good/2", "good/1"]);
    assert_eq!(history(&["--until", "1h"]), Vec::<String>::new());
}

/// More records than one answer of the daemon holds, of all jobs together.
#[test]
fn a_history_of_all_jobs_has_no_end_but_the_first_record() {
    const RUNS: usize = 1100;
    let world = World::new(&[("tick", "command = ['/bin/true']\noverlap = 'queue'\n[retention]\nruns = 5000")]);
    let mut begun = 0;
    while begun < RUNS {
        begun += usize::from(world.code(&["run", "tick"]) == 0);
    }
    world.wait_for("all to end", || (world.json(&["show", "tick"])["live"] == serde_json::json!([])).then_some(()));
    let all = runs(&world, &["history"]);
    assert_eq!((all.len(), all[0].as_str(), all[RUNS - 1].as_str()), (RUNS, "tick/1100", "tick/1"));
    let some = world.jobctl(&["history", "-n", "1050"]);
    assert_eq!(String::from_utf8_lossy(&some.stdout).lines().count(), 1051, "a heading, and the records");
}
