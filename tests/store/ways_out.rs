//! Backups, exports, compaction, and the ways back in: everything comes out as it went in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jobsd::scheduler::Change;
use jobsd::store::{self, BACKUPS_KEPT, HistoryEntry, Note, OfflineError, Store, Upkeep, UpkeepError};
use proptest::prelude::*;

use crate::kit::{at, commit, finished, job, open, options, running, skip, source, state, upkeep};

/// All that a reader sees of some jobs.
fn content(store: &Store, jobs: &[&str]) -> Vec<Vec<HistoryEntry>> {
    jobs.iter().map(|name| store.reader().history(&job(name), None, usize::MAX).expect("readable")).collect()
}

/// Changes that make a small state of any content.
fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    let one = (0..3_usize, 1..40_u64, any::<u8>(), 1..5_u32, 0..20_000_usize);
    let changes = |(which, number, exit_code, index, text): (usize, u64, u8, u32, usize)| {
        let name = ["a", "b.c", "d-e"][which];
        let (revision, text) = source(name, text);
        let live = running(name, number, &revision);
        let run = if exit_code % 3 == 0 { live } else { finished(&live, exit_code) };
        vec![
            Change::Source(revision.clone(), job(name), Box::new(text)),
            Change::Job(job(name), Box::new(state(40, Some(revision)))),
            Change::Run(Box::new(run)),
            Change::Skip(skip(name, number, index)),
        ]
    };
    prop::collection::vec(one.prop_map(changes), 1..12).prop_map(|all| all.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_is_imported(changes in any_changes()) {
        let scratch = tempfile::tempdir().expect("a directory");
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        let file = scratch.path().join("export.jsonl");
        let opened = open(&from);
        commit(&opened.store, changes);
        upkeep(&opened.store, Upkeep::Export { path: file.clone(), now: at(1) }).expect("exported");
        let before = content(&opened.store, &["a", "b.c", "d-e"]);
        opened.store.close();
        let recovered = open(&from).recovered;

        store::import(&to, &file, &options()).expect("imported");
        let opened = open(&to);
        prop_assert_eq!(&opened.notes, &[]);
        prop_assert_eq!(content(&opened.store, &["a", "b.c", "d-e"]), before);
        prop_assert_eq!(opened.recovered.jobs, recovered.jobs);
        prop_assert_eq!(opened.recovered.live, recovered.live);
        prop_assert_eq!(opened.recovered.sources, recovered.sources);
        // And out again: the same lines but for the counter of commits in the head and in each record.
        let again = scratch.path().join("again.jsonl");
        upkeep(&opened.store, Upkeep::Export { path: again.clone(), now: at(1) }).expect("exported");
        prop_assert_eq!(records(&again), records(&file));
    }
}

/// The records of an export.
fn records(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).expect("readable");
    let values = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    values.filter_map(|value| value.get("record").cloned()).collect()
}

fn with_runs(dir: &Path, count: u64) -> Store {
    let store = open(dir).store;
    let (revision, text) = source("a", 100);
    let mut changes = vec![Change::Source(revision.clone(), job("a"), Box::new(text))];
    changes.push(Change::Job(job("a"), Box::new(state(count, Some(revision.clone())))));
    changes.extend((1..=count).map(|number| Change::Run(Box::new(finished(&running("a", number, &revision), 0)))));
    commit(&store, changes);
    store
}

#[test]
fn an_import_replaces_nothing_and_takes_nothing_broken() {
    let scratch = tempfile::tempdir().expect("a directory");
    let (dir, file) = (scratch.path().join("state"), scratch.path().join("export.jsonl"));
    let store = with_runs(&dir, 3);
    upkeep(&store, Upkeep::Export { path: file.clone(), now: at(1) }).expect("exported");
    let again = upkeep(&store, Upkeep::Export { path: file.clone(), now: at(1) });
    assert!(matches!(again, Err(UpkeepError::Export { .. })), "a file that is there stays as it is: {again:?}");
    store.close();
    let fault = store::import(&dir, &file, &options()).expect_err("there is a state");
    assert!(matches!(fault, OfflineError::NotEmpty(_)), "{fault}");
    let text = fs::read_to_string(&file).expect("readable");
    let lines: Vec<&str> = text.lines().collect();
    for (what, broken) in [
        ("cut off", text[..text.len() / 2].to_owned()),
        ("without its end", lines[..lines.len() - 1].join("\n") + "\n"),
        ("a line less", [&lines[..1], &lines[2..]].concat().join("\n") + "\n"),
        ("changed", text.replacen("\"a\"", "\"b\"", 1)),
        ("something else", "root:x:0:0::/root:/bin/sh\n".to_owned()),
        ("empty", String::new()),
    ] {
        let path = scratch.path().join("broken.jsonl");
        fs::write(&path, broken).expect("written");
        let fault = store::import(&scratch.path().join("new"), &path, &options()).expect_err(what);
        assert!(matches!(fault, OfflineError::Import { .. }), "{what}: {fault}");
        assert!(!scratch.path().join("new/db").exists(), "{what}: nothing is begun");
    }
}

#[test]
fn backups_are_daily_and_few() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path().join("state");
    let store = with_runs(&dir, 3);
    let (revision, _) = source("a", 100);
    let backups = || fs::read_dir(dir.join("backups")).map_or(0, Iterator::count);
    let routine = |seconds| upkeep(&store, Upkeep::Routine { now: at(seconds) }).expect("done").written.is_some();
    const HOUR: u64 = 3600;
    assert!(routine(0), "there is none yet");
    assert!(!routine(30 * HOUR), "nothing was committed since");
    for day in 1..8 {
        commit(&store, vec![Change::Run(Box::new(running("a", 100 + day, &revision)))]);
        let last = (day - 1) * 24 * HOUR;
        assert!(!routine(last + 23 * HOUR), "day {day}: the newest is younger than a day");
        assert!(routine(last + 24 * HOUR), "day {day}");
        assert!(backups() <= BACKUPS_KEPT, "{} are kept", backups());
    }
    assert_eq!(backups(), BACKUPS_KEPT);
}

#[test]
fn compaction_makes_the_file_small_and_loses_nothing() {
    let scratch = tempfile::tempdir().expect("a directory");
    let store = with_runs(scratch.path(), 3_000);
    let forget = (1..=2_900).map(|number| Change::ForgetRun(jobsd::run::RunId { job: job("a"), number })).collect();
    commit(&store, forget);
    let before = content(&store, &["a"]);
    assert_eq!(before[0].len(), 100);
    let sizes = upkeep(&store, Upkeep::Compact).expect("compacted").compacted.expect("with sizes");
    assert!(sizes.after_bytes * 2 < sizes.before_bytes, "{sizes:?}");
    assert_eq!(content(&store, &["a"]), before, "readers go on");
    let (revision, _) = source("a", 100);
    commit(&store, vec![Change::Run(Box::new(running("a", 5_000, &revision)))]);
    store.close();
    let opened = open(scratch.path());
    assert_eq!(opened.notes, []);
    assert_eq!(content(&opened.store, &["a"])[0].len(), 101);
}

fn jobsd(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jobsd"))
        .args(["state", "--state-dir"])
        .arg(dir)
        .args(arguments)
        .env("HOME", dir)
        .output()
        .expect("jobsd runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// A state with a backup, a few runs after it, and the directory of a run that no record tells of.
fn backed_up(scratch: &Path) -> PathBuf {
    let dir = scratch.join("state");
    let store = with_runs(&dir, 5);
    upkeep(&store, Upkeep::Backup { now: at(500) }).expect("a backup");
    let (revision, _) = source("a", 100);
    for number in 6..=8 {
        let run = Change::Run(Box::new(finished(&running("a", number, &revision), 0)));
        commit(&store, vec![run, Change::Job(job("a"), Box::new(state(number, Some(revision.clone()))))]);
        fs::create_dir_all(dir.join(format!("runs/a/{number}"))).expect("created");
    }
    store.close();
    dir
}

#[test]
fn verify_tells_whole_from_damaged_and_changes_nothing() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = backed_up(scratch.path());
    let output = jobsd(&dir, &["verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("8 runs"), "{}", told(&output));
    let file = dir.join("db/db");
    let mut bytes = fs::read(&file).expect("readable");
    let place = bytes.windows(4).rposition(|window| window == b"JOBR").expect("a record") + 40;
    bytes[place] ^= 1;
    fs::write(&file, &bytes).expect("written");
    let output = jobsd(&dir, &["verify"]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(told(&output).contains("damaged"), "{}", told(&output));
    assert_eq!(fs::read(&file).expect("readable"), bytes, "it is as it was");
    assert!(!dir.join("db.check").exists(), "the copy is gone");
}

#[test]
fn restore_goes_back_and_uses_no_number_twice() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = backed_up(scratch.path());
    let output = jobsd(&dir, &["restore"]);
    assert!(output.status.success(), "{}", told(&output));
    let opened = open(&dir);
    assert!(opened.notes.iter().all(|note| matches!(note, Note::Earlier { .. })), "{:?}", opened.notes);
    let (_, state) = &opened.recovered.jobs[0];
    assert_eq!(state.last_number, 8, "the directories of 6 to 8 are there");
    let history = &content(&opened.store, &["a"])[0];
    let runs = history.iter().filter(|entry| matches!(entry, HistoryEntry::Run(_))).count();
    assert_eq!((runs, history.len()), (5, 6), "what the backup had, and one record of what is not known");
    assert!(dir.join("aside").read_dir().expect("there").next().is_some(), "the state of before is kept");
}

#[test]
fn salvage_finds_what_came_after_the_backup() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = backed_up(scratch.path());
    let output = jobsd(&dir, &["salvage"]);
    assert!(output.status.success(), "{}", told(&output));
    let history = &content(&open(&dir).store, &["a"])[0];
    let runs = history.iter().filter(|entry| matches!(entry, HistoryEntry::Run(_))).count();
    assert_eq!(runs, 8);
}

#[test]
fn offline_work_keeps_away_from_a_running_daemon() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = backed_up(scratch.path());
    let store = open(&dir).store;
    for verb in ["verify", "restore", "salvage"] {
        let output = jobsd(&dir, &[verb]);
        assert_eq!(output.status.code(), Some(1), "{verb}: {}", told(&output));
        assert!(told(&output).contains("another jobsd"), "{verb}: {}", told(&output));
        assert!(told(&output).contains("hint: "), "{verb}: {}", told(&output));
    }
    assert_eq!(content(&store, &["a"])[0].len(), 8);
}

#[test]
fn an_offline_export_moves_a_state() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = backed_up(scratch.path());
    let file = scratch.path().join("export.jsonl");
    let output = jobsd(&dir, &["export", file.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", told(&output));
    let new = scratch.path().join("new");
    let output = jobsd(&new, &["import", file.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", told(&output));
    let (there, here) = (open(&new), open(&dir));
    assert_eq!(content(&there.store, &["a"]), content(&here.store, &["a"]));
    assert_eq!(there.recovered.jobs, here.recovered.jobs);
}

/// An export of version 1 as it was written once. The file never changes.
#[test]
fn an_export_of_version_1_is_imported_for_ever() {
    let scratch = tempfile::tempdir().expect("a directory");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/data/export-v1.jsonl");
    let summary = store::import(scratch.path(), &file, &options()).expect("imported");
    assert_eq!((summary.records, summary.sequence), (2, 7));
    let opened = open(scratch.path());
    let again = scratch.path().join("again.jsonl");
    upkeep(&opened.store, Upkeep::Export { path: again.clone(), now: at(1) }).expect("exported");
    // A reader takes records in any order; they are written in that of their keys.
    let sorted = |path: &Path| {
        let mut texts: Vec<String> = records(path).iter().map(ToString::to_string).collect();
        texts.sort_unstable();
        texts
    };
    assert_eq!(sorted(&again), sorted(&file));
}
