//! Filters of system calls ([seccomp(2)](https://man7.org/linux/man-pages/man2/seccomp.2.html)).
//!
//! What is not allowed fails with an error number that programs know how to live with; nothing is killed but programs of
//! another architecture. All restrictions of a job are one program for the kernel, written by the supervisor once for each
//! set of restrictions, not by each child.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use libc::c_long;
use nix::errno::Errno;
use nix::sched::CloneFlags;

use super::program::{Program, Verdict, compile};
use super::{Obstacle, capabilities, syscall_groups};
use crate::spec::{AddressFamily, Isolation, Syscalls};

/// Every namespace that clone(2), unshare(2) and setns(2) know.
const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWCGROUP)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUSER)
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNET);

/// `CLONE_NEWTIME` of linux/sched.h, for unshare(2) alone: in clone(2) its bit is part of the signal.
const NEW_TIME: u32 = 0x80;

/// Filters that are kept at the most. Jobs say few different things about system calls; beyond it the oldest goes, and costs a
/// few dozen microseconds when it is wanted again.
const KEPT: usize = 64;

/// The filters that were asked for, so that each is written once.
#[derive(Default)]
pub(in crate::supervisor) struct Filters(Vec<(Restrictions, Rc<Program>)>);

/// What a filter is about.
#[derive(Clone, PartialEq, Eq)]
struct Restrictions {
    syscalls: Syscalls,
    lock_personality: bool,
    restrict_namespaces: bool,
    restrict_address_families: Option<BTreeSet<AddressFamily>>,
}

impl From<&Isolation> for Restrictions {
    fn from(isolation: &Isolation) -> Self {
        Self {
            syscalls: isolation.syscalls.clone(),
            lock_personality: isolation.lock_personality,
            restrict_namespaces: isolation.restrict_namespaces,
            restrict_address_families: isolation.restrict_address_families.clone(),
        }
    }
}

impl Restrictions {
    fn are_those_of(&self, isolation: &Isolation) -> bool {
        self.syscalls == isolation.syscalls
            && self.lock_personality == isolation.lock_personality
            && self.restrict_namespaces == isolation.restrict_namespaces
            && self.restrict_address_families == isolation.restrict_address_families
    }
}

impl Filters {
    /// The filter that a job's isolation asks for, if it asks for one.
    pub fn of(&mut self, isolation: &Isolation) -> Option<Rc<Program>> {
        if !isolation.filters_syscalls() {
            return None;
        }
        if let Some((_, program)) = self.0.iter().find(|(kept, _)| kept.are_those_of(isolation)) {
            return Some(Rc::clone(program));
        }
        let wanted = Restrictions::from(isolation);
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        let program = Rc::new(program(&wanted));
        self.0.push((wanted, Rc::clone(&program)));
        Some(program)
    }
}

/// Puts a filter over this process and everything that it executes. The caller gains no rights by execution from here on, for
/// which the kernel asks.
pub(in crate::supervisor) fn install(program: &Program) -> Result<(), Obstacle> {
    capabilities::gain_nothing()?;
    let length = u16::try_from(program.len()).map_err(|_| Errno::E2BIG)?;
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel reads `length` instructions from the pointer, which live through the call, and writes none.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter) };
    Ok(Errno::result(done).map(drop)?)
}

fn program(wanted: &Restrictions) -> Program {
    let (mut verdicts, others) = groups(&wanted.syscalls);
    let makes_sockets = *verdicts.get(&libc::SYS_socket).unwrap_or(&others) == Verdict::Allow;
    // What a group denies stays denied; what it leaves is looked at more closely.
    let mut look = |number: c_long, closer: Verdict| {
        if *verdicts.get(&number).unwrap_or(&others) == Verdict::Allow {
            verdicts.insert(number, closer);
        }
    };
    if wanted.lock_personality {
        // Asking is all ones, and the usual Linux is zero.
        look(libc::SYS_personality, Verdict::FirstArgumentAmong(vec![0, u32::MAX], Errno::EPERM));
    }
    if wanted.restrict_namespaces {
        let bits = NAMESPACES.bits().cast_unsigned();
        look(libc::SYS_clone, Verdict::FirstArgumentWithout(bits, Errno::EPERM));
        look(libc::SYS_unshare, Verdict::FirstArgumentWithout(bits | NEW_TIME, Errno::EPERM));
        look(libc::SYS_setns, Verdict::Fail(Errno::EPERM));
        // Its flags lie in memory, where no filter can look. Without it the C library uses clone(2).
        look(libc::SYS_clone3, Verdict::Fail(Errno::ENOSYS));
    }
    if let Some(families) = &wanted.restrict_address_families {
        let numbers = families.iter().map(|family| family.number().cast_unsigned()).collect();
        look(libc::SYS_socket, Verdict::FirstArgumentAmong(numbers, Errno::EAFNOSUPPORT));
    }
    if wanted.restrict_address_families.is_some() || !makes_sockets {
        // A ring makes sockets, connects and sends by itself, and no filter sees it (io_uring(7)). Programs that use one
        // know kernels that have none.
        look(libc::SYS_io_uring_setup, Verdict::Fail(Errno::ENOSYS));
    }
    compile(&verdicts, &others)
}

/// The verdicts on whole calls, and that on all others.
fn groups(syscalls: &Syscalls) -> (BTreeMap<c_long, Verdict>, Verdict) {
    let denial = Verdict::Fail(Errno::EPERM);
    let all = |numbers: BTreeSet<c_long>, verdict: &Verdict| {
        numbers.into_iter().map(|number| (number, verdict.clone())).collect()
    };
    match syscall_groups::allowed(syscalls) {
        Some(allowed) => (all(allowed, &Verdict::Allow), denial),
        None => (all(syscall_groups::denied(syscalls), &denial), Verdict::Allow),
    }
}

#[cfg(test)]
mod tests {
    use super::super::program::{OWN_ARCHITECTURE, run};
    use super::*;
    use crate::spec::{Profile, SyscallGroup};

    const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;

    fn failing(errno: Errno) -> u32 {
        libc::SECCOMP_RET_ERRNO | (errno as i32).cast_unsigned()
    }

    fn ask(isolation: &Isolation, number: c_long, first: u32) -> u32 {
        let program = program(&isolation.into());
        run(&program, OWN_ARCHITECTURE, u32::try_from(number).unwrap(), first)
    }

    #[test]
    fn strict_says_what_it_says() {
        let strict = Isolation::of_profile(Profile::Strict);
        let signal = libc::SIGCHLD.cast_unsigned();
        for (number, first, expected) in [
            (libc::SYS_read, 0, ALLOWED),
            (libc::SYS_execve, 0, ALLOWED),
            (libc::SYS_exit_group, 0, ALLOWED),
            (libc::SYS_mount, 0, failing(Errno::EPERM)),
            (libc::SYS_bpf, 0, failing(Errno::EPERM)),
            (libc::SYS_personality, 0, ALLOWED),
            (libc::SYS_personality, u32::MAX, ALLOWED),
            (libc::SYS_personality, 8, failing(Errno::EPERM)),
            (libc::SYS_clone, signal, ALLOWED),
            (libc::SYS_clone, signal | NEW_TIME, ALLOWED),
            (libc::SYS_clone, signal | libc::CLONE_NEWUSER.cast_unsigned(), failing(Errno::EPERM)),
            (libc::SYS_clone3, 0, failing(Errno::ENOSYS)),
            (libc::SYS_unshare, libc::CLONE_NEWNS.cast_unsigned(), failing(Errno::EPERM)),
            (libc::SYS_unshare, NEW_TIME, failing(Errno::EPERM)),
            (libc::SYS_unshare, libc::CLONE_FILES.cast_unsigned(), ALLOWED),
            (libc::SYS_setns, 0, failing(Errno::EPERM)),
            (libc::SYS_socket, libc::AF_UNIX.cast_unsigned(), ALLOWED),
            (libc::SYS_socket, libc::AF_PACKET.cast_unsigned(), failing(Errno::EAFNOSUPPORT)),
            (libc::SYS_io_uring_setup, 4, failing(Errno::ENOSYS)),
            (9999, 0, failing(Errno::EPERM)),
        ] {
            assert_eq!(ask(&strict, number, first), expected, "{number} {first:#x}");
        }
    }

    #[test]
    fn every_group_allows_or_denies_its_numbers_and_no_others() {
        for group in SyscallGroup::ALL {
            let alone = |allowed: bool| {
                let mut isolation = Isolation::default();
                match allowed {
                    true => isolation.syscalls.allowed = [group].into(),
                    false => isolation.syscalls.denied = [group].into(),
                }
                isolation
            };
            let (allows, denies) = (alone(true), alone(false));
            let allowed = syscall_groups::allowed(&allows.syscalls).unwrap();
            let denied = syscall_groups::denied(&denies.syscalls);
            let (allows, denies) = (program(&(&allows).into()), program(&(&denies).into()));
            for number in 0..600 {
                let ask =
                    |program: &Program| run(program, OWN_ARCHITECTURE, u32::try_from(number).unwrap(), 0) == ALLOWED;
                // A ring makes sockets: it is there with them or not at all.
                let with = if number == libc::SYS_io_uring_setup { libc::SYS_socket } else { number };
                let is_allowed = allowed.contains(&number) && allowed.contains(&with);
                let is_denied = denied.contains(&number) || denied.contains(&with);
                assert_eq!(ask(&allows), is_allowed, "{group:?} {number}");
                assert_eq!(ask(&denies), !is_denied, "{group:?} {number}");
            }
        }
    }

    #[test]
    fn a_filter_is_small_and_written_once() {
        let mut filters = Filters::default();
        let strict = Isolation::of_profile(Profile::Strict);
        let first = filters.of(&strict).unwrap();
        assert!(Rc::ptr_eq(&first, &filters.of(&strict).unwrap()));
        // A list of comparisons would have a thousand and a half.
        assert!(first.len() < 150, "{}", first.len());
        assert!(filters.of(&Isolation::default()).is_none());
        for group in SyscallGroup::ALL.into_iter().cycle().take(KEPT * 2) {
            let mut isolation = strict.clone();
            isolation.syscalls.denied.insert(group);
            isolation.hostname = Some("x".to_owned());
            filters.of(&isolation).unwrap();
        }
        assert!(filters.0.len() <= KEPT);
    }
}
