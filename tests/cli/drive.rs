//! Runs, their output and their errors, through a real daemon.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn follow_gives_each_stream_its_own_and_wait_the_summary() {
    let world = World::new(&[("hello", "command = 'echo out; echo err >&2; exit 3'")]);
    let done = world.jobctl(&["run", "hello", "--follow"]);
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(3), b"out\n".as_slice()));
    let talk = world.plain(&done.stderr);
    assert!(talk.starts_with("hello/1\nerr\nhello/1 failed after "), "{talk}");
    assert!(talk.ends_with(": it exited with code 3\n"), "{talk}");
    let done = world.jobctl(&["run", "hello", "--wait"]);
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(3), b"hello/2\n".as_slice()));
}

#[test]
fn logs_of_a_run_of_the_newest_and_of_the_last_lines() {
    let world = World::new(&[("count", "command = 'seq 5; echo $JOBSD_RUN >&2'")]);
    world.jobctl(&["run", "count", "--wait"]);
    world.jobctl(&["run", "count", "--wait"]);
    let logs = |arguments: &[&str]| world.plain(&world.jobctl(&[&["logs"], arguments].concat()).stdout);
    assert!(logs(&["count"]).starts_with("1\n2\n3\n4\n5\n"));
    assert_eq!(logs(&["count/1", "-n", "2", "--stream", "stdout"]), "4\n5\n");
    assert_eq!(logs(&["count/2", "-f", "--stream", "stdout"]), "1\n2\n3\n4\n5\n");
    let line: serde_json::Value =
        serde_json::from_str(logs(&["count", "-n", "1", "-o", "json"]).lines().next().expect("a line")).expect("JSON");
    assert!(line["at"].is_string() && line["offset"].is_u64(), "{line}");
}

#[test]
fn logs_follow_a_run_to_its_end() {
    let world =
        World::new(&[("gated", "command = 'echo begun; while ! test -e gate; do sleep 0.05; done; echo done'")]);
    let job = world.path("jobs.d/gated.toml");
    let text =
        std::fs::read_to_string(&job).expect("the job").replace("gate;", &format!("{};", world.path("gate").display()));
    std::fs::write(job, text).expect("the job");
    world.jobctl(&["reload"]);
    let run = world.running("gated");
    let mut command = world.command(&["logs", "-f", &run]);
    let out = std::fs::File::create(world.path("followed")).expect("a file");
    let mut child = command.stdout(out).spawn().expect("jobctl runs");
    let followed = || std::fs::read_to_string(world.path("followed")).expect("a file");
    world.wait_for("the first line", || (followed() == "begun\n").then_some(()));
    std::fs::write(world.path("gate"), "").expect("the gate");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(followed(), "begun\ndone\n");
}

#[test]
fn errors_say_what_failed_and_what_to_do() {
    let world = World::new(&[("backup", "command = 'true'"), ("faulty", "comand = 'true'")]);
    let mut told = String::new();
    for arguments in [
        &["show", "bakup"][..],
        &["show", "backup/7"],
        &["run", "faulty"],
        &["logs", "backup"],
        &["lst"],
        &["list", "--stat", "x"],
        &["list", "--state", "runing"],
        &["pause", "backup", "--until", "yesterdayish"],
        &["pause"],
        &["show", "backup/x"],
        &["cancel", "backup"],
        &["pause", "--tag", "nonesuch"],
    ] {
        told += &format!("$ jobctl {}\n{}\n", arguments.join(" "), world.error(arguments));
    }
    assert_snapshot!(told);
}

#[test]
fn without_a_daemon_the_sockets_are_named() {
    let world = World::without_daemon(&[]);
    assert_snapshot!(world.error(&["list"]));
    let looked = |uid_is_root: bool| {
        let mut command = world.command(&["list"]);
        command.env_remove("JOBCTL_SOCKET").env("XDG_RUNTIME_DIR", world.path("run")).env("HOME", world.path("home"));
        command.env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME");
        let talk = world.plain(&command.output().expect("jobctl runs").stderr);
        assert_eq!(talk.contains("DIR/run/jobsd/jobsd.sock"), !uid_is_root, "{talk}");
        assert_eq!(talk.contains("DIR/home/.local/state/jobsd/jobsd.sock"), !uid_is_root, "{talk}");
        assert!(talk.contains("/run/jobsd/jobsd.sock"), "{talk}");
    };
    looked(nix::unistd::geteuid().is_root());
}

#[test]
fn a_daemon_at_the_users_place_is_found_without_a_flag() {
    if nix::unistd::geteuid().is_root() {
        // Root's place is the system's, which no test may take.
        return;
    }
    let world = World::new(&[]);
    std::fs::create_dir_all(world.path("run/jobsd")).expect("a directory");
    std::os::unix::fs::symlink(world.path("sock"), world.path("run/jobsd/jobsd.sock")).expect("a link");
    let mut command = world.command(&["health"]);
    command.env_remove("JOBCTL_SOCKET").env("XDG_RUNTIME_DIR", world.path("run"));
    assert_eq!(command.output().expect("jobctl runs").status.code(), Some(0));
}

#[test]
fn verbs_on_job_files_work_where_the_daemon_does() {
    let world = World::new(&[("backup", "command = 'true'\nschedule = '0 3 * * *'")]);
    let simulated = world.jobctl(&["simulate", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-03T00:00:00Z"]);
    let told = world.plain(&simulated.stdout);
    assert!(simulated.status.success() && told.contains("backup"), "{told}{}", world.plain(&simulated.stderr));
    let made = world.jobctl(&["new", "report"]);
    assert!(made.status.success(), "{}", world.plain(&made.stderr));
    assert!(world.path("jobs.d/report.toml").exists());
    let exported = world.plain(&world.jobctl(&["export", "crontab"]).stdout);
    assert!(exported.contains("0 3 * * *"), "{exported}");
    std::fs::write(world.path("tab"), "5 4 * * * true\n").expect("a crontab");
    let tab = world.path("tab");
    let me = nix::unistd::User::from_uid(nix::unistd::geteuid()).expect("the users").expect("a user").name;
    let imported = world.jobctl(&["import", "crontab", "--owner", &me, &tab.display().to_string()]);
    assert!(imported.status.success(), "{}", world.plain(&imported.stderr));
    assert!(world.path("jobs.d/true.toml").exists());
}

#[test]
fn a_shell_is_told_jobs_and_runs() {
    let world = World::new(&[("backup", "command = 'true'\ndescription = 'Keep it'"), ("report", "command = 'true'")]);
    world.jobctl(&["run", "--wait", "backup"]);
    let complete = |words: &[&str]| {
        let mut command = world.command(&[&["--", "jobctl"], words].concat());
        command.env("JOBCTL_COMPLETE", "fish");
        String::from_utf8(command.output().expect("jobctl runs").stdout).expect("text")
    };
    assert!(complete(&["show", "b"]).starts_with("backup\tKeep it\n"));
    assert_eq!(complete(&["logs", "backup/"]), "backup/1\tsucceeded\n");
    assert_eq!(complete(&["list", "--state", "pau"]), "paused\n");
    assert_eq!(complete(&["show", "zzz"]), "");
}
