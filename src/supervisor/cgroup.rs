//! One cgroup for each attempt, where the kernel's unified hierarchy can be written
//! ([cgroup-v2](https://docs.kernel.org/admin-guide/cgroup-v2.html)).
//!
//! It is what makes "the whole tree" exact: no process leaves its cgroup by forking twice or starting a session. The
//! supervisor works beneath the cgroup in which it finds itself, in a directory of its own, and touches no other.
//!
//! Who may write `cgroup.procs` of a cgroup above can move a process out: a job of root that has neither a read-only file
//! system nor fewer capabilities. Its main process is still stopped and killed, by its number; another process that it
//! moved away is not found any more.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};

use super::fork::{Fork, exit_now, fork, fork_into};
use super::process::Pidfd;
use super::{limits, withdraw};
use crate::run::{AttemptId, RunId};
use crate::spec::{Controller, JobName};

/// Why no cgroups are used. Killing then goes by process group and `/proc`.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unavailable {
    /// No unified hierarchy is mounted, or this process is outside of what is mounted.
    #[error("the unified cgroup hierarchy is not mounted here")]
    NotMounted,
    /// The place exists and may not be used.
    #[error("cgroups cannot be made in {}", path.display())]
    NotWritable {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A process could be put there in no way.
    #[error("a process cannot be put into a cgroup below {}", path.display())]
    CannotEnter {
        /// Where.
        path: PathBuf,
    },
}

/// Where the attempts' cgroups are made.
pub(super) struct Hierarchy {
    base: PathBuf,
    entry: Entry,
    /// What can be limited.
    controllers: BTreeSet<Controller>,
}

/// How a child gets into its cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is born there (`CLONE_INTO_CGROUP`): cheapest, and no instant outside.
    Born,
    /// It writes itself into `cgroup.procs` as its first step. Some kernels (6.12, 6.18) kill a child that is born into
    /// a cgroup when its parent's was once killed by `cgroup.kill`; some sandboxes forbid clone3.
    Moves,
}

impl Hierarchy {
    /// Finds and tries the place. `state_dir` gives the directory there its name, so that two supervisors do not meet.
    ///
    /// # Errors
    /// When there is none that works.
    pub fn find(state_dir: &Path) -> Result<Self, Unavailable> {
        let own = own_cgroup().ok_or(Unavailable::NotMounted)?;
        let base = base_in(&own, state_dir);
        match fs::create_dir(&base) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Unavailable::NotWritable { path: own.clone(), source });
            }
            Ok(()) | Err(_) => {}
        }
        let mut hierarchy = Self { base, entry: Entry::Born, controllers: BTreeSet::new() };
        hierarchy.controllers = limits::hand_down(&own, &hierarchy.base).unwrap_or_else(|fault| {
            tracing::warn!(%fault, "controllers cannot be handed down");
            BTreeSet::new()
        });
        if let Err(fault) = withdraw::restore(state_dir, &hierarchy.base) {
            tracing::warn!(%fault, "limits of runs cannot be set again");
        }
        let found = hierarchy.probe();
        match found {
            Ok(Some(entry)) => hierarchy.entry = entry,
            Ok(None) => return Err(Unavailable::CannotEnter { path: hierarchy.base.clone() }),
            Err(source) => return Err(Unavailable::NotWritable { path: hierarchy.base.clone(), source }),
        }
        Ok(hierarchy)
    }

    /// Puts a process into a fresh cgroup, first in the one way, then in the other.
    fn probe(&self) -> io::Result<Option<Entry>> {
        for (name, entry) in [("probe-born", Entry::Born), ("probe-moves", Entry::Moves)] {
            let cgroup = Cgroup { path: self.base.join(name) };
            cgroup.create()?;
            let works = cgroup.probe(entry);
            if !cgroup.remove() {
                tracing::warn!(path = %cgroup.path.display(), "a cgroup for trying out could not be removed");
            }
            if works {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// What can be limited.
    pub fn controllers(&self) -> &BTreeSet<Controller> {
        &self.controllers
    }

    /// How children get into their cgroup.
    pub fn entry(&self) -> Entry {
        self.entry
    }

    /// The cgroup of an attempt: fresh, never used before.
    pub fn cgroup(&self, id: &AttemptId) -> Cgroup {
        Cgroup { path: self.base.join(name_of(id)) }
    }

    /// The cgroup that an earlier supervisor wrote down, if it is one of ours.
    pub fn recorded(&self, path: &Path) -> Option<Cgroup> {
        (path.parent() == Some(&self.base)).then(|| Cgroup { path: path.to_owned() })
    }

    /// Removes the cgroups of attempts that are over: of those whose processes were left to themselves and have ended
    /// while no supervisor was there.
    pub fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.base)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                // One that still holds processes stays.
                Cgroup { path: entry.path() }.remove();
            }
        }
        Ok(())
    }

    /// Removes what is empty.
    pub fn leave(&self) {
        match fs::remove_dir(&self.base) {
            Ok(()) => {}
            Err(fault) => tracing::info!(path = %self.base.display(), %fault, "the cgroup stays"),
        }
    }
}

/// One attempt's cgroup.
#[derive(Debug)]
pub(super) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it. One that is left over and empty is replaced: a cgroup that was killed once may not be used again.
    ///
    /// # Errors
    /// When it cannot be made, or one of this name still holds processes.
    pub fn create(&self) -> io::Result<()> {
        match fs::create_dir(&self.path) {
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_dir(&self.path)?;
                fs::create_dir(&self.path)
            }
            made => made,
        }
    }

    /// A descriptor to be born into.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn open(&self) -> io::Result<OwnedFd> {
        Ok(open(&self.path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)
    }

    /// The file through which a process moves itself in.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_procs(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join("cgroup.procs"))
    }

    /// Its processes.
    ///
    /// # Errors
    /// When it cannot be read; when it is gone it has none.
    pub fn processes(&self) -> io::Result<Vec<Pid>> {
        match fs::read_to_string(self.path.join("cgroup.procs")) {
            Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).map(Pid::from_raw).collect()),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }

    /// Whether the process is in it now.
    pub fn holds(&self, pid: Pid) -> bool {
        self.processes().is_ok_and(|processes| processes.contains(&pid))
    }

    /// Kills everything in it, also what is just being forked (`cgroup.kill`, since Linux 5.14).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&self) -> io::Result<()> {
        let written = OpenOptions::new()
            .write(true)
            .open(self.path.join("cgroup.kill"))
            .and_then(|mut file| file.write_all(b"1"));
        match written {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => self.signal(Signal::SIGKILL, |_| true),
            done => done,
        }
    }

    /// Sends a signal to each wanted process in it.
    ///
    /// # Errors
    /// When one may not be signalled; the others are signalled all the same.
    pub fn signal(&self, signal: Signal, wanted: impl Fn(Pid) -> bool) -> io::Result<()> {
        let mut result = Ok(());
        for pid in self.processes()?.into_iter().filter(|&pid| wanted(pid)) {
            // The handle is taken before the second look, so that a number which changed hands in between is not hit.
            if let Ok(handle) = Pidfd::open(pid)
                && self.holds(pid)
            {
                result = result.and(handle.signal(signal));
            }
        }
        result
    }

    /// Removes it, and says whether it is gone; it stays as long as a process lives in it.
    pub fn remove(&self) -> bool {
        match fs::remove_dir(&self.path) {
            Ok(()) => true,
            Err(fault) => fault.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Whether a child gets into it and lives.
    fn probe(&self, entry: Entry) -> bool {
        let forked = match entry {
            Entry::Born => self.open().and_then(|fd| fork_into(fd.as_fd(), CloneFlags::empty())),
            Entry::Moves => fork(),
        };
        match forked {
            Ok(Fork::Child) => exit_now(match entry {
                Entry::Born => 0,
                Entry::Moves => i32::from(self.open_procs().and_then(|mut procs| procs.write_all(b"0")).is_err()),
            }),
            Ok(Fork::Parent(child)) => loop {
                match waitpid(child, None) {
                    Err(Errno::EINTR) => {}
                    status => break status == Ok(WaitStatus::Exited(child, 0)),
                }
            },
            Err(_) => false,
        }
    }
}

/// The directory of the attempts' cgroups.
fn base_in(own: &Path, state_dir: &Path) -> PathBuf {
    own.join(base_name(state_dir))
}

/// The name of that directory, wherever in the hierarchy it lies. `state_dir` is canonical.
pub(super) fn base_name(state_dir: &Path) -> String {
    let digest = Sha256::digest(state_dir.as_os_str().as_bytes());
    let name: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("jobsd-{name}")
}

/// The name of an attempt's directory there.
fn name_of(id: &AttemptId) -> String {
    format!("{}.{}.{}", id.run.job, id.run.number, id.attempt)
}

/// The attempt that [`name_of`] gave this name.
pub(super) fn attempt_of(name: &str) -> Option<AttemptId> {
    // The job's name may have dots of its own.
    let mut parts = name.rsplitn(3, '.');
    let (attempt, number, job) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
    Some(AttemptId { run: RunId { job: JobName::new(job).ok()?, number }, attempt })
}

/// Makes the cgroup of a supervisor that died fit for the next one; see [`withdraw`]. Called in a process of
/// the same unit.
///
/// # Errors
/// When the state directory or the cgroup cannot be used.
pub(super) fn after_death(state_dir: &Path) -> io::Result<()> {
    let state_dir = state_dir.canonicalize()?;
    // Without a unified hierarchy there was nothing to hand down.
    let Some(own) = own_cgroup() else { return Ok(()) };
    let unit = withdraw::unit_of(&own);
    withdraw::withdraw(&state_dir, &unit, &base_in(&unit, &state_dir))
}

/// The directory of the cgroup in which this process is, in the unified hierarchy.
fn own_cgroup() -> Option<PathBuf> {
    let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| place(line, own))
}

/// Where a mount shows the cgroup `own`, when it is a mount of the unified hierarchy that shows it
/// ([proc_pid_mountinfo(5)]: field 4 is the part of the hierarchy that is mounted, field 5 the mount point; the type
/// follows the lone dash).
///
/// [proc_pid_mountinfo(5)]: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
fn place(mount: &str, own: &str) -> Option<PathBuf> {
    let (fields, rest) = mount.split_once(" - ")?;
    if rest.split(' ').next()? != "cgroup2" {
        return None;
    }
    let mut fields = fields.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    // "/../x" is a cgroup outside of the namespace.
    let below = Path::new(own).strip_prefix(root).ok().filter(|path| !path.starts_with(".."))?;
    let point = PathBuf::from(point.replace("\\040", " "));
    CString::new(point.as_os_str().as_bytes()).ok()?;
    Some(point.join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_known_by_the_name_of_its_cgroup() {
        for run in ["backup/42", "a.b.7/1", "jobsd.notices/3"] {
            let id = AttemptId { run: run.parse().unwrap(), attempt: 2 };
            assert_eq!(attempt_of(&name_of(&id)), Some(id));
        }
        for name in ["", "backup", "backup.1", "backup.x.1", ".1.1", "Backup.1.1"] {
            assert_eq!(attempt_of(name), None, "{name}");
        }
    }

    #[test]
    fn mounts_are_read_as_the_kernel_writes_them() {
        let plain = "35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
        let hybrid = "36 24 0:30 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw";
        let container = "37 24 0:30 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw";
        let old = "38 24 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        let table = [
            (plain, "/", Some("/sys/fs/cgroup/")),
            (plain, "/system.slice/x.service", Some("/sys/fs/cgroup/system.slice/x.service")),
            (hybrid, "/a", Some("/sys/fs/cgroup/unified/a")),
            (container, "/docker/abc/b", Some("/sys/fs/cgroup/b")),
            (container, "/elsewhere", None),
            (plain, "/../outside", None),
            (old, "/", None),
        ];
        for (mount, own, expected) in table {
            assert_eq!(place(mount, own), expected.map(PathBuf::from), "{mount} {own}");
        }
    }
}
