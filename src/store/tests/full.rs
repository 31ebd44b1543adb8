//! A disk that is really full, as the kernel says it: by a file size limit, which needs no privilege.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};

use super::sample::{finished, job};
use super::{PATIENCE, open, wait_until};
use crate::scheduler::Change;
use crate::store::WriteState;

/// Set for the child, to the directory that it is to fill.
const CHILD_DIR: &str = "JOBSD_TEST_STORE_FILLER";

/// The limit is the process's, so the test runs in one of its own.
#[test]
fn a_full_disk_delays_commits_until_there_is_room() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        return fill_and_free(dir.as_ref());
    }
    let dir = tempfile::tempdir().expect("a directory");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "store::tests::full::a_full_disk_delays_commits_until_there_is_room", "--nocapture"])
        .env(CHILD_DIR, dir.path())
        .output()
        .expect("the child starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let (_, told) = stdout.split_once("commits: ").expect("the child ran the test");
    let commits: u64 = told.split('.').next().unwrap_or_default().parse().expect("a number");
    assert_eq!(open(dir.path()).store.reader().count(&job("a")).expect("readable").runs, commits);
}

/// Times that the disk is full and has room again.
const ROUNDS: u64 = 3;

/// Commits that wait while it is full.
const WAITING: u64 = 100;

/// Room in each round; sled takes it by segments of 512 KiB.
const ROOM_BYTES: u64 = 2 * 512 * 1024;

fn fill_and_free(dir: &Path) {
    // SAFETY: no handler of ours runs; without SIGXFSZ the write fails with EFBIG (setrlimit(2)).
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.expect("the signal can be ignored");
    let (_, unlimited) = getrlimit(Resource::RLIMIT_FSIZE).expect("a limit");
    let store = open(dir).store;
    let health = store.health();
    let (sender, receiver) = mpsc::channel();
    let mut number = 0;
    let mut submit = || {
        number += 1;
        let sender = sender.clone();
        let done = Box::new(move |result| sender.send(result).expect("the test waits"));
        store.commit(vec![Change::Run(Box::new(finished("a", number)))], done);
    };
    let mut waiting = 0;
    for round in 0..ROUNDS {
        let size = fs::metadata(dir.join("db/db")).expect("the file").len();
        setrlimit(Resource::RLIMIT_FSIZE, size + ROOM_BYTES, unlimited).expect("a lower limit");
        // One commit at a time until one gets no answer. Opening the database again, and giving up the reserve, may make
        // room for a few more on the way.
        let is_full = || matches!(health.state(), WriteState::Failing { disk_full: true, .. });
        while !is_full() {
            submit();
            waiting += 1;
            wait_until("an answer or a failure", || {
                if receiver.recv_timeout(Duration::from_millis(5)).is_ok_and(|result| result == Ok(())) {
                    waiting -= 1;
                }
                waiting == 0 || is_full()
            });
        }
        for _ in 0..WAITING {
            submit();
            waiting += 1;
        }
        assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Empty), "nothing is acknowledged in round {round}");
        setrlimit(Resource::RLIMIT_FSIZE, unlimited, unlimited).expect("the limit of before");
        while waiting > 0 {
            assert_eq!(receiver.recv_timeout(PATIENCE), Ok(Ok(())), "{waiting} in round {round}");
            waiting -= 1;
        }
        assert_eq!(health.state(), WriteState::Writing);
    }
    println!("commits: {number}.");
}
