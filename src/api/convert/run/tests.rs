//! What is told of runs and their attempts.

use super::*;
use crate::api::testing::{attempt_ended, finished_run};
use crate::run::Stopped;

fn with_end(outcome: Outcome, change: impl FnOnce(&mut AttemptEnd)) -> types::Run {
    let mut run = finished_run("backup", 3, outcome.clone());
    let mut attempt = attempt_ended(1, Ending::Exited { wait_status: 15 }, outcome);
    change(&mut attempt.end.as_mut().unwrap().0);
    run.attempts = vec![attempt];
    super::run(&run)
}

#[test]
fn a_stopped_run_tells_in_which_phase_it_ended() {
    let table = [
        (Outcome::TimedOut, None, "its timeout was over"),
        (Outcome::TimedOut, Some(Rung::Signal), "its timeout was over; it ended after the stop signal"),
        (
            Outcome::Cancelled,
            Some(Rung::Kill),
            "it was cancelled; it did not end in its grace after the stop signal, and was killed",
        ),
    ];
    for (outcome, rung, expected) in table {
        let wire = with_end(outcome, |end| end.stopped = Some(Stopped { reason: StopReason::TimedOut, rung }));
        assert_eq!(wire.entry.explanation.as_deref(), Some(expected));
        assert_eq!(wire.attempt_records[0].stop_rung, rung.map(super::rung));
        assert_eq!(wire.attempt_records[0].stop_reason.as_deref(), Some("timed_out"));
        assert_eq!((wire.entry.exit_code, wire.entry.signal_name.as_deref()), (None, Some("SIGTERM")));
        assert_eq!(wire.entry.duration_seconds, Some(9.75));
    }
    let never_ran = with_end(Outcome::Cancelled, |end| {
        end.stopped = Some(Stopped { reason: StopReason::Cancelled, rung: Some(Rung::Kill) });
        end.started_at = None;
    });
    assert_eq!(never_ran.entry.explanation.as_deref(), Some("it was cancelled"));
}

#[test]
fn want_of_memory_is_told_with_limit_and_peak() {
    let killed = |limit_bytes, peak_bytes| OutOfMemory { limit_bytes, peak_bytes };
    for (killed, expected) in [
        (
            killed(Some(64 << 20), Some(64 << 20)),
            "its memory reached the limit of 64.0 MiB (peak 64.0 MiB), and the kernel killed it",
        ),
        (killed(None, None), "the machine, or a cgroup above the job, was out of memory, and the kernel killed it"),
    ] {
        let wire = with_end(Outcome::OutOfMemory(killed), |end| end.out_of_memory = Some(killed));
        assert_eq!(wire.entry.outcome, Some(types::Outcome::OutOfMemory));
        assert_eq!(wire.entry.explanation.as_deref(), Some(expected));
        assert_eq!(wire.attempt_records[0].out_of_memory, Some(out_of_memory(killed)));
    }
}

#[test]
fn what_outlived_the_main_process_is_told_beside_the_outcome() {
    let with = |outcome, names: &[&str]| {
        let mut killed = Leftovers::default();
        names.iter().for_each(|name| killed.add(name));
        with_end(outcome, |end| end.leftovers = killed)
    };
    let one = with(Outcome::Succeeded, &["sleep"]);
    let expected = "1 process that outlived its main one was killed (sleep)";
    assert_eq!(one.entry.explanation.as_deref(), Some(expected));
    let two = with(Outcome::Failed { exit_code: 3 }, &["nc", "nc", "a\x1bb"]);
    let expected = "it exited with code 3; 3 processes that outlived its main one were killed (nc, a?b)";
    assert_eq!(two.entry.explanation.as_deref(), Some(expected));
    let wire = two.attempt_records[0].leftovers.as_ref().unwrap();
    assert_eq!((wire.count, wire.names.as_slice()), (3, ["nc".to_owned(), "a?b".to_owned()].as_slice()));
    assert_eq!(with(Outcome::Succeeded, &[]).attempt_records[0].leftovers, None);
    let many: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
    let many = with(Outcome::Succeeded, &many.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(many.entry.explanation.unwrap().ends_with(", n7...)"));
}

#[test]
fn what_nobody_measured_is_null() {
    let wire = with_end(Outcome::Lost, |end| end.usage = crate::run::Usage::default());
    let attempt = serde_json::to_value(&wire.attempt_records[0]).unwrap();
    for key in ["cpu_user_seconds", "peak_memory_bytes", "peak_memory_of", "io_read_bytes", "peak_processes"] {
        assert_eq!(attempt.get(key), Some(&serde_json::Value::Null), "{key}");
    }
}

#[test]
fn a_setup_failure_names_step_path_user_and_cause() {
    let table = [
        ("execute", libc::EACCES, Some("www"), "cannot execute /srv/app as user www: Permission denied"),
        ("execute", libc::ENOENT, Some("www"), "cannot execute /srv/app: No such file or directory"),
        // The daemon does this.
        ("fetch credential", libc::EACCES, None, "cannot fetch credential /srv/app: Permission denied"),
    ];
    for (step, errno, user, expected) in table {
        let failure = SetupFailure {
            user: user.map(str::to_owned),
            ..SetupFailure::of_daemon(step, Some("/srv/app".into()), errno)
        };
        let ending = Ending::SetupFailed(failure.clone());
        let wire = with_end(Outcome::SetupFailed(failure), |end| end.ending = ending);
        assert_eq!(wire.entry.explanation.as_deref(), Some(expected));
        assert_eq!(wire.attempt_records[0].setup_failure.as_ref().unwrap().message, expected);
    }
}

#[test]
fn a_set_up_that_ends_otherwise_has_words_of_its_own() {
    for (step, errno, expected) in [
        (
            "set-up deadline",
            libc::ETIMEDOUT,
            "its set-up took too long: a credential's command, a user database or a file system does not answer",
        ),
        ("set-up", 0, "its process died before the program began"),
    ] {
        assert_eq!(SetupFailure::of_daemon(step, None, errno).to_string(), expected);
    }
}

#[test]
fn words_of_the_supervisors_stand_for_the_number() {
    let failure = SetupFailure {
        detail: Some("its command sh exited with code 7".to_owned()),
        ..SetupFailure::of_daemon("fetch credential", Some("token".into()), libc::EIO)
    };
    assert_eq!(failure.to_string(), "cannot fetch credential token: its command sh exited with code 7");
    let failure = SetupFailure::of_daemon("arrange mounts", Some("/srv/gone".into()), libc::ENOENT);
    assert_eq!(failure.to_string(), "cannot arrange mounts at /srv/gone: No such file or directory");
}

#[test]
fn an_unknown_account_is_no_missing_file() {
    let failure = |step: &str, errno| SetupFailure::of_daemon(step, Some("nobodyhome".into()), errno);
    assert_eq!(failure("look up user", libc::ENOENT).to_string(), "there is no user nobodyhome");
    assert_eq!(failure("look up group", libc::ENOENT).to_string(), "there is no group nobodyhome");
    let other = failure("look up user", libc::EIO).to_string();
    assert_eq!(other, "cannot look up user nobodyhome: I/O error");
}

#[test]
fn code_signal_and_core_follow_the_wait_status() {
    for (wait_status, code, signal, core_dumped) in [
        (0, Some(0), None, false),
        (0x0300, Some(3), None, false),
        (9, None, Some(9), false),
        (139, None, Some(11), true),
    ] {
        let attempt = attempt_ended(1, Ending::Exited { wait_status }, Outcome::Succeeded);
        assert_eq!(Exit::of(&attempt), Exit { code, signal, core_dumped }, "{wait_status:#x}");
    }
}

#[test]
fn an_exit_code_is_told_with_its_convention() {
    let wire = with_end(Outcome::Failed { exit_code: 127 }, |end| {
        end.ending = Ending::Exited { wait_status: 127 << 8 };
    });
    let expected = "it exited with code 127 (a command was not found, by sh(1))";
    assert_eq!(wire.entry.explanation.as_deref(), Some(expected));
    assert_eq!(wire.entry.exit_meaning.as_deref(), Some("a command was not found, by sh(1)"));
}
