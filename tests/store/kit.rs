//! What every test of the state needs: a state directory, records, and a source of chance that a seed repeats.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use jobsd::clock::{BootId, Timestamp};
use jobsd::run::*;
use jobsd::scheduler::{Change, JobState, Totals, Watch};
use jobsd::spec::{JobName, Revision, Source};
use jobsd::store::{Inspector, Opened, Options, Store, Upkeep, UpkeepError, UpkeepOutcome};

/// No wait in a test is longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// SplitMix64: enough chance for tests, and the same on every machine.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

pub fn job(name: &str) -> JobName {
    JobName::new(name).expect("a good name")
}

/// So many seconds after the beginning of 2026.
pub fn at(seconds: u64) -> Timestamp {
    DateTime::from_timestamp(1_767_225_600, 0).expect("in range") + TimeDelta::seconds(seconds.cast_signed())
}

/// The options of a daemon, the look of a process of its own at doubtful databases included.
pub fn options() -> Options {
    let inspector =
        Inspector { program: env!("CARGO_BIN_EXE_jobsd").into(), arguments: vec!["state".into(), "inspect".into()] };
    Options { inspector: Some(inspector), reserve_bytes: 0, ..Options::at(at(1_000_000)) }
}

pub fn open(dir: &Path) -> Opened {
    Store::open(dir, options()).unwrap_or_else(|fault| panic!("the store opens: {fault}: {:?}", fault))
}

/// Commits and waits.
pub fn commit(store: &Store, changes: Vec<Change>) {
    let (sender, receiver) = mpsc::channel();
    store.commit(changes, Box::new(move |result| sender.send(result).expect("the test waits")));
    receiver.recv_timeout(PATIENCE).expect("an answer").expect("durable");
}

/// Asks for upkeep and waits.
pub fn upkeep(store: &Store, what: Upkeep) -> Result<UpkeepOutcome, UpkeepError> {
    let (sender, receiver) = mpsc::channel();
    store.caretaker().ask(what, Box::new(move |result| sender.send(result).expect("the test waits")));
    receiver.recv_timeout(PATIENCE).expect("an answer")
}

pub fn state(last_number: u64, revision: Option<Revision>) -> JobState {
    JobState {
        revision,
        cursor: at(last_number * 10),
        first_seen: at(0),
        last_number,
        paused: None,
        removed_at: None,
        last: None,
        open_skip: None,
        ad_hoc: None,
        totals: Totals { succeeded: last_number, ..Totals::default() },
        watch: Watch::default(),
    }
}

/// A text that needs `bytes` bytes, and its revision.
pub fn source(name: &str, bytes: usize) -> (Revision, Source) {
    let text = format!("command = [\"true\"]\n# {}\n", name.repeat(bytes / name.len().max(1)));
    let source = Source { text, defaults: String::new() };
    (Revision::of(&job(name), &source), source)
}

pub fn running(name: &str, number: u64, revision: &Revision) -> Run {
    Run {
        id: RunId { job: job(name), number },
        revision: revision.clone(),
        trigger: Trigger::Schedule(Scheduled { at: at(number * 10), nominal: at(number * 10).naive_utc(), note: None }),
        created_at: at(number * 10),
        state: RunState::Running { attempt: 1, pid: 4711, started_at: at(number * 10) },
        output_removed_at: None,
        attempts: vec![Attempt {
            number: 1,
            boot: BootId::new("4d2c1f3e-8a5b-4c6d-9e7f-001122334455"),
            asked_at: at(number * 10),
            started_at: Some(at(number * 10)),
            end: None,
        }],
    }
}

pub fn finished(run: &Run, exit_code: u8) -> Run {
    let ended_at = run.created_at + TimeDelta::seconds(3);
    let outcome = if exit_code == 0 { Outcome::Succeeded } else { Outcome::Failed { exit_code } };
    let end = AttemptEnd {
        ending: Ending::Exited { wait_status: i32::from(exit_code) << 8 },
        stopped: None,
        out_of_memory: None,
        leftovers: Leftovers::default(),
        started_at: Some(run.created_at),
        ended_at,
        usage: Usage {
            cpu: Some(CpuTime { user: Duration::from_millis(7), system: Duration::ZERO }),
            peak_memory: Some(PeakMemory { bytes: 1 << 21, of: MemoryMeasure::Process }),
            ..Usage::default()
        },
        output: OutputSummary { bytes: 42, cut_bytes: 0, lost_bytes: 0, ..OutputSummary::default() },
    };
    let mut run = run.clone();
    run.attempts[0].end = Some((end, outcome.clone()));
    run.state = RunState::Finished { outcome, ended_at };
    run
}

pub fn skip(name: &str, after_run: u64, index: u32) -> Skip {
    let last = at(after_run * 10 + 5 + u64::from(index));
    Skip {
        job: job(name),
        key: SkipKey { after_run, index },
        reason: SkipReason::Overlap,
        first: at(after_run * 10 + 5),
        last,
        count: u64::from(index) + 1,
        recorded_at: last,
    }
}

/// Copies a directory as it is.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("created");
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).expect("closed");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("copied");
        }
    }
}
