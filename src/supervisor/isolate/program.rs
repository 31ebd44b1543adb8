//! A filter of system calls as the kernel runs it: classic BPF, written by us.
//!
//! The kernel looks at every filter when it is installed: it translates it, and runs it once for each number that there is, so as
//! to know which calls are always allowed. A list that is compared one by one, as the usual compilers write it, takes a
//! millisecond for that; a tree of comparisons over intervals takes a tenth, and there is one filter rather than one a
//! restriction ([seccomp_filter](https://docs.kernel.org/userspace-api/seccomp_filter.html)).

use std::collections::BTreeMap;

use libc::{BPF_ABS, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long, sock_filter};
use nix::errno::Errno;

/// What becomes of a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::supervisor) enum Verdict {
    /// It goes on.
    Allow,
    /// It fails with this number.
    Fail(Errno),
    /// It fails if its first argument is none of these.
    FirstArgumentAmong(Vec<u32>, Errno),
    /// It fails if its first argument has one of these bits.
    FirstArgumentWithout(u32, Errno),
}

/// `AUDIT_ARCH_…` of linux/audit.h: calls of another architecture end the process.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// x86-64 has the same calls a second time, for programs with small pointers (x32), from this number on: they fail, so that
/// they are no way round.
const X32: u32 = 0x4000_0000;

/// Offsets in `struct seccomp_data`. Of an argument the lower half: the kernel looks at no more of those that are asked for.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// How far a comparison jumps at the most; beyond it a plain jump takes over.
const SHORT_JUMP: usize = u8::MAX as usize;

/// A whole program.
pub(in crate::supervisor) type Program = Vec<sock_filter>;

/// The program for these numbers; `others` is for all the rest.
pub(in crate::supervisor) fn compile(verdicts: &BTreeMap<c_long, Verdict>, others: &Verdict) -> Program {
    let mut program =
        vec![load(ARCH), compare(BPF_JEQ, ARCHITECTURE, 1, 0), end(libc::SECCOMP_RET_KILL_PROCESS), load(NUMBER)];
    program.extend(tree(&intervals(verdicts, others)));
    program
}

/// Runs of numbers with one verdict: where each begins.
fn intervals<'v>(verdicts: &'v BTreeMap<c_long, Verdict>, others: &'v Verdict) -> Vec<(u32, &'v Verdict)> {
    const X32_FAILS: &Verdict = &Verdict::Fail(Errno::EPERM);
    let mut starts: Vec<(u32, &Verdict)> = vec![(0, others)];
    for (number, verdict) in verdicts {
        let number = u32::try_from(*number).expect("system calls have small numbers");
        // The last start may be this number's own, when the one before it was listed, too.
        starts.retain(|(start, _)| *start != number);
        starts.push((number, verdict));
        starts.push((number + 1, others));
    }
    starts.push((X32, X32_FAILS));
    starts.dedup_by(|later, earlier| later.1 == earlier.1);
    starts
}

/// A tree of comparisons: as many one after another as the number of intervals has bits. It is written from its end, since
/// jumps only lead forwards: first each verdict once, then the comparisons that lead there.
struct Tree<'v> {
    /// The program backwards.
    backwards: Program,
    /// Where each verdict begins: so many instructions from the end.
    verdicts: Vec<(&'v Verdict, usize)>,
}

fn tree(intervals: &[(u32, &Verdict)]) -> Program {
    let mut tree = Tree { backwards: Program::new(), verdicts: Vec::new() };
    let root = tree.node(intervals);
    if root + 1 != tree.backwards.len() {
        tree.jump_to(root);
    }
    tree.backwards.reverse();
    tree.backwards
}

impl<'v> Tree<'v> {
    /// Writes what decides between these intervals, and says where it begins.
    fn node(&mut self, intervals: &[(u32, &'v Verdict)]) -> usize {
        let [(_, verdict)] = intervals else {
            let (low, high) = intervals.split_at(intervals.len() / 2);
            let (from, _) = high[0];
            let high = self.node(high);
            let low = self.node(low);
            let (high, low) = (self.near(high), self.near(low));
            let over = |target: usize| u8::try_from(self.backwards.len() - target - 1).expect("it is near");
            return self.push(compare(BPF_JGE, from, over(high), over(low)));
        };
        self.leaf(verdict)
    }

    fn leaf(&mut self, verdict: &'v Verdict) -> usize {
        if let Some((_, at)) = self.verdicts.iter().find(|(known, _)| *known == verdict) {
            return *at;
        }
        self.backwards.extend(leaf(verdict).into_iter().rev());
        let at = self.backwards.len() - 1;
        self.verdicts.push((verdict, at));
        at
    }

    /// The target itself, when a comparison written next, or after one more instruction, can jump there; else a jump to it.
    fn near(&mut self, target: usize) -> usize {
        if self.backwards.len() - target <= SHORT_JUMP { target } else { self.jump_to(target) }
    }

    fn jump_to(&mut self, target: usize) -> usize {
        let over = self.backwards.len() - target - 1;
        self.push(jump(over))
    }

    fn push(&mut self, instruction: sock_filter) -> usize {
        self.backwards.push(instruction);
        self.backwards.len() - 1
    }
}

fn leaf(verdict: &Verdict) -> Program {
    match verdict {
        Verdict::Allow => vec![end(libc::SECCOMP_RET_ALLOW)],
        Verdict::Fail(errno) => vec![fail(*errno)],
        Verdict::FirstArgumentAmong(values, errno) => {
            assert!(values.len() < SHORT_JUMP, "a job names a handful of values");
            let mut program = vec![load(FIRST_ARGUMENT)];
            for (place, value) in values.iter().enumerate() {
                let over = u8::try_from(values.len() - place).expect("it was asserted");
                program.push(compare(BPF_JEQ, *value, over, 0));
            }
            program.extend([fail(*errno), end(libc::SECCOMP_RET_ALLOW)]);
            program
        }
        Verdict::FirstArgumentWithout(bits, errno) => {
            vec![load(FIRST_ARGUMENT), compare(BPF_JSET, *bits, 0, 1), fail(*errno), end(libc::SECCOMP_RET_ALLOW)]
        }
    }
}

fn instruction(code: u32, yes: u8, no: u8, operand: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).expect("operations are 16 bits wide"), jt: yes, jf: no, k: operand }
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, 0, 0, offset)
}

fn compare(how: u32, value: u32, yes: u8, no: u8) -> sock_filter {
    instruction(BPF_JMP | how | BPF_K, yes, no, value)
}

fn jump(over: usize) -> sock_filter {
    instruction(BPF_JMP | BPF_JA, 0, 0, u32::try_from(over).expect("programs are short"))
}

fn end(action: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, 0, 0, action)
}

fn fail(errno: Errno) -> sock_filter {
    end(libc::SECCOMP_RET_ERRNO | (errno as i32).cast_unsigned())
}

/// What the kernel would do: the operations that are written here, and no others.
#[cfg(test)]
pub(super) fn run(program: &[sock_filter], arch: u32, number: u32, first: u32) -> u32 {
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let branch = |yes: bool| usize::from(if yes { jt } else { jf });
        match u32::from(code) {
            code if code == BPF_LD | BPF_W | BPF_ABS => {
                accumulator = match k {
                    NUMBER => number,
                    ARCH => arch,
                    FIRST_ARGUMENT => first,
                    other => panic!("offset {other}"),
                };
            }
            code if code == BPF_JMP | BPF_JEQ | BPF_K => at += branch(accumulator == k),
            code if code == BPF_JMP | BPF_JGE | BPF_K => at += branch(accumulator >= k),
            code if code == BPF_JMP | BPF_JSET | BPF_K => at += branch(accumulator & k != 0),
            code if code == BPF_JMP | BPF_JA => at += k as usize,
            code if code == BPF_RET | BPF_K => return k,
            other => panic!("operation {other:#x}"),
        }
    }
}

#[cfg(test)]
pub(super) const OWN_ARCHITECTURE: u32 = ARCHITECTURE;

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(errno: Errno) -> u32 {
        libc::SECCOMP_RET_ERRNO | (errno as i32).cast_unsigned()
    }

    #[test]
    fn every_number_gets_its_verdict() {
        let among = Verdict::FirstArgumentAmong(vec![1, 2], Errno::EAFNOSUPPORT);
        let without = Verdict::FirstArgumentWithout(0x6, Errno::EPERM);
        let mut verdicts: BTreeMap<c_long, Verdict> =
            (10..400).step_by(3).map(|number| (number, Verdict::Allow)).collect();
        verdicts.extend([(0, Verdict::Allow), (41, among), (42, without), (43, Verdict::Fail(Errno::ENOSYS))]);
        let others = Verdict::Fail(Errno::EPERM);
        let program = compile(&verdicts, &others);
        let ask = |number, first| run(&program, ARCHITECTURE, number, first);
        for number in 0..1000 {
            let expected = match verdicts.get(&c_long::from(number)).unwrap_or(&others) {
                Verdict::Allow => libc::SECCOMP_RET_ALLOW,
                Verdict::Fail(errno) => failing(*errno),
                Verdict::FirstArgumentAmong(..) | Verdict::FirstArgumentWithout(..) => continue,
            };
            assert_eq!(ask(number, 7), expected, "{number}");
        }
        for (number, first, expected) in [
            (41, 1, libc::SECCOMP_RET_ALLOW),
            (41, 2, libc::SECCOMP_RET_ALLOW),
            (41, 3, failing(Errno::EAFNOSUPPORT)),
            (42, 1, libc::SECCOMP_RET_ALLOW),
            (42, 4, failing(Errno::EPERM)),
            (X32, 0, failing(Errno::EPERM)),
            (X32 + 10, 0, failing(Errno::EPERM)),
        ] {
            assert_eq!(ask(number, first), expected, "{number:#x} {first}");
        }
        assert_eq!(run(&program, ARCHITECTURE ^ 1, 10, 0), libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn nothing_among_which_it_could_be_fails_always() {
        let verdicts = [(41, Verdict::FirstArgumentAmong(Vec::new(), Errno::EAFNOSUPPORT))].into();
        let program = compile(&verdicts, &Verdict::Allow);
        assert_eq!(run(&program, ARCHITECTURE, 41, 0), failing(Errno::EAFNOSUPPORT));
        assert_eq!(run(&program, ARCHITECTURE, 42, 0), libc::SECCOMP_RET_ALLOW);
    }
}
