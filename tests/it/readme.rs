//! What README.md says, done.

use std::fs;
use std::path::Path;

use crate::harness::World;

const README: &str = include_str!("../../README.md");

/// The blocks of README.md in this language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let text = README.split(fence.as_str()).skip(1);
    text.map(|block| block.split("```").next().expect("a block")).collect()
}

#[test]
fn the_first_command_starts_the_examples() {
    let first = blocks("sh")[0].trim();
    assert_eq!(first, "cargo run --bin jobsd -- --jobs-dir jobs.d", "this test starts the daemon in the same way");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs.d");
    let Ok(files) = fs::read_dir(&examples) else {
        println!("skipped: {} cannot be read by this user", examples.display());
        return;
    };
    let mut world = World::new();
    let mut names = Vec::new();
    for file in files.map(|file| file.expect("an example").path()) {
        let name = file.file_stem().expect("a name").to_str().expect("plain").to_owned();
        world.job(&name, &fs::read_to_string(&file).expect("an example"));
        names.push(name);
    }
    names.sort();
    world.start();
    let listed = world.wait_for("the examples", || {
        let list = world.json(&["list"]);
        let list = list.as_array().expect("an array");
        (list.len() == names.len()).then(|| list.clone())
    });
    for job in &listed {
        assert!(job["next"].is_string(), "{job}");
    }
    for harmless in ["heartbeat", "health", "disk-space", "certificates", "weekly-report"] {
        let run = world.run(harmless);
        let entry = world.finished(&run);
        // What they find on this machine is theirs to say; they are found, started and heard.
        assert!(["succeeded", "failed"].contains(&entry["outcome"].as_str().expect("an outcome")), "{entry}");
        assert!(!world.ok(&["logs", &run]).is_empty(), "{harmless} says something");
    }
}

#[test]
fn a_first_job_in_a_minute() {
    let mut world = World::new();
    world.start();
    world.job("greeting", blocks("toml")[0]);
    world.wait_for("the job", || (!world.json(&["list"]).as_array().expect("an array").is_empty()).then_some(()));
    let commands = blocks("sh").into_iter().find(|block| block.contains("jobctl check")).expect("the block");
    for line in commands.lines() {
        let words: Vec<String> = line
            .split_whitespace()
            .map(|word| match word.strip_prefix("jobs.d/") {
                Some(file) => world.path("jobs.d").join(file).to_str().expect("a plain path").to_owned(),
                None => word.to_owned(),
            })
            .collect();
        assert_eq!(words[0], "jobctl", "{line}");
        let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let said = world.ok(&words);
        match words[0] {
            "run" | "logs" => assert!(said.starts_with("hello from "), "{line}: {said}"),
            "check" => {}
            "next" => assert!(said.contains(" 07:00:00 "), "{line}: {said}"),
            _ => assert!(said.contains("greeting"), "{line}: {said}"),
        }
    }
}

#[test]
fn every_path_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if fs::read_dir(root).is_err() {
        println!("skipped: {} cannot be read by this user", root.display());
        return;
    }
    for link in README.split("](").skip(1).map(|rest| rest.split(')').next().expect("a link")) {
        assert!(link.starts_with("http") || root.join(link).exists(), "{link} is named and is not there");
    }
}
