//! What happens between fork and exec: the launch order.
//!
//! The supervisor has one thread, so all of this is ordinary code. Whatever may block (a user database in the network, a
//! directory on a dead server) blocks here alone, and the supervisor kills the child when
//! [`SETUP_DEADLINE`](super::attempt::SETUP_DEADLINE) is over.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, fchown, getegid, geteuid, getppid, initgroups, setgid,
    setgroups, setsid, setuid,
};

use super::account::Account;
use super::clock;
use super::environment;
use super::fork::exit_now;
use super::host::Host;
use super::line::Line;
use super::process::Stat;
use super::record::{Executed, Process};
use crate::run::{LaunchPlan, SetupFailure};
use crate::spec::Identity;

/// One step of the launch order.
struct Step<'a> {
    /// Its name in a `SetupFailed` outcome: what could not be done.
    name: &'static str,
    act: fn(&mut Child<'a>) -> Result<(), Fault>,
}

/// The launch order. Each step stands where it stands for the reason given.
fn order<'a>() -> [Step<'a>; 18] {
    [
        // First of all: from here on a later supervisor finds this process, whatever happens to this one.
        Step { name: "record process", act: Child::record_process },
        // Right after it: if the supervisor died before the record was written, a later one may already have looked and
        // found nothing. Then nothing may run.
        Step { name: "check supervisor", act: Child::check_supervisor },
        // Before anything that can hang or start a process: killing the cgroup must reach it all.
        Step { name: "enter cgroup", act: Child::enter_cgroup },
        // A session and process group of its own, without a terminal: the stop signal goes to the group.
        Step { name: "start session", act: Child::start_session },
        // Needs /proc and the supervisor's rights; the descriptors it needs are closed by the next step.
        Step { name: "connect streams", act: Child::connect_streams },
        // Before anything that can hang: a hanging child must hold neither the supervisor's lock and socket nor other
        // attempts' pipes.
        Step { name: "close descriptors", act: Child::close_descriptors },
        // Plain attributes of the process, in no order.
        Step { name: "set umask", act: Child::set_umask },
        Step { name: "restore open-file limit", act: Child::restore_open_file_limit },
        // May ask the network, and load whatever nsswitch.conf names: while the supervisor's rights still allow it, but
        // after everything of the supervisor's is closed.
        Step { name: "look up user", act: Child::look_up_user },
        // Giving files away is root's right; it is lost with the next steps.
        Step { name: "hand over streams", act: Child::hand_over_streams },
        // Groups before the user: an ordinary user may not change them.
        Step { name: "set supplementary groups", act: Child::set_supplementary_groups },
        Step { name: "set group", act: Child::set_group },
        Step { name: "switch user", act: Child::switch_user },
        // As the user: its rights decide, also on file systems where root has none.
        Step { name: "enter working directory", act: Child::enter_working_directory },
        // Needs to know the user; looks at nothing outside.
        Step { name: "prepare environment", act: Child::prepare_environment },
        // The program's time begins here. The supervisor takes the end of the pipe after this line for success.
        Step { name: "announce", act: Child::announce },
        // As late as possible: until here a signal waits, and a pipe whose supervisor died is an error rather than a death.
        Step { name: "restore signals", act: Child::restore_signals },
        Step { name: "execute", act: Child::execute },
    ]
}

/// Why a step failed.
struct Fault {
    path: Option<PathBuf>,
    errno: Errno,
}

impl Fault {
    fn at(path: impl Into<PathBuf>) -> impl FnOnce(Errno) -> Self {
        let path = Some(path.into());
        move |errno| Self { path, errno }
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self { path: None, errno }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Errno::from_raw(error.raw_os_error().unwrap_or(0)).into()
    }
}

/// The child on its way to the program.
pub(super) struct Child<'a> {
    host: &'a Host,
    plan: &'a LaunchPlan,
    invocation: &'a str,
    hands: Hands,
    account: Account,
    environment: Vec<CString>,
}

/// The descriptors that the child works with.
pub(super) struct Hands {
    /// The attempt's record.
    pub record: File,
    /// The pipe to the supervisor; closed by exec.
    pub status: File,
    /// The writing ends of the pipes of standard output and standard error.
    pub streams: [OwnedFd; 2],
    /// `cgroup.procs`, when the child has to move itself.
    pub procs: Option<File>,
}

/// Leaves the child if anything in it panics: it must never go on as a second supervisor.
struct NeverReturn;

impl Drop for NeverReturn {
    fn drop(&mut self) {
        exit_now(SETUP_FAILED);
    }
}

/// What the child exits with when a step failed; nobody sees it, since the failure itself was reported.
const SETUP_FAILED: i32 = 127;

/// Goes through the launch order and becomes the program.
pub(super) fn run(host: &Host, plan: &LaunchPlan, invocation: &str, hands: Hands) -> ! {
    let guard = NeverReturn;
    let account = host.own.clone();
    let mut child = Child { host, plan, invocation, hands, account, environment: Vec::new() };
    for step in order() {
        if let Err(fault) = (step.act)(&mut child) {
            child.report(step.name, fault);
            break;
        }
    }
    drop(guard);
    unreachable!("the guard has left the process")
}

impl Child<'_> {
    /// Tells the record and the supervisor. What of it fails is no loss: the other still knows, or both are gone.
    fn report(&mut self, step: &str, fault: Fault) {
        let failure = SetupFailure { step: step.to_owned(), path: fault.path, errno: fault.errno as i32 };
        let line = Line::SetupFailed((&failure).into()).encode();
        let told = (self.hands.record.write_all(&line), self.hands.status.write_all(&line));
        if let (Err(_), Err(_)) = told {
            exit_now(SETUP_FAILED);
        }
    }

    fn record_process(&mut self) -> Result<(), Fault> {
        let stat = Stat::read(Pid::this())?;
        let process = Process { pid: stat.pid, start_ticks: stat.start_ticks };
        Ok(self.hands.record.write_all(&Line::Process(process.into()).encode())?)
    }

    fn check_supervisor(&mut self) -> Result<(), Fault> {
        if getppid() == self.host.pid { Ok(()) } else { Err(Errno::ESRCH.into()) }
    }

    fn enter_cgroup(&mut self) -> Result<(), Fault> {
        match &mut self.hands.procs {
            // "0" is the writing process.
            Some(procs) => Ok(procs.write_all(b"0")?),
            None => Ok(()),
        }
    }

    fn start_session(&mut self) -> Result<(), Fault> {
        setsid()?;
        Ok(())
    }

    /// The program gets its pipes opened for reading, too: so they stay whole when the supervisor dies, writing waits
    /// instead of failing, and the next supervisor reads on. A pipe can be opened again through its link in /proc
    /// ([pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html)).
    fn connect_streams(&mut self) -> Result<(), Fault> {
        dup2_stdin(&self.host.null)?;
        let both_ways = |end: &OwnedFd| {
            let link = format!("/proc/self/fd/{}", end.as_raw_fd());
            open(link.as_str(), OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).map_err(Fault::at(link))
        };
        dup2_stdout(both_ways(&self.hands.streams[0])?)?;
        dup2_stderr(both_ways(&self.hands.streams[1])?)?;
        Ok(())
    }

    /// Closes everything but the standard streams, the record and the pipe to the supervisor; these two are closed by
    /// exec, as is everything that a user database may open from here on: glibc opens with O_CLOEXEC throughout, and
    /// [`Child::restore_signals`] sees to the rest.
    fn close_descriptors(&mut self) -> Result<(), Fault> {
        let mut kept = [self.hands.record.as_raw_fd(), self.hands.status.as_raw_fd()];
        kept.sort_unstable();
        let mut from = FIRST_DESCRIPTOR;
        for keep in kept {
            close_range(from, keep - 1, 0)?;
            from = keep + 1;
        }
        close_range(from, i32::MAX, 0)?;
        Ok(())
    }

    fn set_umask(&mut self) -> Result<(), Fault> {
        umask(Mode::S_IWGRP | Mode::S_IWOTH);
        Ok(())
    }

    fn restore_open_file_limit(&mut self) -> Result<(), Fault> {
        let (soft, hard) = self.host.open_files;
        Ok(setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?)
    }

    fn look_up_user(&mut self) -> Result<(), Fault> {
        if self.plan.identity != Identity::default() {
            self.account = Account::look_up(&self.plan.identity, &self.host.own)
                .map_err(|unknown| Fault { path: Some(unknown.name.into()), errno: unknown.errno })?;
        }
        Ok(())
    }

    /// Whether the program runs as somebody else than the supervisor, or with another group.
    fn changes_identity(&self) -> bool {
        let named = self.plan.identity != Identity::default();
        let same = self.account.uid == geteuid() && self.account.gid == getegid();
        // Root asked for by name still gets root's own groups, not those that the supervisor was started with.
        named && (!same || geteuid().is_root())
    }

    /// `> /dev/stderr` opens the pipe anew, by its owner and mode.
    fn hand_over_streams(&mut self) -> Result<(), Fault> {
        if self.account.uid != geteuid() {
            for stream in [io::stdout().as_fd(), io::stderr().as_fd()] {
                fchown(stream, Some(self.account.uid), Some(self.account.gid))?;
            }
        }
        Ok(())
    }

    fn set_supplementary_groups(&mut self) -> Result<(), Fault> {
        if !self.changes_identity() {
            return Ok(());
        }
        let set = match self.account.c_name() {
            Some(name) => initgroups(&name, self.account.gid),
            None => setgroups(&[self.account.gid]),
        };
        set.map_err(Fault::at(self.shown_user()))
    }

    fn set_group(&mut self) -> Result<(), Fault> {
        if !self.changes_identity() {
            return Ok(());
        }
        let shown = self.plan.identity.group.clone().unwrap_or_else(|| self.account.gid.to_string());
        setgid(self.account.gid).map_err(Fault::at(shown))
    }

    fn switch_user(&mut self) -> Result<(), Fault> {
        if !self.changes_identity() {
            return Ok(());
        }
        setuid(self.account.uid).map_err(Fault::at(self.shown_user()))
    }

    fn shown_user(&self) -> String {
        let name = self.plan.identity.user.clone().or_else(|| self.account.name.clone());
        name.unwrap_or_else(|| self.account.uid.to_string())
    }

    fn enter_working_directory(&mut self) -> Result<(), Fault> {
        match &self.plan.working_directory {
            Some(path) => chdir(path).map_err(Fault::at(path)),
            // A system user's home need not exist.
            None => chdir(&self.account.home).or_else(|_| chdir("/")).map_err(Fault::at("/")),
        }
    }

    fn prepare_environment(&mut self) -> Result<(), Fault> {
        let variables = environment::build(&self.account, self.plan, self.invocation);
        // A NUL cannot be handed over; job files are checked for it, so that this is a plan from elsewhere.
        self.environment = variables.map_err(|name| Fault { path: Some(name.into()), errno: Errno::EINVAL })?;
        Ok(())
    }

    fn announce(&mut self) -> Result<(), Fault> {
        let now = clock::now();
        let executed = Executed { wall: now.wall, monotonic: now.monotonic };
        let line = Line::Executing(executed.into()).encode();
        self.hands.record.write_all(&line)?;
        // The supervisor may have died; its successor goes by the record.
        match self.hands.status.write_all(&line) {
            Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            told => Ok(told?),
        }
    }

    fn restore_signals(&mut self) -> Result<(), Fault> {
        close_range(FIRST_DESCRIPTOR, i32::MAX, libc::CLOSE_RANGE_CLOEXEC)?;
        // SAFETY: no handler of ours is replaced, SIGPIPE was ignored. All other dispositions are the default since
        // the supervisor began.
        unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
        Ok(SigSet::empty().thread_set_mask()?)
    }

    fn execute(&mut self) -> Result<(), Fault> {
        let words: Result<Vec<CString>, _> = self.plan.argv.iter().map(|word| CString::new(word.as_str())).collect();
        let words = words.map_err(|_| Errno::EINVAL)?;
        let Some(program) = words.first() else { return Err(Errno::EINVAL.into()) };
        let shown = Path::new(OsStr::from_bytes(program.as_bytes()));
        let mut errno = Errno::ENOENT;
        for candidate in candidates(program, environment::path(&self.environment)) {
            match execve(&candidate, &words, &self.environment) {
                // As execvp(3) does: what cannot be the program in this directory may be in the next, and a file that
                // exists but may not be executed is the better explanation.
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(Errno::EACCES) => errno = Errno::EACCES,
                Err(other) => return Err(Fault::at(shown)(other)),
                Ok(never) => match never {},
            }
        }
        Err(Fault::at(shown)(errno))
    }
}

/// The first descriptor after the standard streams.
const FIRST_DESCRIPTOR: i32 = 3;

/// Closes, or marks for exec, a range of descriptors ([close_range(2)], since Linux 5.9); an empty range is nothing.
///
/// [close_range(2)]: https://man7.org/linux/man-pages/man2/close_range.2.html
fn close_range(first: i32, last: i32, flags: libc::c_uint) -> Result<(), Errno> {
    if last < first {
        return Ok(());
    }
    let number = |fd: i32| u32::try_from(fd).expect("descriptors are not negative");
    // SAFETY: the descriptors of this range belong to code of the supervisor that will never run in this process.
    let done = unsafe { libc::syscall(libc::SYS_close_range, number(first), number(last), flags) };
    Errno::result(done).map(drop)
}

/// The files that may be the program: itself when it has a slash, else in each directory of the search path.
fn candidates(program: &CString, search_path: &[u8]) -> Vec<CString> {
    if program.as_bytes().contains(&b'/') {
        return vec![program.clone()];
    }
    let within = |directory: &[u8]| {
        // An empty element is the working directory, as everywhere.
        let directory = if directory.is_empty() { b"." } else { directory };
        let path = Path::new(OsStr::from_bytes(directory)).join(OsStr::from_bytes(program.as_bytes()));
        CString::new(path.into_os_string().into_vec()).expect("its parts came from strings without NUL")
    };
    search_path.split(|&byte| byte == b':').map(within).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_searched_as_execvp_does() {
        let list = |program: &str, path: &str| -> Vec<String> {
            let found = candidates(&CString::new(program).unwrap(), path.as_bytes());
            found.into_iter().map(|path| path.into_string().unwrap()).collect()
        };
        assert_eq!(list("true", "/bin::/usr/bin"), ["/bin/true", "./true", "/usr/bin/true"]);
        assert_eq!(list("./x", "/bin"), ["./x"]);
        assert_eq!(list("/a/x", ""), ["/a/x"]);
    }
}
