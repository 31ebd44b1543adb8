//! Finding attempts of an earlier supervisor, and watching those that still live to their end.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use super::attempt::{Attempt, Left, Main, MainEnd, News, Phase, RECORD_INTERVAL, Stop};
use super::clock;
use super::directory::attempt_dir;
use super::process::{Pidfd, Stat};
use super::record::{Exited, Process, Record};
use super::serve::{FoundRuns, OnDisk, Supervisor};
use super::streams::Streams;
use super::token::Key;
use super::tree::{Tree, Walk};
use crate::clock::{Monotonic, Now};
use crate::output::Capture;
use crate::run::{AttemptEnd, AttemptId, Ending, Leftovers, OutputSummary, Report, StopReason, Usage};
use crate::spec::OnLeftover;

impl Supervisor {
    /// Finds what the supervisor before this one left, and looks after it.
    pub fn take_over(&mut self, found_runs: FoundRuns) {
        let names = self.journal.names();
        for id in &names {
            self.find_on_disk(id);
        }
        if let Some(Err(fault)) = self.host.cgroups.as_ref().map(super::cgroup::Hierarchy::sweep) {
            tracing::warn!(%fault, "cannot look for cgroups that are left over");
        }
        if !names.is_empty() {
            tracing::info!(live = self.attempts.len(), ended = self.ends.len(), "took over from an earlier supervisor");
        }
        match found_runs {
            FoundRuns::Adopt => {}
            FoundRuns::Stop => {
                // Those that are already being stopped, and those that have ended, stay as they are.
                for key in self.attempts.keys().copied().collect::<Vec<_>>() {
                    self.stop(key, StopReason::HostShutdown);
                }
            }
        }
    }

    /// Finds out what became of an attempt that this supervisor does not know, and says it.
    pub fn find_on_disk(&mut self, id: &AttemptId) {
        let dir = attempt_dir(&self.host.runs, id);
        match Record::read(&dir) {
            Ok(Some(record)) => self.take_over_one(id, &dir, record),
            // A directory whose record was never begun: nothing was forked for it.
            Ok(None) if dir.is_dir() => self.keep_end(id.clone(), unseen(clock::now()), OnDisk::NotYet),
            Ok(None) => {
                self.journal.forget(id);
                self.report(&Report::NoTrace { attempt: id.clone() });
            }
            Err(fault) => {
                tracing::error!(attempt = %id, %fault, "cannot read the record of an attempt");
                self.keep_end(id.clone(), unseen(clock::now()), OnDisk::Nowhere);
            }
        }
    }

    fn take_over_one(&mut self, id: &AttemptId, dir: &Path, record: Record) {
        if let Some(end) = record.end.clone() {
            self.journal.begin(id);
            self.adopt_leftovers(id, dir, &record);
            return self.keep_end(id.clone(), end, OnDisk::Yes);
        }
        let attempt = self.adopt(id, dir, &record);
        let report = Self::started(&attempt);
        self.journal.begin(id);
        self.keep(attempt);
        self.look_at_ending = true;
        if let Some(report) = report {
            self.report(&report);
        }
    }

    /// Takes care of processes that a job left behind and that outlived a supervisor: what they print is read and dropped
    /// from here on, as before. Their pipes are open for reading in themselves, so that what they wrote meanwhile waited.
    fn adopt_leftovers(&mut self, id: &AttemptId, dir: &Path, record: &Record) {
        if record.facts.boot != self.host.boot || record.facts.on_leftover != OnLeftover::Leave {
            return;
        }
        let mut tree = self.recorded_tree(record);
        tree.main_ended();
        match tree.processes() {
            Ok(processes) if processes.is_empty() => return,
            Ok(_) => {}
            Err(fault) => {
                return tracing::warn!(attempt = %id, %fault, "cannot list what an attempt left behind");
            }
        }
        let pipes = find_pipes(&tree, &Main::Gone, record.facts.pipes);
        self.left.insert(id.clone());
        self.keep(Attempt {
            id: id.clone(),
            dir: dir.to_owned(),
            facts: record.facts.clone(),
            first: None,
            phase: Phase::Left { what: Left::Behind, next_look: clock::now().monotonic },
            main: Main::Gone,
            tree,
            streams: Streams::dropping(pipes),
            stop: Stop::None,
            armed: None,
        });
    }

    /// An attempt as its record tells it. One whose main process is gone begins at its end, which clears away what it
    /// left behind.
    fn adopt(&self, id: &AttemptId, dir: &Path, record: &Record) -> Attempt {
        let now = clock::now();
        let same_boot = record.facts.boot == self.host.boot;
        let main = record.process.filter(|_| same_boot).map_or(Main::Gone, adopt_main);
        let tree = self.recorded_tree(record);
        let pipes = match same_boot {
            true => find_pipes(&tree, &main, record.facts.pipes),
            false => [None, None],
        };
        let output = &record.facts.output;
        let capture = Capture::resume(dir, id, output, now.monotonic).unwrap_or_else(|fault| {
            tracing::error!(attempt = %id, %fault, "cannot go on with the output of an attempt");
            Capture::new(dir, id, output, now.monotonic)
        });
        Attempt {
            id: id.clone(),
            dir: dir.to_owned(),
            facts: record.facts.clone(),
            phase: adopted_phase(&main, record, now),
            main,
            tree,
            streams: Streams::new(pipes, capture),
            first: None,
            stop: match record.stopping {
                None => Stop::None,
                // The supervisor before this one has killed it, or died in the act.
                Some(stopping) if stopping.kill_at <= now.monotonic => {
                    Stop::Killing { stopping, again_at: now.monotonic }
                }
                Some(stopping) => Stop::Signalled(stopping),
            },
            armed: None,
        }
    }

    fn recorded_tree(&self, record: &Record) -> Tree {
        let cgroup = record.facts.cgroup.as_deref().zip(self.host.cgroups.as_ref());
        // Without a main process nothing is looked for by its number; 0 is nobody's.
        let main = record.process.map_or(Pid::from_raw(0), |process| process.pid);
        let walk = Walk::new(main, &record.facts.invocation, false);
        match cgroup.and_then(|(path, hierarchy)| hierarchy.recorded(path)) {
            Some(cgroup) => Tree::Cgroup(cgroup, walk),
            None => Tree::Walk(walk),
        }
    }

    /// Looks whether an adopted child has become its program.
    pub fn read_news(&mut self, key: Key, now: Monotonic) {
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        if let Phase::SettingUp(News::Record { next_look }) = &mut attempt.phase {
            *next_look = now.saturating_add(RECORD_INTERVAL);
        }
        match Record::read(&attempt.dir) {
            Ok(Some(Record { executed: Some(executed), .. })) => self.runs(key, executed),
            Ok(_) => {}
            Err(fault) => tracing::error!(attempt = %attempt.id, %fault, "cannot read the record of an attempt"),
        }
    }

    /// An adopted process has ended.
    pub fn hear_adopted(&mut self, key: Key) {
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        if let Main::Adopted(_, handle) = &attempt.main
            && let Err(errno) = self.epoll.delete(handle)
        {
            tracing::warn!(%errno, "cannot take a process handle out of epoll");
        }
        attempt.tree.main_ended();
        // What it said last is in its record only.
        let record = Record::read(&attempt.dir).unwrap_or_else(|fault| {
            tracing::error!(attempt = %attempt.id, %fault, "cannot read the record of an attempt");
            None
        });
        if let (Phase::SettingUp(_), Some(executed)) =
            (&attempt.phase, record.as_ref().and_then(|record| record.executed))
        {
            attempt.phase = Phase::Running(executed);
        }
        let (exited, failed) = record.map_or((None, None), |record| (record.exited, record.setup_failure));
        let (ending, usage) = adopted_end(exited.as_ref());
        self.main_ended(key, failed.map_or(ending, Ending::SetupFailed), usage);
        self.told_killed(key, exited.map(|exited| exited.leftovers).unwrap_or_default());
    }
}

/// The main process of another supervisor, if it is still there: its number alone would not do.
fn adopt_main(process: Process) -> Main {
    // The handle is taken before the look, so that it cannot come to belong to somebody else in between.
    match Pidfd::open(process.pid) {
        Ok(handle) if Stat::read(process.pid).is_ok_and(|stat| stat.start_ticks == process.start_ticks) => {
            Main::Adopted(process.pid, handle)
        }
        Ok(_) | Err(_) => Main::Gone,
    }
}

/// The end of an adopted process, and what it used: known when the first process among the job's own wrote it down.
fn adopted_end(exited: Option<&Exited>) -> (Ending, Usage) {
    match exited {
        Some(Exited { wait_status, usage, .. }) => {
            (Ending::Exited { wait_status: *wait_status }, usage.unwrap_or_default())
        }
        None => (Ending::Unseen, Usage::default()),
    }
}

fn adopted_phase(main: &Main, record: &Record, now: Now) -> Phase {
    match (main, record.executed, &record.setup_failure) {
        (Main::Gone, executed, None) => {
            let (ending, usage) = adopted_end(record.exited.as_ref());
            Phase::Ending(Box::new(MainEnd::new(ending, executed, usage, record.facts.on_leftover, now)))
        }
        (_, _, Some(failure)) => {
            let ending = Ending::SetupFailed(failure.clone());
            Phase::Ending(Box::new(MainEnd::new(ending, None, Usage::default(), OnLeftover::Kill, now)))
        }
        (Main::Child(_) | Main::Adopted(..), Some(executed), None) => Phase::Running(executed),
        (Main::Child(_) | Main::Adopted(..), None, None) => Phase::SettingUp(News::Record { next_look: now.monotonic }),
    }
}

/// Opens the reading ends of an attempt's pipes again, through whichever of its processes still has them.
fn find_pipes(tree: &Tree, main: &Main, inodes: [u64; 2]) -> [Option<OwnedFd>; 2] {
    let first = match main {
        Main::Child(pid) | Main::Adopted(pid, _) => Some(*pid),
        Main::Gone => None,
    };
    let others = tree.processes().unwrap_or_else(|fault| {
        tracing::warn!(%fault, "cannot list the processes of an attempt");
        Vec::new()
    });
    let holders: Vec<Pid> = first.into_iter().chain(others).collect();
    inodes.map(|inode| holders.iter().find_map(|&pid| open_pipe(pid, inode)))
}

fn open_pipe(pid: Pid, inode: u64) -> Option<OwnedFd> {
    let target = format!("pipe:[{inode}]");
    let links = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let link = links
        .flatten()
        .map(|entry| entry.path())
        .find(|link| fs::read_link(link).is_ok_and(|path| path.as_os_str() == target.as_str()))?;
    open(&link, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(io::Error::from)
        .inspect_err(|fault| tracing::warn!(%pid, %fault, "cannot open a pipe again"))
        .ok()
}

fn unseen(now: Now) -> AttemptEnd {
    AttemptEnd {
        ending: Ending::Unseen,
        stopped: None,
        out_of_memory: None,
        leftovers: Leftovers::default(),
        started_at: None,
        ended_at: now.wall,
        usage: Usage::default(),
        output: OutputSummary::default(),
    }
}
