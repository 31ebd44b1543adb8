//! Steps: isolation. What each does lies in [`isolate`](crate::supervisor::isolate).

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid, sethostname, setsid};
use std::os::fd::AsRawFd;

use super::{Child, CredentialsPlace, Step, broken, close_all_but};
use crate::spec::{Isolation, Network};
use crate::supervisor::fork::{Fork, fork, fork_waiting};
use crate::supervisor::isolate::{Obstacle, capabilities, init, landlock, mounts, namespaces, network, syscalls};

impl<'a> Child<'a> {
    fn isolation(&self) -> &Isolation {
        &self.plan.process.isolation
    }

    pub(super) fn map_user(&mut self) -> Result<(), Obstacle> {
        if namespaces::at_birth(self.isolation(), self.host.is_root()).contains(CloneFlags::CLONE_NEWUSER) {
            namespaces::map_own_user(self.host.own.uid, self.host.own.gid)?;
        }
        Ok(())
    }

    fn mounts_credentials(&self) -> bool {
        matches!(self.launch.credentials, Some(CredentialsPlace::Mount(_)))
    }

    pub(super) fn make_namespaces(&mut self) -> Result<(), Obstacle> {
        let flags = namespaces::in_child(self.isolation(), self.mounts_credentials());
        if flags.is_empty() {
            return Ok(());
        }
        unshare(flags)?;
        Ok(())
    }

    pub(super) fn set_host_name(&mut self) -> Result<(), Obstacle> {
        match &self.isolation().hostname {
            Some(name) => sethostname(name).map_err(Obstacle::at(name)),
            None => Ok(()),
        }
    }

    pub(super) fn raise_loopback(&mut self) -> Result<(), Obstacle> {
        match self.isolation().network {
            Network::Loopback => Ok(network::raise_loopback()?),
            Network::Host | Network::None => Ok(()),
        }
    }

    pub(super) fn arrange_mounts(&mut self) -> Result<(), Obstacle> {
        if self.isolation().arranges_mounts() || self.mounts_credentials() {
            mounts::arrange(self.isolation())?;
        }
        Ok(())
    }

    /// The program is then the second process among those that it sees.
    pub(super) fn start_first_process(&mut self, rest: &[Step<'a>]) -> Result<(), Obstacle> {
        let Some(mut supervisor) = self.hands.first.take() else { return Ok(()) };
        let program = if self.stays_itself() {
            fork_waiting(|| self.go_through(rest)).map_err(broken)?
        } else {
            match fork().map_err(broken)? {
                Fork::Child => return Ok(()),
                Fork::Parent(program) => program,
            }
        };
        let on_leftover = self.plan.process.on_leftover;
        let told = init::Told { record: &mut self.hands.record, supervisor: &mut supervisor };
        init::stay(program, told, on_leftover, |told| {
            close_all_but(0, &[told.record.as_raw_fd(), told.supervisor.as_raw_fd()])
        })
    }

    /// Whether nobody may look into the program's process, while it is made, who may not look into this one: then they may
    /// have one memory, which saves copying it. Else somebody who is the job's user could change the memory of a process that
    /// may become anybody.
    fn stays_itself(&self) -> bool {
        !self.changes_identity() && !self.isolation().private_users
    }

    pub(super) fn start_own_session(&mut self) -> Result<(), Obstacle> {
        if !self.isolation().processes_visible {
            setsid()?;
        }
        Ok(())
    }

    /// For the daemon of an ordinary user its namespace was made at birth, and does that already.
    pub(super) fn hide_users(&mut self) -> Result<(), Obstacle> {
        if self.isolation().private_users && self.host.is_root() {
            let (uid, gid) = (geteuid(), getegid());
            unshare(CloneFlags::CLONE_NEWUSER)?;
            // The kernel takes files of /proc from a process whose user has just changed (PR_SET_DUMPABLE(2const)).
            nix::sys::prctl::set_dumpable(true)?;
            namespaces::map_own_user(uid, gid)?;
        }
        Ok(())
    }

    pub(super) fn set_capabilities(&mut self) -> Result<(), Obstacle> {
        let Some(bound) = capabilities::bound(self.isolation()) else { return Ok(()) };
        match capabilities::limit(&bound, &capabilities::given(self.isolation())) {
            // An ordinary user has none that could be taken away, and gains none without the next step.
            Err(Errno::EPERM) if !self.host.is_root() => Ok(capabilities::gain_nothing()?),
            limited => Ok(limited?),
        }
    }

    pub(super) fn give_up_new_privileges(&mut self) -> Result<(), Obstacle> {
        if self.isolation().no_new_privileges {
            capabilities::gain_nothing()?;
        }
        Ok(())
    }

    pub(super) fn set_landlock_rules(&mut self) -> Result<(), Obstacle> {
        if landlock::stands_beneath(self.isolation()) {
            landlock::forbid_writing(self.isolation())?;
        }
        Ok(())
    }

    pub(super) fn filter_system_calls(&mut self) -> Result<(), Obstacle> {
        self.launch.filter.map_or(Ok(()), syscalls::install)
    }
}
