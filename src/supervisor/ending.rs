//! Ending: stop ladders, reaping, and clearing away. How the end is told then is in [`ends`](super::ends).

use std::io;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::attempt::{
    Attempt, GIVE_UP, KILL_INTERVAL, Killed, LEFTOVER_INTERVAL, Left, Main, MainEnd, News, Phase, SETUP_DEADLINE, Stop,
};
use super::clock;
use super::hear::unwatch;
use super::line::Line;
use super::record::{self, Exited, Record, Stopping};
use super::serve::Supervisor;
use super::streams::{DRAIN_BYTES, Heard};
use super::token::Key;
use super::tree::Look;
use super::usage;
use crate::clock::Monotonic;
use crate::output::Stream;
use crate::run::{Ending, Leftovers, SetupFailure, StopReason, Usage};
use crate::spec::OnLeftover;

impl Supervisor {
    /// Begins the stop ladder. The first reason stays; a child that has not become its program is killed at once.
    pub fn stop(&mut self, key: Key, reason: StopReason) {
        let now = clock::now().monotonic;
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        let over = attempt.program_is_over() && !attempt.awaits_leftovers();
        if attempt.stop != Stop::None || over {
            return;
        }
        let sets_up = matches!(attempt.phase, Phase::SettingUp(_));
        let grace = if sets_up { std::time::Duration::ZERO } else { attempt.facts.stop.grace };
        let stopping = Stopping { reason, kill_at: now.saturating_add(grace) };
        attempt.stop = Stop::Signalled(stopping);
        // So that a later supervisor goes on with the ladder where this one left it.
        if let Err(fault) = record::add(&attempt.dir, &Line::Stopping(stopping.into())) {
            tracing::warn!(attempt = %attempt.id, %fault, "cannot record that the attempt is being stopped");
        }
        if sets_up {
            self.kill(key, now);
        } else {
            signal(attempt, attempt.facts.stop.signal);
        }
        self.arm(key);
    }

    /// The last rung: SIGKILL to the whole tree, repeated until it is gone.
    fn kill(&mut self, key: Key, now: Monotonic) {
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        kill_tree(attempt);
        if let Some(stopping) = attempt.stop.stopping() {
            attempt.stop = Stop::Killing { stopping, again_at: now.saturating_add(KILL_INTERVAL) };
        }
    }

    /// An attempt's time has come.
    pub fn on_time(&mut self, key: Key, now: Monotonic) {
        self.disarm(key);
        let Some(attempt) = self.attempts.get(&key) else { return };
        let is_ending = attempt.program_is_over();
        match (&attempt.phase, attempt.stop) {
            (Phase::Left { .. }, _) => self.look_at_ending = true,
            (Phase::Ending(end), stop) => {
                let timeout = end.executed.filter(|_| attempt.awaits_leftovers());
                let timeout = timeout.and_then(|executed| attempt.timeout_at(executed));
                match stop {
                    Stop::None if timeout.is_some_and(|at| at <= now) => self.stop(key, StopReason::TimedOut),
                    Stop::Signalled(stopping) if stopping.kill_at <= now => self.kill(key, now),
                    Stop::None | Stop::Signalled(_) | Stop::Killing { .. } => {}
                }
                self.look_at_ending = true;
            }
            (_, Stop::Signalled(_) | Stop::Killing { .. }) => self.kill(key, now),
            (Phase::Running(_), Stop::None) => self.stop(key, StopReason::TimedOut),
            (Phase::SettingUp(_), Stop::None) if attempt.setup_deadline() <= now => self.fail_setup(key),
            (Phase::SettingUp(_), Stop::None) => self.read_news(key, now),
        }
        // What is ending sets its timer when it was looked at, which comes next.
        match is_ending {
            true => self.disarm(key),
            false => self.arm(key),
        }
    }

    /// Gives up a child that is not done with its set-up. It never became its program and never will: SIGKILL is sent
    /// before the end is told.
    fn fail_setup(&mut self, key: Key) {
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        kill_tree(attempt);
        tracing::warn!(attempt = %attempt.id, limit = ?SETUP_DEADLINE, "set-up took too long");
        let failed = SetupFailure::of_daemon("set-up deadline", None, Errno::ETIMEDOUT as i32);
        self.main_ended(key, Ending::SetupFailed(failed), Usage::default());
    }

    /// Takes the status of every child that has ended, orphans included.
    pub fn reap(&mut self) {
        while let Some((pid, wait_status, used)) = wait_any() {
            let Some(key) = self.by_pid.remove(&pid) else { continue };
            // What it said before it ended may not have been read yet.
            self.hear_child(key);
            let Some(attempt) = self.attempts.get_mut(&key) else { continue };
            attempt.tree.main_ended();
            if attempt.program_is_over() {
                // Its end was told by itself; only its status was missing.
                continue;
            }
            let told = told_end(attempt);
            let wait_status = told.as_ref().map_or(wait_status, |told| told.wait_status);
            let ending = match attempt.executed() {
                None if attempt.stop == Stop::None => Ending::SetupFailed(SetupFailure::of_daemon("set-up", None, 0)),
                None | Some(_) => Ending::Exited { wait_status },
            };
            let resident_before = attempt.executed().and_then(|executed| executed.resident_bytes);
            let (killed, usage) = told.map(|told| (told.leftovers, told.usage)).unwrap_or_default();
            self.main_ended(key, ending, usage.unwrap_or_else(|| usage::of_process(&used, resident_before)));
            self.told_killed(key, killed);
        }
        // An orphan may have been the last one of an attempt that is ending.
        self.look_at_ending = true;
    }

    /// The main process is over: what it left behind goes, too.
    pub fn main_ended(&mut self, key: Key, ending: Ending, usage: Usage) {
        let now = clock::now();
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        if let Phase::SettingUp(News::Pipe { pipe, .. }) = &attempt.phase {
            unwatch(&self.epoll, pipe);
        }
        if let Some(pipe) = attempt.first.take() {
            unwatch(&self.epoll, &pipe);
        }
        let executed = attempt.executed();
        // What is being stopped, or never began, leaves nothing behind.
        let on_leftover = match (attempt.stop, executed) {
            (Stop::None, Some(_)) => attempt.facts.on_leftover,
            (Stop::Signalled(_), Some(_)) if attempt.facts.on_leftover == OnLeftover::Wait => OnLeftover::Wait,
            (Stop::None | Stop::Signalled(_) | Stop::Killing { .. }, _) => OnLeftover::Kill,
        };
        attempt.phase = Phase::Ending(Box::new(MainEnd::new(ending, executed, usage, on_leftover, now)));
        self.ending.insert(key);
        self.look_at_ending = true;
    }

    /// What the first process among a job's own said that it kills at its end.
    pub fn told_killed(&mut self, key: Key, killed: Leftovers) {
        if let Some(Attempt { phase: Phase::Ending(end), stop: Stop::None, .. }) = self.attempts.get_mut(&key) {
            end.killed = Killed::told(killed);
        }
    }

    /// What the first process among a job's own said: nobody is left but itself.
    pub fn told_alone(&mut self, key: Key) {
        if let Some(Attempt { phase: Phase::Ending(end), .. }) = self.attempts.get_mut(&key) {
            end.alone = true;
        }
    }

    /// Looks at every attempt whose main process has ended.
    pub fn clear_all_away(&mut self) {
        if std::mem::take(&mut self.look_at_ending) {
            let mut look = Look::new(self.by_pid.keys().copied().collect());
            for key in self.ending.clone() {
                self.clear_away(key, &mut look);
            }
        }
    }

    /// Kills what is left of an attempt; when nothing is, takes the last bytes of its output and tells the end.
    fn clear_away(&mut self, key: Key, look: &mut Look) {
        let now = clock::now().monotonic;
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        if let Phase::Ending(end) = &mut attempt.phase {
            end.counted = attempt.tree.counted();
        }
        if let Phase::Ending(end) = &attempt.phase
            && end.alone
        {
            return self.tell_early(key, Left::Dying { give_up_at: now.saturating_add(GIVE_UP) });
        }
        let gone = attempt.tree.gone(look).unwrap_or_else(|fault| {
            tracing::warn!(attempt = %attempt.id, %fault, "cannot see whether processes are left");
            true
        });
        let end = match &mut attempt.phase {
            Phase::Ending(end) => end,
            Phase::Left { .. } if gone => return self.forget_leftovers(key),
            Phase::Left { what: Left::Dying { give_up_at }, .. } if *give_up_at <= now => {
                tracing::error!(attempt = %attempt.id, "the first process of an attempt that is over does not end");
                return self.forget_leftovers(key);
            }
            Phase::Left { next_look, .. } => {
                *next_look = now.saturating_add(LEFTOVER_INTERVAL);
                return self.arm(key);
            }
            Phase::SettingUp(_) | Phase::Running(_) => return,
        };
        let told = end.learn(&attempt.main, now);
        match (end.on_leftover, attempt.stop) {
            (OnLeftover::Leave, Stop::None) if !gone && told => return self.tell_early(key, Left::Behind),
            (OnLeftover::Wait, Stop::None | Stop::Signalled(_)) if !gone => {
                end.waited = true;
                end.next_look = now.saturating_add(LEFTOVER_INTERVAL);
                end.give_up_at = now.saturating_add(GIVE_UP);
                return self.arm(key);
            }
            (OnLeftover::Kill | OnLeftover::Leave | OnLeftover::Wait, _) => {}
        }
        if (!gone || !told) && now < end.give_up_at {
            end.next_look = now.saturating_add(KILL_INTERVAL);
            if !gone {
                note_leftovers(attempt, look);
                kill_tree(attempt);
            }
            return self.arm(key);
        }
        if !gone {
            tracing::error!(attempt = %attempt.id, "processes that were killed do not end; the attempt ends without them");
        }
        attempt.streams.read_rest(&mut self.buffer);
        self.finish(key);
    }

    /// Reads what a program printed, once.
    pub fn drain(&mut self, key: Key, stream: Stream) {
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        match attempt.streams.read(stream, &mut self.buffer) {
            // More may be there, of which no new event would tell; the others come first.
            Heard::Bytes(DRAIN_BYTES) => attempt.streams.remind(stream, &self.epoll, key),
            Heard::Bytes(_) | Heard::Nothing => {}
            Heard::End => attempt.streams.close(stream, &self.epoll),
        }
    }

    /// Sets an attempt's timer to when it is due next.
    pub fn arm(&mut self, key: Key) {
        self.disarm(key);
        if let Some(attempt) = self.attempts.get_mut(&key)
            && let Some(due) = attempt.due()
        {
            attempt.armed = Some(due);
            self.timers.insert((due, key));
        }
    }

    pub fn disarm(&mut self, key: Key) {
        if let Some(at) = self.attempts.get_mut(&key).and_then(|attempt| attempt.armed.take()) {
            self.timers.remove(&(at, key));
        }
    }
}

/// Sends the stop signal to all of an attempt.
fn signal(attempt: &Attempt, signal: Signal) {
    let group = match &attempt.main {
        Main::Child(pid) => Some(*pid),
        Main::Adopted(..) | Main::Gone => None,
    };
    if let Err(fault) = attempt.tree.signal(signal, group) {
        tracing::warn!(attempt = %attempt.id, %fault, "cannot send the stop signal to every process");
    }
}

/// What the first process among a job's own wrote down of the program's end, and of what it killed.
fn told_end(attempt: &Attempt) -> Option<Exited> {
    if !attempt.facts.own_processes {
        return None;
    }
    let record = Record::read(&attempt.dir).unwrap_or_else(|fault| {
        tracing::error!(attempt = %attempt.id, %fault, "cannot read the record of an attempt");
        None
    });
    record.and_then(|record| record.exited)
}

/// Remembers who is about to be killed only because the program has ended, and not because the attempt is being stopped.
fn note_leftovers(attempt: &mut Attempt, look: &mut Look) {
    let (Phase::Ending(end), Stop::None) = (&mut attempt.phase, attempt.stop) else { return };
    if end.executed.is_some() {
        match attempt.tree.all(look) {
            Ok(processes) => end.killed.note(processes),
            Err(fault) => tracing::warn!(attempt = %attempt.id, %fault, "cannot list what an attempt left behind"),
        }
    }
}

fn kill_tree(attempt: &Attempt) {
    // The main process by its number, too: it may not be in its cgroup or session yet, and root can leave a cgroup.
    let killed = match (&attempt.main, &attempt.phase) {
        (Main::Child(pid), Phase::SettingUp(_) | Phase::Running(_)) => {
            nix::sys::signal::kill(*pid, Signal::SIGKILL).map_err(io::Error::from)
        }
        (Main::Adopted(_, handle), Phase::SettingUp(_) | Phase::Running(_)) => handle.signal(Signal::SIGKILL),
        // It may have been reaped, and its number may be another's.
        (Main::Child(_) | Main::Adopted(..) | Main::Gone, _) => Ok(()),
    };
    let killed = killed.and(attempt.tree.kill());
    if let Err(fault) = killed {
        tracing::warn!(attempt = %attempt.id, %fault, "cannot kill every process");
    }
}

/// One child that has ended, its wait status and what it used; `None` when there is none.
fn wait_any() -> Option<(Pid, i32, libc::rusage)> {
    let mut wait_status = 0;
    // SAFETY: all fields of rusage are integers, for which zero is a value.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live variables of the right type.
        let pid = unsafe { libc::wait4(-1, &raw mut wait_status, libc::WNOHANG, &raw mut used) };
        match pid {
            0 => return None,
            -1 if Errno::last() == Errno::EINTR => {}
            -1 => return None,
            pid => return Some((Pid::from_raw(pid), wait_status, used)),
        }
    }
}
