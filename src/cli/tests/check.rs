//! `jobctl check`: no daemon, files alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;
use serde_json::Value;
use tempfile::TempDir;

use super::{Done, alone};
use crate::cli::Exit;
use crate::machine;
use crate::spec::{Controller, Feature, Machine};

const GOOD: &str = "command = ['true']\nschedule = '@daily'\n";
const FAULTY: &str = "comand = 'secret'\nschedule = '61 * * * *'\n";

/// A configuration, and beside it a jobs directory with these files.
fn files(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let jobs = directory.path().join("jobs.d");
    fs::create_dir(&jobs).unwrap();
    fs::set_permissions(&jobs, fs::Permissions::from_mode(0o755)).unwrap();
    let all = files.iter().map(|(name, text)| (jobs.join(name), *text));
    for (path, text) in all.chain([(directory.path().join("jobsd.toml"), "[defaults]\ntimeout = '1h'\n")]) {
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    directory
}

/// Checks with the configuration and the jobs directory of `directory`, which is `DIR` in what is written and read.
async fn check(directory: &TempDir, words: &str) -> Done {
    let place = directory.path().to_str().unwrap();
    let words = format!("check --config DIR/jobsd.toml --jobs-dir DIR/jobs.d {words}").replace("DIR", place);
    let done = alone(&words).await;
    Done { out: done.out.replace(place, "DIR"), talk: done.talk.replace(place, "DIR"), ..done }
}

#[tokio::test]
async fn every_fault_of_every_file_is_shown() {
    let directory = files(&[("good.toml", GOOD), ("bad.toml", FAULTY), ("Bad.toml", ""), ("bad.toml~", "x")]);
    let done = check(&directory, "").await;
    assert_eq!(done.exit, Exit::Failure);
    assert_snapshot!(format!("{}-- talk\n{}", done.out, done.talk));
    assert!(!done.out.contains("secret"), "the value of an unknown key may be one");
}

#[tokio::test]
async fn good_files_are_said_to_be_good() {
    let directory = files(&[("good.toml", GOOD)]);
    let done = check(&directory, "").await;
    assert_eq!((done.exit, done.out.as_str(), done.talk.as_str()), (Exit::Done, "", "2 files checked: good\n"));
    let done = check(&directory, "DIR/jobs.d/good.toml DIR/jobsd.toml").await;
    assert_eq!((done.exit, done.talk.as_str()), (Exit::Done, "2 files checked: good\n"));
}

#[tokio::test]
async fn what_this_machine_does_not_have_is_a_warning() {
    let text = "command = ['true']\nuser = 'rooot'\nworking_directory = '/no/such/place'\n";
    let directory = files(&[("good.toml", GOOD), ("typo.toml", text)]);
    let done = check(&directory, "").await;
    assert_eq!((done.exit, done.talk.as_str()), (Exit::Done, "3 files checked: good, 2 warnings\n"));
    assert_snapshot!(done.out);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("typo.toml"), text).unwrap();
    let path = elsewhere.path().display().to_string();
    let of_others = check(&directory, &path).await;
    assert_eq!((of_others.exit, of_others.out.as_str()), (Exit::Done, ""), "it may be for another machine");
    let asked = check(&directory, &format!("{path} --machine -o json")).await;
    let told: Value = serde_json::from_str(&asked.out).unwrap();
    let warning = &told[1]["warnings"][0];
    assert_eq!((asked.exit, &told[1]["ok"], &warning["line"]), (Exit::Done, &true.into(), &2.into()));
    assert_eq!(warning["hint"], "did you mean \"root\"?");
}

#[tokio::test]
async fn a_schedule_that_is_over_is_a_warning() {
    let line = "command = ['true']\nschedule = ";
    for (name, rule, over) in [
        ("past", "'0 0 1 1 * * 2020'", true),
        ("gone", "{ at = '2020-01-01T00:00' }", true),
        ("some", "{ at = ['2020-01-01T00:00', '2090-01-01T00:00'] }", false),
        ("boot", "'@reboot'", false),
        ("after", "{ after = '1h' }", false),
    ] {
        let directory = files(&[(&format!("{name}.toml"), &format!("{line}{rule}\n"))]);
        let done = check(&directory, "").await;
        assert_eq!(done.exit, Exit::Done, "{name}: {}", done.out);
        assert_eq!(done.out.contains("every time of this schedule has passed"), over, "{name}: {}", done.out);
        assert_eq!(done.out.contains(&format!("{name}.toml:2:12")), over, "{name}: {}", done.out);
    }
}

#[tokio::test]
async fn json_has_the_place_of_every_fault() {
    let directory = files(&[("bad.toml", FAULTY)]);
    let done = check(&directory, "DIR/jobs.d -o json").await;
    assert_eq!(done.exit, Exit::Failure);
    let checked: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&checked[0]["path"], &checked[0]["ok"]), (&"DIR/jobsd.toml".into(), &true.into()));
    let fault = &checked[1]["faults"][0];
    assert_eq!(checked[1]["path"], "DIR/jobs.d/bad.toml");
    assert_eq!((&fault["line"], &fault["column"], &fault["end_column"]), (&1.into(), &1.into(), &7.into()));
    assert_eq!(fault["hint"], "did you mean \"command\"?");
    let whole = checked[1]["faults"].as_array().unwrap().last().unwrap();
    assert_eq!((&whole["message"], &whole["line"]), (&"`command` is missing".into(), &Value::Null));
}

#[tokio::test]
async fn modes_count_in_the_daemons_directory_alone() {
    let directory = files(&[("loose.toml", GOOD)]);
    let loose = directory.path().join("jobs.d/loose.toml");
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o666)).unwrap();
    let done = check(&directory, "DIR/jobs.d/loose.toml").await;
    assert_eq!(done.exit, Exit::Failure);
    assert!(done.out.contains("everybody may write it"), "{}", done.out);
    fs::rename(loose, directory.path().join("draft.toml")).unwrap();
    let done = check(&directory, "DIR/draft.toml").await;
    assert_eq!(done.exit, Exit::Done, "{}", done.out);
}

#[tokio::test]
async fn a_faulty_configuration_is_told_as_a_file() {
    let directory = files(&[]);
    fs::write(directory.path().join("jobsd.toml"), "[defaults]\ntimeuot = '1h'\n").unwrap();
    let done = check(&directory, "").await;
    assert_eq!(done.exit, Exit::Failure);
    assert!(done.out.contains("unknown key \"timeuot\"") && done.out.contains("DIR/jobsd.toml:2"), "{}", done.out);
    let place = directory.path().to_str().unwrap();
    let by_name = alone(&format!("check {place}/jobsd.toml --jobs-dir {place}/jobs.d")).await;
    assert_eq!((by_name.exit, by_name.out.replace(place, "DIR")), (done.exit, done.out), "it is no job file");
}

#[tokio::test]
async fn what_is_not_there_is_not_good() {
    let directory = files(&[]);
    let done = check(&directory, "DIR/missing.toml").await;
    assert_eq!((done.exit, done.talk.as_str()), (Exit::NotFound, "error: there is no file DIR/missing.toml\n"));
    let named = check(&directory, "no-such-job").await;
    assert!(
        named.exit == Exit::NotFound
            && named.talk.contains("hint: ")
            && named.talk.contains("`jobctl show no-such-job`")
    );
    fs::remove_dir(directory.path().join("jobs.d")).unwrap();
    let done = check(&directory, "").await;
    assert_eq!(done.exit, Exit::NotFound);
    assert_snapshot!(done.talk);
    let done = check(&directory, "DIR/jobsd.toml~").await;
    assert_eq!(done.exit, Exit::NotFound);
}

/// Beside the files, a state directory in which a supervisor found that there is no memory controller.
fn without_memory_controller(directory: &TempDir) {
    let reason = "the memory controller is on the old hierarchy, cgroup v1".to_owned();
    let lacks = [(Feature::Controller(Controller::Memory), reason)].into();
    fs::create_dir(directory.path().join("state")).unwrap();
    machine::tell(&directory.path().join("state"), &Machine { lacks, ..Machine::default() }).unwrap();
}

const LIMITED: &str = "command = 'true'\nschedule = '@daily'\n[limits]\nmemory = '1GiB'\n";

#[tokio::test]
async fn what_the_supervisor_lacks_is_a_fault_of_the_daemons_files() {
    let eased = format!("{LIMITED}best_effort = true\n");
    let directory = files(&[("limited.toml", LIMITED), ("eased.toml", &eased)]);
    without_memory_controller(&directory);
    for words in
        ["--state-dir DIR/state", "--state-dir DIR/state DIR/jobs.d", "--state-dir DIR/state DIR/jobs.d/limited.toml"]
    {
        let done = check(&directory, words).await;
        assert_eq!(done.exit, Exit::Failure, "{words}");
        assert!(done.out.contains("`limits.memory` cannot be had") && done.out.contains("cgroup v1"), "{}", done.out);
        assert!(!done.out.contains("eased.toml"), "{}", done.out);
        assert!(done.talk.ends_with("checked: 1 faulty, 1 fault in all\n"), "{}", done.talk);
    }
}

#[tokio::test]
async fn other_files_are_held_against_the_machine_when_asked_for() {
    let directory = files(&[("good.toml", GOOD)]);
    without_memory_controller(&directory);
    fs::write(directory.path().join("draft.toml"), LIMITED).unwrap();
    let done = check(&directory, "--state-dir DIR/state DIR/draft.toml").await;
    assert_eq!(done.exit, Exit::Done, "{}", done.out);
    let done = check(&directory, "--state-dir DIR/state --machine DIR/draft.toml").await;
    assert_eq!(done.exit, Exit::Failure);
    assert!(done.out.contains("`limits.memory` cannot be had"), "{}", done.out);
}
