//! Commits: durable, atomic, in order, and tried until they succeed.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use super::sample::{at, finished, job, queued, run_id, skip, source, state};
use super::{PATIENCE, commit, open, wait_until};
use crate::run::{Run, RunState};
use crate::scheduler::Change;
use crate::spec::Source;
use crate::store::{CommitError, Faults, HistoryEntry, OpenError, Options, Step, Store, WriteState};

fn run(run: Run) -> Change {
    Change::Run(Box::new(run))
}

fn job_state(name: &str, last_number: u64) -> Change {
    Change::Job(job(name), Box::new(state(last_number)))
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (revision, text) = source("command = [\"true\"]");
    let mut with_source = state(2);
    with_source.revision = Some(revision.clone());
    let live = Run { revision: revision.clone(), ..queued("a", 2) };

    let opened = open(dir.path());
    assert!(opened.recovered.jobs.is_empty());
    let changes = vec![
        Change::Source(revision.clone(), job("a"), Box::new(text.clone())),
        Change::Job(job("a"), Box::new(with_source.clone())),
        run(finished("a", 1)),
        run(live.clone()),
    ];
    commit(&opened.store, changes).expect("durable");
    opened.store.close();

    let opened = open(dir.path());
    assert_eq!(opened.recovered.jobs, [(job("a"), with_source)]);
    assert_eq!(opened.recovered.live, [live]);
    assert_eq!(opened.recovered.sources, [(revision.clone(), job("a"), text.clone())]);
    let reader = opened.store.reader();
    assert_eq!(reader.run(&run_id("a", 1)).expect("readable"), Some(finished("a", 1)));
    assert_eq!(reader.run(&run_id("a", 3)).expect("readable"), None);
    assert_eq!(reader.source(&revision).expect("readable"), Some(text));
}

#[test]
fn one_text_of_two_jobs_is_recovered_for_both() {
    let dir = tempfile::tempdir().expect("a directory");
    let (revision, text) = source("command = [\"true\"]");
    let mut with_source = state(0);
    with_source.revision = Some(revision.clone());
    let opened = open(dir.path());
    for name in ["a", "b"] {
        let text = Change::Source(revision.clone(), job(name), Box::new(text.clone()));
        commit(&opened.store, vec![text, Change::Job(job(name), Box::new(with_source.clone()))]).expect("durable");
    }
    opened.store.close();
    let opened = open(dir.path());
    let expected = ["a", "b"].map(|name| (revision.clone(), job(name), text.clone()));
    assert_eq!(opened.recovered.sources, expected);
    // What one lets go the other keeps.
    commit(&opened.store, vec![Change::ForgetSource(revision.clone(), job("a"))]).expect("durable");
    assert_eq!(opened.store.reader().source(&revision).expect("readable"), Some(text));
}

#[test]
fn a_run_leaves_the_live_ones_when_it_ends() {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path());
    commit(&opened.store, vec![job_state("a", 1), run(queued("a", 1))]).expect("durable");
    let running = RunState::Running { attempt: 1, pid: 7, started_at: at(1) };
    commit(&opened.store, vec![run(Run { state: running, ..queued("a", 1) })]).expect("durable");
    commit(&opened.store, vec![run(finished("a", 1))]).expect("durable");
    assert_eq!(opened.store.reader().recent(None, 10).expect("readable"), [HistoryEntry::Run(finished("a", 1))]);
    opened.store.close();
    assert_eq!(open_ignoring_sources(dir.path()), []);
}

/// The live runs of a store whose jobs name a revision that was never stored.
fn open_ignoring_sources(dir: &std::path::Path) -> Vec<Run> {
    Store::open(dir, Options::at(at(1_000_000))).expect("the store opens").recovered.live
}

#[test]
fn forgetting_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path());
    let (revision, text) = source(&"x".repeat(100_000));
    let changes = vec![
        Change::Source(revision.clone(), job("a"), Box::new(text)),
        run(finished("a", 1)),
        run(queued("a", 2)),
        Change::Skip(skip("a", 2, 1, 50)),
    ];
    commit(&opened.store, changes).expect("durable");
    let forget = vec![
        Change::ForgetSource(revision, job("a")),
        Change::ForgetRun(run_id("a", 1)),
        Change::ForgetRun(run_id("a", 2)),
        Change::ForgetSkip(job("a"), skip("a", 2, 1, 50).key),
    ];
    commit(&opened.store, forget).expect("durable");
    let keys = opened.store.reader().read(|database| Ok(database.all().count())).expect("readable");
    assert_eq!(keys, 1, "the store's own record is left");
}

#[test]
fn a_record_that_shrinks_leaves_no_parts_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path());
    let (revision, _) = source("any");
    for size in [1 << 20, 10, 5000, 4096, 0] {
        let text = Source { text: "y".repeat(size), defaults: String::new() };
        let change = Change::Source(revision.clone(), job("a"), Box::new(text.clone()));
        commit(&opened.store, vec![change]).expect("durable");
        assert_eq!(opened.store.reader().source(&revision).expect("readable"), Some(text));
    }
    let keys = opened.store.reader().read(|database| Ok(database.all().count())).expect("readable");
    assert_eq!(keys, 2, "the source and the store's own record are left");
    opened.store.close();
    open(dir.path());
}

#[test]
fn later_changes_of_one_commit_replace_earlier_ones() {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path());
    let changes =
        vec![run(queued("a", 1)), run(finished("a", 1)), Change::ForgetRun(run_id("a", 1)), run(finished("a", 1))];
    commit(&opened.store, changes).expect("durable");
    assert_eq!(opened.store.reader().recent(None, 10).expect("readable"), [HistoryEntry::Run(finished("a", 1))]);
    opened.store.close();
    assert_eq!(open(dir.path()).recovered.live, []);
}

#[test]
fn a_commit_of_any_size_is_one_commit() {
    const JOBS: u64 = 2_000;
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path());
    let (revision, text) = source("command = [\"true\"]");
    let mut changes = vec![Change::Source(revision, job("a"), Box::new(text))];
    for number in 0..JOBS {
        let mut state = state(number);
        state.revision = None;
        changes.push(Change::Job(job(&format!("job-{number}")), Box::new(state)));
    }
    commit(&opened.store, changes).expect("durable");
    assert!(!dir.path().join("journal").exists(), "the journal is done with");
    opened.store.close();
    assert_eq!(open(dir.path()).recovered.jobs.len() as u64, JOBS);
}

#[test]
fn a_large_commit_that_was_cut_off_is_completed() {
    const RUNS: u64 = 500;
    // Fails at the third batch, and from then on: the daemon is killed in this state.
    let applied = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&applied);
    let faults = Faults::new(move |step| match step {
        Step::Apply if count.fetch_add(1, Ordering::Relaxed) >= 3 => Err(io::ErrorKind::StorageFull.into()),
        Step::Open | Step::Journal | Step::Apply | Step::Flush | Step::Sync => Ok(()),
    });
    let dir = tempfile::tempdir().expect("a directory");
    let opened = Store::open(dir.path(), Options { faults, ..Options::at(at(1_000_000)) }).expect("the store opens");
    let (sender, receiver) = mpsc::channel();
    let changes = (1..=RUNS).map(|number| run(finished("a", number))).collect();
    opened.store.commit(changes, Box::new(move |result| sender.send(result).expect("the test waits")));
    let health = opened.store.health();
    wait_until("the commit fails", || matches!(health.state(), WriteState::Failing { disk_full: true, .. }));
    opened.store.close();
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(Err(CommitError::Closed)), "it was not acknowledged");
    assert!(applied.load(Ordering::Relaxed) > 3);

    let reader = open(dir.path()).store.reader();
    drop(reader);
    let opened = open(dir.path());
    let count = opened.store.reader().count(&job("a")).expect("readable");
    assert_eq!(count.runs, RUNS, "all of it, since its journal was whole");
}

#[test]
fn a_failing_disk_delays_commits_and_loses_none() {
    for failing in [Step::Apply, Step::Flush, Step::Sync, Step::Journal] {
        let broken = Arc::new(AtomicBool::new(false));
        let hook = Arc::clone(&broken);
        let faults = Faults::new(move |step| {
            let fails = hook.load(Ordering::SeqCst) && step == failing;
            if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        });
        let dir = tempfile::tempdir().expect("a directory");
        let opened =
            Store::open(dir.path(), Options { faults, ..Options::at(at(1_000_000)) }).expect("the store opens");
        commit(&opened.store, vec![run(finished("a", 1))]).expect("durable");

        broken.store(true, Ordering::SeqCst);
        let (sender, receiver) = mpsc::channel();
        for number in 2..=400 {
            let sender = sender.clone();
            let done = Box::new(move |result| sender.send((number, result)).expect("the test waits"));
            opened.store.commit(vec![run(finished("a", number))], done);
        }
        let large = (1..=400).map(|number| run(finished("b", number))).collect();
        opened.store.commit(large, Box::new(move |result| sender.send((401, result)).expect("the test waits")));
        let health = opened.store.health();
        wait_until("the failure shows", || matches!(health.state(), WriteState::Failing { disk_full: true, .. }));
        assert!(!health.state().may_start_runs());

        broken.store(false, Ordering::SeqCst);
        for number in 2..=401 {
            assert_eq!(receiver.recv_timeout(PATIENCE), Ok((number, Ok(()))), "in order, after {failing:?}");
        }
        wait_until("the recovery shows", || health.state() == WriteState::Writing);
        opened.store.close();
        let reader = open(dir.path()).store.reader();
        assert!(reader.run(&run_id("a", 1)).is_err(), "the store was closed");
        let reader_of = open(dir.path());
        assert_eq!(reader_of.store.reader().count(&job("a")).expect("readable").runs, 400);
        assert_eq!(reader_of.store.reader().count(&job("b")).expect("readable").runs, 400);
    }
}

#[test]
fn a_closed_store_refuses() {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path());
    let (health, reader) = (opened.store.health(), opened.store.reader());
    opened.store.close();
    assert_eq!(health.state(), WriteState::Closed);
    assert!(reader.recent(None, 1).is_err());
}

#[test]
fn a_full_queue_refuses_at_once() {
    let faults = Faults::new(|step| match step {
        Step::Sync => Err(io::ErrorKind::StorageFull.into()),
        Step::Open | Step::Journal | Step::Apply | Step::Flush => Ok(()),
    });
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path()).store.close();
    let opened = Store::open(dir.path(), Options { faults, ..Options::at(at(1_000_000)) }).expect("the store opens");
    let (sender, receiver) = mpsc::channel();
    for _ in 0..2 * crate::store::writer::QUEUE_LIMIT {
        let sender = sender.clone();
        let done = Box::new(move |result| sender.send(result).expect("the test waits"));
        opened.store.commit(vec![run(queued("a", 1))], done);
    }
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(Err(CommitError::Busy)));
    opened.store.close();
    drop(sender);
    assert!(receiver.iter().any(|result| result == Err(CommitError::Closed)));
}

#[test]
fn a_second_daemon_is_told_whose_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = open(dir.path());
    let Err(fault) = Store::open(dir.path(), Options::at(at(1_000_000))) else { panic!("two stores on one directory") };
    assert!(matches!(fault, OpenError::InUse { pid, .. } if pid == Some(std::process::id())));
    assert!(fault.to_string().starts_with("another jobsd"), "{fault}");
    drop(first);
    open(dir.path());
}
