//! `kill -9` of a process that writes: nothing acknowledged is lost, and nothing is half there.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::sample::{at, finished, job, queued, source};
use super::{commit, open};
use crate::scheduler::Change;
use crate::store::{HistoryEntry, Options, Store};

/// Set for the child, to the directory that it is to write to.
const CHILD_DIR: &str = "JOBSD_TEST_STORE_WRITER";

/// Commits of the child: `a/n` finished and `b/n` live belong together, and every tenth commit has many more runs.
const LARGE: u64 = 400;

#[test]
fn acknowledged_commits_survive_kill_9() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        write_until_killed(dir.as_ref());
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut acknowledged = 0;
    for round in 0..12_u64 {
        // Points spread over small and large commits, journal and batches.
        let stop_after = acknowledged + 1 + round * 7 % 23;
        acknowledged = kill_after(dir.path(), stop_after).max(acknowledged);
        check(dir.path(), acknowledged);
    }
}

/// Runs a child until it has acknowledged a commit, kills it, and gives the newest commit that it told of.
fn kill_after(dir: &std::path::Path, stop_after: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "store::tests::kill::acknowledged_commits_survive_kill_9", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the child starts");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut newest = 0;
    let mut killed = false;
    for line in output.lines().map_while(Result::ok) {
        let Some(number) = line.strip_prefix("acknowledged ").and_then(|text| text.parse().ok()) else { continue };
        newest = number;
        if newest >= stop_after && !killed {
            child.kill().expect("SIGKILL");
            killed = true;
        }
    }
    let status = child.wait().expect("it ended");
    assert_eq!(status.signal(), Some(9), "it was killed and did not fail by itself: {status}");
    newest
}

fn check(dir: &std::path::Path, acknowledged: u64) {
    let opened = Store::open(dir, Options::at(at(1_000_000))).expect("the store opens");
    assert_eq!(opened.notes, []);
    let reader = opened.store.reader();
    let found = reader.count(&job("a")).expect("readable").runs;
    assert!(found >= acknowledged, "{found} commits found, {acknowledged} acknowledged");
    assert_eq!(opened.recovered.live.len() as u64, found, "both halves of a commit, or none");
    let newest = reader.history(&job("a"), None, 1).expect("readable");
    assert!(matches!(&newest[..], [HistoryEntry::Run(run)] if run.id.number == found));
    assert_eq!(reader.count(&job("large")).expect("readable").runs, found / 10 * LARGE, "large commits are whole");
}

fn write_until_killed(dir: &std::path::Path) -> ! {
    let opened = open(dir);
    let first = opened.store.reader().count(&job("a")).expect("readable").runs + 1;
    for number in first.. {
        let mut changes =
            vec![Change::Run(Box::new(finished("a", number))), Change::Run(Box::new(queued("b", number)))];
        if number == 1 {
            changes.push(Change::Source(queued("b", 1).revision, job("b"), Box::new(source("").1)));
        }
        if number % 10 == 0 {
            let runs = (number / 10 - 1) * LARGE + 1..=number / 10 * LARGE;
            changes.extend(runs.map(|number| Change::Run(Box::new(finished("large", number)))));
        }
        commit(&opened.store, changes).expect("durable");
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "acknowledged {number}").and_then(|()| stdout.flush()).expect("the parent listens");
    }
    unreachable!("it is killed before")
}
