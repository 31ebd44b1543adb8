//! Records keep what they are given, for ever.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::sample::{self, any_job_state, any_notice, any_run, any_skip, finished, job, queued, skip, source};
use crate::run::*;
use crate::scheduler::{LastRun, Pause, Totals};
use crate::store::frame::Kind;
use crate::store::record::{Digest, Meta, Record, RecordError};

fn round_trip(record: &Record) -> Result<Record, RecordError> {
    Record::decode(record.kind(), 1, &record.encode())
}

proptest! {
    #[test]
    fn runs_read_back(run in any_run()) {
        let record = Record::Run(Box::new(run));
        prop_assert_eq!(round_trip(&record), Ok(record));
    }

    #[test]
    fn job_states_read_back(state in any_job_state()) {
        let record = Record::Job(job("backup"), Box::new(state));
        prop_assert_eq!(round_trip(&record), Ok(record));
    }

    #[test]
    fn skips_read_back(skip in any_skip()) {
        let record = Record::Skip(skip);
        prop_assert_eq!(round_trip(&record), Ok(record));
    }

    #[test]
    fn messages_read_back(notice in any_notice()) {
        let record = Record::Notice(Box::new(notice));
        prop_assert_eq!(round_trip(&record), Ok(record));
    }

    #[test]
    fn sources_read_back(text: String) {
        let (revision, source) = source(&text);
        let record = Record::Source(revision, job("backup"), Box::new(source));
        prop_assert_eq!(round_trip(&record), Ok(record));
    }

    #[test]
    fn any_bytes_decode_or_are_refused(kind in prop::sample::select(&KINDS[..]), version: u8, bytes: Vec<u8>) {
        // A panic is the failure.
        if let Ok(record) = Record::decode(kind, version, &bytes) {
            prop_assert_eq!(round_trip(&record), Ok(record));
        }
    }

    #[test]
    fn a_record_with_any_byte_changed_decodes_or_is_refused(run in any_run(), place: prop::sample::Index, byte: u8) {
        let mut bytes = Record::Run(Box::new(run)).encode();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(record) = Record::decode(Kind::Run, 1, &bytes) {
            prop_assert_eq!(round_trip(&record), Ok(record));
        }
    }
}

const KINDS: [Kind; 7] = [Kind::Meta, Kind::Job, Kind::Source, Kind::Run, Kind::Skip, Kind::Part, Kind::Notice];

#[test]
fn a_newer_version_is_told_apart_from_damage() {
    assert_eq!(Record::decode(Kind::Run, 2, b"{}"), Err(RecordError::Newer { found: 2 }));
}

#[test]
fn a_damaged_source_does_not_show_its_text() {
    let payload = br#"{"revision":"00","job":"a","text":"secret","defaults":7}"#;
    let fault = Record::decode(Kind::Source, 1, payload).expect_err("defaults are a text");
    assert!(!fault.to_string().contains("secret"), "{fault}");
}

/// Records of version 1 as they were written once. The files never change; a change of the code that cannot read them,
/// or reads something else, is a fault.
#[test]
fn version_1_reads_for_ever() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/compat/data/store-v1");
    for (name, record) in golden() {
        let path = dir.join(format!("{name}.json"));
        if std::env::var_os("JOBSD_WRITE_GOLDEN").is_some() && !path.exists() {
            fs::create_dir_all(&dir).expect("the directory");
            fs::write(&path, record.encode()).expect("the file");
        }
        let bytes = fs::read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        assert_eq!(Record::decode(record.kind(), 1, &bytes), Ok(record.clone()), "{name}");
        assert_eq!(String::from_utf8(record.encode()), String::from_utf8(bytes), "{name} is written as it was");
    }
}

fn golden() -> Vec<(String, Record)> {
    let mut records = vec![
        (
            "meta".to_owned(),
            Record::Meta(Meta { writer: "0.1.0".to_owned(), sequence: 7, digest: Digest { keys: 3, sum: u64::MAX } }),
        ),
        ("source".to_owned(), {
            let (revision, source) = source("command = [\"true\"]\n");
            Record::Source(revision, job("backup"), Box::new(source))
        }),
        ("job".to_owned(), Record::Job(job("backup"), Box::new(sample::state(7)))),
        ("job-full".to_owned(), Record::Job(job("backup"), Box::new(full_state()))),
        ("job-ad-hoc".to_owned(), {
            let ad_hoc = Some(crate::scheduler::AdHoc { uid: 1000 });
            Record::Job(
                job("exec-20261121-180000"),
                Box::new(crate::scheduler::JobState { ad_hoc, ..sample::state(1) }),
            )
        }),
        ("job-ran".to_owned(), Record::Job(job("backup"), Box::new(state_that_ran()))),
        ("run-finished".to_owned(), Record::Run(Box::new(finished("backup", 7)))),
        ("run-attempts".to_owned(), Record::Run(Box::new(run_with_attempts()))),
        ("run-causes".to_owned(), Record::Run(Box::new(run_with_causes()))),
        ("run-output".to_owned(), Record::Run(Box::new(run_with_output_elsewhere()))),
    ];
    for (name, state) in states() {
        records.push((format!("run-{name}"), Record::Run(Box::new(Run { state, ..queued("backup", 8) }))));
    }
    for reason in SkipReason::ALL {
        let skip = Skip { reason, ..skip("backup", 7, 1, 90) };
        records.push((format!("skip-{}", reason.name()), Record::Skip(skip)));
    }
    records
}

/// A run whose output was removed, was partly dropped, and went to the journal.
fn run_with_output_elsewhere() -> Run {
    let mut run = run_with_attempts();
    run.output_removed_at = Some(sample::at(9));
    if let Some((end, _)) = run.attempts.last_mut().and_then(|attempt| attempt.end.as_mut()) {
        end.output.limited_bytes = 12;
        end.output.to = crate::spec::OutputTo::Journal;
    }
    run
}

fn full_state() -> crate::scheduler::JobState {
    crate::scheduler::JobState {
        paused: Some(Pause { since: sample::at(1), until: Some(sample::at(2)), uid: 0 }),
        removed_at: Some(sample::at(3)),
        last: Some(LastRun {
            number: 7,
            outcome: Outcome::Failed { exit_code: 3 },
            exit_code: Some(3),
            started_at: Some(sample::at(4)),
            ended_at: sample::at(5),
        }),
        open_skip: Some(skip("backup", 7, 2, 80)),
        ad_hoc: None,
        totals: Totals { succeeded: 5, unsuccessful: 2, skipped: 9, ..Totals::default() },
        ..sample::state(7)
    }
}

fn state_that_ran() -> crate::scheduler::JobState {
    let run_time = std::time::Duration::from_micros(86_400_000_001);
    crate::scheduler::JobState { totals: Totals { succeeded: 3, run_time, ..Totals::default() }, ..sample::state(3) }
}

fn states() -> Vec<(&'static str, RunState)> {
    let until = Deadline {
        boot: crate::clock::BootId::new("4d2c1f3e"),
        monotonic: crate::clock::Monotonic::from_duration(std::time::Duration::from_micros(1_500_000)),
        wall: sample::at(60),
    };
    vec![
        ("queued", RunState::Queued { since: sample::at(1), reason: QueueReason::Replacing }),
        ("starting", RunState::Starting { attempt: 1, stop: Some(StopReason::Cancelled) }),
        ("running", RunState::Running { attempt: 1, pid: 4711, started_at: sample::at(2) }),
        (
            "stopping",
            RunState::Stopping {
                attempt: 2,
                pid: 4711,
                started_at: sample::at(2),
                reason: StopReason::TimedOut,
                kill_at: sample::at(12),
            },
        ),
        ("backoff", RunState::Backoff { next_attempt: 2, until }),
    ]
}

/// All that is told of an end.
fn run_with_causes() -> Run {
    let killed = OutOfMemory { limit_bytes: Some(1 << 26), peak_bytes: Some(1 << 26) };
    let failure = SetupFailure {
        user: Some("www".to_owned()),
        ..SetupFailure::of_daemon("execute", Some("/srv/app".into()), 13)
    };
    let usage = Usage {
        cpu: Some(CpuTime { user: std::time::Duration::ZERO, system: std::time::Duration::ZERO }),
        peak_memory: Some(PeakMemory { bytes: 1 << 26, of: MemoryMeasure::Tree }),
        io: Some(IoBytes { read: 1, written: 2 }),
        context_switches: Some(ContextSwitches { voluntary: 3, involuntary: 4 }),
        peak_processes: Some(5),
    };
    let stopped = Some(Stopped { reason: StopReason::TimedOut, rung: Some(Rung::Kill) });
    let (exited, unknown) = (Ending::Exited { wait_status: 9 }, Usage::default());
    let ends = [
        (exited.clone(), None, Some(killed), Outcome::OutOfMemory(killed), usage),
        (exited, stopped, None, Outcome::TimedOut, usage),
        (Ending::SetupFailed(failure.clone()), None, None, Outcome::SetupFailed(failure), unknown),
    ];
    let mut run = finished("backup", 9);
    let model = run.attempts.remove(0);
    for (number, (ending, stopped, out_of_memory, outcome, usage)) in (1..).zip(ends) {
        let (end, _) = model.end.clone().expect("the sample has ended");
        let end = AttemptEnd { ending, stopped, out_of_memory, usage, ..end };
        run.attempts.push(Attempt { number, end: Some((end, outcome)), ..model.clone() });
    }
    run
}

/// One attempt for each outcome.
fn run_with_attempts() -> Run {
    let failure = SetupFailure::of_daemon("enter working directory", Some("/srv/app".into()), 2);
    let stopped = |reason| Some(Stopped { reason, rung: None });
    let outcomes = [
        (Ending::Exited { wait_status: 0 }, None, Outcome::Succeeded),
        (Ending::Exited { wait_status: 768 }, None, Outcome::Failed { exit_code: 3 }),
        (Ending::Exited { wait_status: 139 }, None, Outcome::Signaled { signal: 11, core_dumped: true }),
        (Ending::Exited { wait_status: 15 }, stopped(StopReason::TimedOut), Outcome::TimedOut),
        (Ending::Exited { wait_status: 15 }, stopped(StopReason::Cancelled), Outcome::Cancelled),
        (Ending::Exited { wait_status: 15 }, stopped(StopReason::Replaced), Outcome::Replaced),
        (Ending::Exited { wait_status: 9 }, stopped(StopReason::HostShutdown), Outcome::HostShutdown),
        (Ending::SetupFailed(failure.clone()), None, Outcome::SetupFailed(failure)),
        (Ending::Unseen, None, Outcome::Lost),
    ];
    let mut run = finished("backup", 9);
    let model = run.attempts.remove(0);
    for (number, (ending, stopped, outcome)) in (1..).zip(outcomes) {
        let (end, _) = model.end.clone().expect("the sample has ended");
        run.attempts.push(Attempt {
            number,
            end: Some((AttemptEnd { ending, stopped, ..end }, outcome)),
            ..model.clone()
        });
    }
    run
}
