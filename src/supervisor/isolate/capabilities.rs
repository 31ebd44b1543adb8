//! Capabilities: what is left of root's rights
//! ([capabilities(7)](https://man7.org/linux/man-pages/man7/capabilities.7.html)).

use std::collections::BTreeSet;

use nix::errno::Errno;

use crate::spec::{Capabilities, Capability, Isolation};

/// What devices of one's own are worth nothing with.
const DEVICE_CAPABILITIES: [&str; 2] = ["mknod", "sys_rawio"];

/// `_LINUX_CAPABILITY_VERSION_3` of linux/capability.h: two words of 32 each.
const VERSION: u32 = 0x2008_0522;

/// A set of them, as bits by number.
type Bits = u64;

/// What a job may have at the most; `None` when nothing is taken away.
pub(in crate::supervisor) fn bound(isolation: &Isolation) -> Option<BTreeSet<Capability>> {
    let said = match &isolation.capabilities {
        Capabilities::All if isolation.private_devices => Capability::all().collect(),
        Capabilities::All => return None,
        Capabilities::Within(set) | Capabilities::Given(set) => set.clone(),
    };
    let of_devices = |capability: &Capability| DEVICE_CAPABILITIES.contains(&capability.name());
    Some(said.into_iter().filter(|capability| !isolation.private_devices || !of_devices(capability)).collect())
}

/// What a job is given although its user is not root.
pub(in crate::supervisor) fn given(isolation: &Isolation) -> BTreeSet<Capability> {
    match &isolation.capabilities {
        Capabilities::Given(set) => set.clone(),
        Capabilities::All | Capabilities::Within(_) => BTreeSet::new(),
    }
}

/// Has a change of user leave the permitted set as it is, until exec.
pub(in crate::supervisor) fn keep_over_change_of_user() -> Result<(), Errno> {
    prctl(libc::PR_SET_KEEPCAPS, 1, 0)
}

/// Takes everything away that is not in `bound`, from this process and from whatever it executes; `given` survives the
/// execution by an ordinary user. Needs `CAP_SETPCAP` in the permitted set.
pub(in crate::supervisor) fn limit(bound: &BTreeSet<Capability>, given: &BTreeSet<Capability>) -> Result<(), Errno> {
    let permitted = get()?.permitted;
    // The right to drop has to be in effect; after a change of user nothing is.
    set(Sets { effective: permitted, permitted, inheritable: 0 })?;
    // Numbers beyond those known here belong to a newer kernel, and are dropped, too.
    for number in (0..64).filter(|number| bound.iter().all(|capability| capability.number() != *number)) {
        match prctl(libc::PR_CAPBSET_DROP, number.into(), 0) {
            // The kernel has no capability of this number.
            Err(Errno::EINVAL) => break,
            dropped => dropped?,
        }
    }
    let (bound, given) = (bits(bound), bits(given));
    let left = permitted & bound;
    set(Sets { effective: left, permitted: left, inheritable: given & left })?;
    for number in (0..64).filter(|number| (given & left) >> number & 1 == 1) {
        prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE.cast_unsigned().into(), number)?;
    }
    Ok(())
}

/// Gives all of them up, for a process that needs none any more.
pub(in crate::supervisor) fn give_up() -> Result<(), Errno> {
    set(Sets { effective: 0, permitted: 0, inheritable: 0 })
}

/// Has nothing that is executed from here on gain rights
/// ([PR_SET_NO_NEW_PRIVS(2const)](https://man7.org/linux/man-pages/man2/PR_SET_NO_NEW_PRIVS.2const.html)).
pub(in crate::supervisor) fn gain_nothing() -> Result<(), Errno> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
}

fn bits(capabilities: &BTreeSet<Capability>) -> Bits {
    capabilities.iter().fold(0, |bits, capability| bits | 1 << capability.number())
}

fn prctl(option: libc::c_int, argument: u64, second: u64) -> Result<(), Errno> {
    // SAFETY: the options used here take integers and touch no memory of ours.
    Errno::result(unsafe { libc::prctl(option, argument, second, 0u64, 0u64) }).map(drop)
}

#[derive(Clone, Copy)]
struct Sets {
    effective: Bits,
    permitted: Bits,
    inheritable: Bits,
}

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Words {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

fn get() -> Result<Sets, Errno> {
    let mut header = Header { version: VERSION, pid: 0 };
    let mut words = [Words::default(); 2];
    // SAFETY: both pointers are to live values of the layout that capget(2) gives for this version.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) })?;
    let join = |half: fn(&Words) -> u32| Bits::from(half(&words[0])) | Bits::from(half(&words[1])) << 32;
    Ok(Sets {
        effective: join(|words| words.effective),
        permitted: join(|words| words.permitted),
        inheritable: join(|words| words.inheritable),
    })
}

fn set(sets: Sets) -> Result<(), Errno> {
    let mut header = Header { version: VERSION, pid: 0 };
    let word = |shift: u32| {
        let half = |bits: Bits| u32::try_from(bits >> shift & 0xffff_ffff).expect("it is masked to 32 bits");
        Words { effective: half(sets.effective), permitted: half(sets.permitted), inheritable: half(sets.inheritable) }
    };
    let words = [word(0), word(32)];
    // SAFETY: as in `get`; the kernel only reads the words.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_ones_own_take_the_making_of_others_away() {
        let isolation = Isolation { private_devices: true, ..Isolation::default() };
        let bound = bound(&isolation).unwrap();
        let names: Vec<_> = Capability::all().filter(|one| !bound.contains(one)).map(Capability::name).collect();
        assert_eq!(names, ["sys_rawio", "mknod"]);
        assert_eq!(super::bound(&Isolation::default()), None);
    }
}
