//! What happens between fork and exec: the launch order.
//!
//! [`order`] is the whole of it: one list, with the reason for each place in it. It is written to be read as for a security
//! review, with these questions in mind.
//!
//! - **Who acts?** Until `switch user` the supervisor's user (root on a server), from there on the job's. The steps are
//!   ordinary code, since the supervisor has one thread; whatever may block (a user database in the network, a directory
//!   on a dead server) blocks here alone, and the supervisor kills the child when
//!   [`SETUP_DEADLINE`](super::attempt::SETUP_DEADLINE) is over.
//! - **What does the job influence before its restrictions hold?** Nothing is executed for it before `execute`, and the
//!   files that it names are opened after `switch user`. Credentials alone are read with the supervisor's rights, before:
//!   that is what they are for, and who writes job files is trusted with it.
//! - **What does it inherit?** The standard streams. Everything else is closed early and once more at the end.
//! - **What if a step fails?** The attempt ends as `SetupFailed` with the step's name, the path and the error number, and
//!   nothing was executed: there is no way on from a failed step.

mod attributes;
mod execute;
mod identity;
mod inputs;
mod restrictions;

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use super::account::Account;
use super::clock;
use super::fork::exit_now;
use super::host::Host;
use super::isolate::Obstacle;
use super::isolate::credentials::Fetched;
use super::isolate::program::Program;
use super::line::Line;
use super::process::Stat;
use super::record::{Executed, Process};
use crate::run::{LaunchPlan, SetupFailure};

/// One step of the launch order.
struct Step<'a> {
    /// Its name in a `SetupFailed` outcome: what could not be done.
    name: &'static str,
    act: Act<'a>,
}

/// What a step does.
enum Act<'a> {
    /// Something in this process.
    Here(fn(&mut Child<'a>) -> Result<(), Obstacle>),
    /// May have another process go through the steps that follow, and then does not return.
    Parts(fn(&mut Child<'a>, &[Step<'a>]) -> Result<(), Obstacle>),
}

const fn step<'a>(name: &'static str, act: fn(&mut Child<'a>) -> Result<(), Obstacle>) -> Step<'a> {
    Step { name, act: Act::Here(act) }
}

/// The launch order. Each step stands where it stands for the reason given.
fn order<'a>() -> [Step<'a>; 44] {
    [
        // First of all: from here on a later supervisor finds this process, whatever happens to this one.
        step("record process", Child::record_process),
        // Right after it: if the supervisor died before the record was written, a later one may already have looked and
        // found nothing. Then nothing may run.
        step("check supervisor", Child::check_supervisor),
        // Before anything that can hang or start a process: killing the cgroup must reach it all.
        step("enter cgroup", Child::enter_cgroup),
        // A session and process group of its own, without a terminal: the stop signal goes to the group.
        step("start session", Child::start_session),
        // Needs /proc and the supervisor's rights; the descriptors it needs are closed by the next step.
        step("connect streams", Child::connect_streams),
        // Before anything that can hang: a hanging child must hold neither the supervisor's lock and socket nor other
        // attempts' pipes.
        step("close descriptors", Child::close_descriptors),
        // A child that was born into a user namespace is nobody there until it says who it is, and may make nothing.
        step("map user", Child::map_user),
        // Plain attributes of the process. Some need root, so that they come before `switch user`; none is in the way of
        // a later step.
        step("set umask", Child::set_umask),
        step("set nice", Child::set_nice),
        step("set io class", Child::set_io_class),
        step("set cpu affinity", Child::set_cpu_affinity),
        step("set cpu scheduling", Child::set_cpu_scheduling),
        step("set oom score", Child::set_oom_score),
        // Raising a limit takes root. What holds in the end is set at the end: a small one would be in our own way.
        step("raise limits", Child::raise_limits),
        // May ask the network, and load whatever nsswitch.conf names: while the supervisor's rights still allow it, but
        // after everything of the supervisor's is closed.
        step("look up group", Child::look_up_group),
        // After the group: a number that is nobody's needs one.
        step("look up user", Child::look_up_user),
        // Giving files away is root's right; it is lost with the next steps.
        step("hand over streams", Child::hand_over_streams),
        // With the supervisor's rights, and before mounts hide what they come from.
        step("fetch credential", Child::fetch_credentials),
        // All at once, after everything that needs the host as it is.
        step("make namespaces", Child::make_namespaces),
        // Each needs its namespace and the right over it.
        step("set host name", Child::set_host_name),
        step("raise loopback", Child::raise_loopback),
        // Mounting takes rights over the mount namespace; the first process of a process namespace mounts its /proc.
        step("arrange mounts", Child::arrange_mounts),
        // Into the arrangement, which may have made everything read-only; while files may be given away.
        step("place credentials", Child::place_credentials),
        // After the mounts, which both processes share, and before the user changes, so that the process that stays
        // behind cannot be traced or killed by the job.
        Step { name: "start first process", act: Act::Parts(Child::start_first_process) },
        // The program leads a session as everywhere, that of the first process aside.
        step("start own session", Child::start_own_session),
        // While it is root's, which may have as many keyrings as it likes; the program's user has it, not who owns it.
        step("start own keyring", Child::start_own_keyring),
        // Groups before the user: an ordinary user may not change them.
        step("set supplementary groups", Child::set_supplementary_groups),
        step("set group", Child::set_group),
        step("switch user", Child::switch_user),
        // As the job's user, whose numbers are those that stay; what it gains is a right over the new namespace alone.
        step("hide users", Child::hide_users),
        // After the last change of user, which may take and give capabilities; root's own go here.
        step("set capabilities", Child::set_capabilities),
        // Before the filters, for which the kernel demands it.
        step("give up new privileges", Child::give_up_new_privileges),
        // As the user: its rights decide, also on file systems where root has none; and in the job's own mounts, so that
        // what it is given is what it could have opened.
        step("create working directory", Child::create_working_directory),
        step("enter working directory", Child::enter_working_directory),
        step("open standard input", Child::open_standard_input),
        step("read environment file", Child::read_environment_files),
        // Needs to know the user; looks at nothing outside.
        step("prepare environment", Child::prepare_environment),
        // After the last file was opened that a rule could forbid.
        step("set landlock rules", Child::set_landlock_rules),
        // The program's time begins here. The supervisor takes the end of the pipe after this line for success.
        step("announce", Child::announce),
        // After the last line was written to the record, which a limit of file sizes could forbid.
        step("set limits", Child::set_limits),
        // Whatever a user database may have left open.
        step("mark descriptors", Child::mark_descriptors),
        // As late as possible: until here a signal waits, and a pipe whose supervisor died is an error rather than a death.
        step("restore signals", Child::restore_signals),
        // Last of all: what follows is execve and, should that fail, the report.
        step("filter system calls", Child::filter_system_calls),
        step("execute", Child::execute),
    ]
}

/// The child on its way to the program.
pub(super) struct Child<'a> {
    host: &'a Host,
    plan: &'a LaunchPlan,
    launch: Launch<'a>,
    hands: Hands,
    /// The group that the job names.
    group: Option<Gid>,
    account: Account,
    credentials: Vec<Fetched>,
    /// Variables of files, the later ones winning.
    from_files: Vec<(String, String)>,
    environment: Vec<CString>,
    /// Whether the job's user acts by now.
    acts_as_user: bool,
}

/// What the supervisor found out for this attempt.
pub(super) struct Launch<'a> {
    /// By which its processes are known.
    pub invocation: &'a str,
    /// Where its credentials lie, when it has any.
    pub credentials: Option<&'a CredentialsPlace>,
    /// What its system calls go through, when they are looked at.
    pub filter: Option<&'a Program>,
}

/// Where the credentials of an attempt lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CredentialsPlace {
    /// In a file system in memory, mounted there for the job alone.
    Mount(PathBuf),
    /// In this directory, which goes at the end.
    Directory(PathBuf),
}

/// The descriptors that the child works with.
pub(super) struct Hands {
    /// The attempt's record.
    pub record: File,
    /// The pipe to the supervisor; closed by exec.
    pub status: File,
    /// The writing ends of the pipes of standard output and standard error.
    pub streams: [OwnedFd; 2],
    /// The pipe by which the first process among the job's own tells of the program's end, when there will be one.
    pub first: Option<File>,
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
pub(super) fn run(host: &Host, plan: &LaunchPlan, launch: Launch<'_>, hands: Hands) -> ! {
    let account = host.own.clone();
    let mut child = Child {
        host,
        plan,
        launch,
        hands,
        group: None,
        account,
        credentials: Vec::new(),
        from_files: Vec::new(),
        environment: Vec::new(),
        acts_as_user: false,
    };
    child.go_through(&order())
}

impl<'a> Child<'a> {
    fn go_through(&mut self, steps: &[Step<'a>]) -> ! {
        let guard = NeverReturn;
        for (place, step) in steps.iter().enumerate() {
            let acted = match step.act {
                Act::Here(act) => act(self),
                Act::Parts(act) => act(self, &steps[place + 1..]),
            };
            if let Err(obstacle) = acted {
                self.report(step.name, obstacle);
                break;
            }
        }
        drop(guard);
        unreachable!("the guard has left the process")
    }

    /// Tells the record and the supervisor. What of it fails is no loss: the other still knows, or both are gone.
    fn report(&mut self, step: &str, obstacle: Obstacle) {
        let user = self.acts_as_user.then(|| self.shown_user());
        let Obstacle { path, errno, detail } = obstacle;
        let failure = SetupFailure { step: step.to_owned(), path, errno: errno as i32, user, detail };
        let line = Line::SetupFailed((&failure).into()).encode();
        let told = (self.hands.record.write_all(&line), self.hands.status.write_all(&line));
        if let (Err(_), Err(_)) = told {
            exit_now(SETUP_FAILED);
        }
    }

    fn record_process(&mut self) -> Result<(), Obstacle> {
        let stat = Stat::read_own().map_err(broken)?;
        let process = Process { pid: stat.pid, start_ticks: stat.start_ticks };
        self.hands.record.write_all(&Line::Process(process.into()).encode()).map_err(broken)
    }

    /// By a handle: in a process namespace of its own the parent has no number.
    fn check_supervisor(&mut self) -> Result<(), Obstacle> {
        if self.host.supervisor.has_ended()? { Err(Errno::ESRCH.into()) } else { Ok(()) }
    }

    fn enter_cgroup(&mut self) -> Result<(), Obstacle> {
        match &mut self.hands.procs {
            // "0" is the writing process.
            Some(procs) => procs.write_all(b"0").map_err(broken),
            None => Ok(()),
        }
    }

    fn start_session(&mut self) -> Result<(), Obstacle> {
        setsid()?;
        Ok(())
    }

    /// The program gets its pipes opened for reading, too: so they stay whole when the supervisor dies, writing waits
    /// instead of failing, and the next supervisor reads on. A pipe can be opened again through its link in /proc
    /// ([pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html)).
    fn connect_streams(&mut self) -> Result<(), Obstacle> {
        dup2_stdin(&self.host.null)?;
        let both_ways = |end: &OwnedFd| {
            let link = format!("/proc/self/fd/{}", end.as_raw_fd());
            open(link.as_str(), OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).map_err(Obstacle::at(link))
        };
        dup2_stdout(both_ways(&self.hands.streams[0])?)?;
        dup2_stderr(both_ways(&self.hands.streams[1])?)?;
        Ok(())
    }

    /// Closes everything but the standard streams, the record and the pipes to the supervisor; these are closed by
    /// exec, as is everything that a user database may open from here on: glibc opens with O_CLOEXEC throughout, and
    /// [`Child::mark_descriptors`] sees to the rest.
    fn close_descriptors(&mut self) -> Result<(), Obstacle> {
        let hands = &self.hands;
        let kept = [Some(&hands.record), Some(&hands.status), hands.first.as_ref()];
        let kept: Vec<i32> = kept.into_iter().flatten().map(AsRawFd::as_raw_fd).collect();
        Ok(close_all_but(FIRST_DESCRIPTOR, &kept)?)
    }

    fn announce(&mut self) -> Result<(), Obstacle> {
        let now = clock::now();
        let executed = Executed { wall: now.wall, monotonic: now.monotonic, resident_bytes: resident_bytes() };
        let line = Line::Executing(executed.into()).encode();
        self.hands.record.write_all(&line).map_err(broken)?;
        // The supervisor may have died; its successor goes by the record.
        match self.hands.status.write_all(&line) {
            Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            told => told.map_err(broken),
        }
    }
}

/// The largest resident set that this process had so far. It was a copy of the supervisor, and the kernel will count that
/// as the program's: so it has to be known.
fn resident_bytes() -> Option<u64> {
    let kilobytes = getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss();
    Some(u64::try_from(kilobytes).ok()?.saturating_mul(1024))
}

/// A standard library's error, about nothing in particular.
fn broken(fault: io::Error) -> Obstacle {
    super::isolate::errno_of(&fault).into()
}

/// The first descriptor after the standard streams.
const FIRST_DESCRIPTOR: i32 = 3;

/// Closes all descriptors from `first` on, but those in `kept`.
fn close_all_but(first: i32, kept: &[i32]) -> Result<(), Errno> {
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    let mut from = first;
    for keep in kept {
        close_range(from, keep - 1, 0)?;
        from = keep + 1;
    }
    close_range(from, i32::MAX, 0)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_steps_have_one_name() {
        let names: std::collections::BTreeSet<_> = order().iter().map(|step| step.name).collect();
        assert_eq!(names.len(), order().len());
    }

    #[test]
    fn the_order_keeps_its_promises() {
        let steps = order();
        let place = |name: &str| steps.iter().position(|step| step.name == name).unwrap_or_else(|| panic!("{name}"));
        for (before, after) in [
            ("enter cgroup", "look up user"),
            ("close descriptors", "look up group"),
            ("look up group", "look up user"),
            ("fetch credential", "arrange mounts"),
            ("raise limits", "switch user"),
            ("arrange mounts", "place credentials"),
            ("start first process", "start own session"),
            ("start first process", "switch user"),
            ("set supplementary groups", "set group"),
            ("set group", "switch user"),
            ("switch user", "set capabilities"),
            ("set capabilities", "enter working directory"),
            ("switch user", "open standard input"),
            ("switch user", "read environment file"),
            ("give up new privileges", "filter system calls"),
            ("announce", "set limits"),
            ("filter system calls", "execute"),
        ] {
            assert!(place(before) < place(after), "{before} before {after}");
        }
    }
}
