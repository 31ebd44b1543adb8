//! Durable commits a second, by the number of commits that wait together, beside the disk's own speed in the same run.
//!
//! `cargo bench --bench store` (in `target/` unless `TMPDIR` names a directory on the disk to measure).

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use chrono::DateTime;
use jobsd::clock::{BootId, Timestamp};
use jobsd::run::{
    Attempt, AttemptEnd, CpuTime, Ending, MemoryMeasure, Outcome, OutputSummary, PeakMemory, Run, RunId, RunState,
    Scheduled, Trigger, Usage,
};
use jobsd::scheduler::{Change, JobState, Totals, Watch};
use jobsd::spec::{JobName, Revision};
use jobsd::store::{Options, Store};

/// Commits that wait together.
const DEPTHS: [usize; 5] = [1, 4, 16, 64, 256];

/// Each measurement lasts this long.
const SPAN: Duration = Duration::from_secs(2);

/// Bytes of a commit: what one ordinary commit puts into the database.
const COMMIT_BYTES: usize = 1000;

fn main() -> io::Result<()> {
    let dir = tempfile::tempdir_in(std::env::var_os("TMPDIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into()))?;
    let raw = raw(&dir.path().join("raw"))?;
    println!("write {COMMIT_BYTES} bytes and fdatasync: {raw:.0}/s");
    println!("{:>8} {:>12} {:>14} {:>10} {:>10}", "waiting", "commits/s", "of fdatasync", "p50", "p99");
    for depth in DEPTHS {
        let rate = commits(&dir.path().join(format!("store-{depth}")), depth);
        let ratio = rate.per_second / raw;
        println!("{depth:>8} {:>12.0} {ratio:>13.2}x {:>10.2?} {:>10.2?}", rate.per_second, rate.p50, rate.p99);
    }
    reopening(&dir.path().join("large"));
    Ok(())
}

/// How often a second the disk takes a small append.
fn raw(path: &Path) -> io::Result<f64> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let start = now();
    let mut count = 0_u32;
    while start.elapsed() < SPAN {
        file.write_all(&[7; COMMIT_BYTES])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

struct Rate {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

/// Keeps `depth` commits waiting; each is a job's state and a finished run.
fn commits(dir: &Path, depth: usize) -> Rate {
    let store = Store::open(dir, Options::at(at(0))).expect("the store opens").store;
    let (sender, receiver) = mpsc::channel();
    let mut number = 0;
    let mut submit = || {
        number += 1;
        let sender = sender.clone();
        let asked = now();
        store.commit(
            changes(number),
            Box::new(move |result| sender.send((result, asked.elapsed())).expect("the loop waits")),
        );
    };
    for _ in 0..depth {
        submit();
    }
    let mut waits = Vec::new();
    let start = now();
    while start.elapsed() < SPAN {
        let (result, waited) = receiver.recv().expect("an answer");
        result.expect("durable");
        waits.push(waited);
        submit();
    }
    let per_second = waits.len() as f64 / start.elapsed().as_secs_f64();
    for _ in 0..depth {
        receiver.recv().expect("an answer").0.expect("durable");
    }
    waits.sort_unstable();
    Rate { per_second, p50: waits[waits.len() / 2], p99: waits[waits.len() * 99 / 100] }
}

/// Loads a long history, then opens it again: every value is checked.
fn reopening(dir: &Path) {
    const RUNS: u64 = 100_000;
    let store = Store::open(dir, Options::at(at(0))).expect("the store opens").store;
    let (sender, receiver) = mpsc::channel();
    let start = now();
    for first in (1..=RUNS).step_by(10_000) {
        let sender = sender.clone();
        let all = (first..first + 10_000).flat_map(changes).collect();
        store.commit(all, Box::new(move |result| sender.send(result).expect("the loop waits")));
        receiver.recv().expect("an answer").expect("durable");
    }
    println!("{RUNS} runs in commits of 10000: {:.2?}, {} MB of memory", start.elapsed(), resident_mb());
    store.close();
    let start = now();
    let store = Store::open(dir, Options::at(at(0))).expect("the store opens").store;
    println!("open with {RUNS} runs, all checked: {:.2?}", start.elapsed());
    let start = now();
    let found = store.reader().recent(None, 100).expect("readable");
    println!("the {} newest entries: {:.2?}", found.len(), start.elapsed());
}

fn changes(number: u64) -> Vec<Change> {
    let job = JobName::new(&format!("job-{}", number % 100)).expect("a good name");
    let state = JobState {
        revision: Some(Revision::from_hex("00112233445566778899aabbccddeeff")),
        cursor: at(number),
        first_seen: at(0),
        last_number: number,
        paused: None,
        removed_at: None,
        last: None,
        open_skip: None,
        ad_hoc: None,
        totals: Totals { succeeded: number, ..Totals::default() },
        watch: Watch::default(),
    };
    vec![Change::Job(job.clone(), Box::new(state)), Change::Run(Box::new(run(job, number)))]
}

fn run(job: JobName, number: u64) -> Run {
    let end = AttemptEnd {
        ending: Ending::Exited { wait_status: 0 },
        stopped: None,
        out_of_memory: None,
        leftovers: Default::default(),
        started_at: Some(at(number)),
        ended_at: at(number),
        usage: Usage {
            cpu: Some(CpuTime { user: Duration::from_micros(1500), system: Duration::ZERO }),
            peak_memory: Some(PeakMemory { bytes: 1 << 21, of: MemoryMeasure::Process }),
            ..Usage::default()
        },
        output: OutputSummary { bytes: 42, cut_bytes: 0, lost_bytes: 0, ..OutputSummary::default() },
    };
    Run {
        id: RunId { job, number },
        revision: Revision::from_hex("00112233445566778899aabbccddeeff"),
        trigger: Trigger::Schedule(Scheduled { at: at(number), nominal: at(number).naive_utc(), note: None }),
        created_at: at(number),
        state: RunState::Finished { outcome: Outcome::Succeeded, ended_at: at(number) },
        output_removed_at: None,
        attempts: vec![Attempt {
            number: 1,
            boot: BootId::new("4d2c1f3e-8a5b-4c6d-9e7f-001122334455"),
            asked_at: at(number),
            started_at: Some(at(number)),
            end: Some((end, Outcome::Succeeded)),
        }],
    }
}

fn at(number: u64) -> Timestamp {
    DateTime::from_timestamp_micros(1_767_225_600_000_000 + number.cast_signed()).expect("in range")
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}
