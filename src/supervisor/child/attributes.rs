//! Steps: what the kernel keeps of a process.

use std::fs;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use super::Child;
use crate::spec::{CpuScheduling, IoPriority, Rlimit, RlimitValue};
use crate::supervisor::isolate::{Obstacle, errno_of};

impl Child<'_> {
    pub(super) fn set_umask(&mut self) -> Result<(), Obstacle> {
        let usual = Mode::S_IWGRP | Mode::S_IWOTH;
        umask(self.plan.process.attributes.umask.map_or(usual, Mode::from_bits_truncate));
        Ok(())
    }

    pub(super) fn set_nice(&mut self) -> Result<(), Obstacle> {
        let Some(nice) = self.plan.process.attributes.nice else { return Ok(()) };
        // SAFETY: three integers; 0 is the calling process.
        Ok(Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)?)
    }

    /// [ioprio_set(2)](https://man7.org/linux/man-pages/man2/ioprio_set.2.html): the class in the upper three bits of
    /// sixteen, the level in the lower ones.
    pub(super) fn set_io_class(&mut self) -> Result<(), Obstacle> {
        /// `IOPRIO_WHO_PROCESS` of linux/ioprio.h.
        const PROCESS: libc::c_int = 1;
        let Some(priority) = self.plan.process.attributes.io else { return Ok(()) };
        let (class, level) = match priority {
            IoPriority::Realtime { level } => (1, level),
            IoPriority::BestEffort { level } => (2, level),
            IoPriority::Idle => (3, 0),
        };
        let value = class << 13 | libc::c_int::from(level);
        // SAFETY: three integers; 0 is the calling process.
        Ok(Errno::result(unsafe { libc::syscall(libc::SYS_ioprio_set, PROCESS, 0, value) }).map(drop)?)
    }

    pub(super) fn set_cpu_affinity(&mut self) -> Result<(), Obstacle> {
        let Some(cpus) = &self.plan.process.attributes.cpu_affinity else { return Ok(()) };
        let mut set = CpuSet::new();
        for cpu in cpus {
            // A processor beyond what the C library's set holds is none that this machine has.
            set.set(*cpu as usize)?;
        }
        sched_setaffinity(Pid::from_raw(0), &set).map_err(|errno| match errno {
            // Those that are not there are passed over, as long as one is.
            Errno::EINVAL => Obstacle::from(errno).because("none of these processors is there and switched on"),
            _ => errno.into(),
        })
    }

    pub(super) fn set_cpu_scheduling(&mut self) -> Result<(), Obstacle> {
        let Some(scheduling) = self.plan.process.attributes.cpu_scheduling else { return Ok(()) };
        let (policy, priority) = match scheduling {
            CpuScheduling::Normal => (libc::SCHED_OTHER, 0),
            CpuScheduling::Batch => (libc::SCHED_BATCH, 0),
            CpuScheduling::Idle => (libc::SCHED_IDLE, 0),
            CpuScheduling::Fifo { priority } => (libc::SCHED_FIFO, priority),
            CpuScheduling::RoundRobin { priority } => (libc::SCHED_RR, priority),
        };
        let parameters = libc::sched_param { sched_priority: priority.into() };
        // SAFETY: the pointer is to a live value of the right type; 0 is the calling process.
        Ok(Errno::result(unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) }).map(drop)?)
    }

    pub(super) fn set_oom_score(&mut self) -> Result<(), Obstacle> {
        const FILE: &str = "/proc/self/oom_score_adj";
        let Some(score) = self.plan.process.attributes.oom_score_adjust else { return Ok(()) };
        fs::write(FILE, score.to_string()).map_err(|fault| Obstacle::at(FILE)(errno_of(&fault)))
    }

    /// Raises hard limits as far as they are to be raised; what holds stays for now.
    pub(super) fn raise_limits(&mut self) -> Result<(), Obstacle> {
        for (limit, value) in &self.plan.process.attributes.rlimits {
            let now = get_limit(*limit)?;
            if value.hard > now.hard {
                set_limit(*limit, RlimitValue { hard: value.hard, ..now })?;
            }
        }
        Ok(())
    }

    /// Has every limit hold that was asked for. The limit of open files, which the supervisor raised for itself, is as
    /// it was.
    pub(super) fn set_limits(&mut self) -> Result<(), Obstacle> {
        let (soft, hard) = self.host.open_files;
        let limits = &self.plan.process.attributes.rlimits;
        if !limits.keys().any(|limit| limit.number() == libc::RLIMIT_NOFILE) {
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
        }
        limits.iter().try_for_each(|(limit, value)| set_limit(*limit, *value))
    }
}

fn get_limit(limit: Rlimit) -> Result<RlimitValue, Obstacle> {
    let mut value = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live value of the right type.
    let done = unsafe { libc::getrlimit(limit.number(), &raw mut value) };
    Errno::result(done).map_err(Obstacle::at(limit.name()))?;
    Ok(RlimitValue { soft: value.rlim_cur, hard: value.rlim_max })
}

fn set_limit(limit: Rlimit, value: RlimitValue) -> Result<(), Obstacle> {
    let value = libc::rlimit { rlim_cur: value.soft, rlim_max: value.hard };
    // SAFETY: the pointer is to a live value of the right type.
    Errno::result(unsafe { libc::setrlimit(limit.number(), &raw const value) })
        .map(drop)
        .map_err(Obstacle::at(limit.name()))
}
