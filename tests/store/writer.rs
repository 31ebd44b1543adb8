//! [`Writer`]: a process that commits, tells of each commit that was acknowledged, and may compact its database all the while.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jobsd::run::RunId;
use jobsd::scheduler::Change;
use jobsd::store::{Store, Upkeep};

use crate::kit::{PATIENCE, commit, finished, job, open, running, source, state};

/// Set for the process that writes, to its state directory.
const DIR: &str = "JOBSD_TEST_WRITER";

/// Set for it when it is to compact, too.
const COMPACTS: &str = "JOBSD_TEST_WRITER_COMPACTS";

/// Commits between two compactions.
const COMPACT_EVERY: u64 = 5;

/// What this process is to be, when it is one that writes. To be asked by a test before anything else.
pub fn is_writer() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

/// What it told.
#[derive(Default)]
struct Told {
    acknowledged: AtomicU64,
    begun: AtomicU64,
    ended: AtomicU64,
}

/// The process, until it is killed.
pub struct Writer {
    process: Child,
    told: Arc<Told>,
}

impl Writer {
    /// Starts it; `test` is the test that calls [`write_until_killed`] in it.
    pub fn start(dir: &Path, test: &str, compacts: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", test, "--nocapture"]).env(DIR, dir).stdout(Stdio::piped());
        if compacts {
            command.env(COMPACTS, "1");
        }
        let mut process = command.spawn().expect("it starts");
        let told = Arc::new(Told::default());
        let (lines, telling) = (BufReader::new(process.stdout.take().expect("a pipe")), Arc::clone(&told));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some(number) = line.strip_prefix("acknowledged ").and_then(|text| text.parse().ok()) {
                    telling.acknowledged.store(number, Ordering::SeqCst);
                } else if line == "compacting" {
                    telling.begun.fetch_add(1, Ordering::SeqCst);
                } else if line == "compacted" {
                    telling.ended.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { process, told }
    }

    /// The newest commit that it told of.
    pub fn acknowledged(&self) -> u64 {
        self.told.acknowledged.load(Ordering::SeqCst)
    }

    /// Compactions that it began, and those of them that it ended.
    pub fn compactions(&self) -> (u64, u64) {
        let ended = self.told.ended.load(Ordering::SeqCst);
        (self.told.begun.load(Ordering::SeqCst), ended)
    }

    /// Waits until it has told of a commit.
    pub fn wait_for(&mut self, number: u64) {
        self.wait_until(&format!("commit {number} to be acknowledged"), |writer| writer.acknowledged() >= number);
    }

    /// Waits until it is so.
    pub fn wait_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        const LOOK: Duration = Duration::from_millis(1);
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            if is_so(self) {
                return;
            }
            assert!(self.process.try_wait().expect("it is ours").is_none(), "the writer ended by itself");
            std::thread::sleep(LOOK);
        }
        panic!("waited in vain for {what}");
    }
}

impl Drop for Writer {
    /// SIGKILL.
    fn drop(&mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it is ours");
    }
}

/// Runs kept in the history: so the disk is never full, and there are holes to be compacted.
const KEPT: u64 = 50;

/// What the process does. Goes on where the state ends.
pub fn write_until_killed(dir: &Path) {
    let opened = open(dir);
    let (store, compacts) = (opened.store, std::env::var_os(COMPACTS).is_some());
    let known = opened.recovered.jobs.iter().find(|(name, _)| *name == job("a"));
    let first = known.map_or(0, |(_, state)| state.last_number) + 1;
    let (revision, text) = source("a", 100);
    commit(&store, vec![Change::Source(revision.clone(), job("a"), Box::new(text))]);
    for number in first.. {
        let run = finished(&running("a", number, &revision), 0);
        let job_state = Change::Job(job("a"), Box::new(state(number, Some(revision.clone()))));
        let mut changes = vec![job_state, Change::Run(Box::new(run))];
        if number > KEPT {
            changes.push(Change::ForgetRun(RunId { job: job("a"), number: number - KEPT }));
        }
        commit(&store, changes);
        say(&format!("acknowledged {number}"));
        if compacts && number % COMPACT_EVERY == 0 {
            compact(&store);
        }
    }
}

/// Has it compacted, and does not wait.
fn compact(store: &Store) {
    say("compacting");
    let done = |done: Result<_, _>| {
        done.expect("compacted");
        say("compacted");
    };
    store.caretaker().ask(Upkeep::Compact, Box::new(done));
}

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).expect("the parent listens");
}
