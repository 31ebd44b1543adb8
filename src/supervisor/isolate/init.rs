//! The first process among those that a job sees, when it sees no others
//! ([pid_namespaces(7)](https://man7.org/linux/man-pages/man7/pid_namespaces.7.html)).
//!
//! It executes nothing. It waits for the job's program, writes its wait status into the record, and ends, whereupon the
//! kernel kills whatever is left. Orphans come to it and are reaped. It keeps no right and no descriptor but the record's,
//! and signals that it has no handler for do not reach it.

use std::fs::{self, File};
use std::io::Write;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::super::fork::exit_now;
use super::super::line::Line;
use super::super::process;
use super::capabilities;
use crate::run::Leftovers;
use crate::spec::OnLeftover;

/// Is the first process for as long as there is something to wait for, and never returns. `close` closes what it does not
/// need.
pub(in crate::supervisor) fn stay(
    program: Pid,
    record: &mut File,
    on_leftover: OnLeftover,
    close: impl FnOnce(&File) -> Result<(), Errno>,
) -> ! {
    // What fails here takes nothing from the job: the first process then keeps a little too much.
    let bare = close(record)
        .and_then(|()| nix::unistd::chdir("/"))
        // Without rights and of the job's user it could be traced by the job, round every filter: so this comes first.
        .and_then(|()| nix::sys::prctl::set_dumpable(false))
        .and_then(|()| capabilities::give_up());
    let status = wait_for(program);
    let killed = match on_leftover {
        OnLeftover::Kill => others(),
        OnLeftover::Wait | OnLeftover::Leave => Leftovers::default(),
    };
    let written = record.write_all(&Line::exited(status, &killed).encode());
    if on_leftover == OnLeftover::Wait {
        while wait_any().is_ok() {}
    }
    exit_now(i32::from(bare.is_err() || written.is_err()));
}

/// Who is left, and dies with this process. Where the job sees another /proc than it should, their names are not told.
fn others() -> Leftovers {
    let mut others = Leftovers::default();
    // Nearly always there is nobody: asking costs next to nothing, listing /proc does.
    if nix::sys::signal::kill(Pid::from_raw(-1), None).is_err() {
        return others;
    }
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
        match wait_any() {
            Ok((pid, status)) if pid == program => return status,
            Ok(_) | Err(Errno::EINTR) => {}
            // It has a child until that is reaped, so this cannot be; never turn in a circle all the same.
            Err(_) => return libc::SIGKILL,
        }
    }
}

fn wait_any() -> Result<(Pid, i32), Errno> {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is to a live variable of the right type.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        match Errno::result(pid) {
            Err(Errno::EINTR) => {}
            waited => return waited.map(|pid| (Pid::from_raw(pid), status)),
        }
    }
}
