//! An isolated job must not get round its isolation through jobsd: by `jobctl`, by bytes on the daemon's socket, or by
//! speaking to the supervisor as if it were the daemon. Each job here tries, for real, as root and as an ordinary user whose
//! own daemon it is: there cgroups cannot be had, mostly, and the line of parents tells.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jobsd::supervisor::{Link, LinkError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use crate::harness::{World, binary, exists, kill_process};

/// What a job tries once there is the file `go`, each with what came of it. The last one is an orphan, in a session and with
/// an environment of its own.
const TRY: &str = r#"#!/bin/sh
until [ -e $DIR/out/go ]; do sleep 0.01; done
for words in "list" "run other" "exec -- touch $DIR/out/escaped" "reload" "version"; do
    $DIR/jobctl $words 2>&1; echo "$words: $?"
done
TRY=http $CLIENT
TRY=hello $CLIENT
said=$( (setsid env -i $DIR/jobctl --socket $DIR/sock run other 2>&1; echo "orphan: $?") & )
echo "$said"
"#;

/// Strict, but for what would hide this test's directory.
const STRICT: &str = "profile = 'strict'\nprivate_tmp = false\n";

const REFUSAL: &str = "may not use jobsd: isolation.control_socket = false";

/// A world as root, and one as an ordinary user where root runs the test; each with its name.
fn worlds() -> Vec<(&'static str, World)> {
    let mut worlds = vec![("own", World::new())];
    match nix::unistd::geteuid().is_root() {
        true => worlds.push(("nobody", World::of_nobody())),
        false => eprintln!("not tested as root, because root does not run it"),
    }
    for (_, world) in &worlds {
        let client = std::env::current_exe().expect("this program");
        for (name, program) in [("client", client), ("jobctl", binary("jobctl", env!("CARGO_BIN_EXE_jobctl")))] {
            // As with the daemon's program: what was just written may still be open for writing in a fork.
            let shown = world.path(name);
            fs::hard_link(&program, &shown).or_else(|_| fs::copy(&program, &shown).map(drop)).expect("a program");
        }
        world.script("try", TRY);
        world.job("other", "command = 'true'");
    }
    worlds
}

/// A job that does this, with these keys of isolation.
fn job(world: &World, name: &str, command: &str, isolation: &str) {
    let environment = "DIR = '$DIR'\nJOBCTL_SOCKET = '$DIR/sock'\n\
                       CLIENT = '$DIR/client --exact control_socket::client --ignored --nocapture'\n";
    world.job(name, &format!("command = '{command}'\n[environment]\n{environment}[isolation]\n{isolation}"));
}

fn let_go(world: &World) {
    fs::write(world.path("out/go"), "").expect("a file");
}

/// What the run printed, when it is over.
fn printed(world: &World, run: &str) -> String {
    let entry = world.finished(run);
    let text = world.ok(&["logs", run]);
    assert_eq!(entry["outcome"], "succeeded", "{text}");
    text
}

#[track_caller]
fn assert_refused(who: &str, world: &World, text: &str) {
    for said in ["list: 5", "run other: 5", "reload: 5", "version: 5", "orphan: 5", "http: 403", "hello: closed"] {
        assert!(text.contains(said), "{who}: {said} in\n{text}\n{}", world.log());
    }
    assert!(text.contains("touch") && text.contains("out/escaped: 5"), "{who}: {text}");
    assert_eq!(world.history("other").len(), 0, "{who}: nothing was run for it");
    assert!(!world.path("out/escaped").exists(), "{who}");
}

/// What a job does that is no `jobctl`.
#[test]
#[ignore = "the other tests run it as a job"]
fn client() {
    let dir = std::env::var("DIR").expect("where the test is");
    let socket = || UnixStream::connect(format!("{dir}/sock")).expect("a connection");
    match std::env::var("TRY").expect("what to try").as_str() {
        "http" => println!("\nhttp: {}", ask(socket())),
        "hello" => {
            let supervisor = format!("{dir}/state/supervisor.sock");
            // One of an older engine, so that a supervisor which listened would tell, and stay the daemon's.
            match Link::connect(Path::new(&supervisor), 0, drop) {
                Ok(_) => println!("\nhello: welcome"),
                Err(LinkError::Closed | LinkError::Socket(_)) => println!("\nhello: closed"),
                Err(fault) => println!("\nhello: {fault}"),
            }
        }
        "hand on" => {
            let handed: OwnedFd = socket().into();
            let mut heir = Command::new(format!("{dir}/client"));
            heir.args(["--exact", "control_socket::client", "--ignored", "--nocapture"]).env("TRY", "heir");
            heir.env("TESTATOR", std::process::id().to_string());
            let spawned = heir.stdin(Stdio::from(handed)).spawn();
            // This process ends before it.
            std::mem::forget(spawned.expect("a child"));
        }
        "heir" => {
            let testator = std::env::var("TESTATOR").expect("a number").parse().expect("a number");
            while getppid() == Pid::from_raw(testator) || exists(testator) {
                std::thread::sleep(Duration::from_millis(1));
            }
            fs::write(format!("{dir}/out/inherited"), "").expect("a file");
            let inherited = std::io::stdin().as_fd().try_clone_to_owned().expect("a descriptor");
            let answer = ask(UnixStream::from(inherited));
            fs::write(format!("{dir}/out/answer"), answer).expect("a file");
        }
        other => panic!("{other}"),
    }
}

/// The status and the body of an answer.
fn ask(mut stream: UnixStream) -> String {
    stream
        .write_all(b"POST /v1/jobs/other/runs HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        .expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.trim_start_matches("HTTP/1.1 ").to_owned()
}

#[test]
fn a_strict_job_may_not_use_jobsd_by_any_way() {
    for (who, mut world) in worlds() {
        job(&world, "strict", "exec $DIR/try", STRICT);
        let_go(&world);
        world.start();
        let run = world.run("strict");
        let text = printed(&world, &run);
        assert_refused(who, &world, &text);
        assert!(text.contains(&format!("a process of the job strict {REFUSAL}")), "{who}: {text}");
        assert!(text.contains("hint: "), "{who}: {text}");
    }
}

#[test]
fn nor_after_either_of_the_two_was_killed() {
    for (who, mut world) in worlds() {
        job(&world, "strict", "exec $DIR/try", STRICT);
        world.start();
        let run = world.run("strict");
        world.wait_for("it runs", || (world.json(&["show", &run])["state"] == "running").then_some(()));
        world.kill();
        world.start();
        let supervisor = world.supervisor_pid();
        kill_process(supervisor);
        world.wait_for("a new supervisor", || {
            let pid = world.json_any(&["health"])["ready"]["supervisor_pid"].as_i64();
            pid.filter(|pid| *pid != i64::from(supervisor))
        });
        let_go(&world);
        let text = printed(&world, &run);
        assert_refused(who, &world, &text);
    }
}

#[test]
fn the_key_alone_is_enough() {
    for (who, mut world) in worlds() {
        job(&world, "kept-away", "exec $DIR/try", "control_socket = false");
        let_go(&world);
        world.start();
        let run = world.run("kept-away");
        let text = printed(&world, &run);
        assert_refused(who, &world, &text);
    }
}

#[test]
fn a_connection_of_a_process_that_ended_is_nobodys() {
    for (who, mut world) in worlds() {
        let line = "until [ -e $DIR/out/go ]; do sleep 0.01; done; TRY=\"hand on\" $CLIENT; \
                    until [ -s $DIR/out/answer ]; do sleep 0.01; done";
        job(&world, "hands-on", line, "control_socket = false");
        world.start();
        let run = world.run("hands-on");
        world.wait_for("it runs", || (world.json(&["show", &run])["state"] == "running").then_some(()));
        let engine = Pid::from_raw(world.engine_pid() as i32);
        kill(engine, Signal::SIGSTOP).expect("it is ours");
        let_go(&world);
        world.wait_for("the one who connected to be gone", || world.path("out/inherited").exists().then_some(()));
        kill(engine, Signal::SIGCONT).expect("it is ours");
        world.finished(&run);
        let answer = fs::read_to_string(world.path("out/answer")).expect("an answer");
        assert!(
            answer.starts_with("403") && answer.contains("the process that connected has ended"),
            "{who}: {answer}"
        );
        assert_eq!(world.history("other").len(), 0, "{who}");
    }
}

#[test]
fn who_is_left_the_socket_may_use_it() {
    for (who, mut world) in worlds() {
        let given = format!("{STRICT}control_socket = true\n");
        let levels = [("given", given.as_str()), ("basic", "profile = 'basic'\nprivate_tmp = false"), ("none", "")];
        for (name, isolation) in levels {
            job(&world, name, "$DIR/jobctl run --wait other && TRY=http $CLIENT; TRY=hello $CLIENT", isolation);
        }
        world.start();
        for (count, (name, _)) in levels.into_iter().enumerate() {
            let run = world.run(name);
            let text = printed(&world, &run);
            assert!(text.contains("http: 20") && text.contains("hello: closed"), "{who}: {name}: {text}");
            world.wait_for("two runs", || (world.history("other").len() == 2 * (count + 1)).then_some(()));
        }
    }
}

#[test]
fn the_program_of_a_message_may_use_jobsd() {
    for (who, mut world) in worlds() {
        let isolation = format!("{STRICT}[notify]\non_success = [{{ command = [\"$DIR/told\"] }}]\n");
        world.script(
            "told",
            "#!/bin/sh\n$DIR/jobctl --socket $DIR/sock run other > $DIR/out/told 2>&1; echo $? > $DIR/out/code\n",
        );
        job(&world, "tells", "true", &isolation);
        world.start();
        world.run("tells");
        let code = world.wait_for("the message", || world.lines("out/code").first().cloned());
        assert_eq!(code, "0", "{who}: {:?}", world.lines("out/told"));
    }
}
