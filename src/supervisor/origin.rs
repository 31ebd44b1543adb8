//! [`Origin`]: whether a process that connects belongs to a run, and to which.
//!
//! What isolates a job would be worth little if the job could have jobsd do for it what it may not do itself. So both
//! processes ask here who connects: the supervisor takes no connection from any run, and the engine none from a run whose
//! isolation says so (`isolation.control_socket`). A user's number does not tell: a job often runs as the daemon's own user.
//!
//! The kernel tells who connected (`SO_PEERCRED`, and `SO_PEERPIDFD` so that a number which changed hands meanwhile is
//! noticed), and then:
//!
//! 1. *By its cgroup.* It lies in a directory that is named after the state directory and the attempt. No fork, session or
//!    change of parent leads out of it, and only who may write the hierarchy can move himself elsewhere.
//! 2. *By its parents.* Their line leads to an attempt's main process, which is the first of a job's own processes where it
//!    has those, or at least to the supervisor, to which orphans come. A process that descends from the supervisor and from
//!    no main process belongs to some run: it counts as one that may do nothing.
//!
//! What is not found: where there are no cgroups and no processes of the job's own, an orphan of a run whose supervisor was
//! replaced, since init has taken it. What is not looked for: a connection that a process outside makes and hands over to a
//! job, or that it makes because a job asks it to. Before Linux 6.5, a number that changed hands within the moment from
//! connecting to being accepted is the other's.
//!
//! Only runs of this state directory count. So a jobsd may well be tried out in a job of another.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::Pid;

use super::cgroup;
use super::directory::attempt_dir;
use super::instance;
use super::process::{self, Pidfd, Stat, cgroup_of};
use super::record::{Process, Record};
use crate::run::AttemptId;

/// Parents that are looked at, one after the other. Nobody's shell has as many; who does is no longer asked about, since
/// each costs some microseconds for which others wait.
const PARENTS_LIMIT: usize = 128;

/// Times that a line of parents is read which changes meanwhile.
const TRIES: usize = 5;

/// Where a process comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From no run of this state directory.
    Outside,
    /// From this attempt.
    Attempt(AttemptId),
    /// It cannot be told.
    Unclear(Unclear),
}

/// Why it cannot be told where a process comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// It is over, and may have handed its connection to another.
    #[error("the process that connected has ended")]
    Ended,
    /// It descends from the supervisor, and the process of the attempt through which it did is gone.
    #[error("the process belongs to a run, and it cannot be told any more to which")]
    Orphan,
    /// It has more parents than are looked at.
    #[error("the process has more than {PARENTS_LIMIT} others above it")]
    TooDeep,
    /// They change faster than they are read.
    #[error("the processes above it change too fast")]
    Unsteady,
    /// It has no number here, and neither has the supervisor: runs may have none, too.
    #[error("the process is in another process namespace, and so may runs be")]
    Elsewhere,
    /// There are no descriptors to look with, as a rule.
    #[error("what tells it cannot be read now")]
    Unreadable,
}

impl Unclear {
    /// That something could not be read says nothing about the process, and must let nobody in.
    fn unreadable(fault: io::Error) -> Self {
        tracing::error!(%fault, "cannot look where a connection comes from");
        Self::Unreadable
    }
}

/// Tells where processes come from, for one state directory.
#[derive(Clone, Debug)]
pub struct Origins {
    state_dir: PathBuf,
    runs: PathBuf,
    /// The name of the directory of all attempts' cgroups.
    cgroups: String,
}

impl Origins {
    /// For the runs of this state directory.
    pub fn new(state_dir: &Path) -> Self {
        // The supervisor has made it; one that is not there has no runs.
        let state_dir = state_dir.canonicalize().unwrap_or_else(|_| state_dir.to_owned());
        Self { runs: state_dir.join("runs"), cgroups: cgroup::base_name(&state_dir), state_dir }
    }

    /// Where the process comes from that connected to the other end of a Unix socket.
    ///
    /// `attempts` gives those whose main process may be among its parents: it is handed a test for the number of a main
    /// process, which, without a number, says whether an attempt of which none is known yet comes into question. It is called
    /// only when the process is in no cgroup of a run. Reads some small files of `/proc`, one for each parent while something
    /// runs, and of the state directory for processes of runs: some 20 microseconds, or 100 while something runs.
    pub fn of_peer(
        &self,
        socket: &impl AsFd,
        attempts: impl Fn(&dyn Fn(Option<u32>) -> bool) -> Vec<AttemptId>,
    ) -> Origin {
        self.look(socket, attempts).unwrap_or_else(Origin::Unclear)
    }

    fn look(
        &self,
        socket: &impl AsFd,
        attempts: impl Fn(&dyn Fn(Option<u32>) -> bool) -> Vec<AttemptId>,
    ) -> Result<Origin, Unclear> {
        // Taken first, so that what is read about the number afterwards is about this very process if it still has it.
        let handle = Pidfd::of_peer(socket).map_err(|fault| match fault.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => Unclear::unreadable(fault),
            // Kernels are of different opinions how to say it: ENODATA, EINVAL, ESRCH.
            Some(_) | None => Unclear::Ended,
        })?;
        let peer = getsockopt(socket, PeerCredentials).map_err(|errno| Unclear::unreadable(errno.into()))?;
        let pid = Pid::from_raw(peer.pid());
        if pid.as_raw() <= 0 {
            return self.of_foreigner();
        }
        let origin = match self.by_cgroup(pid)? {
            Some(origin) => origin,
            None => self.by_parents(pid, attempts)?,
        };
        let is_there = handle.map_or_else(|| exists(pid), |handle| handle.has_number());
        if is_there { Ok(origin) } else { Err(Unclear::Ended) }
    }

    /// Whether the processes of an attempt may use jobsd, as it was launched; `None` when its record is gone, as that of an old
    /// run is which left processes behind.
    pub fn may_use_jobsd(&self, attempt: &AttemptId) -> Option<bool> {
        let record = Record::read(&attempt_dir(&self.runs, attempt)).unwrap_or_else(|fault| {
            tracing::error!(%attempt, %fault, "cannot read the record of an attempt");
            None
        });
        record.map(|record| record.facts.control_socket)
    }

    /// A process without a number here is in no namespace below this one. Runs are where the supervisor is, or below.
    fn of_foreigner(&self) -> Result<Origin, Unclear> {
        let supervisor =
            self.supervisor()?.filter(|process| Stat::read(process.pid).is_ok_and(|stat| process.is(&stat)));
        supervisor.map(|_| Origin::Outside).ok_or(Unclear::Elsewhere)
    }

    fn supervisor(&self) -> Result<Option<Process>, Unclear> {
        instance::holder(&self.state_dir).map_err(Unclear::unreadable)
    }

    fn by_cgroup(&self, pid: Pid) -> Result<Option<Origin>, Unclear> {
        let Some(path) = seen(cgroup_of(pid))?.flatten() else { return Ok(None) };
        let mut parts = path.split('/').skip_while(|part| *part != self.cgroups);
        if parts.next().is_none() {
            return Ok(None);
        }
        // What a job makes below its cgroup is its own. The kernel says when a cgroup is gone, of a process that has ended.
        let name = parts.next().map(|name| name.strip_suffix(" (deleted)").unwrap_or(name));
        name.and_then(cgroup::attempt_of).map(|attempt| Some(Origin::Attempt(attempt))).ok_or(Unclear::Orphan)
    }

    fn by_parents(
        &self,
        pid: Pid,
        attempts: impl Fn(&dyn Fn(Option<u32>) -> bool) -> Vec<AttemptId>,
    ) -> Result<Origin, Unclear> {
        let supervisor = self.supervisor()?;
        // Mostly nothing runs, and then nothing need be read of those above.
        let is_parent = supervisor.is_some_and(|process| process::may_have_children(process.pid));
        if !is_parent && attempts(&|main| main.is_some()).is_empty() {
            return Ok(Origin::Outside);
        }
        let line = line_of(pid)?;
        let end = line.iter().position(|stat| supervisor.is_some_and(|process| process.is(stat)));
        let line = &line[..end.unwrap_or(line.len())];
        let fits = |main: Option<u32>| match main {
            Some(main) => line.iter().any(|stat| stat.pid.as_raw().unsigned_abs() == main),
            None => end.is_some(),
        };
        for attempt in attempts(&fits) {
            // The record tells a main process from another that has its number now.
            let record = Record::read(&attempt_dir(&self.runs, &attempt)).map_err(Unclear::unreadable)?;
            let main = record.and_then(|record| record.process);
            if main.is_some_and(|main| line.iter().any(|stat| main.is(stat))) {
                return Ok(Origin::Attempt(attempt));
            }
        }
        if end.is_some() { Err(Unclear::Orphan) } else { Ok(Origin::Outside) }
    }
}

/// What was read of a process; nothing when it has ended or is hidden.
fn seen<T>(read: io::Result<T>) -> Result<Option<T>, Unclear> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(fault) if matches!(fault.raw_os_error(), Some(libc::ENOENT | libc::ESRCH | libc::EACCES | libc::EPERM)) => {
            Ok(None)
        }
        Err(fault) => Err(Unclear::unreadable(fault)),
    }
}

/// A process and those above it, as far as they are to be seen from here.
fn line_of(pid: Pid) -> Result<Vec<Stat>, Unclear> {
    for _ in 0..TRIES {
        if let Some(line) = climb(pid)? {
            return Ok(line);
        }
    }
    Err(Unclear::Unsteady)
}

/// Reads the line once; `None` when it changed meanwhile. A parent is never younger than its child, so that one which is has
/// only got the number of the one that was.
fn climb(pid: Pid) -> Result<Option<Vec<Stat>>, Unclear> {
    let mut line: Vec<Stat> = Vec::new();
    let mut next = pid;
    while next.as_raw() > 0 {
        if line.len() == PARENTS_LIMIT {
            return Err(Unclear::TooDeep);
        }
        match seen(Stat::read(next))? {
            Some(stat) if line.last().is_some_and(|child| stat.born() > child.born()) => return Ok(None),
            Some(stat) => {
                line.push(stat);
                next = stat.parent;
            }
            // Hidden (hidepid, in proc(5)) are processes of others alone, and no run of theirs is ours.
            None if exists(next) => break,
            None if line.is_empty() => return Err(Unclear::Ended),
            None => return Ok(None),
        }
    }
    Ok(Some(line))
}

fn exists(pid: Pid) -> bool {
    kill(pid, None) != Err(Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    use super::*;
    use crate::supervisor::fork::exit_now;

    fn outside(origins: &Origins, socket: &impl AsFd) -> Origin {
        origins.of_peer(socket, |_| Vec::new())
    }

    #[test]
    fn this_process_belongs_to_no_run_unless_its_parent_supervises() {
        let state = tempfile::tempdir().unwrap();
        let origins = Origins::new(state.path());
        let (socket, _other) = UnixStream::pair().unwrap();
        assert_eq!(outside(&origins, &socket), Origin::Outside);

        let parent = Stat::read(Pid::parent()).unwrap();
        let lock = state.path().join("supervisor.lock");
        std::fs::write(&lock, format!("{} {}\n", parent.pid, parent.start_ticks)).unwrap();
        assert_eq!(outside(&origins, &socket), Origin::Unclear(Unclear::Orphan));
        std::fs::write(&lock, format!("{} {}\n", parent.pid, parent.start_ticks + 1)).unwrap();
        assert_eq!(outside(&origins, &socket), Origin::Outside, "another process has its number now");
    }

    #[test]
    fn a_process_that_has_ended_is_unclear() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let address = UnixAddr::new(&path).unwrap();
        let client = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        // SAFETY: the child makes two system calls, and nothing that another thread of this test may hold a lock of.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => exit_now(i32::from(connect(client.as_raw_fd(), &address).is_err())),
            ForkResult::Parent { child } => assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0))),
        }
        let (socket, _) = listener.accept().unwrap();
        assert_eq!(outside(&Origins::new(dir.path()), &socket), Origin::Unclear(Unclear::Ended));
    }

    #[test]
    fn a_line_of_parents_leads_up_and_is_bounded() {
        let line = line_of(Pid::this()).unwrap();
        assert_eq!((line[0].pid, line[1].pid), (Pid::this(), Pid::parent()));
        assert!(
            line.windows(2).all(|pair| pair[0].parent == pair[1].pid && pair[0].start_ticks >= pair[1].start_ticks)
        );
        assert_eq!(line_of(Pid::from_raw(i32::MAX)), Err(Unclear::Ended));
    }
}
