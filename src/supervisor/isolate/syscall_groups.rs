//! Which system calls belong to which group. The groups are those of systemd's [seccomp-util.c], as far as these machines
//! have the calls.
//!
//! [seccomp-util.c]: https://github.com/systemd/systemd/blob/main/src/shared/seccomp-util.c

use std::collections::BTreeSet;

use libc::c_long;

use crate::spec::{SyscallGroup, Syscalls};

/// The last system call of the first, historical numbers, and those that all machines share since 2019: what came after
/// this version is not allowed by a list of what is.
const HISTORICAL: std::ops::RangeInclusive<c_long> = 0..=334;
const SHARED: std::ops::RangeInclusive<c_long> = 424..=462;

/// The numbers that a filter allows; `None` when it only denies.
pub(in crate::supervisor) fn allowed(syscalls: &Syscalls) -> Option<BTreeSet<c_long>> {
    if syscalls.allowed.is_empty() {
        return None;
    }
    let denied = denied(syscalls);
    let groups = syscalls.allowed.iter().flat_map(|group| numbers(*group));
    // Without these no program could even begin and end.
    let always = numbers_of(ALWAYS);
    Some(groups.filter(|number| !denied.contains(number)).chain(always).collect())
}

/// The numbers that a filter denies.
pub(in crate::supervisor) fn denied(syscalls: &Syscalls) -> BTreeSet<c_long> {
    let always: BTreeSet<c_long> = numbers_of(ALWAYS).collect();
    let groups = syscalls.denied.iter().flat_map(|group| numbers(*group));
    groups.filter(|number| !always.contains(number)).collect()
}

fn numbers_of(list: &'static [c_long]) -> impl Iterator<Item = c_long> {
    list.iter().copied()
}

fn numbers(group: SyscallGroup) -> Vec<c_long> {
    match group {
        SyscallGroup::SystemService => {
            let without: BTreeSet<c_long> =
                SyscallGroup::NO_SERVICE.into_iter().flat_map(numbers).chain(numbers_of(ROOT_ONLY)).collect();
            HISTORICAL.chain(SHARED).filter(|number| !without.contains(number)).collect()
        }
        SyscallGroup::Privileged => {
            let groups = [
                SyscallGroup::Chown,
                SyscallGroup::Clock,
                SyscallGroup::Module,
                SyscallGroup::RawIo,
                SyscallGroup::Reboot,
                SyscallGroup::Swap,
                SyscallGroup::Setuid,
            ];
            groups.into_iter().flat_map(numbers).chain(numbers_of(ROOT_ONLY)).collect()
        }
        SyscallGroup::Clock => CLOCK.to_vec(),
        SyscallGroup::CpuEmulation => CPU_EMULATION.to_vec(),
        SyscallGroup::Debug => DEBUG.to_vec(),
        SyscallGroup::Module => MODULE.to_vec(),
        SyscallGroup::Mount => MOUNT.to_vec(),
        SyscallGroup::Obsolete => OBSOLETE.to_vec(),
        SyscallGroup::RawIo => RAW_IO.to_vec(),
        SyscallGroup::Reboot => REBOOT.to_vec(),
        SyscallGroup::Swap => SWAP.to_vec(),
        SyscallGroup::Keyring => KEYRING.to_vec(),
        SyscallGroup::Resources => RESOURCES.to_vec(),
        SyscallGroup::Setuid => SETUID.to_vec(),
        SyscallGroup::Chown => CHOWN.to_vec(),
        SyscallGroup::Memlock => MEMLOCK.to_vec(),
        SyscallGroup::Sandbox => SANDBOX.to_vec(),
        SyscallGroup::Aio => AIO.to_vec(),
        SyscallGroup::NetworkIo => NETWORK_IO.to_vec(),
    }
}

/// Part of every allowed set, and of no denied one.
const ALWAYS: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_futex,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
];

/// What takes rights of root and is in no other group; not for services, and part of `@privileged`.
const ROOT_ONLY: &[c_long] = &[
    libc::SYS_acct,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_fanotify_init,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_syslog,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

const CLOCK: &[c_long] =
    &[libc::SYS_adjtimex, libc::SYS_clock_adjtime, libc::SYS_clock_settime, libc::SYS_settimeofday];

#[cfg(target_arch = "x86_64")]
const CPU_EMULATION: &[c_long] = &[libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const CPU_EMULATION: &[c_long] = &[];

const DEBUG: &[c_long] = &[
    libc::SYS_lookup_dcookie,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
];

const MODULE: &[c_long] = &[libc::SYS_delete_module, libc::SYS_finit_module, libc::SYS_init_module];

/// open_tree_attr(2), since Linux 6.15: one of the numbers that all machines share, and younger than the C library's list.
const SYS_OPEN_TREE_ATTR: c_long = 467;

const MOUNT: &[c_long] = &[
    SYS_OPEN_TREE_ATTR,
    libc::SYS_chroot,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_pivot_root,
    libc::SYS_umount2,
];

#[cfg(target_arch = "x86_64")]
const OBSOLETE: &[c_long] = &[
    libc::SYS__sysctl,
    libc::SYS_afs_syscall,
    libc::SYS_getpmsg,
    libc::SYS_putpmsg,
    libc::SYS_security,
    libc::SYS_sysfs,
    libc::SYS_tuxcall,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_vserver,
];
#[cfg(not(target_arch = "x86_64"))]
const OBSOLETE: &[c_long] = &[];

#[cfg(target_arch = "x86_64")]
const RAW_IO: &[c_long] = &[libc::SYS_ioperm, libc::SYS_iopl];
#[cfg(not(target_arch = "x86_64"))]
const RAW_IO: &[c_long] = &[];

const REBOOT: &[c_long] = &[libc::SYS_kexec_file_load, libc::SYS_kexec_load, libc::SYS_reboot];

const SWAP: &[c_long] = &[libc::SYS_swapoff, libc::SYS_swapon];

const KEYRING: &[c_long] = &[libc::SYS_add_key, libc::SYS_keyctl, libc::SYS_request_key];

const RESOURCES: &[c_long] = &[
    libc::SYS_ioprio_set,
    libc::SYS_mbind,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_set_mempolicy,
    libc::SYS_set_mempolicy_home_node,
    libc::SYS_setpriority,
    libc::SYS_setrlimit,
];

const SETUID: &[c_long] = &[
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_setreuid,
    libc::SYS_setuid,
];

#[cfg(target_arch = "x86_64")]
const CHOWN: &[c_long] = &[libc::SYS_chown, libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_lchown];
#[cfg(not(target_arch = "x86_64"))]
const CHOWN: &[c_long] = &[libc::SYS_fchown, libc::SYS_fchownat];

const MEMLOCK: &[c_long] =
    &[libc::SYS_mlock, libc::SYS_mlock2, libc::SYS_mlockall, libc::SYS_munlock, libc::SYS_munlockall];

const SANDBOX: &[c_long] = &[
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_restrict_self,
    libc::SYS_seccomp,
];

const AIO: &[c_long] = &[
    libc::SYS_io_cancel,
    libc::SYS_io_destroy,
    libc::SYS_io_getevents,
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
];

const NETWORK_IO: &[c_long] = &[
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_listen,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_socket,
    libc::SYS_socketpair,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_may_do_its_work_and_no_more() {
        let service = Syscalls { allowed: [SyscallGroup::SystemService].into(), denied: BTreeSet::new() };
        let set = allowed(&service).unwrap();
        for number in [libc::SYS_openat, libc::SYS_clone3, libc::SYS_socket, libc::SYS_fchown, libc::SYS_setuid] {
            assert!(set.contains(&number), "{number}");
        }
        for number in [libc::SYS_bpf, libc::SYS_mount, libc::SYS_reboot, libc::SYS_ptrace, libc::SYS_init_module] {
            assert!(!set.contains(&number), "{number}");
        }
        let less = Syscalls { denied: [SyscallGroup::NetworkIo, SyscallGroup::Privileged].into(), ..service };
        let set = allowed(&less).unwrap();
        assert!(
            !set.contains(&libc::SYS_socket) && !set.contains(&libc::SYS_setuid) && set.contains(&libc::SYS_openat)
        );
        assert_eq!(allowed(&Syscalls::default()), None);
    }

    #[test]
    fn no_program_is_kept_from_beginning_and_ending() {
        for group in SyscallGroup::ALL {
            let only = Syscalls { allowed: [group].into(), denied: SyscallGroup::ALL.into() };
            assert!(allowed(&only).unwrap().contains(&libc::SYS_execve), "{}", group.name());
            assert!(!denied(&only).contains(&libc::SYS_exit_group));
        }
    }
}
