//! [`Exit`]: the exit codes of `jobctl`, all of them.

use std::process::ExitCode;

use crate::api::types::{ErrorCode, Outcome, Run};

/// How `jobctl` exits. [`EXIT_CODES`] is the list for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: it was done.
    Done,
    /// 1: it failed, or what was asked about is not well: `check` found faults, `health` is not good, files are faulty.
    Failure,
    /// 2: the command line is not understood.
    Usage,
    /// 3: no daemon answers.
    NoDaemon,
    /// 4: there is no such job, run, tag, output or file.
    NotFound,
    /// 5: the right is lacking, also the right to connect, or the state does not allow it.
    Refused,
    /// 6: the daemon cannot do it now; a later try may succeed.
    Unavailable,
    /// 130: interrupted by Ctrl-C.
    Interrupted,
    /// `run --wait`, `wait`: how the run ended.
    Run(u8),
}

/// The exit codes, for the manual page and `jobctl --help`.
pub const EXIT_CODES: &str = "\
Exit codes:
    0  done
    1  it failed, or what was asked about is not well (`check`, `health`; `diff`, `reload` with faulty files)
    2  the command line is not understood
    3  no daemon answers
    4  there is no such job, run, tag, output or file
    5  refused: no right to do it or to connect, or the state does not allow it
    6  the daemon cannot do it now (busy, going down, state not writable)
  130  interrupted by Ctrl-C

`run --wait`, `run --follow` and `wait` exit as the run ended:
    0  succeeded, whatever exit code the job's success_exit_codes admit
    N  failed: the job's own exit code
128+N  signal N ended it
  137  out of memory, as if by SIGKILL
  120  the machine went down
  121  replaced by a newer run
  122  cancelled
  124  timed out, or `wait --timeout` did
  125  lost: it may have run, and nobody saw its end
  126  its set-up failed, and nothing was executed";

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NoDaemon => 3,
            Self::NotFound => 4,
            Self::Refused => 5,
            Self::Unavailable => 6,
            Self::Interrupted => 130,
            Self::Run(code) => code,
        }
    }

    /// This one, or the other when all went well so far.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.code() == 0 { other } else { self }
    }

    /// For an answer of the daemon with an error's code, or, of a newer daemon, its HTTP status.
    pub fn of_error(code: &str, status: u16) -> Self {
        match ErrorCode::from_name(code) {
            Some(ErrorCode::BadRequest | ErrorCode::UntilPassed) => Self::Usage,
            Some(
                ErrorCode::NoSuchPath
                | ErrorCode::NoSuchJob
                | ErrorCode::NoSuchRun
                | ErrorCode::NoSuchAttempt
                | ErrorCode::NoSuchTag
                | ErrorCode::NoOutput
                | ErrorCode::NoJobFile,
            ) => Self::NotFound,
            Some(
                ErrorCode::Forbidden
                | ErrorCode::IsolatedRun
                | ErrorCode::MethodNotAllowed
                | ErrorCode::NotLive
                | ErrorCode::NoTarget
                | ErrorCode::Faulty
                | ErrorCode::Overlap
                | ErrorCode::NameTaken
                | ErrorCode::QueueFull
                | ErrorCode::HeldBack
                | ErrorCode::BodyTooLarge
                | ErrorCode::NotPlainFile
                | ErrorCode::Changed
                | ErrorCode::NoCondition,
            ) => Self::Refused,
            Some(ErrorCode::FaultyFile | ErrorCode::Internal | ErrorCode::JobsDirectory | ErrorCode::ExportFailed) => {
                Self::Failure
            }
            Some(
                ErrorCode::StoreFailed
                | ErrorCode::Busy
                | ErrorCode::TooManyConnections
                | ErrorCode::Draining
                | ErrorCode::GoingDown
                | ErrorCode::BodyTimeout,
            ) => Self::Unavailable,
            None => match status {
                400 => Self::Usage,
                404 => Self::NotFound,
                403 | 405..=499 => Self::Refused,
                503 => Self::Unavailable,
                _ => Self::Failure,
            },
        }
    }

    /// As a finished run ended.
    pub fn of_run(run: &Run) -> Self {
        let entry = &run.entry;
        match entry.outcome {
            Some(Outcome::Succeeded) => Self::Run(0),
            // A job that failed exited with something; 1 stands in for a daemon that does not say with what.
            Some(Outcome::Failed) => Self::Run(entry.exit_code.unwrap_or(1)),
            Some(Outcome::Signaled) => Self::Run(signal_code(entry.signal)),
            // What the shell of one that was killed would say.
            Some(Outcome::OutOfMemory) => Self::Run(signal_code(Some(libc::SIGKILL))),
            Some(Outcome::TimedOut) => Self::Run(124),
            Some(Outcome::Cancelled) => Self::Run(122),
            Some(Outcome::Replaced) => Self::Run(121),
            Some(Outcome::HostShutdown) => Self::Run(120),
            Some(Outcome::SetupFailed) => Self::Run(126),
            Some(Outcome::Lost) => Self::Run(125),
            Some(Outcome::Skipped) => Self::Refused,
            Some(Outcome::Other) | None => Self::Failure,
        }
    }
}

/// As shells do it.
fn signal_code(signal: Option<i32>) -> u8 {
    const SIGNALED: i32 = 128;
    signal.and_then(|signal| u8::try_from(SIGNALED + signal).ok()).unwrap_or(u8::MAX)
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::convert;
    use crate::api::testing::{attempt_ended, finished_run};
    use crate::run::{self, Ending, OutOfMemory, SetupFailure};

    #[test]
    fn a_waited_for_run_gives_its_own_code() {
        let setup = SetupFailure::of_daemon("execute", Some("/nowhere".into()), 2);
        let killed = OutOfMemory { limit_bytes: Some(1 << 20), peak_bytes: None };
        for (wait_status, outcome, code) in [
            (0, run::Outcome::Succeeded, 0),
            // Success by success_exit_codes.
            (0x0300, run::Outcome::Succeeded, 0),
            (0x0300, run::Outcome::Failed { exit_code: 3 }, 3),
            (0xff00, run::Outcome::Failed { exit_code: 255 }, 255),
            (9, run::Outcome::Signaled { signal: 9, core_dumped: false }, 137),
            (15, run::Outcome::TimedOut, 124),
            (15, run::Outcome::Cancelled, 122),
            (15, run::Outcome::Replaced, 121),
            (15, run::Outcome::HostShutdown, 120),
            (0, run::Outcome::SetupFailed(setup), 126),
            (0, run::Outcome::Lost, 125),
            (9, run::Outcome::OutOfMemory(killed), 137),
        ] {
            let mut run = finished_run("backup", 1, outcome.clone());
            run.attempts = vec![attempt_ended(1, Ending::Exited { wait_status }, outcome.clone())];
            assert_eq!(Exit::of_run(&convert::run(&run)).code(), code, "{outcome:?}");
        }
    }

    #[test]
    fn every_code_of_the_list_is_the_code_of_a_variant() {
        for exit in [
            Exit::Done,
            Exit::Failure,
            Exit::Usage,
            Exit::NoDaemon,
            Exit::NotFound,
            Exit::Refused,
            Exit::Unavailable,
            Exit::Interrupted,
        ] {
            let start = format!("{:>5}  ", exit.code());
            assert!(EXIT_CODES.lines().any(|line| line.starts_with(&start)), "{exit:?} is not in the list");
        }
    }

    #[test]
    fn an_unknown_error_of_a_newer_daemon_goes_by_its_status() {
        assert_eq!(Exit::of_error("no_such_calendar", 404), Exit::NotFound);
        assert_eq!(Exit::of_error("quota", 429), Exit::Refused);
        assert_eq!(Exit::of_error("overheated", 500), Exit::Failure);
    }
}
