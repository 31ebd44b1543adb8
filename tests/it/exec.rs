//! Ad-hoc runs: a command without a job file, now or later, as whoever asks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::World;

fn started() -> World {
    let mut world = World::new();
    world.start();
    world
}

/// The jobs that a list shows.
fn listed(world: &World) -> Vec<String> {
    let jobs = world.json(&["list"]);
    jobs.as_array().expect("jobs").iter().map(|job| job["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_command_runs_at_once_with_output_history_and_exit_code() {
    let world = started();
    let done = world.jobctl(&["exec", "--follow", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(7), b"out\n".as_slice()));
    let talk = String::from_utf8_lossy(&done.stderr).into_owned();
    let run = talk.lines().next().expect("the run").to_owned();
    assert!(run.starts_with("exec-20") && run.ends_with("/1"), "{talk}");
    let entry = world.finished(&run);
    assert_eq!(
        (&entry["outcome"], &entry["trigger"], &entry["exit_code"]),
        (&"failed".into(), &"manual".into(), &7.into())
    );
    assert_eq!(world.ok(&["logs", &run]), "out\nerr\n");
    let job = run.split('/').next().expect("a job");
    assert_eq!(listed(&world), Vec::<String>::new(), "one that is done is not listed");
    let shown = world.json(&["show", job]);
    assert_eq!((&shown["state"], &shown["definition"]["command"]["argv"][0]), (&"removed".into(), &"sh".into()));
    assert!(world.ok(&["why", job]).contains("ad-hoc"));
    assert_eq!(world.jobctl(&["run", job]).status.code(), Some(4), "it had its run");
}

#[test]
fn it_runs_where_and_with_what_was_said() {
    let world = started();
    let here = world.path("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobctl"));
    command.args(["exec", "-f", "-e", "PASSED", "-e", "SET=a b", "--timeout", "20s", "--nice", "3"]);
    command.args(["sh", "-c", "pwd; echo $PASSED-$SET-$HIDDEN; nice"]);
    command.current_dir(&here).env("JOBCTL_SOCKET", world.path("sock")).env("PASSED", "1").env("HIDDEN", "1");
    let done = command.stdin(Stdio::null()).output().expect("jobctl runs");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(text, format!("{}\n1-a b-\n3\n", here.display()), "{}", String::from_utf8_lossy(&done.stderr));
    // As batch(1): a script through a pipe.
    let mut script = Command::new(env!("CARGO_BIN_EXE_jobctl"));
    script.args(["exec", "--follow"]).env("JOBCTL_SOCKET", world.path("sock"));
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("jobctl");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), b"for i in 1 2; do\n echo $i\ndone\n")
        .expect("taken");
    assert_eq!(child.wait_with_output().expect("it ends").stdout, b"1\n2\n");
    for arguments in [
        &["exec", "--property", "nonsense=1", "true"][..],
        &["exec", "--property", "schedule=@daily", "true"],
        &["exec", "--timeout", "soon", "true"],
        &["exec", "--name", "Not A Name", "true"],
        &["exec", "--tiemout", "1m", "--", "true"],
        &["exec"],
    ] {
        let refused = world.jobctl(arguments);
        // What an ordinary user may say is a list, and what is not on it is refused before it is read.
        let is_unlisted = arguments.contains(&"nonsense=1") && !nix::unistd::geteuid().is_root();
        assert_eq!(
            refused.status.code(),
            Some(if is_unlisted { 5 } else { 2 }),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&refused.stderr)
        );
    }
}

#[test]
fn names_are_used_once_at_a_time_and_their_numbers_go_on() {
    let world = started();
    world.job("file", "command = 'true'");
    world.ok(&["reload"]);
    assert_eq!(world.ok(&["exec", "--name", "mine", "sleep", "60"]), "mine/1\n");
    let second = world.jobctl(&["exec", "--name", "mine", "true"]);
    assert_eq!(second.status.code(), Some(5), "{}", String::from_utf8_lossy(&second.stderr));
    assert_eq!(world.jobctl(&["exec", "--name", "file", "true"]).status.code(), Some(5));
    // What the directory says neither adds nor removes it.
    world.remove_job("file");
    world.ok(&["reload"]);
    assert_eq!(listed(&world), ["mine"]);
    world.ok(&["cancel", "mine"]);
    assert_eq!(world.finished("mine/1")["outcome"], "cancelled");
    assert_eq!(world.ok(&["exec", "--name", "mine", "--wait", "true"]), "mine/2\n");
    assert_eq!(world.history("mine").len(), 2);
}

#[test]
fn following_it_ends_with_it() {
    let world = started();
    world.ok(&["exec", "--wait", "--name", "done", "echo", "printed"]);
    world.ok(&[
        "exec",
        "--name",
        "busy",
        "sh",
        "-c",
        "echo begun; while test ! -e $0; do sleep 0.05; done",
        &go(&world),
    ]);
    let follow = |job: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobctl"));
        command.args(["logs", "--follow", job]).env("JOBCTL_SOCKET", world.path("sock")).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("jobctl runs")
    };
    let (done, busy) = (follow("done"), follow("busy"));
    fs::write(go(&world), "").expect("a file");
    for (mut follower, printed) in [(done, "printed\n"), (busy, "begun\n")] {
        world.wait_for("it to end", || follower.try_wait().expect("it is ours"));
        assert_eq!(follower.wait_with_output().expect("its output").stdout, printed.as_bytes());
    }
}

fn go(world: &World) -> String {
    world.path("go").display().to_string()
}

#[test]
fn each_without_a_name_is_a_job_of_its_own() {
    let world = started();
    let runs: Vec<String> = (0..5).map(|_| world.ok(&["exec", "--wait", "true"])).collect();
    // Some of them begin in the same second, when the one before is done already.
    let jobs: std::collections::BTreeSet<&str> = runs.iter().filter_map(|run| run.trim().strip_suffix("/1")).collect();
    assert_eq!(jobs.len(), runs.len(), "{runs:?}");
}

#[test]
fn one_for_later_waits_survives_the_daemon_and_can_be_taken_back() {
    let mut world = started();
    let name = world.ok(&["exec", "--in", "3s", "--name", "later", "sh", "-c", "echo $JOBSD_TRIGGER"]);
    assert_eq!(name, "later\n");
    assert_eq!(world.ok(&["exec", "--at", "2099-01-01", "--name", "never", "true"]), "never\n");
    world.ok(&["exec", "--name", "long", "sh", "-c", "sleep 4; echo done"]);
    assert_eq!(listed(&world), ["later", "long", "never"]);
    assert!(world.json(&["list"])[0]["next"].is_string());
    world.kill();
    world.start();
    assert_eq!(world.finished("later/1")["outcome"], "succeeded");
    assert_eq!(world.ok(&["logs", "later"]), "schedule\n");
    assert_eq!(world.finished("long/1")["outcome"], "succeeded");
    assert_eq!(world.ok(&["logs", "long"]), "done\n");
    assert_eq!(listed(&world), ["never"]);
    world.ok(&["cancel", "never"]);
    assert_eq!(listed(&world), Vec::<String>::new());
    let history = world.history("never");
    let record = (&history[0]["state"], &history[0]["reason"]);
    assert_eq!((history.len(), record), (1, (&"skipped".into(), &"cancelled".into())), "{history:?}");
    let table = world.ok(&["history", "never"]);
    let when = history[0]["created_at"].as_str().expect("a time").get(..10).expect("a date");
    assert!(table.contains("it was cancelled before its time") && table.contains(when), "{table}");
}

#[test]
fn one_for_later_is_waited_for_and_a_wait_can_be_bounded() {
    let world = started();
    world.ok(&["exec", "--in", "1s", "--name", "soon", "--", "sh", "-c", "exit 9"]);
    assert_eq!(world.jobctl(&["wait", "soon"]).status.code(), Some(9));
    world.ok(&["exec", "--in", "1h", "--name", "late", "--", "true"]);
    let waited = world.jobctl(&["wait", "late", "--timeout", "10ms"]);
    assert_eq!(waited.status.code(), Some(124));
    let talk = String::from_utf8_lossy(&waited.stderr).into_owned();
    assert!(talk.starts_with("error: not all of these runs were over after 10ms\n"), "{talk}");
}

#[test]
fn it_is_forgotten_with_the_last_record_of_its_history() {
    let mut world = started();
    world.ok(&["exec", "--name", "short", "--property", "retention.age=1s", "--wait", "true"]);
    assert!(world.json(&["show", "short"])["removed_at"].is_string());
    let ended = Instant::now();
    world.wait_for("its record to be old enough", || (ended.elapsed() > Duration::from_millis(1100)).then_some(()));
    // The first round of housekeeping after a start looks at every job.
    world.kill();
    world.start();
    world.wait_for("the job to be forgotten", || {
        (world.jobctl(&["show", "short"]).status.code() == Some(4)).then_some(())
    });
    assert!(!world.path("state/runs/short").exists());
    world.kill();
    world.start();
    assert_eq!(world.jobctl(&["show", "short"]).status.code(), Some(4), "also after a restart");
}

/// `jobctl` as the user nobody, with the program where this user can reach it.
fn as_nobody(world: &World, arguments: &[&str]) -> Output {
    let program = world.path("jobctl");
    if !program.exists() {
        crate::harness::show(env!("CARGO_BIN_EXE_jobctl"), &program);
        fs::set_permissions(world.path("."), fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").env_clear().env("JOBCTL_SOCKET", world.path("sock")).stdin(Stdio::null());
    command.uid(65534).gid(65534).output().expect("jobctl runs")
}

#[test]
fn an_ordinary_user_runs_as_itself_and_gains_nothing() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let mut world = World::new();
    world.configure("[access]\noperator = { groups = ['nogroup'] }\n");
    world.start();
    let done = as_nobody(&world, &["exec", "--follow", "id", "-un"]);
    let error = String::from_utf8_lossy(&done.stderr);
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(0), b"nobody\n".as_slice()), "{error}");
    let groups = as_nobody(&world, &["exec", "--follow", "id", "-G"]);
    assert_eq!(groups.stdout, b"65534\n");
    for arguments in [
        &["exec", "--user", "root", "id"][..],
        &["exec", "--property", "user=root", "id"],
        &["exec", "--property", "group=root", "id"],
        &["exec", "--property", "credentials.shadow=/etc/shadow", "id"],
        &["exec", "--property", "isolation.capabilities=[\"sys_admin\"]", "id"],
        &["exec", "--property", "isolation.bind=[\"/root:/mnt\"]", "id"],
        &["exec", "--nice=-10", "id"],
    ] {
        let refused = as_nobody(&world, arguments);
        let error = String::from_utf8_lossy(&refused.stderr);
        assert!(matches!(refused.status.code(), Some(2 | 5)), "{arguments:?}: {error}");
    }
    let by_root = world.jobctl(&["exec", "--follow", "--user", "nobody", "id", "-un"]);
    assert_eq!(by_root.stdout, b"nobody\n");
}
