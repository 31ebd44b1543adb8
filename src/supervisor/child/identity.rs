//! Steps: as whom the program runs, and where.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;

use nix::errno::Errno;
use nix::unistd::{chdir, fchown, getegid, geteuid, initgroups, setgid, setgroups, setuid};

use super::Child;
use crate::spec::Identity;
use crate::supervisor::account::Account;
use crate::supervisor::isolate::{Obstacle, capabilities, errno_of};

impl Child<'_> {
    pub(super) fn look_up_group(&mut self) -> Result<(), Obstacle> {
        self.group =
            Account::look_up_group(&self.plan.identity).map_err(|unknown| Obstacle::at(unknown.name)(unknown.errno))?;
        Ok(())
    }

    pub(super) fn look_up_user(&mut self) -> Result<(), Obstacle> {
        if self.plan.identity != Identity::default() {
            self.account = Account::look_up(&self.plan.identity, self.group, &self.host.own)
                .map_err(|unknown| Obstacle::at(unknown.name)(unknown.errno))?;
        }
        Ok(())
    }

    /// Whether the program runs as somebody else than the supervisor, or with another group.
    pub(super) fn changes_identity(&self) -> bool {
        let named = self.plan.identity != Identity::default();
        let same = self.account.uid == geteuid() && self.account.gid == getegid();
        // Root asked for by name still gets root's own groups, not those that the supervisor was started with.
        named && (!same || geteuid().is_root())
    }

    /// `> /dev/stderr` opens the pipe anew, by its owner and mode.
    pub(super) fn hand_over_streams(&mut self) -> Result<(), Obstacle> {
        if self.account.uid != geteuid() {
            for stream in [io::stdout().as_fd(), io::stderr().as_fd()] {
                fchown(stream, Some(self.account.uid), Some(self.account.gid))?;
            }
        }
        Ok(())
    }

    /// Whoever is in a session has its keys, whatever his user
    /// ([session-keyring(7)](https://man7.org/linux/man-pages/man7/session-keyring.7.html)): a job of another user is not
    /// to have those of the session that the supervisor was started in.
    pub(super) fn start_own_keyring(&mut self) -> Result<(), Obstacle> {
        /// `KEYCTL_JOIN_SESSION_KEYRING` of linux/keyctl.h.
        const JOIN_SESSION_KEYRING: libc::c_int = 1;
        if !self.changes_identity() {
            return Ok(());
        }
        let new: *const libc::c_char = std::ptr::null();
        // SAFETY: without a name the kernel reads no memory.
        match Errno::result(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, new) }) {
            // A kernel without keys, or a filter round all of us, as in containers, which forbids the program to use any.
            Ok(_) | Err(Errno::ENOSYS | Errno::EPERM) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    pub(super) fn set_supplementary_groups(&mut self) -> Result<(), Obstacle> {
        if !self.changes_identity() {
            return Ok(());
        }
        let set = match self.account.c_name() {
            Some(name) => initgroups(&name, self.account.gid),
            None => setgroups(&[self.account.gid]),
        };
        set.map_err(Obstacle::at(self.shown_user()))
    }

    pub(super) fn set_group(&mut self) -> Result<(), Obstacle> {
        if !self.changes_identity() {
            return Ok(());
        }
        let shown = self.plan.identity.group.clone().unwrap_or_else(|| self.account.gid.to_string());
        setgid(self.account.gid).map_err(Obstacle::at(shown))
    }

    pub(super) fn switch_user(&mut self) -> Result<(), Obstacle> {
        if !self.changes_identity() {
            self.acts_as_user = true;
            return Ok(());
        }
        if capabilities::bound(&self.plan.process.isolation).is_some() {
            capabilities::keep_over_change_of_user()?;
        }
        setuid(self.account.uid).map_err(Obstacle::at(self.shown_user()))?;
        self.acts_as_user = true;
        Ok(())
    }

    pub(super) fn shown_user(&self) -> String {
        let name = self.plan.identity.user.clone().or_else(|| self.account.name.clone());
        name.unwrap_or_else(|| self.account.uid.to_string())
    }

    pub(super) fn create_working_directory(&mut self) -> Result<(), Obstacle> {
        match &self.plan.working_directory {
            Some(path) if self.plan.process.create_working_directory => {
                let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
                made.map_err(|fault| Obstacle::at(path)(errno_of(&fault)))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn enter_working_directory(&mut self) -> Result<(), Obstacle> {
        match &self.plan.working_directory {
            Some(path) => chdir(path).map_err(Obstacle::at(path)),
            // A system user's home need not exist.
            None => chdir(&self.account.home).or_else(|_| chdir("/")).map_err(Obstacle::at("/")),
        }
    }
}
