//! [`Attempt`]: one attempt from its fork to its end.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::Pid;

use super::process::{self, Pidfd};
use super::record::{Executed, Facts, Stopping};
use super::streams::Streams;
use super::tree::Tree;
use super::usage::Counted;
use crate::clock::{Monotonic, Now, Timestamp};
use crate::run::{AttemptEnd, AttemptId, Ending, Leftovers, OutputSummary, Rung, Stopped, Usage};
use crate::spec::OnLeftover;

/// Time that a child has to get from fork to exec. A user database or a server that does not answer for so long will
/// not answer; the attempt ends as `SetupFailed`.
pub const SETUP_DEADLINE: Duration = Duration::from_secs(30);

/// Time after which killing is repeated, while something of an attempt still lives: long enough for the kernel to tear
/// down a process, short enough not to be noticed.
pub(super) const KILL_INTERVAL: Duration = Duration::from_millis(20);

/// Time after which it is looked again whether processes that are waited for, or were left, still live. Those of a cgroup
/// of this supervisor's are heard of when they end; others are not.
pub(super) const LEFTOVER_INTERVAL: Duration = Duration::from_millis(200);

/// Time after which an end is reported although processes of the attempt still exist: they were killed and hang in the
/// kernel, as on a dead network file system. What they may still do, they can only do when that comes back.
pub const GIVE_UP: Duration = Duration::from_secs(10);

/// An attempt that is not over.
pub(super) struct Attempt {
    pub id: AttemptId,
    pub dir: PathBuf,
    pub facts: Facts,
    pub main: Main,
    pub tree: Tree,
    pub streams: Streams,
    /// Where the first process among the job's own tells of the program's end, until it has.
    pub first: Option<File>,
    pub phase: Phase,
    pub stop: Stop,
    /// The timer that is set.
    pub armed: Option<Monotonic>,
}

/// The process that was forked for the attempt.
#[derive(Debug)]
pub(super) enum Main {
    /// A child of this supervisor. Its number stays its own until it is reaped.
    Child(Pid),
    /// Another supervisor's child: watched through a handle.
    Adopted(Pid, Pidfd),
    /// It ended while nobody watched.
    Gone,
}

/// How far an attempt is.
pub(super) enum Phase {
    /// The child goes through the launch order.
    SettingUp(News),
    /// The program runs.
    Running(Executed),
    /// The main process has ended; the rest is being cleared away, or waited for.
    Ending(Box<MainEnd>),
    /// The end was told, and something of the attempt is still there. What it prints is read and dropped, so that it does not
    /// hang on a full pipe.
    Left {
        what: Left,
        /// When to look next whether it still is.
        next_look: Monotonic,
    },
}

/// What is there after the end was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Processes that the job leaves behind, for as long as they like.
    Behind,
    /// The first process among the job's own, alone and on its way out.
    Dying {
        /// When it is given up, as something that hangs in the kernel.
        give_up_at: Monotonic,
    },
}

/// Where news of a child's set-up come from.
pub(super) enum News {
    /// It says them, until exec closes the pipe.
    Pipe {
        /// The reading end.
        pipe: File,
        /// What it said.
        heard: Vec<u8>,
    },
    /// It was another supervisor's child, whose pipe is gone: the record tells.
    Record {
        /// When to look next.
        next_look: Monotonic,
    },
    /// The pipe was closed without news: it has died, and is about to be reaped.
    None,
}

/// Time for which the end of an adopted process may have no status: until its parent, init, has reaped it.
pub(super) const STATUS_PATIENCE: Duration = Duration::from_secs(1);

/// Time after which the record of an adopted child that is being set up is read again.
pub(super) const RECORD_INTERVAL: Duration = Duration::from_millis(50);

/// The end of the main process.
pub(super) struct MainEnd {
    pub ending: Ending,
    pub executed: Option<Executed>,
    /// What wait4 gave for the main process.
    pub usage: Usage,
    /// What the cgroup counted, at the last look.
    pub counted: Counted,
    pub at: Timestamp,
    /// Whether others were waited for: then the last of them ends the attempt.
    pub waited: bool,
    /// Until when an end that nobody saw may still be told by the kernel.
    pub status_until: Monotonic,
    /// What happens to the processes that are left.
    pub on_leftover: OnLeftover,
    /// Those that were killed because they outlived the main process.
    pub killed: Killed,
    /// Whether nothing of the job lives any more, although the main process does: it says so, being the first process among
    /// the job's own.
    pub alone: bool,
    pub give_up_at: Monotonic,
    pub next_look: Monotonic,
}

/// Whether the attempt is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// No.
    None,
    /// The stop signal was sent.
    Signalled(Stopping),
    /// SIGKILL was sent, and is sent again.
    Killing {
        /// Why and since when.
        stopping: Stopping,
        /// When next.
        again_at: Monotonic,
    },
}

impl Stop {
    /// Why the attempt is being stopped.
    pub fn stopping(&self) -> Option<Stopping> {
        match self {
            Self::None => None,
            Self::Signalled(stopping) | Self::Killing { stopping, .. } => Some(*stopping),
        }
    }

    /// How the attempt was stopped.
    pub fn stopped(&self) -> Option<Stopped> {
        match self {
            Self::None => None,
            Self::Signalled(stopping) => Some(Stopped { reason: stopping.reason, rung: Some(Rung::Signal) }),
            Self::Killing { stopping, .. } => Some(Stopped { reason: stopping.reason, rung: Some(Rung::Kill) }),
        }
    }
}

impl Attempt {
    /// When time itself does something to the attempt.
    pub fn due(&self) -> Option<Monotonic> {
        match (&self.phase, self.stop) {
            (Phase::Left { next_look, .. }, _) => Some(*next_look),
            (Phase::Ending(end), stop) => {
                let more = match stop {
                    _ if !self.awaits_leftovers() => None,
                    Stop::None => end.executed.and_then(|executed| self.timeout_at(executed)),
                    Stop::Signalled(stopping) => Some(stopping.kill_at),
                    Stop::Killing { .. } => None,
                };
                more.into_iter().chain([end.next_look]).min()
            }
            (_, Stop::Signalled(stopping)) => Some(stopping.kill_at),
            (_, Stop::Killing { again_at, .. }) => Some(again_at),
            (Phase::SettingUp(News::Record { next_look }), Stop::None) => Some(*next_look),
            (Phase::SettingUp(News::Pipe { .. } | News::None), Stop::None) => Some(self.setup_deadline()),
            (Phase::Running(executed), Stop::None) => self.timeout_at(*executed),
        }
    }

    /// When its time is up.
    pub fn timeout_at(&self, executed: Executed) -> Option<Monotonic> {
        self.facts.timeout.map(|timeout| executed.monotonic.saturating_add(timeout))
    }

    /// Whether the program has ended, or never began.
    pub fn program_is_over(&self) -> bool {
        match self.phase {
            Phase::SettingUp(_) | Phase::Running(_) => false,
            Phase::Ending(_) | Phase::Left { .. } => true,
        }
    }

    /// Whether the main process has ended, and others are waited for.
    pub fn awaits_leftovers(&self) -> bool {
        matches!(&self.phase, Phase::Ending(end) if end.on_leftover == OnLeftover::Wait)
    }

    /// When the child has to have executed its program.
    pub fn setup_deadline(&self) -> Monotonic {
        self.facts.asked.saturating_add(SETUP_DEADLINE)
    }

    /// When the program was executed, if it was.
    pub fn executed(&self) -> Option<Executed> {
        match &self.phase {
            Phase::SettingUp(_) | Phase::Left { .. } => None,
            Phase::Running(executed) => Some(*executed),
            Phase::Ending(end) => end.executed,
        }
    }
}

/// Processes that were killed, each counted once.
#[derive(Default)]
pub(super) struct Killed {
    seen: BTreeSet<Pid>,
    leftovers: Leftovers,
}

impl Killed {
    /// Notes processes that are about to be killed.
    pub fn note(&mut self, processes: impl IntoIterator<Item = Pid>) {
        for pid in processes {
            if let Some(name) = process::name(pid)
                && self.seen.insert(pid)
            {
                self.leftovers.add(&name);
            }
        }
    }

    /// What others killed in this attempt's name.
    pub fn told(leftovers: Leftovers) -> Self {
        Self { seen: BTreeSet::new(), leftovers }
    }

    /// All of them.
    pub fn leftovers(self) -> Leftovers {
        self.leftovers
    }
}

impl MainEnd {
    /// The end of a main process, seen now.
    pub fn new(ending: Ending, executed: Option<Executed>, usage: Usage, on_leftover: OnLeftover, now: Now) -> Self {
        Self {
            ending,
            executed,
            usage,
            counted: Counted::default(),
            at: now.wall,
            waited: false,
            status_until: now.monotonic.saturating_add(STATUS_PATIENCE),
            on_leftover,
            killed: Killed::default(),
            alone: false,
            give_up_at: now.monotonic.saturating_add(GIVE_UP),
            next_look: now.monotonic,
        }
    }

    /// The end of the attempt, as it is told.
    pub fn tell(self, stop: Stop, ended_at: Timestamp, output: OutputSummary) -> AttemptEnd {
        AttemptEnd {
            ending: self.ending,
            stopped: stop.stopped(),
            out_of_memory: self.counted.out_of_memory,
            leftovers: self.killed.leftovers(),
            started_at: self.executed.map(|executed| executed.wall),
            ended_at,
            usage: self.counted.over(self.usage),
            output,
        }
    }

    /// Whether all is known of the end that will ever be. An adopted process is reaped by somebody else, and then the
    /// kernel may tell how it ended.
    pub fn learn(&mut self, main: &Main, now: Monotonic) -> bool {
        match (&self.ending, main) {
            (Ending::Unseen, Main::Adopted(_, handle)) => match handle.wait_status() {
                Some(wait_status) if self.executed.is_some() => {
                    self.ending = Ending::Exited { wait_status };
                    true
                }
                Some(_) => true,
                None => now >= self.status_until,
            },
            (Ending::Unseen, Main::Child(_) | Main::Gone) => true,
            (Ending::Exited { .. } | Ending::SetupFailed(_), _) => true,
        }
    }
}
