//! Made-up job definitions: every policy, in every mixture.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use jobsd::clock::Timestamp;
use jobsd::schedule::{Entry, Rule, ScheduleSet, Zone};
use jobsd::spec::{
    Backoff, CatchUp, CatchUpPolicy, Channel, Command, Environment, Identity, JobName, JobSpec, LoadedSpec,
    NoticeEvent, Notify, OutputPolicy, Overlap, ProcessSpec, Retention, Retry, Revision, SaidBy, Source, StopPolicy,
    Target,
};

use crate::rng::Rng;

/// A definition drawn by the seed. In a crowd each job is busy only now and then.
pub fn draw(name: &JobName, crowd: bool, rng: &mut Rng) -> Arc<LoadedSpec> {
    let mut entries = Vec::new();
    // Most have one schedule, some none, a few two.
    for _ in 0..*rng.pick(&[0, 1, 1, 1, 1, 1, 1, 2]) {
        let rule = Rule::parse_short(&draw_schedule(crowd, rng), name.as_str()).expect("a schedule");
        let zone = Zone::parse(rng.pick::<&str>(&["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"]))
            .expect("a zone");
        let jitter = Duration::from_secs(*rng.pick(&[0, 0, 0, 5, 120]));
        entries.push(Entry { jitter, ..Entry::new(rule, zone) });
    }
    let schedules = ScheduleSet::new(entries, name.as_str()).expect("it fires");
    // Whatever differs between two definitions is in the text that the revision hashes.
    let source = Source { text: format!("{} {:?}", rng.next(), schedules), defaults: String::new() };
    let revision = Revision::of(name, &source);
    let attempts = NonZeroU32::new(*rng.pick(&[1, 1, 2, 3])).expect("not zero");
    let spec = JobSpec {
        name: name.clone(),
        description: None,
        // So that a launch shows by which definition it was planned.
        command: Command::Argv(vec!["/bin/job".into(), revision.to_string()]),
        revision,
        schedules,
        environment: Environment::default(),
        working_directory: None,
        identity: Identity::default(),
        process: ProcessSpec::default(),
        timeout: rng.chance(300_000).then(|| Duration::from_secs(rng.between(1, 600))),
        stop: StopPolicy { signal: nix::sys::signal::Signal::SIGTERM, grace: Duration::from_secs(rng.between(0, 20)) },
        overlap: draw_overlap(name, rng),
        catch_up: CatchUp {
            policy: *rng.pick(&[CatchUpPolicy::None, CatchUpPolicy::Latest, CatchUpPolicy::All]),
            window: rng.chance(400_000).then(|| Duration::from_secs(rng.between(30, 90_000))),
            spread: rng.chance(300_000).then(|| Duration::from_secs(rng.between(1, 7_200))),
        },
        start_deadline: rng.chance(200_000).then(|| Duration::from_secs(rng.between(1, 20_000))),
        retry: Retry {
            attempts,
            backoff: *rng.pick(&[Backoff::Fixed, Backoff::Linear, Backoff::Exponential]),
            delay: Duration::from_secs(rng.between(0, 60)),
            max_delay: Duration::from_secs(*rng.pick(&[70, 600])),
            on_lost: rng.chance(500_000),
        },
        success_exit_codes: rng.pick(&[[0, 0], [0, 1]]).iter().copied().collect(),
        enabled: !rng.chance(50_000),
        tags: [rng.pick(&["red", "blue"]).to_string()].into(),
        owner: None,
        output: OutputPolicy { limit_bytes: 1 << 20, ..OutputPolicy::default() },
        retention: Retention {
            runs: NonZeroU32::new(100).expect("not zero"),
            age: Duration::from_secs(1 << 30),
            ..Retention::default()
        },
        alert_after: rng.chance(300_000).then(|| Duration::from_secs(rng.between(60, 100_000))),
        notify: draw_notify(rng),
    };
    let path = format!("/jobs.d/{name}.toml").into();
    Arc::new(LoadedSpec { spec: Arc::new(spec), source, path })
}

/// A definition that a client asks for: once, now or at a moment to come.
pub fn draw_ad_hoc(name: &JobName, now: Timestamp, rng: &mut Rng) -> Arc<LoadedSpec> {
    let loaded = draw(name, false, rng);
    let at = now + TimeDelta::seconds(rng.between(1, 8000).cast_signed());
    let moment = format!("at {}", at.format("%Y-%m-%dT%H:%M:%SZ"));
    let entry = || Entry::new(Rule::parse_short(&moment, name.as_str()).expect("a moment"), Zone::utc());
    let entries = if rng.chance(500_000) { vec![entry()] } else { Vec::new() };
    let schedules = ScheduleSet::new(entries, name.as_str()).expect("it fires");
    let spec = Arc::new(JobSpec { schedules, enabled: true, ..JobSpec::clone(&loaded.spec) });
    Arc::new(LoadedSpec { spec, source: loaded.source.clone(), path: loaded.path.clone() })
}

/// Some events with one or two targets, and bounds that are reached now and then.
fn draw_notify(rng: &mut Rng) -> Notify {
    let target = |to: &str| Target { channel: Channel::Mail { to: to.to_owned() }, said_by: SaidBy::Job };
    let mut notify =
        Notify { per_hour: NonZeroU32::new(*rng.pick(&[1, 3, 100])).expect("not zero"), ..Notify::default() };
    for event in NoticeEvent::ALL {
        if rng.chance(120_000) {
            let both = rng.chance(300_000);
            let targets = [Some(target("ops")), both.then(|| target("oncall"))];
            notify.targets.insert(event, targets.into_iter().flatten().collect());
        }
    }
    notify
}

fn draw_schedule(crowd: bool, rng: &mut Rng) -> String {
    match rng.below(10) {
        0 if !crowd => format!("every {}s", rng.between(1, 90)),
        1 | 0 => format!("every {}m", rng.between(if crowd { 20 } else { 1 }, 90)),
        2 if !crowd => "* * * * *".to_owned(),
        3 | 2 => format!("*/{} * * * *", rng.between(if crowd { 10 } else { 2 }, 30)),
        4 => format!("{} * * * *", rng.below(60)),
        5 | 6 => format!("{} {} * * *", rng.below(60), rng.below(4)),
        7 => "@reboot".to_owned(),
        8 => format!("after {}m", rng.between(1, 600)),
        _ => "@daily".to_owned(),
    }
}

/// Four fifths of the jobs keep their policy for life, so that it can be checked strictly; the others change it.
fn draw_overlap(name: &JobName, rng: &mut Rng) -> Overlap {
    let fixed = u64::from(name.as_str().bytes().last().expect("names are not empty")) % 5;
    match if fixed == 4 { rng.below(4) } else { fixed } {
        0 => Overlap::Skip,
        1 => Overlap::Allow { max_concurrent: NonZeroU32::new(3).expect("not zero") },
        2 => Overlap::Queue,
        _ => Overlap::Replace,
    }
}

/// The same definition, no longer in force by schedule.
pub fn disabled(loaded: &LoadedSpec) -> Arc<LoadedSpec> {
    let source = Source { text: format!("disabled {}", loaded.source.text), defaults: String::new() };
    let revision = Revision::of(&loaded.spec.name, &source);
    let command = Command::Argv(vec!["/bin/job".into(), revision.to_string()]);
    let spec = Arc::new(JobSpec { enabled: false, revision, command, ..JobSpec::clone(&loaded.spec) });
    Arc::new(LoadedSpec { spec, source, path: loaded.path.clone() })
}
