//! Fixtures for the tests of the API.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{BootId, Monotonic, Now, Timestamp};
use crate::daemon::jobs_dir::Reading;
use crate::run::{
    Attempt, AttemptEnd, ContextSwitches, CpuTime, Ending, IoBytes, Leftovers, MemoryMeasure, Outcome, OutputSummary,
    PeakMemory, Run, RunId, RunState, Scheduled, Trigger, Usage,
};
use crate::schedule::{Boot, Zone};
use crate::scheduler::{Event, Recovered, Scheduler, Snapshot, SpecIndex};
use crate::spec::{JobName, Revision, SpecEntry, SpecSet};

/// Jobs by name and text, as they stand when they were just loaded.
pub fn jobs(texts: &[(&str, &str)]) -> Snapshot {
    let reading = Reading::of_text(Zone::utc());
    let mut set = SpecSet::default();
    for (name, text) in texts {
        let name = JobName::new(name).unwrap();
        let path = format!("jobs.d/{name}.toml").into();
        let loaded = reading.read(&name, (*text).to_owned(), path, &Arc::default());
        set.jobs.insert(name, SpecEntry::Good(Arc::new(loaded.unwrap_or_else(|faults| panic!("{}", faults.plain())))));
    }
    let wall = at("2026-11-21T02:30:00Z");
    let now = Now { wall, monotonic: Monotonic::from_duration(Duration::ZERO) };
    let boot = Boot { id: BootId::new("boot"), at: wall, seen_at: wall };
    let mut scheduler = Scheduler::recover(boot, Recovered::default(), SpecIndex::new(), now);
    scheduler.step(now, Event::SpecsLoaded(set));
    scheduler.snapshot()
}

/// An instant, as RFC 3339 writes it.
pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A run of the schedule that ended at 02:30:10 on 21 November 2026.
pub fn finished_run(job: &str, number: u64, outcome: Outcome) -> Run {
    let scheduled = at("2026-11-21T02:30:00Z");
    Run {
        id: RunId { job: JobName::new(job).unwrap(), number },
        revision: Revision::from_hex("0123456789abcdef0123456789abcdef"),
        trigger: Trigger::Schedule(Scheduled { at: scheduled, nominal: scheduled.naive_utc(), note: None }),
        created_at: scheduled,
        state: RunState::Finished { outcome: outcome.clone(), ended_at: at("2026-11-21T02:30:10Z") },
        attempts: vec![attempt_ended(1, Ending::Exited { wait_status: 0 }, outcome)],
        output_removed_at: None,
    }
}

/// An attempt that ran from 02:30:00.25 to 02:30:10.
pub fn attempt_ended(number: u32, ending: Ending, outcome: Outcome) -> Attempt {
    let started_at = at("2026-11-21T02:30:00.25Z");
    let end = AttemptEnd {
        ending,
        stopped: None,
        out_of_memory: None,
        leftovers: Leftovers::default(),
        started_at: Some(started_at),
        ended_at: at("2026-11-21T02:30:10Z"),
        usage: Usage {
            cpu: Some(CpuTime { user: Duration::from_millis(1500), system: Duration::from_millis(250) }),
            peak_memory: Some(PeakMemory { bytes: 12 << 20, of: MemoryMeasure::Process }),
            io: Some(IoBytes { read: 4096, written: 1 << 20 }),
            context_switches: Some(ContextSwitches { voluntary: 21, involuntary: 2 }),
            peak_processes: None,
        },
        output: OutputSummary { bytes: 11, cut_bytes: 0, lost_bytes: 0, ..OutputSummary::default() },
    };
    Attempt {
        number,
        boot: BootId::new("boot"),
        asked_at: at("2026-11-21T02:30:00Z"),
        started_at: Some(started_at),
        end: Some((end, outcome)),
    }
}
