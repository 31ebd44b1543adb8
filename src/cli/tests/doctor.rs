//! What the machine can do, as a supervisor wrote it down.

use std::collections::BTreeMap;

use serde_json::Value;

use super::alone;
use super::schema::schema_keys;
use crate::cli::Exit;
use crate::machine;
use crate::spec::{Controller, Feature, Machine, Rlimit};

/// A state directory with the findings of a supervisor on a machine that lacks two things.
fn told() -> tempfile::TempDir {
    let lacks = [
        (Feature::Controller(Controller::Memory), "cgroup v2 is not mounted"),
        (Feature::Users, "the kernel refuses: operation not permitted"),
    ];
    let machine = Machine {
        lacks: lacks.map(|(feature, reason)| (feature, reason.to_owned())).into(),
        hard_limits: BTreeMap::from([(Rlimit::from_name("nofile").unwrap(), 4096)]),
        least_nice: Some(-3),
        least_oom_score: None,
        processors: None,
    };
    let directory = tempfile::tempdir().unwrap();
    machine::tell(directory.path(), &machine).unwrap();
    directory
}

#[tokio::test]
async fn each_feature_has_a_line_and_what_lacks_its_reason_and_keys() {
    let directory = told();
    let done = alone(&format!("doctor --state-dir {}", directory.path().display())).await;
    assert_eq!((done.exit, done.talk.as_str()), (Exit::Done, ""));
    let mut lines = done.out.lines();
    assert!(lines.next().unwrap().contains(&directory.path().display().to_string()), "{}", done.out);
    let lines: Vec<&str> = lines.collect();
    for feature in Feature::ALL {
        let lacks = matches!(feature, Feature::Users | Feature::Controller(Controller::Memory));
        let line = format!("{:3}  {}", if lacks { "no" } else { "yes" }, feature.name());
        let place = lines.iter().position(|other| *other == line).unwrap_or_else(|| panic!("{line} in {}", done.out));
        if feature == Feature::Controller(Controller::Memory) {
            assert_eq!(lines[place + 1].trim(), "cgroup v2 is not mounted");
            assert_eq!(lines[place + 2].trim(), "not to be had: limits.memory, limits.memory_swap");
        }
    }
    assert_eq!(lines[lines.len() - 2..].concat().trim(), "rlimits.nofile up to 4096     nice from -3");
}

#[tokio::test]
async fn what_no_key_needs_says_what_is_done_without() {
    let lacks = [(Feature::Cgroups, "read-only".to_owned()), (Feature::Landlock, "off".to_owned())].into();
    let directory = tempfile::tempdir().unwrap();
    machine::tell(directory.path(), &Machine { lacks, ..Machine::default() }).unwrap();
    let done = alone(&format!("doctor --state-dir {}", directory.path().display())).await;
    assert!(done.out.contains("     processes of a run are found by their own namespace"), "{}", done.out);
    assert!(done.out.contains("     off\n     what filesystem makes read-only rests on mounts alone"), "{}", done.out);
    assert!(!done.out.contains("not to be had"), "{}", done.out);
}

#[tokio::test]
async fn programs_are_told_the_same() {
    let directory = told();
    let done = alone(&format!("doctor -o json --state-dir {}", directory.path().display())).await;
    let report: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((done.exit, report["found_by"].as_str()), (Exit::Done, Some("supervisor")));
    let features = report["features"].as_array().unwrap();
    assert_eq!(features.len(), Feature::ALL.len());
    let lacking: Vec<&str> = features
        .iter()
        .filter(|found| !found["available"].as_bool().unwrap())
        .map(|found| {
            assert!(found["reason"].is_string(), "{found}");
            found["feature"].as_str().unwrap()
        })
        .collect();
    assert_eq!(lacking, [Feature::Users.name(), Feature::Controller(Controller::Memory).name()]);
    assert_eq!(report["hard_limits"]["nofile"], 4096);
}

#[tokio::test]
async fn findings_that_cannot_be_read_are_not_passed_over_in_silence() {
    let directory = told();
    let file = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::write(file, "torn").unwrap();
    let done = alone(&format!("doctor --state-dir {}", directory.path().display())).await;
    assert!(done.talk.contains("cannot be read"), "{}", done.talk);
}

#[test]
fn the_keys_of_features_are_keys_of_job_files() {
    let known = schema_keys();
    for key in Feature::ALL.into_iter().flat_map(Feature::keys) {
        assert!(known.contains(*key), "{key}");
    }
}
