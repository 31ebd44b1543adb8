//! [`Host`]: what the supervisor knows about the machine and itself, gathered once.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::account::Account;
use super::cgroup::Hierarchy;
use super::isolate::credentials;
use super::process::{self, Pidfd};
use crate::clock::BootId;

/// Facts that stay the same as long as the supervisor runs.
pub(super) struct Host {
    pub pid: Pid,
    /// The supervisor itself, so that a child sees whether it still lives.
    pub supervisor: Pidfd,
    pub boot: BootId,
    /// Below it lie the attempts' directories.
    pub runs: PathBuf,
    /// Where the place for credentials is.
    pub credentials_base: PathBuf,
    /// Standard input of every program.
    pub null: OwnedFd,
    pub own: Account,
    /// Where cgroups can be used.
    pub cgroups: Option<Hierarchy>,
    /// The limit of open files as it was; programs get it back.
    pub open_files: (rlim_t, rlim_t),
}

impl Host {
    /// Whether the supervisor may become anybody.
    pub fn is_root(&self) -> bool {
        self.own.uid.is_root()
    }

    /// Gathers the facts, and makes this process fit to be a parent: subreaper of its children's orphans, with as many
    /// descriptors as it may have, and with default signal dispositions, which programs inherit.
    ///
    /// # Errors
    /// When /proc or /dev is not there, or the directory of runs cannot be made.
    pub fn prepare(state_dir: &Path, socket_dir: &Path) -> io::Result<Self> {
        let runs = state_dir.join("runs");
        match fs::create_dir(&runs) {
            Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => return Err(fault),
            Ok(()) | Err(_) => {}
        }
        set_child_subreaper(true)?;
        restore_dispositions()?;
        let own = Account::own();
        Ok(Self {
            pid: Pid::this(),
            supervisor: Pidfd::open(Pid::this())?,
            boot: process::boot_id()?,
            runs,
            credentials_base: credentials::base(socket_dir, own.uid.is_root()),
            null: File::open("/dev/null")?.into(),
            own,
            cgroups: Hierarchy::find(state_dir)
                .inspect_err(|reason| {
                    let cause = std::error::Error::source(reason).map(ToString::to_string).unwrap_or_default();
                    tracing::info!(%reason, cause, "processes are found by /proc instead of cgroups");
                })
                .ok(),
            open_files: raise_open_files()?,
        })
    }
}

/// Every attempt with output takes four descriptors, so the soft limit of usually 1024 would bound the runs.
fn raise_open_files() -> io::Result<(rlim_t, rlim_t)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok((soft, hard))
}

/// What the supervisor's own parent ignores (`nohup`) must not be ignored in every program. SIGPIPE stays ignored here
/// and is restored by the child.
fn restore_dispositions() -> io::Result<()> {
    for number in 1..=libc::SIGRTMAX() {
        if number == Signal::SIGPIPE as i32 {
            continue;
        }
        // SAFETY: zero is a valid sigaction; with a null pointer for the new one the old one is only read.
        let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: as above. Numbers that belong to the C library or to nobody fail with EINVAL and stay.
        let known = unsafe { libc::sigaction(number, std::ptr::null(), &raw mut old) } == 0;
        if known && old.sa_sigaction == libc::SIG_IGN {
            // SAFETY: the default disposition runs no code.
            unsafe { libc::signal(number, libc::SIG_DFL) };
        }
    }
    Ok(())
}
