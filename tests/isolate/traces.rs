//! Nothing is left behind: no process, cgroup, mount, directory or descriptor, after many runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jobsd::run::{AttemptId, Ending};
use jobsd::spec::{Isolation, ProcessSpec, Profile};
use jobsd::supervisor::Request;
use nix::sys::signal::{Signal, kill};

use crate::world::{World, is_root, wait_for};
use crate::{job, worlds};

/// Runs of each kind unless `JOBSD_TEST_RUNS` says how many in all; the nightly run asks for thousands.
const RUNS: u32 = 240;

fn runs() -> u32 {
    std::env::var("JOBSD_TEST_RUNS").map_or(RUNS, |count| count.parse().expect("JOBSD_TEST_RUNS is a number"))
}

/// What could be left.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    mounts: usize,
    children: BTreeSet<i32>,
    descriptors: usize,
    /// Cgroups below the supervisor's directory of them.
    cgroups: BTreeSet<String>,
    /// Beside the socket: where credentials lie.
    credentials: usize,
    temporary: BTreeSet<String>,
}

impl Traces {
    fn of(world: &World) -> Self {
        let pid = world.pid();
        let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap().lines().count();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        Self {
            mounts,
            children: children.split_whitespace().map(|pid| pid.parse().unwrap()).collect(),
            descriptors: names(format!("/proc/{pid}/fd")).len(),
            cgroups: cgroups_of(world),
            credentials: names(world.path("credentials")).len(),
            temporary: names("/tmp").into_iter().filter(|name| name.starts_with("trace-of-a-job-")).collect(),
        }
    }
}

/// Entries of a directory; none when it is not there.
fn names(path: impl AsRef<Path>) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(path) else { return BTreeSet::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The cgroups beside that of the first run, whose record names it; none where runs have none.
fn cgroups_of(world: &World) -> BTreeSet<String> {
    let records = recorded(world);
    let own = records.split("\"cgroup\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let Some(place) = own.and_then(|own| Path::new(own).parent()) else { return BTreeSet::new() };
    names(place).into_iter().filter(|name| place.join(name).is_dir()).collect()
}

/// Every kind of end, by turns: well, ill, with a process left behind, with a credential, by a signal, before it began.
fn plan(number: u32, who: &str) -> jobsd::run::LaunchPlan {
    let profile = [Profile::None, Profile::Basic, Profile::Strict][number as usize % 3];
    let line = match number / 3 % 5 {
        0 => "touch /tmp/trace-of-a-job-$$ && rm -f /tmp/trace-of-a-job-$$",
        1 => "exit 3",
        2 => "(setsid sleep 1000 &) ; (sleep 1000 &) ; true",
        3 => "kill -9 $$",
        _ => "true",
    };
    let mut process = ProcessSpec { isolation: Isolation::of_profile(profile), ..ProcessSpec::default() };
    if number.is_multiple_of(7) {
        let source = jobsd::spec::Credential::Command(vec!["echo".into(), "secret".into()]);
        process.inputs.credentials = [("token".to_owned(), source)].into();
    }
    let mut plan = job(&format!("traces-{who}"), line, process);
    if number.is_multiple_of(11) {
        plan.working_directory = Some("/nowhere/at/all".into());
    }
    plan.attempt = AttemptId { run: format!("traces-{who}/{}", number + 1).parse().unwrap(), attempt: 1 };
    plan
}

#[test]
fn nothing_is_left_after_many_runs() {
    for (who, world) in worlds("nothing_is_left_after_many_runs") {
        // The first runs make what stays: the place of credentials, lazily opened files.
        for number in 0..8 {
            world.run(&plan(number, who));
        }
        settle(&world);
        let before = Traces::of(&world);
        assert_eq!((before.children.len(), before.cgroups.len()), (0, 0), "{who}: {before:?}");
        for number in 8..8 + runs() {
            let plan = plan(number, who);
            world.run(&plan);
            world.send(&Request::Acknowledge(plan.attempt));
        }
        settle(&world);
        assert_eq!(Traces::of(&world), before, "{who}");
        assert!(!is_root("") || !lives_anywhere("sleep 1000", &world), "{who}: a process outlived its run");
    }
}

/// The end of a run that sees no others is told while its first process, alone by then, is on its way out. A supervisor that
/// is told to leave waits for that.
#[test]
fn a_supervisor_that_leaves_leaves_no_cgroup() {
    let mut world = World::new();
    for round in 1..=10 {
        let mut plan = job("leaving", "true", ProcessSpec::default());
        plan.process.isolation = Isolation::of_profile(Profile::Strict);
        plan.attempt.run = format!("leaving/{round}").parse().unwrap();
        let end = world.run(&plan);
        assert_eq!(end.ending, Ending::Exited { wait_status: 0 });
        kill(world.pid(), Signal::SIGTERM).unwrap();
        let mut supervisor = world.supervisor.take().unwrap();
        assert!(supervisor.wait().unwrap().success());
        assert_eq!(cgroups_of(&world), BTreeSet::new(), "round {round}");
        world.start();
        world.connect();
    }
}

/// Orphans are reaped, what is over is cleared away, and the last acknowledgement is heard.
fn settle(world: &World) {
    wait_for("the supervisor has nothing to look after", || {
        let traces = Traces::of(world);
        traces.children.is_empty() && traces.cgroups.is_empty()
    });
}

/// Whether a process of this supervisor's runs lives: they carry its state directory in no place but their environment.
fn lives_anywhere(command: &str, world: &World) -> bool {
    let words: Vec<u8> = command.bytes().map(|byte| if byte == b' ' { 0 } else { byte }).chain([0]).collect();
    let sleeping = names("/proc")
        .into_iter()
        .filter_map(|name| name.parse::<i32>().ok())
        .filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == words));
    let environment = |pid: i32| fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mark = b"JOBSD_INVOCATION=";
    let ours = |pid: i32| {
        let text = environment(pid);
        text.split(|&byte| byte == 0).any(|entry| {
            entry
                .strip_prefix(mark.as_slice())
                .is_some_and(|value| recorded(world).contains(std::str::from_utf8(value).unwrap()))
        })
    };
    sleeping.into_iter().any(ours)
}

/// All records of this world's runs, as one text.
fn recorded(world: &World) -> String {
    let mut text = String::new();
    for job in names(world.state_dir().join("runs")) {
        let job = world.state_dir().join("runs").join(job);
        for run in names(&job) {
            text += &fs::read_to_string(job.join(run).join("1/record")).unwrap_or_default();
        }
    }
    text
}
