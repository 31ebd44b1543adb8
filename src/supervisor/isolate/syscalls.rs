//! Filters of system calls ([seccomp(2)](https://man7.org/linux/man-pages/man2/seccomp.2.html)).
//!
//! Several small filters rather than one: the kernel asks all of them, and the strictest answer holds. What is not allowed
//! fails with an error number that programs know how to live with; nothing is killed.

use std::collections::BTreeMap;

use libc::c_long;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::{Obstacle, syscall_groups};
use crate::spec::Isolation;

#[cfg(target_arch = "x86_64")]
const MACHINE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: TargetArch = TargetArch::aarch64;

/// Every namespace that clone(2), unshare(2) and setns(2) know.
const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWCGROUP)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUSER)
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNET);

/// `CLONE_NEWTIME` of linux/sched.h.
const NEW_TIME: u64 = 0x80;

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// The filters that a job's isolation asks for, in the order in which they are to be installed: the groups come last,
/// since they may forbid installing more.
pub(in crate::supervisor) fn filters(isolation: &Isolation) -> Result<Vec<BpfProgram>, Obstacle> {
    let mut filters = vec![other_numbers()];
    if isolation.lock_personality {
        filters.push(compile(personality().map_err(impossible)?, SeccompAction::Allow, Errno::EPERM)?);
    }
    if isolation.restrict_namespaces {
        filters.push(compile(namespaces().map_err(impossible)?, SeccompAction::Allow, Errno::EPERM)?);
        // Its flags lie in memory, where no filter can look. Without it the C library uses clone(2).
        filters.push(compile([(libc::SYS_clone3, Vec::new())].into(), SeccompAction::Allow, Errno::ENOSYS)?);
    }
    if let Some(families) = &isolation.restrict_address_families {
        let conditions = families.iter().map(|family| {
            let number = u64::try_from(family.number()).expect("families are small numbers");
            argument(0, SeccompCmpOp::Ne, number)
        });
        let rules = match conditions.collect::<Result<Vec<_>, _>>().map_err(impossible)? {
            none if none.is_empty() => Vec::new(),
            conditions => vec![SeccompRule::new(conditions).map_err(impossible)?],
        };
        filters.push(compile([(libc::SYS_socket, rules)].into(), SeccompAction::Allow, Errno::EAFNOSUPPORT)?);
    }
    filters.extend(groups(isolation)?);
    Ok(filters)
}

/// Puts a filter over this process and everything that it executes. The caller gains no rights by execution.
pub(in crate::supervisor) fn install(filter: &BpfProgram) -> Result<(), Obstacle> {
    seccompiler::apply_filter(filter).map_err(|fault| match fault {
        seccompiler::Error::Prctl(fault) | seccompiler::Error::Seccomp(fault) => super::errno_of(&fault).into(),
        seccompiler::Error::EmptyFilter | seccompiler::Error::ThreadSync(_) | seccompiler::Error::Backend(_) => {
            Errno::EINVAL.into()
        }
    })
}

/// x86-64 has the same calls a second time, for programs with small pointers (x32), at these numbers: denied, so that
/// they are no way round the other filters. Calls of 32-bit programs are another architecture, which ends the process.
fn other_numbers() -> BpfProgram {
    const X32: u32 = 0x4000_0000;
    /// Offset of `nr` in `struct seccomp_data`.
    const NUMBER: u32 = 0;
    let instruction = |code: u32, yes, no, operand| seccompiler::sock_filter {
        code: u16::try_from(code).expect("operations are 16 bits wide"),
        jt: yes,
        jf: no,
        k: operand,
    };
    vec![
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, NUMBER),
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned()),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

/// Anything but asking (all ones) and the usual Linux (zero).
fn personality() -> Result<Rules, BackendError> {
    let rule =
        SeccompRule::new(vec![argument(0, SeccompCmpOp::Ne, 0)?, argument(0, SeccompCmpOp::Ne, u32::MAX.into())?])?;
    Ok([(libc::SYS_personality, vec![rule])].into())
}

fn namespaces() -> Result<Rules, BackendError> {
    let bits: Vec<u64> = NAMESPACES.iter().map(|flag| u64::from(flag.bits().cast_unsigned())).collect();
    let any = |bits: &[u64]| {
        bits.iter()
            .map(|&bit| SeccompRule::new(vec![argument(0, SeccompCmpOp::MaskedEq(bit), bit)?]))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok([
        (libc::SYS_clone, any(&bits)?),
        (libc::SYS_unshare, any(&[bits.as_slice(), &[NEW_TIME]].concat())?),
        (libc::SYS_setns, Vec::new()),
    ]
    .into())
}

fn groups(isolation: &Isolation) -> Result<Option<BpfProgram>, Obstacle> {
    let all = |numbers: std::collections::BTreeSet<c_long>| -> Rules {
        numbers.into_iter().map(|number| (number, Vec::new())).collect()
    };
    if let Some(allowed) = syscall_groups::allowed(&isolation.syscalls) {
        // The other way round: what is listed goes on, and the rest fails.
        return build(all(allowed), errno(Errno::EPERM), SeccompAction::Allow).map(Some);
    }
    let denied = syscall_groups::denied(&isolation.syscalls);
    (!denied.is_empty()).then(|| compile(all(denied), SeccompAction::Allow, Errno::EPERM)).transpose()
}

fn argument(index: u8, comparison: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    // The kernel looks at the lower half of each of these arguments.
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, comparison, value)
}

fn errno(errno: Errno) -> SeccompAction {
    SeccompAction::Errno((errno as i32).cast_unsigned())
}

/// Calls that match fail with `failure`.
fn compile(rules: Rules, others: SeccompAction, failure: Errno) -> Result<BpfProgram, Obstacle> {
    build(rules, others, errno(failure))
}

fn build(rules: Rules, others: SeccompAction, matching: SeccompAction) -> Result<BpfProgram, Obstacle> {
    let filter = SeccompFilter::new(rules, others, matching, MACHINE).map_err(impossible)?;
    BpfProgram::try_from(filter).map_err(impossible)
}

fn impossible(_: BackendError) -> Obstacle {
    Errno::EINVAL.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{AddressFamily, Profile, SyscallGroup};

    #[test]
    fn every_combination_compiles() {
        let mut isolation = Isolation::of_profile(Profile::Strict);
        assert_eq!(filters(&isolation).unwrap().len(), 6);
        isolation.restrict_address_families = Some(AddressFamily::all().collect());
        for group in SyscallGroup::ALL {
            isolation.syscalls.allowed = [group].into();
            filters(&isolation).unwrap();
            isolation.syscalls.allowed.clear();
            isolation.syscalls.denied = [group].into();
            filters(&isolation).unwrap();
        }
        isolation.restrict_address_families = Some(std::collections::BTreeSet::new());
        filters(&isolation).unwrap();
    }
}
