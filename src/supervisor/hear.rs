//! Hearing: what children say on their way, until their program runs, and the first processes of jobs at its end.

use std::fs::File;
use std::io::{self, Read};

use nix::sys::epoll::Epoll;

use super::attempt::{Attempt, Main, News, Phase};
use super::line::Line;
use super::record::{Executed, Exited};
use super::serve::Supervisor;
use super::token::Key;
use crate::run::{Ending, Report, SetupFailure, Usage};

impl Supervisor {
    /// Reads what a child says about its set-up; the end of its pipe is the beginning of the program.
    pub fn hear_child(&mut self, key: Key) {
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        let Phase::SettingUp(News::Pipe { pipe, heard }) = &mut attempt.phase else { return };
        match read_all(pipe, heard) {
            Ok(()) => {}
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return,
            Err(fault) => tracing::error!(attempt = %attempt.id, %fault, "cannot hear the child"),
        }
        let said = Said::parse(heard);
        unwatch(&self.epoll, pipe);
        attempt.phase = Phase::SettingUp(News::None);
        match said {
            Said::Executed(executed) => self.runs(key, executed),
            Said::Failed(failed) => self.main_ended(key, Ending::SetupFailed(failed), Usage::default()),
            // It died on the way: its status tells, when it is reaped.
            Said::Nothing => {}
        }
    }

    /// Hears that a program has ended and that nothing of its job lives any more, from the first process among the job's own,
    /// which is on its way out. Should that say nothing, its status tells when it is reaped.
    pub fn hear_first(&mut self, key: Key) {
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        let Some(mut pipe) = attempt.first.take() else { return };
        unwatch(&self.epoll, &pipe);
        let mut heard = Vec::new();
        match read_all(&mut pipe, &mut heard) {
            Ok(()) => {}
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
            Err(fault) => tracing::error!(attempt = %attempt.id, %fault, "cannot hear the first process"),
        }
        let Some(Line::Exited(exited)) = Line::parse(&heard) else { return };
        let exited = Exited::from(exited);
        // What it said before may not have been read yet.
        self.hear_child(key);
        if let Some(Attempt { phase: Phase::Running(_), .. }) = self.attempts.get(&key) {
            let usage = exited.usage.unwrap_or_default();
            self.main_ended(key, Ending::Exited { wait_status: exited.wait_status }, usage);
            self.told_alone(key);
        }
    }

    /// An attempt's program was executed.
    pub fn runs(&mut self, key: Key, executed: Executed) {
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        attempt.phase = Phase::Running(executed);
        let report = Self::started(attempt);
        self.arm(key);
        if let Some(report) = report {
            self.report(&report);
        }
    }

    /// The report that an attempt's program runs, when it does.
    pub fn started(attempt: &Attempt) -> Option<Report> {
        match (&attempt.phase, &attempt.main) {
            (Phase::Running(executed), Main::Child(pid) | Main::Adopted(pid, _)) => Some(Report::Started {
                attempt: attempt.id.clone(),
                pid: pid.as_raw().unsigned_abs(),
                at: executed.wall,
            }),
            (Phase::SettingUp(_) | Phase::Ending(_) | Phase::Left { .. }, _) | (Phase::Running(_), Main::Gone) => None,
        }
    }
}

/// Hears no more from a pipe. A child that is just being set up may hold a copy of it, so that closing it is not enough.
pub(super) fn unwatch(epoll: &Epoll, pipe: &File) {
    if let Err(errno) = epoll.delete(pipe) {
        tracing::warn!(%errno, "cannot take a pipe out of epoll");
    }
}

/// Reads to the end, or until nothing is there now.
fn read_all(pipe: &mut File, heard: &mut Vec<u8>) -> io::Result<()> {
    // read_to_end keeps what it read before the error, and repeats interrupted reads.
    pipe.read_to_end(heard).map(drop)
}

/// What a child said until its pipe was closed.
enum Said {
    /// Its program was executed.
    Executed(Executed),
    /// A step failed.
    Failed(SetupFailure),
    /// Neither.
    Nothing,
}

impl Said {
    /// A failure may follow the announcement, when the program could not be executed after it.
    fn parse(heard: &[u8]) -> Self {
        let lines = heard.split_inclusive(|&byte| byte == b'\n').filter_map(Line::parse);
        lines.fold(Self::Nothing, |said, line| match line {
            Line::Executing(executed) => executed.try_into().map_or(said, Self::Executed),
            Line::SetupFailed(failed) => Self::Failed(failed.into()),
            Line::Asked(_) | Line::Process(_) | Line::Exited(_) | Line::Stopping(_) | Line::Ended(_) => said,
        })
    }
}
