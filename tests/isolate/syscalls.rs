//! Which system calls there are. Calls that no ordinary program makes are made by this test program itself, as the job.

use jobsd::run::LaunchPlan;
use jobsd::spec::{Isolation, ProcessSpec, SyscallGroup, Syscalls};

use crate::{job, run, world, worlds};

fn with(isolation: Isolation) -> ProcessSpec {
    ProcessSpec { isolation: Isolation { no_new_privileges: true, ..isolation }, ..ProcessSpec::default() }
}

fn denied(groups: &[SyscallGroup]) -> Isolation {
    let denied = groups.iter().copied().collect();
    Isolation { syscalls: Syscalls { denied, ..Syscalls::default() }, ..Isolation::default() }
}

fn allowed(groups: &[SyscallGroup]) -> Isolation {
    let allowed = groups.iter().copied().collect();
    Isolation { syscalls: Syscalls { allowed, ..Syscalls::default() }, ..Isolation::default() }
}

/// A job that is the probe below.
fn probing(name: &str, process: ProcessSpec) -> LaunchPlan {
    let program = std::env::current_exe().unwrap();
    let argv = [program.to_str().unwrap(), "--exact", "syscalls::probe", "--ignored", "--nocapture"];
    LaunchPlan { process, ..world::plan(name, &argv) }
}

/// Makes calls and says what came of them.
#[test]
#[ignore = "the other tests run it as a job"]
fn probe() {
    let none: *const libc::c_void = std::ptr::null();
    let say = |what: &str, result: libc::c_long| match result {
        -1 => println!("{what}: {}", nix::errno::Errno::last()),
        _ => println!("{what}: done"),
    };
    // SAFETY: a null pointer is refused by each of these calls, which then do nothing.
    unsafe {
        say("bpf", libc::syscall(libc::SYS_bpf, 99, none, 0));
        say("ptrace", libc::syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0));
        say("unshare", libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUTS));
        say("clone3", libc::syscall(libc::SYS_clone3, none, 0));
        say("personality", libc::syscall(libc::SYS_personality, libc::ADDR_NO_RANDOMIZE));
        say("personality query", libc::syscall(libc::SYS_personality, u32::MAX));
        #[cfg(target_arch = "x86_64")]
        say("x32 getpid", libc::syscall(0x4000_0000 + libc::SYS_getpid));
    }
}

#[test]
fn groups_are_denied() {
    for (who, world) in worlds("groups_are_denied") {
        let result = run(&world, &job("chown", "chown 65534 /dev/null; echo $?", with(denied(&[SyscallGroup::Chown]))));
        assert!(result.printed.contains("Operation not permitted") && result.printed.ends_with("1\n"), "{who}");
        let result = run(
            &world,
            &job("network", "bash -c 'echo > /dev/tcp/127.0.0.1/9'", with(denied(&[SyscallGroup::NetworkIo]))),
        );
        assert!(result.printed.contains("not permitted"), "{who}: {}", result.printed);
    }
}

#[test]
fn services_get_what_they_need_and_nothing_else() {
    let world = crate::open_world();
    let open = run(&world, &probing("open", ProcessSpec::default())).good();
    assert!(open.contains("ptrace: done") && open.contains("personality: done"), "{open}");
    let service = run(&world, &probing("service", with(allowed(&[SyscallGroup::SystemService])))).good();
    for call in ["bpf", "ptrace"] {
        assert!(service.contains(&format!("{call}: EPERM")), "{call} in {service}");
    }
    #[cfg(target_arch = "x86_64")]
    assert!(service.contains("x32 getpid: EPERM"), "{service}");
}

#[test]
fn namespaces_can_be_neither_made_nor_entered() {
    for (who, world) in worlds("namespaces_can_be_neither_made_nor_entered") {
        let isolation = Isolation { restrict_namespaces: true, ..Isolation::default() };
        for (name, line) in
            [("user", "unshare -U true"), ("mount", "unshare -m true"), ("enter", "nsenter -t $$ -u true")]
        {
            let result = run(&world, &job(name, line, with(isolation.clone())));
            assert_ne!(result.code(), 0, "{who}: {line}");
        }
        // Threads and processes are still made.
        assert_eq!(run(&world, &job("works", "echo a | cat", with(isolation))).good(), "a\n", "{who}");
    }
    let world = crate::open_world();
    let isolation = Isolation { restrict_namespaces: true, ..Isolation::default() };
    let probed = run(&world, &probing("probe", with(isolation))).good();
    assert!(probed.contains("unshare: EPERM") && probed.contains("clone3: ENOSYS"), "{probed}");
}

#[test]
fn the_kind_of_system_stays() {
    let world = crate::open_world();
    let isolation = Isolation { lock_personality: true, ..Isolation::default() };
    let probed = run(&world, &probing("locked", with(isolation))).good();
    assert!(probed.contains("personality: EPERM") && probed.contains("personality query: done"), "{probed}");
}
