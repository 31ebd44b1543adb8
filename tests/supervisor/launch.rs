//! Launching: what a program gets, and what is said when it cannot be executed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jobsd::run::{Ending, MemoryMeasure, Report};
use jobsd::spec::{Environment, Identity};
use nix::errno::Errno;

use crate::world::{World, is_root, plan, setup_failure, wait_status};

#[test]
fn exit_codes_and_signals_are_told_as_they_are() {
    let world = World::new();
    for (number, line, status) in [("a", "exit 0", 0), ("b", "exit 7", 7 << 8), ("c", "kill -9 $$", 9)] {
        let plan = plan(number, &["sh", "-c", line]);
        world.launch(&plan);
        let report = world.report();
        let Report::Started { at, pid, .. } = report else { panic!("{report:?}") };
        assert!(pid > 0);
        let end = world.ended(&plan.attempt);
        assert_eq!((wait_status(&end), end.stopped, end.started_at), (status, None, Some(at)), "{line}");
        assert!(end.ended_at >= at && end.usage.peak_memory.is_some_and(|memory| memory.bytes > 0));
    }
}

#[test]
fn usage_is_measured() {
    let world = World::new();
    let end = world.run(&plan("busy", &["sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]));
    let usage = end.usage;
    assert!(usage.cpu.unwrap().user.as_millis() > 20, "{usage:?}");
    let switches = usage.context_switches.unwrap();
    assert!(switches.voluntary + switches.involuntary > 0, "{usage:?}");
    let end = world.run(&plan("big", &["sh", "-c", "x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo ${#x}"]));
    let memory = end.usage.peak_memory.unwrap();
    assert!(memory.bytes > 30_000_000 && memory.of != MemoryMeasure::AtMost, "{:?}", end.usage);
    // What is smaller than the supervisor's own copy before execution is not told from it, and says so.
    let end = world.run(&plan("tiny", &["true"]));
    assert_ne!(end.usage.peak_memory.unwrap().of, MemoryMeasure::Process, "{:?}", end.usage);
    // Past the page cache, so that it reaches the disk before the program ends.
    let file = world.path("written").display().to_string();
    let written =
        world.run(&plan("writes", &["dd", "if=/dev/zero", &format!("of={file}"), "bs=64k", "count=16", "conv=fsync"]));
    assert!(written.usage.io.unwrap().written >= 1 << 20, "{:?}", written.usage);
}

#[test]
fn the_environment_is_clean() {
    let world = World::new();
    let mut plan = plan("env", &["env"]);
    plan.environment =
        Environment([("LANG".into(), "de_DE.UTF-8".into()), ("GREETING".into(), "a = b\n".into())].into());
    assert_eq!(wait_status(&world.run(&plan)), 0);
    let printed = String::from_utf8(world.printed(&plan.attempt)).unwrap();
    let mut names: Vec<&str> = printed.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    let expected = [
        "GREETING",
        "HOME",
        "JOBSD_ATTEMPT",
        "JOBSD_INVOCATION",
        "JOBSD_JOB",
        "JOBSD_RUN",
        "LANG",
        "LOGNAME",
        "PATH",
        "SHELL",
        "USER",
    ];
    assert_eq!(names, expected);
    for line in ["GREETING=a = b", "LANG=de_DE.UTF-8", "JOBSD_RUN=env/1", "JOBSD_ATTEMPT=1", "JOBSD_JOB=env"] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is missing in {printed}");
    }
}

#[test]
fn nothing_of_the_supervisor_reaches_a_program() {
    let world = World::new();
    // Pipes of another live attempt are open in the supervisor meanwhile.
    let other = plan("other", &["sleep", "1000"]);
    world.launch(&other);
    world.started(&other.attempt);
    // The listing itself takes 3.
    assert_eq!(
        world.shell(
            "descriptors",
            "ls -l /proc/self/fd | grep -o '[0-9]* -> [a-z/]*' | head -3; ls /proc/self/fd | wc -w"
        ),
        "0 -> /dev/null\n1 -> pipe\n2 -> pipe\n4\n"
    );
    let signals = world.shell("signals", "grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f 2; umask");
    let (masks, umask) = signals.trim().rsplit_once('\n').unwrap();
    for mask in masks.lines() {
        // 32 and 33 are the C library's own, which nobody can change through it.
        let mask = u64::from_str_radix(mask, 16).unwrap() & !(0b11 << 31);
        assert_eq!((mask, umask), (0, "0022"));
    }
    let limit = world.shell("limit", "ulimit -S -n");
    let (soft, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    assert_eq!(limit.trim(), soft.to_string());
    let ids = world.shell(
        "session",
        "read -r pid name state parent group session rest < /proc/$$/stat; echo $((group - $$)) $((session - $$))",
    );
    assert_eq!(ids, "0 0\n");
}

#[test]
fn programs_are_found_by_the_jobs_path() {
    let world = World::new();
    let bin = world.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("greet"), "#!/bin/sh\necho hello\n").unwrap();
    fs::set_permissions(bin.join("greet"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut found = plan("found", &["greet"]);
    found.environment = Environment([("PATH".into(), format!("/nowhere:{}:/bin", bin.display()))].into());
    assert_eq!(wait_status(&world.run(&found)), 0);
    assert_eq!(world.printed(&found.attempt), b"hello\n");
    let mut relative = plan("relative", &["./greet"]);
    relative.working_directory = Some(bin);
    assert_eq!(wait_status(&world.run(&relative)), 0);
}

#[test]
fn what_cannot_be_executed_says_which_step_failed() {
    let world = World::new();
    let text = world.path("text");
    fs::write(&text, "no program").unwrap();
    let text = text.to_str().unwrap();
    let mut nowhere = plan("f", &["true"]);
    nowhere.working_directory = Some("/no/such/place".into());
    let mut nobody = plan("g", &["true"]);
    nobody.identity = Identity { user: Some("no-such-user".into()), group: None };
    let mut no_group = plan("h", &["true"]);
    no_group.identity = Identity { user: None, group: Some("no-such-group".into()) };
    let table = [
        (plan("a", &["no-such-program"]), "execute", Some("no-such-program"), Errno::ENOENT),
        (plan("b", &["/no/such/program"]), "execute", Some("/no/such/program"), Errno::ENOENT),
        (plan("c", &["./relative"]), "execute", Some("./relative"), Errno::ENOENT),
        (plan("d", &[text]), "execute", Some(text), Errno::EACCES),
        (plan("e", &["a\0b"]), "execute", None, Errno::EINVAL),
        (nowhere, "enter working directory", Some("/no/such/place"), Errno::ENOENT),
        (nobody, "look up user", Some("no-such-user"), Errno::ENOENT),
        (no_group, "look up group", Some("no-such-group"), Errno::ENOENT),
    ];
    for (plan, step, path, errno) in table {
        world.launch(&plan);
        let Report::Ended { end, .. } = world.report() else { panic!("{step} did not fail") };
        let failure = setup_failure(&end);
        assert_eq!((failure.step.as_str(), failure.errno), (step, errno as i32), "{plan:?}");
        assert_eq!(failure.path.as_deref().map(|path| path.to_str().unwrap()), path, "{plan:?}");
        assert_eq!(end.started_at, None);
    }
}

#[test]
fn an_interpreter_that_is_missing_is_named() {
    let world = World::new();
    let bin = world.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("no-such-greeter"), "#!/no/such/interpreter -x\necho hello\n").unwrap();
    fs::set_permissions(bin.join("no-such-greeter"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = bin.join("no-such-greeter");
    let mut searched = plan("searched", &["no-such-greeter"]);
    searched.environment = Environment([("PATH".into(), format!("/nowhere:{}:/bin", bin.display()))].into());
    for plan in [plan("direct", &[path.to_str().unwrap()]), searched] {
        let end = world.run(&plan);
        let failure = setup_failure(&end);
        assert_eq!((failure.step.as_str(), failure.errno), ("execute", Errno::ENOENT as i32));
        let words = "the file is there, but not /no/such/interpreter, which its first line names";
        assert_eq!(failure.cause(), Some(words));
    }
    // The usual reason stays the kernel's.
    let end = world.run(&plan("none", &["/no/such/program"]));
    assert_eq!(setup_failure(&end).detail, None);
}

#[test]
fn users_are_switched() {
    if !is_root("users_are_switched") {
        return;
    }
    let world = World::new();
    let mut plan = plan(
        "nobody",
        &["sh", "-c", "id -un; id -Gn; echo $HOME $USER $LOGNAME; pwd; echo y > /dev/stdout; echo x > /dev/stderr"],
    );
    plan.identity.user = Some("nobody".into());
    assert_eq!(world.run(&plan).ending, Ending::Exited { wait_status: 0 });
    let printed = String::from_utf8(world.printed(&plan.attempt)).unwrap();
    assert_eq!(printed, "nobody\nnogroup\n/nonexistent nobody nobody\n/\ny\nx\n");
    let mut group = crate::world::plan("group", &["sh", "-c", "id -u; id -g"]);
    group.identity = Identity { user: Some("65534".into()), group: Some("daemon".into()) };
    world.run(&group);
    assert_eq!(world.printed(&group.attempt), b"65534\n1\n");
}

#[test]
fn the_own_user_by_name_needs_no_rights() {
    let world = World::new();
    let own = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
    let mut plan = plan("own", &["id", "-un"]);
    plan.identity.user = Some(own.name.clone());
    assert_eq!(wait_status(&world.run(&plan)), 0);
    assert_eq!(world.printed(&plan.attempt), format!("{}\n", own.name).into_bytes());
}

#[test]
fn an_ordinary_user_has_a_supervisor_too() {
    if !is_root("an_ordinary_user_has_a_supervisor_too") {
        return;
    }
    let world = World::of_nobody().unwrap();
    assert_eq!(world.shell("own", "id -u"), "65534\n");
    let mut root = plan("root", &["id", "-u"]);
    root.identity.user = Some("root".into());
    let end = world.run(&root);
    let failure = setup_failure(&end);
    assert_eq!((failure.step.as_str(), failure.errno), ("hand over streams", Errno::EPERM as i32));
}
