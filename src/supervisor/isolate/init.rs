//! The first process among those that a job sees, when it sees no others
//! ([pid_namespaces(7)](https://man7.org/linux/man-pages/man7/pid_namespaces.7.html)).
//!
//! It executes nothing. It waits for the job's program, writes its wait status into the record, and ends, whereupon the
//! kernel kills whatever is left. Where nothing is left, it says so to the supervisor before it ends: taking down mounts and
//! namespaces keeps the kernel busy for a quarter of a millisecond, and on a busy machine for many, and the attempt is over
//! without that. Orphans come to it and are reaped. It keeps no right, and no descriptor but the record and the pipe to the
//! supervisor, and signals that it has no handler for do not reach it.

use std::fs::{self, File};
use std::io::Write;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::super::fork::exit_now;
use super::super::line::Line;
use super::super::record::Exited;
use super::super::{process, usage};
use super::capabilities;
use crate::run::Leftovers;
use crate::spec::OnLeftover;

/// Whom the first process tells how the program ended.
pub(in crate::supervisor) struct Told<'a> {
    /// The attempt's record.
    pub record: &'a mut File,
    /// The supervisor, which need not live any more.
    pub supervisor: &'a mut File,
}

/// Is the first process for as long as there is something to wait for, and never returns. `close` closes what it does not
/// need.
pub(in crate::supervisor) fn stay(
    program: Pid,
    told: Told<'_>,
    on_leftover: OnLeftover,
    close: impl FnOnce(&Told<'_>) -> Result<(), Errno>,
) -> ! {
    // What fails here takes nothing from the job: the first process then keeps a little too much.
    let bare = close(&told)
        .and_then(|()| nix::unistd::chdir("/"))
        // Without rights and of the job's user it could be traced by the job, round every filter: so this comes first.
        .and_then(|()| nix::sys::prctl::set_dumpable(false))
        .and_then(|()| capabilities::give_up());
    let wait_status = wait_for(program);
    // Orphans that have ended count as somebody until they are reaped.
    while let Ok(Some(_)) = wait_any(libc::WNOHANG) {}
    let alone = alone();
    let leftovers = match on_leftover {
        OnLeftover::Kill if !alone => others(),
        OnLeftover::Kill | OnLeftover::Wait | OnLeftover::Leave => Leftovers::default(),
    };
    let exited = Exited { wait_status, leftovers, usage: Some(usage::of_reaped()) };
    let line = Line::Exited((&exited).into()).encode();
    // That nobody listens any more is no fault: the next supervisor goes by the record.
    let heard = alone && told.supervisor.write_all(&line).is_ok();
    let written = told.record.write_all(&line);
    if on_leftover == OnLeftover::Wait {
        while let Ok(Some(_)) = wait_any(0) {}
    }
    exit_now(i32::from(bare.is_err() || written.is_err() && !heard));
}

/// Whether there is nobody else among the processes that this one sees. It is the last step of a process's end by which it is
/// not seen any more: it holds no file and no memory then.
fn alone() -> bool {
    // Also who may not be signalled is there.
    nix::sys::signal::kill(Pid::from_raw(-1), None) == Err(Errno::ESRCH)
}

/// Who is left, and dies with this process. Where the job sees another /proc than it should, their names are not told.
fn others() -> Leftovers {
    let mut others = Leftovers::default();
    let Ok(entries) = fs::read_dir("/proc") else { return others };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for pid in numbers.map(Pid::from_raw).filter(|pid| *pid != Pid::this()) {
        if let Some(name) = process::name(pid) {
            others.add(&name);
        }
    }
    others
}

/// Reaps until the program has ended, and says how.
fn wait_for(program: Pid) -> i32 {
    loop {
        match wait_any(0) {
            Ok(Some((pid, status))) if pid == program => return status,
            Ok(_) | Err(Errno::EINTR) => {}
            // It has a child until that is reaped, so this cannot be; never turn in a circle all the same.
            Err(_) => return libc::SIGKILL,
        }
    }
}

/// A child that has ended; none when that was only to be tried (`WNOHANG`) and none has.
fn wait_any(options: libc::c_int) -> Result<Option<(Pid, i32)>, Errno> {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is to a live variable of the right type.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, options) };
        match Errno::result(pid) {
            Err(Errno::EINTR) => {}
            waited => return waited.map(|pid| (pid != 0).then(|| (Pid::from_raw(pid), status))),
        }
    }
}
