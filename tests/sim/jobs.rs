//! Made-up job definitions: every policy, in every mixture.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jobsd::schedule::{Entry, Rule, ScheduleSet, Zone};
use jobsd::spec::{
    Backoff, CatchUp, CatchUpPolicy, Channel, Command, Environment, Identity, JobName, JobSpec, LoadedSpec,
    NoticeEvent, Notify, OutputPolicy, Overlap, ProcessSpec, Retention, Retry, Revision, SaidBy, Source, StopPolicy,
    Target,
};

use crate::rng::Rng;

/// A definition drawn by the seed. The overlap policy follows from the name, so that it is the same for the job's
/// whole life and can be checked against the machine.
pub fn draw(name: &JobName, rng: &mut Rng) -> Arc<LoadedSpec> {
    let schedule = draw_schedule(rng);
    let zone = Zone::parse(rng.pick::<&str>(&["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"]))
        .expect("a zone");
    let jitter = Duration::from_secs(*rng.pick(&[0, 0, 0, 5, 120]));
    let schedules = match schedule {
        None => ScheduleSet::default(),
        Some(text) => {
            let rule = Rule::parse_short(&text, name.as_str()).expect("a schedule");
            ScheduleSet::new(vec![Entry { jitter, ..Entry::new(rule, zone) }], name.as_str()).expect("it fires")
        }
    };
    // Whatever differs between two definitions is in the text that the revision hashes.
    let source = Source { text: format!("{} {:?}", rng.next(), schedules), defaults: String::new() };
    let attempts = NonZeroU32::new(*rng.pick(&[1, 1, 2, 3])).expect("not zero");
    let spec = JobSpec {
        name: name.clone(),
        revision: Revision::of(name, &source),
        description: None,
        command: Command::Argv(vec!["/bin/true".into()]),
        schedules,
        environment: Environment::default(),
        working_directory: None,
        identity: Identity::default(),
        process: ProcessSpec::default(),
        timeout: rng.chance(300_000).then(|| Duration::from_secs(rng.between(1, 600))),
        stop: StopPolicy { signal: nix::sys::signal::Signal::SIGTERM, grace: Duration::from_secs(rng.between(0, 20)) },
        overlap: overlap_of(name),
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
            max_delay: Duration::from_secs(600),
            on_lost: rng.chance(500_000),
        },
        success_exit_codes: [0].into(),
        enabled: !rng.chance(50_000),
        tags: [rng.pick(&["red", "blue"]).to_string()].into(),
        owner: None,
        alert_after: rng.chance(300_000).then(|| Duration::from_secs(rng.between(60, 100_000))),
        notify: draw_notify(rng),
        output: OutputPolicy { limit_bytes: 1 << 20, ..OutputPolicy::default() },
        retention: Retention {
            runs: NonZeroU32::new(100).expect("not zero"),
            age: Duration::from_secs(1 << 30),
            ..Retention::default()
        },
    };
    let path = format!("/jobs.d/{name}.toml").into();
    Arc::new(LoadedSpec { spec: Arc::new(spec), source, path })
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

fn draw_schedule(rng: &mut Rng) -> Option<String> {
    let text = match rng.below(8) {
        0 => return None,
        1 => format!("every {}s", rng.between(1, 90)),
        2 => format!("every {}m", rng.between(1, 90)),
        3 => "* * * * *".to_owned(),
        4 => format!("*/{} * * * *", rng.between(2, 30)),
        5 => format!("{} * * * *", rng.below(60)),
        6 => format!("{} {} * * *", rng.below(60), rng.below(4)),
        _ => "@daily".to_owned(),
    };
    Some(text)
}

pub fn overlap_of(name: &JobName) -> Overlap {
    match name.as_str().bytes().last().expect("names are not empty") % 4 {
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
    let spec = Arc::new(JobSpec { enabled: false, revision, ..JobSpec::clone(&loaded.spec) });
    Arc::new(LoadedSpec { spec, source, path: loaded.path.clone() })
}
