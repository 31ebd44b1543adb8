//! Terminals, pipes and colours.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use nix::pty::{Winsize, openpty};

use crate::world::World;

const JOBS: &[(&str, &str)] = &[(
    "a-job-with-a-rather-long-name-for-a-narrow-terminal",
    "command = 'seq 100000'\ndescription = 'A description that does not fit either, whatever one does'",
)];

/// What `jobctl` writes to a terminal of a width.
fn on_a_terminal(world: &World, columns: u16, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).expect("a terminal");
    let mut command = world.command(arguments);
    command.env("TERM", "xterm").envs(environment.iter().copied());
    command.stdout(terminal.slave.try_clone().expect("a descriptor")).stderr(Stdio::null());
    let mut child = command.spawn().expect("jobctl runs");
    // Both our ends of the slave are closed with them, so that reading ends with the child.
    drop((command, terminal.slave));
    let mut bytes = Vec::new();
    // Linux ends the reading of a terminal that nobody holds with EIO.
    File::from(terminal.master).read_to_end(&mut bytes).ok();
    assert!(child.wait().expect("it ends").success());
    String::from_utf8(bytes).expect("text").replace("\r\n", "\n")
}

#[test]
fn a_table_fits_a_narrow_terminal_and_is_whole_without_one() {
    let world = World::new(JOBS);
    for columns in [40, 80] {
        let table = on_a_terminal(&world, columns, &["list", "--color", "never"], &[]);
        assert!(table.contains('…'), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= usize::from(columns)), "{columns}:\n{table}");
    }
    let whole = String::from_utf8(world.jobctl(&["list"]).stdout).expect("text");
    assert!(whole.contains("whatever one does") && !whole.contains('…'), "{whole}");
}

#[test]
fn a_watched_list_changes_with_the_jobs_until_ctrl_c() {
    let world = World::new(JOBS);
    assert_eq!(world.code(&["list", "--watch"]), 2, "there is no terminal");
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).expect("a terminal");
    let mut command = world.command(&["list", "--watch", "--color", "never"]);
    command.env("TERM", "xterm").stdout(terminal.slave.try_clone().expect("a descriptor")).stderr(Stdio::null());
    let mut child = command.spawn().expect("jobctl runs");
    drop((command, terminal.slave));
    let screen = Arc::new(Mutex::new(String::new()));
    let (seen, mut master) = (Arc::clone(&screen), File::from(terminal.master));
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = master.read(&mut bytes) {
            seen.lock().expect("whole").push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
    let shows = |word: &str| screen.lock().expect("whole").contains(word).then_some(());
    world.wait_for("the first look", || shows("a-job-with"));
    std::fs::write(world.path("jobs.d/newcomer.toml"), "command = 'true'").expect("a job");
    world.wait_for("the new job", || shows("newcomer"));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it is ours");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    reader.join().expect("it reads");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let world = World::new(JOBS);
    let escapes = |environment: &[(&str, &str)], arguments: &[&str]| {
        on_a_terminal(&world, 80, arguments, environment).contains('\x1b')
    };
    assert!(escapes(&[], &["list"]));
    assert!(!escapes(&[("NO_COLOR", "1")], &["list"]));
    assert!(!escapes(&[("TERM", "dumb")], &["list"]));
    assert!(escapes(&[("NO_COLOR", "1")], &["list", "--color", "always"]));
    assert!(!world.jobctl(&["list"]).stdout.contains(&0x1b));
}

/// A job that would change the window's title, and clear the screen.
#[test]
fn a_terminal_does_not_obey_a_job() {
    let world = World::new(&[("hostile", r#"command = 'printf "\033]0;mine\007\033[2J\303\244\n" >&2'"#)]);
    assert_eq!(world.code(&["run", "hostile", "--wait"]), 0);
    assert_eq!(on_a_terminal(&world, 80, &["logs", "hostile"], &[]), "^[]0;mine^G^[[2J\u{e4}\n");
    let bytes = "\x1b]0;mine\x07\x1b[2J\u{e4}\n";
    assert_eq!(on_a_terminal(&world, 80, &["logs", "hostile", "--raw"], &[]), bytes);
    assert_eq!(world.jobctl(&["logs", "hostile"]).stdout, bytes.as_bytes());
}

#[test]
fn a_pipe_that_is_closed_early_is_no_fault() {
    let world = World::new(JOBS);
    let (job, _) = JOBS[0];
    world.jobctl(&["run", "--wait", job]);
    for arguments in [&["logs", job][..], &["list", "--help"], &["list", "-o", "json"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let child = world.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn().expect("jobctl runs");
        let done = child.wait_with_output().expect("it ends");
        assert_eq!((done.status.code(), world.plain(&done.stderr).as_str()), (Some(0), ""), "{arguments:?}");
    }
    // And where errors cannot be told either, nothing panics.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert_eq!(world.command(&["show", "x"]).stderr(writer).status().expect("jobctl runs").code(), Some(4));
}

#[test]
fn a_disk_that_is_full_is_told() {
    let world = World::new(JOBS);
    let full = File::options().write(true).open("/dev/full").expect("the device");
    let done = world.command(&["list"]).stdout(full).output().expect("jobctl runs");
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(world.plain(&done.stderr), "error: cannot write the output\n  No space left on device\n");
}
