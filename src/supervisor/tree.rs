//! [`Tree`]: all processes of an attempt, however they hide.

use std::collections::HashSet;
use std::io;

use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid};

use super::cgroup::Cgroup;
use super::environment::INVOCATION;
use super::process::{self, Pidfd, ProcessTable, Stat, has_variable};
use super::usage::Counted;

/// How the processes of an attempt are found.
#[derive(Debug)]
pub(super) enum Tree {
    /// Exactly: they are in its cgroup. Root may leave it; who did is walked for.
    Cgroup(Cgroup, Walk),
    /// As well as `/proc` tells.
    Walk(Walk),
}

/// Finds processes by kinship, session, process group and environment.
///
/// A process escapes it only if it forks twice, starts a session and clears `JOBSD_INVOCATION` from its environment; where there
/// is a cgroup, it has to leave that, too, which root alone can. It then is a child of this supervisor and no main process, so
/// that its being somebody's is seen; but not whose: every run that lived when it was forked may have done so, and one of
/// them may still be meant to have it. To kill on a guess would be worse than to leave it.
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

    fn signal_each(&self, signal: Signal, wanted: impl Fn(Pid) -> bool) -> io::Result<()> {
        let mut result = Ok(());
        for stat in self.members(&ProcessTable::read()?).filter(|stat| wanted(stat.pid)) {
            // The handle is taken before the second look, so that a number which changed hands is not hit.
            if let Ok(handle) = Pidfd::open(stat.pid)
                && Stat::read(stat.pid).is_ok_and(|now| now.start_ticks == stat.start_ticks)
            {
                result = result.and(handle.signal(signal));
            }
        }
        result
    }

    /// Those outside of the cgroup, in which nothing lives any more or is about to be killed: the uppermost of them have come
    /// to this supervisor. So nothing more is read as long as all its children are main processes, which is nearly always.
    fn strays(&self, look: &mut Look) -> io::Result<Vec<Pid>> {
        let kin = |stat: &&Stat| {
            let numbers = [stat.session, stat.group];
            numbers.contains(&self.main) || has_variable(stat.pid, &self.variable)
        };
        if !self.orphans_come || look.orphans()?.iter().find(kin).is_none() {
            return Ok(Vec::new());
        }
        Ok(self.members(look.table()?).map(|stat| stat.pid).collect())
    }

    fn members<'t>(&self, table: &'t ProcessTable) -> impl Iterator<Item = &'t Stat> {
        // 0 is what the kernel's own processes, and in a container those from outside, have for a session.
        let none = self.main.as_raw() == 0;
        let reused = none || !self.main_lives && table.living().any(|stat| stat.pid == self.main);
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

/// What is seen of the machine's processes at one moment; read when it is needed.
pub(super) struct Look {
    mains: HashSet<Pid>,
    table: Option<ProcessTable>,
    orphans: Option<Vec<Stat>>,
}

impl Look {
    /// A look now, by a supervisor that made these children.
    pub fn new(mains: HashSet<Pid>) -> Self {
        Self { mains, table: None, orphans: None }
    }

    fn table(&mut self) -> io::Result<&ProcessTable> {
        match &mut self.table {
            Some(table) => Ok(table),
            table @ None => Ok(table.insert(ProcessTable::read()?)),
        }
    }

    /// Children that are no main processes: their parents have died.
    fn orphans(&mut self) -> io::Result<&[Stat]> {
        if self.orphans.is_none() {
            let children = process::children()?.into_iter().filter(|pid| !self.mains.contains(pid));
            let living = children.filter_map(|pid| Stat::read(pid).ok()).filter(|stat| !stat.zombie);
            self.orphans = Some(living.collect());
        }
        Ok(self.orphans.as_deref().unwrap_or_default())
    }
}

impl Tree {
    /// Notes that the main process was reaped.
    pub fn main_ended(&mut self) {
        match self {
            Self::Cgroup(_, walk) | Self::Walk(walk) => walk.main_lives = false,
        }
    }

    /// Sends the stop signal, and SIGCONT after it: who was stopped, by SIGSTOP or by a terminal, would not hear it. `group` is
    /// the main process, when it is an unreaped child, so that its number cannot be another's.
    ///
    /// # Errors
    /// When `/proc` or the cgroup cannot be read, or a process may not be signalled.
    pub fn signal(&self, signal: Signal, group: Option<Pid>) -> io::Result<()> {
        self.signal_all(signal, group).and_then(|()| self.signal_all(Signal::SIGCONT, group))
    }

    /// To the process group at once, and to each process outside of it.
    fn signal_all(&self, signal: Signal, group: Option<Pid>) -> io::Result<()> {
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
            Self::Cgroup(cgroup, walk) => cgroup.kill().and_then(|()| walk.signal_each(Signal::SIGKILL, |_| true)),
            Self::Walk(walk) => walk.signal_each(Signal::SIGKILL, |_| true),
        }
    }

    /// Whether nothing is left. A cgroup is removed with it. `look` may serve for several attempts; it must be younger than
    /// the end of the main process.
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub fn gone(&self, look: &mut Look) -> io::Result<bool> {
        match self {
            // The cgroup last: what it counted is asked until all is over.
            Self::Cgroup(cgroup, walk) => Ok(walk.strays(look)?.is_empty() && cgroup.remove()),
            Self::Walk(walk) => Ok(walk.members(look.table()?).next().is_none()),
        }
    }

    /// Its processes, with those that left its cgroup.
    ///
    /// # Errors
    /// When the cgroup or `/proc` cannot be read.
    pub fn all(&self, look: &mut Look) -> io::Result<Vec<Pid>> {
        match self {
            Self::Cgroup(cgroup, walk) => Ok([cgroup.processes()?, walk.strays(look)?].concat()),
            Self::Walk(walk) => Ok(walk.members(look.table()?).map(|stat| stat.pid).collect()),
        }
    }

    /// Its processes.
    ///
    /// # Errors
    /// When the cgroup or `/proc` cannot be read.
    pub fn processes(&self) -> io::Result<Vec<Pid>> {
        match self {
            Self::Cgroup(cgroup, _) => cgroup.processes(),
            Self::Walk(walk) => Ok(walk.members(&ProcessTable::read()?).map(|stat| stat.pid).collect()),
        }
    }

    /// What its cgroup counted, when it has one. To be asked before [`Tree::gone`], which takes the cgroup away.
    pub fn counted(&self) -> Counted {
        match self {
            Self::Cgroup(cgroup, _) => Counted::read(cgroup.path()),
            Self::Walk(_) => Counted::default(),
        }
    }

    fn signal_each(&self, signal: Signal, wanted: impl Fn(Pid) -> bool) -> io::Result<()> {
        match self {
            Self::Cgroup(cgroup, _) => cgroup.signal(signal, wanted),
            Self::Walk(walk) => walk.signal_each(signal, wanted),
        }
    }
}
