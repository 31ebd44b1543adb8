//! What outlives the engine, the supervisor, or both; and that nothing starts twice.

use std::fs;
use std::time::Duration;

use jobsd::run::{Ending, Report, StopReason};
use jobsd::spec::OnLeftover;
use jobsd::supervisor::{LinkError, Request};
use nix::sys::signal::{Signal, kill};

use crate::world::{World, by_kill, by_signal, is_root, lives, plan, read_pid, wait_for, wait_status};

/// A program that counts its starts, and waits for a file to end.
fn counting(world: &World) -> String {
    let dir = world.path("");
    format!(
        "cd {}; echo x >> starts; echo begun; echo > running; while [ ! -e go ]; do sleep 0.01; done; echo done; exit 5",
        dir.display()
    )
}

fn starts(world: &World) -> usize {
    fs::read_to_string(world.path("starts")).unwrap_or_default().lines().count()
}

fn go(world: &World) {
    fs::write(world.path("go"), "").unwrap();
}

#[test]
fn a_repeated_launch_starts_nothing_twice() {
    let world = World::new();
    let plan = plan("once", &["sh", "-c", &counting(&world)]);
    world.launch(&plan);
    world.launch(&plan);
    let pid = world.started(&plan.attempt);
    // The second request may have come while the child was being set up, and then says nothing of its own.
    world.launch(&plan);
    assert_eq!(world.started(&plan.attempt), pid);
    go(&world);
    let end = world.ended(&plan.attempt);
    world.launch(&plan);
    assert_eq!(world.ended(&plan.attempt), end);
    world.send(&Request::Acknowledge(plan.attempt.clone()));
    world.launch(&plan);
    assert_eq!(world.ended(&plan.attempt), end);
    assert_eq!(starts(&world), 1);
}

#[test]
fn ends_are_told_until_they_are_acknowledged() {
    let mut world = World::new();
    let plan = plan("kept", &["sh", "-c", "exit 9"]);
    world.launch(&plan);
    let end = world.ended(&plan.attempt);
    for _ in 0..2 {
        world.disconnect();
        world.connect();
        assert_eq!(world.report(), Report::Ended { attempt: plan.attempt.clone(), end: Box::new(end.clone()) });
    }
    world.send(&Request::Acknowledge(plan.attempt.clone()));
    world.assert_silent();
    world.disconnect();
    world.connect();
    world.assert_silent();
}

#[test]
fn runs_do_not_notice_that_the_engine_dies() {
    let mut world = World::new();
    let plan = plan("alone", &["sh", "-c", &counting(&world)]);
    let mut short = crate::world::plan("short", &["sleep", "1000"]);
    short.timeout = Some(Duration::from_millis(100));
    world.launch(&plan);
    let pid = world.started(&plan.attempt);
    world.launch(&short);
    world.disconnect();
    wait_for("the deadline is kept without an engine", || {
        fs::read_to_string(world.attempt_dir(&short.attempt).join("record")).unwrap_or_default().contains("timed_out")
    });
    go(&world);
    wait_for("it ends without an engine", || !lives(pid));
    world.connect();
    let mut ends: Vec<_> = (0..2)
        .map(|_| match world.report() {
            Report::Ended { attempt, end } => (attempt.run.job.to_string(), wait_status(&end), end.stopped),
            other => panic!("{other:?}"),
        })
        .collect();
    ends.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(ends, [("alone".to_owned(), 5 << 8, None), ("short".to_owned(), 15, by_signal(StopReason::TimedOut))]);
    assert_eq!(world.printed(&plan.attempt), b"begun\ndone\n");
}

#[test]
fn a_newer_engine_displaces_an_older_one_and_not_the_other_way_round() {
    let mut old = World::new();
    // A second engine on the same socket.
    let (sender, receiver) = std::sync::mpsc::channel();
    let newer =
        jobsd::supervisor::Link::connect(&old.socket(), 7, move |incoming| drop(sender.send(incoming))).unwrap();
    assert!(matches!(old.closed(), LinkError::Refused(_)));
    let plan = plan("new", &["true"]);
    newer.send(&Request::Launch(Box::new(plan))).unwrap();
    assert!(matches!(receiver.recv().unwrap(), jobsd::supervisor::Incoming::Report(Report::Started { .. })));
    assert!(matches!(old.try_connect(), Err(LinkError::Refused(reason)) if reason.contains("generation 7")));
    drop(newer);
    assert!(old.try_connect().is_err());
}

#[test]
fn a_killed_supervisors_runs_are_adopted() {
    let mut world = World::new();
    let plan = plan("adopted", &["sh", "-c", &counting(&world)]);
    world.launch(&plan);
    let pid = world.started(&plan.attempt);
    wait_for("it runs", || world.path("running").exists());
    world.kill_supervisor();
    assert!(lives(pid));
    world.start();
    world.connect();
    assert_eq!(world.started(&plan.attempt), pid);
    for request in [Request::Launch(Box::new(plan.clone())), Request::Find(Box::new(plan.clone()))] {
        world.send(&request);
        assert_eq!(world.started(&plan.attempt), pid);
    }
    go(&world);
    let end = world.ended(&plan.attempt);
    // Kernels before 6.15 do not tell the status of somebody else's child.
    assert!(matches!(end.ending, Ending::Exited { wait_status: 0x500 } | Ending::Unseen), "{:?}", end.ending);
    assert!(end.started_at.is_some() && starts(&world) == 1);
    // What it printed before, while nobody listened, and after.
    let printed = [
        fs::read(world.attempt_dir(&plan.attempt).join("0.out")).unwrap(),
        fs::read(world.attempt_dir(&plan.attempt).join("1.out")).unwrap_or_default(),
    ]
    .concat();
    assert_eq!((printed.as_slice(), end.output.bytes), (&b"begun\ndone\n"[..], 11));
}

/// The first process among a job's own writes down how the program ended and what it used: so that is known on every kernel.
#[test]
fn an_adopted_run_among_processes_of_its_own_tells_how_it_ended_and_what_it_used() {
    if !is_root("an_adopted_run_among_processes_of_its_own_tells_how_it_ended_and_what_it_used") {
        return;
    }
    let mut world = World::new();
    let mut plan = plan("apart", &["sh", "-c", &counting(&world)]);
    plan.process.isolation.processes_visible = false;
    world.launch(&plan);
    world.started(&plan.attempt);
    wait_for("it runs", || world.path("running").exists());
    world.kill_supervisor();
    world.start();
    world.connect();
    go(&world);
    let end = world.ended(&plan.attempt);
    assert_eq!(end.ending, Ending::Exited { wait_status: 0x500 });
    assert!(end.usage.context_switches.is_some_and(|switches| switches.voluntary > 0), "{:?}", end.usage);
    assert!(end.usage.peak_memory.is_some(), "{:?}", end.usage);
}

#[test]
fn a_program_that_prints_survives_the_supervisor_and_loses_nothing() {
    let mut world = World::new();
    // Far more than a pipe holds: it has to wait while nobody reads, and must not die of SIGPIPE.
    let line = format!(
        "cd {}; echo > running; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done",
        world.path("").display()
    );
    let plan = plan("prints", &["sh", "-c", &line]);
    world.launch(&plan);
    world.started(&plan.attempt);
    wait_for("it prints", || world.path("running").exists());
    world.kill_supervisor();
    world.start();
    world.connect();
    let end = world.ended(&plan.attempt);
    assert!(matches!(end.ending, Ending::Exited { wait_status: 0 } | Ending::Unseen), "{:?}", end.ending);
    let expected: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    let output = jobsd::output::Output::new(&world.attempt_dir(&plan.attempt));
    let mut printed = Vec::new();
    for piece in output.read(0, jobsd::output::Filter::default()) {
        match piece.unwrap() {
            jobsd::output::Piece::Printed(chunk) => printed.extend(chunk.bytes),
            missing => panic!("{missing:?}"),
        }
    }
    // What the supervisor had read and not yet written when it was killed is lost with it: one read at the most.
    assert!(expected.len() - printed.len() <= 64 << 10, "{} of {}", printed.len(), expected.len());
    assert!(expected.as_bytes().ends_with(&printed[printed.len() - 1000..]));
}

#[test]
fn ladders_and_deadlines_survive_the_supervisor() {
    let mut world = World::new();
    let mut timed = plan("timed", &["sleep", "1000"]);
    timed.timeout = Some(Duration::from_millis(1500));
    let mut stopping = plan("stopping", &["sh", "-c", "trap '' TERM; echo; while :; do sleep 1000; done"]);
    stopping.stop.grace = Duration::from_millis(1500);
    for plan in [&timed, &stopping] {
        world.launch(plan);
        world.started(&plan.attempt);
    }
    wait_for("the trap is set", || !world.printed(&stopping.attempt).is_empty());
    world.stop(&stopping.attempt, StopReason::Cancelled);
    wait_for("the ladder begins", || {
        fs::read_to_string(world.attempt_dir(&stopping.attempt).join("record"))
            .unwrap()
            .contains("\"line\":\"stopping\"")
    });
    world.kill_supervisor();
    world.start();
    world.connect();
    let mut ends = Vec::new();
    while ends.len() < 2 {
        if let Report::Ended { attempt, end } = world.report() {
            ends.push((attempt.run.job.to_string(), end.stopped));
        }
    }
    ends.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        ends,
        [
            ("stopping".to_owned(), by_kill(StopReason::Cancelled)),
            ("timed".to_owned(), by_signal(StopReason::TimedOut))
        ]
    );
}

#[test]
fn found_runs_are_stopped_when_that_is_wanted() {
    let mut world = World::new();
    let polite = plan("polite", &["sleep", "1000"]);
    let mut stubborn = plan("stubborn", &["sh", "-c", "trap '' TERM; echo; while :; do sleep 1000; done"]);
    stubborn.stop.grace = Duration::from_millis(200);
    let ended = plan("ended", &["sh", "-c", "exit 6"]);
    world.launch(&ended);
    assert_eq!(wait_status(&world.ended(&ended.attempt)), 6 << 8);
    let mains = [&polite, &stubborn].map(|plan| {
        world.launch(plan);
        world.started(&plan.attempt)
    });
    wait_for("the trap is set", || !world.printed(&stubborn.attempt).is_empty());
    world.kill_supervisor();
    let supervisor = world.command().args(["--found-runs", "stop"]).spawn().unwrap();
    world.supervisor = Some(supervisor);
    wait_for("the supervisor listens", || std::os::unix::net::UnixStream::connect(world.socket()).is_ok());
    world.connect();
    let mut stopped = std::collections::BTreeMap::new();
    while stopped.len() < 3 {
        if let Report::Ended { attempt, end } = world.report() {
            stopped.insert(attempt.run.job.to_string(), end.stopped);
        }
    }
    assert_eq!(stopped["polite"], by_signal(StopReason::HostShutdown));
    assert_eq!(stopped["stubborn"], by_kill(StopReason::HostShutdown));
    assert_eq!(stopped["ended"], None);
    assert!(mains.into_iter().all(|main| !lives(main)));
}

/// The engine of these tests is the test program: here it takes the supervisor's place on disk, as an upgrade does.
#[test]
fn a_supervisor_without_runs_makes_room_for_one_of_the_engines_version() {
    if !is_root("a_supervisor_without_runs_makes_room_for_one_of_the_engines_version") {
        return;
    }
    let mut world = World::without_supervisor().behind("rm -f program; cp \"$0\" program; exec ./program \"$@\"");
    let plan = plan("works", &["sleep", "1000"]);
    world.launch(&plan);
    let main = world.started(&plan.attempt);
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), world.path("new")).unwrap();
    fs::rename(world.path("new"), world.path("program")).unwrap();
    world.disconnect();
    world.connect();
    // As long as there are runs it stays, whoever is connected.
    assert_eq!(world.started(&plan.attempt), main);
    world.assert_silent();
    world.stop(&plan.attempt, StopReason::Cancelled);
    assert_eq!(world.ended(&plan.attempt).stopped, by_signal(StopReason::Cancelled));
    world.send(&Request::Acknowledge(plan.attempt.clone()));
    let mut supervisor = world.supervisor.take().unwrap();
    assert!(supervisor.wait().unwrap().success());
    assert!(matches!(world.closed(), LinkError::Closed | LinkError::Socket(_)), "the engine hears of it");
    // The next one takes over, and stays: it is what lies there.
    world.start();
    world.connect();
    world.assert_silent();
}

#[test]
fn an_end_survives_the_supervisor() {
    let mut world = World::new();
    let plan = plan("end", &["sh", "-c", "echo x; exit 6"]);
    world.launch(&plan);
    let end = world.ended(&plan.attempt);
    world.kill_supervisor();
    world.start();
    world.connect();
    assert_eq!(world.ended(&plan.attempt), end);
    world.send(&Request::Acknowledge(plan.attempt.clone()));
    world.assert_silent();
    world.kill_supervisor();
    world.start();
    world.connect();
    world.assert_silent();
    // Whoever asks, as after a restored backup, is told all the same.
    world.send(&Request::Find(Box::new(plan.clone())));
    assert_eq!(world.ended(&plan.attempt), end);
}

#[test]
fn what_ended_unseen_is_told_so_and_not_started_again() {
    let mut world = World::new();
    let plan = plan("unseen", &["sh", "-c", &counting(&world)]);
    world.launch(&plan);
    let pid = world.started(&plan.attempt);
    wait_for("it runs", || starts(&world) == 1);
    world.kill_supervisor();
    kill(pid, Signal::SIGKILL).unwrap();
    wait_for("it is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    world.start();
    world.connect();
    let end = world.ended(&plan.attempt);
    assert_eq!(end.ending, Ending::Unseen);
    assert!(end.started_at.is_some());
    world.launch(&plan);
    assert_eq!(world.ended(&plan.attempt), end);
    assert_eq!(starts(&world), 1);
}

#[test]
fn what_an_unseen_main_process_left_is_cleared_away() {
    let mut world = World::new();
    let left = world.path("left");
    let line = format!(
        "(setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000' &); exec sleep 1000",
        left.display()
    );
    let plan = plan("leaves", &["sh", "-c", &line]);
    world.launch(&plan);
    let pid = world.started(&plan.attempt);
    let left = read_pid(&left);
    world.kill_supervisor();
    kill(pid, Signal::SIGKILL).unwrap();
    wait_for("it is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(lives(left));
    world.start();
    world.connect();
    assert_eq!(world.ended(&plan.attempt).ending, Ending::Unseen);
    assert!(!lives(left));
}

/// A number that belongs to somebody else now is neither signalled nor taken for the attempt.
#[test]
fn a_reused_number_is_left_alone() {
    let mut world = World::new();
    let mut plan = plan("reused", &["sleep", "1000"]);
    plan.timeout = Some(Duration::from_secs(3600));
    world.launch(&plan);
    let pid = world.started(&plan.attempt);
    world.kill_supervisor();
    kill(pid, Signal::SIGKILL).unwrap();
    wait_for("it is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    let mut stranger = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let record = world.attempt_dir(&plan.attempt).join("record");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace(&format!("\"pid\":{pid}"), &format!("\"pid\":{}", stranger.id()))).unwrap();
    world.start();
    world.connect();
    assert_eq!(world.ended(&plan.attempt).ending, Ending::Unseen);
    assert_eq!(stranger.try_wait().unwrap(), None);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn another_boot_has_no_live_attempts() {
    let mut world = World::new();
    let plan = plan("boot", &["sleep", "1000"]);
    world.launch(&plan);
    let pid = world.started(&plan.attempt);
    world.kill_supervisor();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let record = world.attempt_dir(&plan.attempt).join("record");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace(boot.trim(), "another-boot")).unwrap();
    world.start();
    world.connect();
    assert_eq!(world.ended(&plan.attempt).ending, Ending::Unseen);
    // Its number is from another boot, so this one is somebody else's; it is also in nobody's cgroup that may be killed.
    drop(world);
    if lives(pid) {
        kill(pid, Signal::SIGKILL).unwrap();
    }
}

#[test]
fn there_is_one_supervisor_for_a_state_directory() {
    let world = World::new();
    let output = world.command().stderr(std::process::Stdio::piped()).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let expected =
        format!("error: another supervisor (process {}) works on {}\n", world.pid(), world.state_dir().display());
    assert_eq!(said, expected);
}

#[test]
fn a_detached_supervisor_outlives_who_started_it_and_says_why_it_cannot() {
    let world = World::without_supervisor();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_jobsd"));
    let start = || jobsd::supervisor::start_detached(program, &world.state_dir(), &world.socket());
    start().unwrap();
    start().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let link =
        jobsd::supervisor::Link::connect(&world.socket(), 1, move |incoming| drop(sender.send(incoming))).unwrap();
    let pid = nix::unistd::Pid::from_raw(link.supervisor().pid as i32);
    assert_ne!(nix::unistd::getsid(Some(pid)), nix::unistd::getsid(None));
    kill(pid, Signal::SIGTERM).unwrap();
    assert!(matches!(receiver.recv().unwrap(), jobsd::supervisor::Incoming::Closed(_)));
    wait_for("it is gone", || !lives(pid));
    fs::write(world.path("file"), "").unwrap();
    let fault = jobsd::supervisor::start_detached(program, &world.path("file"), &world.socket()).unwrap_err();
    assert!(fault.to_string().contains("file"), "{fault}");
    let log = fs::read_to_string(world.state_dir().join("supervisor.log")).unwrap();
    assert!(log.contains("an engine is connected"));
}

#[test]
fn what_was_left_behind_does_not_hang_on_a_full_pipe_after_the_supervisor() {
    let mut world = World::new();
    let dir = world.path("").display().to_string();
    // Four times what a pipe holds.
    let left = format!(
        "(setsid sh -c 'echo $$ > {dir}/left.new; mv {dir}/left.new {dir}/left; while [ ! -e {dir}/go ]; do sleep 0.02; done; \
         head -c 262144 /dev/zero; touch {dir}/written; while :; do sleep 1000; done' &); \
         while [ ! -e {dir}/left ]; do sleep 0.01; done"
    );
    let mut plan = plan("leaves", &["sh", "-c", &left]);
    plan.process.on_leftover = OnLeftover::Leave;
    world.launch(&plan);
    let end = world.ended(&plan.attempt);
    assert_eq!(wait_status(&end), 0);
    world.send(&Request::Acknowledge(plan.attempt.clone()));
    let pid = read_pid(&world.path("left"));
    // The acknowledgement was heard when a later request was answered.
    world.send(&Request::Find(Box::new(plan.clone())));
    assert_eq!(world.ended(&plan.attempt), end);
    world.kill_supervisor();
    fs::write(world.path("go"), "").unwrap();
    // Nobody reads: it fills its pipe and waits, and does not die of it.
    wait_for("it waits in a write", || {
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap().split_whitespace().any(|child| {
            let written = fs::read_to_string(format!("/proc/{child}/io")).unwrap_or_default();
            written
                .lines()
                .find_map(|line| line.strip_prefix("wchar: ")?.parse().ok())
                .is_some_and(|count: u64| count >= 32 << 10)
                && fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| stat.contains(") S "))
        })
    });
    assert!(!world.path("written").exists() && lives(pid));
    world.start();
    wait_for("the next supervisor reads on", || world.path("written").exists());
    world.connect();
    // Its end is told once more, and is the same.
    assert_eq!(world.ended(&plan.attempt), end);
    // Its child holds the pipe too.
    nix::sys::signal::killpg(pid, Signal::SIGKILL).unwrap();
    world.send(&Request::Acknowledge(plan.attempt.clone()));
    wait_for("it is forgotten", || {
        let journal = fs::read_to_string(world.state_dir().join("supervisor.attempts")).unwrap();
        journal.lines().last() == Some("-leaves/1/1")
    });
}
