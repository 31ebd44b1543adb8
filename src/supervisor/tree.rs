//! [`Tree`]: all processes of an attempt, however they hide.

use std::io;

use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid};

use super::cgroup::Cgroup;
use super::environment::INVOCATION;
use super::process::{Pidfd, ProcessTable, Stat, has_variable};
use super::usage::Counted;

/// How the processes of an attempt are found.
#[derive(Debug)]
pub(super) enum Tree {
    /// Exactly: they are in its cgroup.
    Cgroup(Cgroup),
    /// As well as `/proc` tells.
    Walk(Walk),
}

/// Finds processes by kinship, session, process group and environment.
///
/// A process escapes it only if it forks twice, starts a session and clears `JOBSD_INVOCATION` from its environment.
#[derive(Debug)]
pub(super) struct Walk {
    /// `JOBSD_INVOCATION=…`, as in the environment.
    pub variable: Vec<u8>,
    /// Leader of the attempt's session and process group.
    pub main: Pid,
    /// Whether the main process may still be looked for by its number; once it was reaped, the number may be another's.
    pub main_lives: bool,
    /// Whether orphans come to this supervisor. Those of an adopted attempt go to init, among everybody's.
    pub orphans_come: bool,
}

impl Walk {
    /// A walk for a new attempt.
    pub fn new(main: Pid, invocation: &str, orphans_come: bool) -> Self {
        Self { variable: format!("{INVOCATION}={invocation}").into_bytes(), main, main_lives: true, orphans_come }
    }

    fn members<'t>(&self, table: &'t ProcessTable) -> impl Iterator<Item = &'t Stat> {
        let reused = !self.main_lives && table.living().any(|stat| stat.pid == self.main);
        table.living().filter(move |stat| self.contains(table, stat, reused))
    }

    fn contains(&self, table: &ProcessTable, stat: &Stat, reused: bool) -> bool {
        let me = Pid::this();
        let own_line = || table.lineage(stat.pid).take_while(|ancestor| ancestor.pid != me);
        let kin = |ancestor: &Stat| [ancestor.pid, ancestor.session, ancestor.group].contains(&self.main);
        if !reused && own_line().any(kin) {
            return true;
        }
        let below_me = stat.pid != me && table.lineage(stat.pid).any(|ancestor| ancestor.pid == me);
        (below_me || !self.orphans_come) && own_line().any(|ancestor| has_variable(ancestor.pid, &self.variable))
    }
}

impl Tree {
    /// Notes that the main process was reaped.
    pub fn main_ended(&mut self) {
        match self {
            Self::Cgroup(_) => {}
            Self::Walk(walk) => walk.main_lives = false,
        }
    }

    /// Sends the stop signal: to the process group at once, and to each process outside of it. `group` is the main
    /// process, when it is an unreaped child, so that its number cannot be another's.
    ///
    /// # Errors
    /// When `/proc` or the cgroup cannot be read, or a process may not be signalled.
    pub fn signal(&self, signal: Signal, group: Option<Pid>) -> io::Result<()> {
        let Some(main) = group else { return self.signal_each(signal, |_| true) };
        match nix::sys::signal::killpg(main, signal) {
            // A child that has not yet made its group is told by the rest.
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(fault) => return Err(fault.into()),
        }
        self.signal_each(signal, |pid| getpgid(Some(pid)) != Ok(main))
    }

    /// Kills everything, once. What is forked meanwhile may be left; ask [`Tree::gone`] and repeat.
    ///
    /// # Errors
    /// When `/proc` or the cgroup cannot be used, or a process may not be killed.
    pub fn kill(&self) -> io::Result<()> {
        match self {
            Self::Cgroup(cgroup) => cgroup.kill(),
            Self::Walk(_) => self.signal_each(Signal::SIGKILL, |_| true),
        }
    }

    /// Whether nothing is left. A cgroup is removed with it. `table` may serve for several attempts; it is read when it
    /// is needed, and must be younger than the end of the main process.
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub fn gone(&self, table: &mut Option<ProcessTable>) -> io::Result<bool> {
        match (self, table) {
            (Self::Cgroup(cgroup), _) => Ok(cgroup.remove()),
            (Self::Walk(walk), Some(table)) => Ok(walk.members(table).next().is_none()),
            (Self::Walk(walk), table @ None) => Ok(walk.members(table.insert(ProcessTable::read()?)).next().is_none()),
        }
    }

    /// Its processes.
    ///
    /// # Errors
    /// When the cgroup or `/proc` cannot be read.
    pub fn processes(&self) -> io::Result<Vec<Pid>> {
        match self {
            Self::Cgroup(cgroup) => cgroup.processes(),
            Self::Walk(walk) => Ok(walk.members(&ProcessTable::read()?).map(|stat| stat.pid).collect()),
        }
    }

    /// What its cgroup counted, when it has one. To be asked before [`Tree::gone`], which takes the cgroup away.
    pub fn counted(&self) -> Counted {
        match self {
            Self::Cgroup(cgroup) => Counted::read(cgroup.path()),
            Self::Walk(_) => Counted::default(),
        }
    }

    fn signal_each(&self, signal: Signal, wanted: impl Fn(Pid) -> bool) -> io::Result<()> {
        match self {
            Self::Cgroup(cgroup) => cgroup.signal(signal, wanted),
            Self::Walk(walk) => {
                let mut result = Ok(());
                for stat in walk.members(&ProcessTable::read()?).filter(|stat| wanted(stat.pid)) {
                    // The handle is taken before the second look, so that a number which changed hands is not hit.
                    if let Ok(handle) = Pidfd::open(stat.pid)
                        && Stat::read(stat.pid).is_ok_and(|now| now.start_ticks == stat.start_ticks)
                    {
                        result = result.and(handle.signal(signal));
                    }
                }
                result
            }
        }
    }
}
