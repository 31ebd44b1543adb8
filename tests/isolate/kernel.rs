//! What reaches into the kernel or into foreign processes, tried by real calls: load BPF, count events, load modules and
//! kernels, trace, read and signal others, use their keys.
//!
//! Each attack is also made without isolation; where it fails then, too, it proves nothing, and that is said.

use std::collections::BTreeMap;

use jobsd::run::LaunchPlan;
use jobsd::spec::{
    AddressFamily, Bind, Capabilities, Capability, Identity, Isolation, ProcessSpec, Profile, SyscallGroup, Syscalls,
};
use nix::errno::Errno;

use crate::world::{World, is_root, plan};
use crate::{job, open_world, run, worlds};

/// A job that makes the attacks below on a process.
fn attacking(world: &World, name: &str, isolation: Isolation, victim: nix::unistd::Pid) -> LaunchPlan {
    // As an ordinary user it is not to depend on the way to the build directory.
    let program = world.path("attacks");
    if !program.exists() {
        std::fs::hard_link(std::env::current_exe().unwrap(), &program)
            .or_else(|_| std::fs::copy(std::env::current_exe().unwrap(), &program).map(drop))
            .unwrap();
    }
    let argv = [program.to_str().unwrap(), "--exact", "kernel::attacks", "--ignored", "--nocapture"];
    let mut isolation = isolation;
    if isolation.private_tmp {
        isolation.bind.push(Bind { source: program.clone(), target: program.clone(), read_only: true });
    }
    let process = ProcessSpec { isolation, ..ProcessSpec::default() };
    let mut plan = LaunchPlan { process, ..plan(name, &argv) };
    plan.environment.0.insert("VICTIM".into(), victim.to_string());
    plan
}

/// Makes the attacks and says what came of each. What the kernel refuses for its arguments it would have done.
#[test]
#[ignore = "the other tests run it as a job"]
fn attacks() {
    let victim: i32 = std::env::var("VICTIM").unwrap().parse().unwrap();
    let say = |what: &str, result: libc::c_long| {
        let word = match (result, Errno::last()) {
            (0.., _) | (_, Errno::EFAULT | Errno::EINVAL | Errno::ENOEXEC) => "done".to_owned(),
            (_, errno) => errno.to_string(),
        };
        println!("{what}: {}", word.split(':').next().unwrap());
    };
    let mut attribute = [0u32; 32];
    let none: *const libc::c_void = std::ptr::null();
    // BPF_MAP_TYPE_HASH of one entry: kind, size of key and value, entries.
    attribute[..4].copy_from_slice(&[1, 4, 4, 1]);
    // SAFETY: every pointer is to a live buffer that is as large as the call is told; null is refused.
    unsafe {
        say("bpf map", libc::syscall(libc::SYS_bpf, 0, attribute.as_ptr(), 72));
        // r0 = 0; exit
        let program = [0xb7u64, 0x95];
        let (program, licence) = (program.as_ptr() as u64, c"GPL".as_ptr() as u64);
        let halves = |address: u64| [address as u32, (address >> 32) as u32];
        // BPF_PROG_TYPE_SOCKET_FILTER of two instructions.
        attribute = [0; 32];
        attribute[..2].copy_from_slice(&[1, 2]);
        attribute[2..4].copy_from_slice(&halves(program));
        attribute[4..6].copy_from_slice(&halves(licence));
        say("bpf program", libc::syscall(libc::SYS_bpf, 5, attribute.as_ptr(), 72));
        // PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, the kernel included, of a whole processor.
        attribute = [0; 32];
        attribute[..2].copy_from_slice(&[1, 128]);
        say("perf", libc::syscall(libc::SYS_perf_event_open, attribute.as_ptr(), -1, 0, -1, 0));
        // Flags that there are not, so that what is loaded stays loaded.
        say("kexec", libc::syscall(libc::SYS_kexec_load, 0, 0, none, 0x7fff));
        say("module", libc::syscall(libc::SYS_init_module, none, 0, c"".as_ptr()));
        say("ring", libc::syscall(libc::SYS_io_uring_setup, 0, none));
        say("signal", libc::c_long::from(libc::kill(victim, 0)));
        say("renice", libc::c_long::from(libc::setpriority(libc::PRIO_PROCESS, victim as u32, 1)));
        let mut byte = [0u8; 1];
        let local = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
        say("read memory", libc::process_vm_readv(victim, &raw const local, 1, &raw const local, 1, 0) as libc::c_long);
        let handle = libc::syscall(libc::SYS_pidfd_open, victim, 0);
        say("take descriptor", libc::syscall(libc::SYS_pidfd_getfd, handle, 0, 0));
        say("enter", libc::syscall(libc::SYS_setns, handle, libc::CLONE_NEWUTS));
        // PTRACE_SEIZE; the end of this process sets the other free.
        say("trace", libc::syscall(libc::SYS_ptrace, 0x4206, victim, 0, 0));
    }
    for file in ["mem", "environ", "root/etc/hostname", "fd/0"] {
        let opened = std::fs::File::open(format!("/proc/{victim}/{file}"));
        println!("{file}: {}", if opened.is_ok() { "done" } else { "denied" });
    }
}

/// What came of each attack.
fn outcome(world: &World, plan: &LaunchPlan) -> BTreeMap<String, String> {
    let printed = run(world, plan).good();
    let lines = printed.lines().filter_map(|line| line.split_once(": "));
    lines.map(|(what, word)| (what.to_owned(), word.to_owned())).collect()
}

fn keys(
    named: Vec<(&'static str, Isolation, &'static [&'static str])>,
) -> Vec<(&'static str, Isolation, Vec<&'static str>)> {
    named.into_iter().map(|(name, isolation, stopped)| (name, isolation, stopped.to_vec())).collect()
}

const KERNEL: &[&str] = &["bpf map", "bpf program", "perf", "kexec", "module"];
const FOREIGN: &[&str] = &[
    "signal",
    "renice",
    "read memory",
    "take descriptor",
    "enter",
    "trace",
    "mem",
    "environ",
    "root/etc/hostname",
    "fd/0",
];

/// Each setting, with what it stops.
fn settings() -> Vec<(&'static str, Isolation, Vec<&'static str>)> {
    let filter = |allowed: &[SyscallGroup], denied: &[SyscallGroup]| Isolation {
        no_new_privileges: true,
        syscalls: Syscalls { allowed: allowed.iter().copied().collect(), denied: denied.iter().copied().collect() },
        ..Isolation::default()
    };
    let debug = ["perf", "read memory", "take descriptor", "trace"];
    let mut service = KERNEL.to_vec();
    service.extend(debug);
    let mut strict = [KERNEL, FOREIGN].concat();
    strict.push("ring");
    let unix = AddressFamily::from_name("unix").unwrap();
    let families =
        Isolation { no_new_privileges: true, restrict_address_families: Some([unix].into()), ..Isolation::default() };
    let mut settings = keys(vec![
        (
            "denied",
            filter(&[], &[SyscallGroup::Privileged, SyscallGroup::Reboot]),
            &["bpf map", "bpf program", "kexec", "module"],
        ),
        ("debug", filter(&[], &[SyscallGroup::Debug]), &["perf", "read memory", "take descriptor", "trace"]),
        ("rings", filter(&[], &[SyscallGroup::NetworkIo]), &["ring"]),
        ("families", families, &["ring"]),
        (
            "namespaces",
            Isolation { no_new_privileges: true, restrict_namespaces: true, ..Isolation::default() },
            &["enter"],
        ),
        ("alone", Isolation { processes_visible: false, ..Isolation::default() }, FOREIGN),
    ]);
    settings.push(("service", filter(&[SyscallGroup::SystemService], &[]), service));
    settings.push(("strict", Isolation::of_profile(Profile::Strict), strict));
    settings
}

#[test]
fn the_kernel_and_foreign_processes_are_out_of_reach() {
    for (who, world) in worlds("the_kernel_and_foreign_processes_are_out_of_reach") {
        let other = plan("victim", &["sleep", "1000"]);
        world.launch(&other);
        let victim = world.started(&other.attempt);
        let open = outcome(&world, &attacking(&world, "open", Isolation::default(), victim));
        let futile: Vec<_> = open.iter().filter(|(_, word)| *word != "done").map(|(what, _)| what.as_str()).collect();
        eprintln!("the_kernel_and_foreign_processes_are_out_of_reach: {who}: fail without isolation, too: {futile:?}");
        assert!(!futile.contains(&"signal") && !futile.contains(&"environ"), "{who}: {open:?}");
        for (name, isolation, stopped) in settings() {
            let found = outcome(&world, &attacking(&world, name, isolation, victim));
            for what in stopped {
                assert!(found[what] != "done", "{who}: {name} does not stop: {what}: {found:?}");
            }
        }
        assert!(crate::world::lives(victim));
    }
}

#[test]
fn root_without_its_rights_is_kept_out_as_well() {
    if !is_root("root_without_its_rights_is_kept_out_as_well") {
        return;
    }
    let world = open_world();
    let other = plan("victim", &["sleep", "1000"]);
    world.launch(&other);
    let victim = world.started(&other.attempt);
    let bind: std::collections::BTreeSet<_> = [Capability::from_name("net_bind_service").unwrap()].into();
    let reading = ["read memory", "take descriptor", "trace", "mem", "environ", "root/etc/hostname", "fd/0", "enter"];
    let bound = Isolation { capabilities: Capabilities::Within(bind), ..Isolation::default() };
    let private = Isolation { private_users: true, ..Isolation::default() };
    for (name, isolation) in [("bound", bound), ("private", private)] {
        let found = outcome(&world, &attacking(&world, name, isolation, victim));
        for what in KERNEL.iter().chain(&reading) {
            assert!(found[*what] != "done", "{name} does not stop: {what}: {found:?}");
        }
    }
    // A job of another user, with nothing restricted, reaches neither the supervisor nor other jobs.
    let mut plan = attacking(&world, "other", Isolation::default(), victim);
    plan.identity = Identity { user: Some("nobody".into()), group: None };
    let found = outcome(&world, &plan);
    for what in ["signal", "renice"].iter().chain(&reading) {
        assert!(found[*what] != "done", "{what}: {found:?}");
    }
}

/// Asks for a key by its name, in the process's own keyrings.
#[test]
#[ignore = "the other tests run it as a job"]
fn ask_for_a_key() {
    // SAFETY: kind and name are strings that live through the call.
    let found = unsafe { libc::syscall(libc::SYS_request_key, c"user".as_ptr(), c"jobsd-test".as_ptr(), 0, 0) };
    println!("key: {}", if found > 0 { "found" } else { "none" });
}

#[test]
fn jobs_of_other_users_have_not_the_keys_of_the_supervisors_session() {
    const TEST: &str = "jobs_of_other_users_have_not_the_keys_of_the_supervisors_session";
    if !is_root(TEST) {
        return;
    }
    let (kind, name, secret) = (c"user".as_ptr(), c"jobsd-test".as_ptr(), b"hunter2");
    // SAFETY: strings and buffer live through the calls. The session is this thread's, and of what it starts from here on.
    let made = unsafe {
        // KEYCTL_JOIN_SESSION_KEYRING and KEY_SPEC_SESSION_KEYRING of linux/keyctl.h.
        let joined = libc::syscall(libc::SYS_keyctl, 1, 0);
        joined > 0 && libc::syscall(libc::SYS_add_key, kind, name, secret.as_ptr(), secret.len(), -3) > 0
    };
    if !made {
        return eprintln!("{TEST}: not tested, because there are no keys to be had: {}", Errno::last());
    }
    let world = open_world();
    let mut plan = attacking(&world, "asks", Isolation::default(), nix::unistd::Pid::this());
    plan.argv[2] = "kernel::ask_for_a_key".into();
    assert!(run(&world, &plan).good().contains("key: found"), "root has root's own session");
    let mut other = LaunchPlan { identity: Identity { user: Some("nobody".into()), group: None }, ..plan };
    other.attempt.run = "other/1".parse().unwrap();
    assert!(run(&world, &other).good().contains("key: none"));
}

#[test]
fn nothing_of_the_machine_is_set_through_proc_and_sys() {
    // Opened to append, and nothing is written: where it opens, nothing happens.
    const FILES: &str = "/proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/sysrq-trigger \
        /proc/irq/default_smp_affinity /proc/scsi/scsi /proc/dynamic_debug/control /proc/fs/ext4 /proc/bus /proc/acpi \
        /sys/power/state /sys/kernel/mm/transparent_hugepage/enabled /sys/fs/cgroup/cgroup.procs \
        /sys/fs/cgroup/unified/cgroup.procs /sys/kernel/uevent_helper /dev/mem /dev/kmsg";
    let line = format!(
        "for f in {FILES}; do ( : >> $f ) 2> /dev/null && echo opened $f; [ -d $f ] && touch $f && echo $f; done; true"
    );
    for (who, world) in worlds("nothing_of_the_machine_is_set_through_proc_and_sys") {
        let strict = ProcessSpec { isolation: Isolation::of_profile(Profile::Strict), ..ProcessSpec::default() };
        let printed = run(&world, &job("strict", &line, strict)).printed;
        assert!(!printed.lines().any(|line| line.starts_with("opened") || line.starts_with('/')), "{who}: {printed}");
    }
}
