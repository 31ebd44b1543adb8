//! Records to test with: fixed ones, and strategies for any.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use chrono::DateTime;
use proptest::option;
use proptest::prelude::*;

use crate::clock::{BootId, Monotonic, Timestamp};
use crate::run::*;
use crate::scheduler::{AdHoc, JobState, LastRun, Pause, Told, Totals, Watch};
use crate::spec::{Channel, Command, Identity, JobName, NoticeEvent, OutputTo, Revision, Source};

pub(in crate::store) fn job(name: &str) -> JobName {
    JobName::new(name).expect("a good name")
}

pub(in crate::store) fn run_id(name: &str, number: u64) -> RunId {
    RunId { job: job(name), number }
}

/// So many seconds after the beginning of 2026.
pub(in crate::store) fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_767_225_600 + seconds, 123_456_000).expect("in range")
}

pub(in crate::store) fn state(last_number: u64) -> JobState {
    JobState {
        revision: Some(Revision::from_hex("00112233445566778899aabbccddeeff")),
        cursor: at(0),
        first_seen: at(-5),
        last_number,
        paused: None,
        removed_at: None,
        last: None,
        open_skip: None,
        ad_hoc: None,
        totals: Totals::default(),
        watch: Watch::default(),
    }
}

pub(in crate::store) fn queued(name: &str, number: u64) -> Run {
    Run {
        id: run_id(name, number),
        revision: Revision::from_hex("00112233445566778899aabbccddeeff"),
        trigger: Trigger::Manual { uid: 1000 },
        created_at: at(number.cast_signed()),
        state: RunState::Queued { since: at(number.cast_signed()), reason: QueueReason::Overlap },
        attempts: Vec::new(),
        output_removed_at: None,
    }
}

pub(in crate::store) fn finished(name: &str, number: u64) -> Run {
    let ended_at = at(number.cast_signed() + 1);
    let end = AttemptEnd {
        ending: Ending::Exited { wait_status: 0 },
        stopped: None,
        out_of_memory: None,
        leftovers: Leftovers::default(),
        started_at: Some(at(number.cast_signed())),
        ended_at,
        usage: Usage {
            cpu: Some(CpuTime { user: Duration::from_micros(1500), system: Duration::from_micros(700) }),
            peak_memory: Some(PeakMemory { bytes: 1 << 21, of: MemoryMeasure::AtMost }),
            ..Usage::default()
        },
        output: OutputSummary { bytes: 42, cut_bytes: 0, lost_bytes: 0, ..OutputSummary::default() },
    };
    Run {
        trigger: Trigger::Schedule(Scheduled {
            at: at(number.cast_signed()),
            nominal: at(number.cast_signed()).naive_utc(),
            note: None,
        }),
        state: RunState::Finished { outcome: Outcome::Succeeded, ended_at },
        output_removed_at: None,
        attempts: vec![Attempt {
            number: 1,
            boot: BootId::new("4d2c1f3e-8a5b-4c6d-9e7f-001122334455"),
            asked_at: at(number.cast_signed()),
            started_at: Some(at(number.cast_signed())),
            end: Some((end, Outcome::Succeeded)),
        }],
        ..queued(name, number)
    }
}

pub(in crate::store) fn skip(name: &str, after_run: u64, index: u32, recorded: i64) -> Skip {
    Skip {
        job: job(name),
        key: SkipKey { after_run, index },
        reason: SkipReason::Overlap,
        first: at(recorded - 10),
        last: at(recorded),
        count: 3,
        recorded_at: at(recorded),
    }
}

pub(in crate::store) fn source(text: &str) -> (Revision, Source) {
    let source = Source { text: text.to_owned(), defaults: "timeout = \"1h\"".to_owned() };
    (Revision::of(&job("backup"), &source), source)
}

prop_compose! {
    fn any_job()(name in "[a-z0-9][a-z0-9._-]{0,20}") -> JobName { job(&name) }
}

prop_compose! {
    // Years 1677 to 2262: beyond every clock.
    fn any_time()(micros in -9_000_000_000_000_000_i64..9_000_000_000_000_000) -> Timestamp {
        DateTime::from_timestamp_micros(micros).expect("in range")
    }
}

prop_compose! {
    fn any_span()(micros in 0..u64::MAX / 1000) -> Duration { Duration::from_micros(micros) }
}

prop_compose! {
    fn any_revision()(hex in "[0-9a-f]{32}") -> Revision { Revision::from_hex(&hex) }
}

prop_compose! {
    fn any_boot()(text in "[0-9a-f]{8}-[0-9a-f]{4}") -> BootId { BootId::new(&text) }
}

prop_compose! {
    fn any_failure()(
        step in ".{0,20}",
        path in option::of(prop_oneof![
            "(/[a-zé]{1,8}){1,3}".prop_map(OsString::from),
            any::<Vec<u8>>().prop_map(OsString::from_vec),
        ]),
        errno: i32,
        user in option::of("[a-z]{1,8}"),
        detail in option::of(".{0,20}"),
    ) -> SetupFailure {
        SetupFailure { step, path: path.map(Into::into), errno, user, detail }
    }
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Succeeded),
        any::<u8>().prop_map(|exit_code| Outcome::Failed { exit_code }),
        any::<(i32, bool)>().prop_map(|(signal, core_dumped)| Outcome::Signaled { signal, core_dumped }),
        any_kill().prop_map(Outcome::OutOfMemory),
        Just(Outcome::TimedOut),
        Just(Outcome::Cancelled),
        Just(Outcome::Replaced),
        Just(Outcome::HostShutdown),
        any_failure().prop_map(Outcome::SetupFailed),
        Just(Outcome::Lost),
    ]
}

prop_compose! {
    fn any_kill()(limit_bytes: Option<u64>, peak_bytes: Option<u64>) -> OutOfMemory {
        OutOfMemory { limit_bytes, peak_bytes }
    }
}

fn any_stop() -> impl Strategy<Value = StopReason> {
    prop_oneof![
        Just(StopReason::TimedOut),
        Just(StopReason::Cancelled),
        Just(StopReason::Replaced),
        Just(StopReason::HostShutdown),
    ]
}

fn any_stopped() -> impl Strategy<Value = Stopped> {
    let rung = option::of(prop_oneof![Just(Rung::Signal), Just(Rung::Kill)]);
    (any_stop(), rung).prop_map(|(reason, rung)| Stopped { reason, rung })
}

prop_compose! {
    fn any_memory()(
        bytes: u64,
        of in prop_oneof![Just(MemoryMeasure::Tree), Just(MemoryMeasure::Process), Just(MemoryMeasure::AtMost)],
    ) -> PeakMemory {
        PeakMemory { bytes, of }
    }
}

prop_compose! {
    fn any_usage()(
        cpu in option::of((any_span(), any_span())),
        peak_memory in option::of(any_memory()),
        io: Option<(u64, u64)>,
        switches: Option<(u64, u64)>,
        peak_processes: Option<u64>,
    ) -> Usage {
        Usage {
            cpu: cpu.map(|(user, system)| CpuTime { user, system }),
            peak_memory,
            io: io.map(|(read, written)| IoBytes { read, written }),
            context_switches: switches.map(|(voluntary, involuntary)| ContextSwitches { voluntary, involuntary }),
            peak_processes,
        }
    }
}

fn any_ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        any::<i32>().prop_map(|wait_status| Ending::Exited { wait_status }),
        any_failure().prop_map(Ending::SetupFailed),
        Just(Ending::Unseen),
    ]
}

prop_compose! {
    fn any_end()(
        ending in any_ending().boxed(),
        stopped in option::of(any_stopped()),
        started_at in option::of(any_time()),
        ended_at in any_time(),
        out_of_memory in option::of(any_kill()),
        killed in proptest::collection::vec("[a-z]{0,15}", 0..12),
        usage in any_usage().boxed(),
        (bytes, cut_bytes, lost_bytes, limited_bytes) in any::<(u64, u64, u64, u64)>(),
    ) -> AttemptEnd {
        let mut leftovers = Leftovers::default();
        killed.iter().for_each(|name| leftovers.add(name));
        AttemptEnd {
            ending, stopped, out_of_memory, leftovers, started_at, ended_at, usage,
            output: OutputSummary { bytes, cut_bytes, lost_bytes, limited_bytes, to: OutputTo::Journal },
        }
    }
}

prop_compose! {
    fn any_attempt()(
        number: u32,
        boot in any_boot(),
        asked_at in any_time(),
        started_at in option::of(any_time()),
        // Strategies lie on the stack, and are large: a test has 2 MiB.
        end in option::of((any_end().boxed(), any_outcome().boxed())),
    ) -> Attempt {
        Attempt { number, boot, asked_at, started_at, end }
    }
}

prop_compose! {
    fn any_scheduled()(at in any_time(), nominal in any_time(), note in option::of(".{0,30}")) -> Scheduled {
        Scheduled { at, nominal: nominal.naive_utc(), note }
    }
}

fn any_trigger() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        any_scheduled().prop_map(Trigger::Schedule),
        any_scheduled().prop_map(Trigger::CatchUp),
        any::<u32>().prop_map(|uid| Trigger::Manual { uid }),
    ]
}

fn any_state() -> impl Strategy<Value = RunState> {
    let reason = prop_oneof![Just(QueueReason::Overlap), Just(QueueReason::Replacing)];
    prop_oneof![
        (any_time(), reason).prop_map(|(since, reason)| RunState::Queued { since, reason }),
        (any::<u32>(), option::of(any_stop())).prop_map(|(attempt, stop)| RunState::Starting { attempt, stop }),
        (any::<u32>(), any::<u32>(), any_time()).prop_map(|(attempt, pid, started_at)| RunState::Running {
            attempt,
            pid,
            started_at
        }),
        (any::<u32>(), any::<u32>(), any_time(), any_stop(), any_time()).prop_map(
            |(attempt, pid, started_at, reason, kill_at)| RunState::Stopping {
                attempt,
                pid,
                started_at,
                reason,
                kill_at
            }
        ),
        (any::<u32>(), any_boot(), any_span(), any_time()).prop_map(|(next_attempt, boot, span, wall)| {
            let until = Deadline { boot, monotonic: Monotonic::from_duration(span), wall };
            RunState::Backoff { next_attempt, until }
        }),
        (any_outcome(), any_time()).prop_map(|(outcome, ended_at)| RunState::Finished { outcome, ended_at }),
    ]
}

prop_compose! {
    pub(in crate::store) fn any_run()(
        job in any_job(),
        number in 1..u64::MAX,
        revision in any_revision(),
        trigger in any_trigger(),
        created_at in any_time(),
        state in any_state(),
        attempts in prop::collection::vec(any_attempt(), 0..4),
        output_removed_at in option::of(any_time()),
    ) -> Run {
        Run { id: RunId { job, number }, revision, trigger, created_at, state, attempts, output_removed_at }
    }
}

prop_compose! {
    pub(in crate::store) fn any_skip()(
        job in any_job(),
        key in any::<(u64, u32)>().prop_map(|(after_run, index)| SkipKey { after_run, index }),
        reason in prop::sample::select(&SkipReason::ALL[..]),
        (first, last, recorded_at) in (any_time(), any_time(), any_time()),
        count: u64,
    ) -> Skip {
        Skip { job, key, reason, first, last, count, recorded_at }
    }
}

prop_compose! {
    fn any_pause()(since in any_time(), until in option::of(any_time()), uid: u32) -> Pause {
        Pause { since, until, uid }
    }
}

prop_compose! {
    fn any_last()(
        number: u64,
        outcome in any_outcome(),
        exit_code: Option<u8>,
        started_at in option::of(any_time()),
        ended_at in any_time(),
    ) -> LastRun {
        let exit_code = match outcome {
            Outcome::Failed { exit_code } => Some(exit_code),
            _ => exit_code,
        };
        LastRun { number, outcome, exit_code, started_at, ended_at }
    }
}

prop_compose! {
    fn any_watch()(
        failures: u64,
        (last_success, awaited_from, overdue_since) in
            (option::of(any_time()), option::of(any_time()), option::of(any_time())),
        told in proptest::collection::btree_map(any_event(), any_told(), 0..6),
    ) -> Watch {
        Watch { failures, last_success, awaited_from, overdue_since, told }
    }
}

prop_compose! {
    fn any_told()(since in any_time(), sent: u32, held_back: u64) -> Told {
        Told { since, sent, held_back }
    }
}

fn any_event() -> impl Strategy<Value = NoticeEvent> {
    proptest::sample::select(&NoticeEvent::ALL[..])
}

fn any_channel() -> impl Strategy<Value = Channel> {
    let words = || proptest::collection::vec(any::<String>(), 1..4);
    prop_oneof![
        any::<String>().prop_map(|to| Channel::Mail { to }),
        words().prop_map(|argv| Channel::Command(Command::Argv(argv))),
        (words(), any::<String>()).prop_map(|(shell, line)| Channel::Command(Command::Shell { shell, line })),
    ]
}

fn any_about() -> impl Strategy<Value = About> {
    let reason = proptest::sample::select(&SkipReason::ALL[..]);
    prop_oneof![
        (any::<u64>(), option::of(any_outcome()), any::<u64>()).prop_map(|(run, outcome, failures)| About::Run {
            run,
            outcome,
            failures
        }),
        (reason, any_time(), any_time(), any::<u64>()).prop_map(|(reason, first, last, count)| About::Skipped {
            reason,
            first,
            last,
            count
        }),
        (option::of(any_time()), any_time(), any_span()).prop_map(|(last_success, since, limit)| About::Overdue {
            last_success,
            since,
            limit
        }),
        any::<u32>().prop_map(|uid| About::Test { uid }),
    ]
}

prop_compose! {
    pub(in crate::store) fn any_notice()(
        number: u64,
        event in any_event(),
        at in any_time(),
        channel in any_channel(),
        job_user in option::of((option::of(any::<String>()), option::of(any::<String>()))),
        about in any_about(),
        (held_back, failed_attempts) in any::<(u64, u32)>(),
    ) -> Notice {
        let sender = match job_user {
            Some((user, group)) => Sender::Job(Identity { user, group }),
            None => Sender::Daemon,
        };
        Notice { number, job: job("backup"), event, at, channel, sender, about, held_back, failed_attempts }
    }
}

prop_compose! {
    pub(in crate::store) fn any_job_state()(
        revision in option::of(any_revision()),
        (cursor, first_seen) in (any_time(), any_time()),
        last_number: u64,
        paused in option::of(any_pause()),
        removed_at in option::of(any_time()),
        last in option::of(any_last()),
        open_skip in option::of(any_skip()),
        (succeeded, unsuccessful, skipped) in any::<(u64, u64, u64)>(),
        run_time in any_span(),
        watch in any_watch(),
        ad_hoc in option::of(any::<u32>().prop_map(|uid| AdHoc { uid })),
    ) -> JobState {
        let totals = Totals { succeeded, unsuccessful, skipped, run_time };
        JobState { revision, cursor, first_seen, last_number, paused, removed_at, last, open_skip, totals, watch, ad_hoc }
    }
}
