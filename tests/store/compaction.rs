//! Compaction by itself, and `kill -9` in the middle of one: it loses nothing that was acknowledged.

use std::fs;
use std::path::Path;

use jobsd::run::RunId;
use jobsd::scheduler::Change;
use jobsd::store::{Options, Store, Upkeep};

use crate::kit::{Chance, at, commit, finished, job, options, running, source, state, upkeep};
use crate::power::newest;
use crate::writer::{Writer, is_writer, write_until_killed};

/// From here on a database that is mostly holes is compacted, in these tests.
const FROM_BYTES: u64 = 1 << 20;

/// What a compacted database may be larger than by what it holds: sled takes whole segments of half a MiB.
const SLACK_BYTES: u64 = 2 << 20;

/// Runs that stay.
const KEPT: u64 = 20;

fn bytes_in(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).expect("readable").map(|entry| entry.expect("an entry"));
    entries
        .map(
            |entry| {
                if entry.path().is_dir() { bytes_in(&entry.path()) } else { entry.metadata().expect("there").len() }
            },
        )
        .sum()
}

#[test]
fn a_database_of_mostly_holes_is_compacted_by_itself() {
    let scratch = tempfile::tempdir().expect("a directory");
    let own = Options { compact_from_bytes: FROM_BYTES, ..options() };
    let store = Store::open(scratch.path(), own).expect("it opens").store;
    let (revision, text) = source("a", 100);
    commit(&store, vec![Change::Source(revision.clone(), job("a"), Box::new(text))]);
    let mut compacted = Vec::new();
    for number in 1..=4_000 {
        let run = finished(&running("a", number, &revision), 0);
        let mut changes =
            vec![Change::Job(job("a"), Box::new(state(number, Some(revision.clone())))), Change::Run(Box::new(run))];
        if number > KEPT {
            changes.push(Change::ForgetRun(RunId { job: job("a"), number: number - KEPT }));
        }
        commit(&store, changes);
        if number % 200 == 0 {
            let done = upkeep(&store, Upkeep::Routine { now: at(number) }).expect("done");
            compacted.extend(done.compacted);
            let bytes = bytes_in(&scratch.path().join("db"));
            assert!(bytes <= FROM_BYTES.max(SLACK_BYTES), "{bytes} bytes after the routine at {number}");
        }
    }
    println!("{compacted:?}");
    assert!(!compacted.is_empty(), "it never was compacted");
    for sizes in compacted {
        assert!(sizes.before_bytes >= FROM_BYTES, "too small to be worth it: {sizes:?}");
        assert!(sizes.after_bytes < sizes.before_bytes, "{sizes:?}");
    }
    let full = state(4_000, Some(revision.clone()));
    store.close();
    assert_eq!(newest(scratch.path()), full.last_number);
}

#[test]
fn a_database_without_holes_is_left_alone() {
    let scratch = tempfile::tempdir().expect("a directory");
    let own = Options { compact_from_bytes: FROM_BYTES, ..options() };
    let store = Store::open(scratch.path(), own).expect("it opens").store;
    let (revision, text) = source("a", 100);
    let mut changes = vec![Change::Source(revision.clone(), job("a"), Box::new(text))];
    changes.push(Change::Job(job("a"), Box::new(state(8_000, Some(revision.clone())))));
    changes.extend((1..=8_000).map(|number| Change::Run(Box::new(finished(&running("a", number, &revision), 0)))));
    commit(&store, changes);
    assert!(bytes_in(&scratch.path().join("db")) > FROM_BYTES);
    let done = upkeep(&store, Upkeep::Routine { now: at(1) }).expect("done");
    assert_eq!(done.compacted, None);
}

/// How often the writer is killed.
fn kills() -> u64 {
    std::env::var("JOBSD_TEST_KILLS").map_or(20, |count| count.parse().expect("JOBSD_TEST_KILLS is a number"))
}

#[test]
fn kill_9_during_compaction_loses_nothing() {
    if let Some(dir) = is_writer() {
        return write_until_killed(&dir);
    }
    let scratch = tempfile::tempdir().expect("a directory");
    let mut chance = Chance(5);
    let (mut last, mut amid) = (0, 0);
    for round in 0..kills() {
        let mut writer = Writer::start(scratch.path(), "compaction::kill_9_during_compaction_loses_nothing", true);
        writer.wait_until("a compaction to begin", |writer| writer.compactions().0 > round % 3);
        // Any moment of it will do.
        std::thread::sleep(std::time::Duration::from_micros(chance.below(30_000)));
        let (begun, ended) = writer.compactions();
        last = writer.acknowledged().max(last);
        drop(writer);
        amid += u64::from(begun > ended);
        let found = newest(scratch.path());
        assert!(found >= last, "round {round}: {last} commits were acknowledged, {found} are there");
    }
    println!("{amid} of {} kills during a compaction, {last} commits", kills());
    assert!(amid > 0, "no kill came during a compaction");
}
