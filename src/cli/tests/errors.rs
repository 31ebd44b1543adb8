//! What goes wrong, as it is told.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use clap::Parser;
use insta::assert_snapshot;

use super::canned::{Canned, Screen};
use super::fixtures::jobs;
use super::{Cli, Exit, Session, jobctl, run_in};
use crate::api::testing::at;
use crate::api::types::ErrorCode;
use crate::cli::{Format, Terminal, Zone};

#[tokio::test]
async fn a_job_that_is_not_there() {
    let hint = Some("did you mean backup?");
    let message = "there is no job named \"bakup\"";
    let daemon = Canned::new().refuses("GET /v1/jobs/bakup", ErrorCode::NoSuchJob, message, hint);
    let done = jobctl(&daemon, None, "show bakup").await;
    assert_eq!((done.exit, done.out.as_str()), (Exit::NotFound, ""));
    assert_snapshot!(done.talk);
}

#[tokio::test]
async fn no_daemon_names_every_socket_that_was_tried() {
    let directory = tempfile::tempdir().unwrap();
    let stale = directory.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let missing = directory.path().join("missing.sock");
    let screen = Screen::default();
    let mut session = Session::new(screen.terminal(None), Format::Table, vec![missing, stale]);
    let cli = Cli::try_parse_from(["jobctl", "list"]).unwrap();
    assert_eq!(run_in(&mut session, cli.verb).await, Exit::NoDaemon);
    assert_snapshot!(screen.talk().replace(&directory.path().display().to_string(), "DIRECTORY"));
}

#[tokio::test]
async fn a_socket_that_may_not_be_used_is_told_from_a_missing_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("jobsd.sock");
    std::fs::write(&socket, "").unwrap();
    let say = |mode| {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(mode)).unwrap();
        let denied = [(socket.clone(), io::Error::from_raw_os_error(libc::EACCES))];
        let crate::cli::Failure::Told(told) = crate::cli::Failure::no_daemon(&denied) else { unreachable!() };
        assert_eq!(told.exit, Exit::Refused);
        let screen = Screen::default();
        screen.terminal(None).tell(&told);
        screen.talk().replace(&directory.path().display().to_string(), "/run/jobsd")
    };
    assert_snapshot!(say(0o600));
    let group = nix::unistd::Group::from_gid(nix::unistd::getegid()).unwrap().map(|group| group.name);
    let hint = format!("become a member of the group {}", group.unwrap());
    assert!(say(0o660).contains(&hint), "{}", say(0o660));
}

#[tokio::test]
async fn something_else_listens_there() {
    let daemon = Canned::new().says("GET /v1/health", b"<html>".to_vec());
    let done = jobctl(&daemon, None, "health").await;
    assert_eq!(done.exit, Exit::Failure);
    assert_snapshot!(done.talk);
}

#[tokio::test]
async fn a_time_that_is_none() {
    let done = jobctl(&Canned::new(), None, "pause backup --until soonish").await;
    assert_eq!(done.exit, Exit::Usage);
    assert_snapshot!(done.talk);
}

/// A reader that has seen enough.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_closed_pipe_ends_quietly_and_a_full_disk_does_not() {
    let daemon = Canned::new().answers("GET /v1/jobs?", &jobs());
    let zone = Zone::Named(chrono_tz::UTC);
    for (sink, exit, talk) in [
        (Box::new(Closed) as Box<dyn Write>, Exit::Done, ""),
        (Box::new(Full), Exit::Failure, "error: cannot write the output\n  No space left on device\n"),
    ] {
        let screen = Screen::default();
        let terminal = Terminal::new(sink, screen.talk_sink(), None, || at("2026-11-21T12:00:00Z"), zone);
        let mut session = Session::new(terminal, Format::Table, vec![daemon.socket()]);
        let cli = Cli::try_parse_from(["jobctl", "list"]).unwrap();
        assert_eq!(run_in(&mut session, cli.verb).await, exit);
        assert_eq!(screen.talk(), talk);
    }
}

/// A disk without room.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(libc::ENOSPC))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn command_lines_that_are_not_understood() {
    for words in ["", "list --nonsense", "pause", "pause backup --all", "show backup/x", "cancel", "next -n 0", "lst"] {
        let line = ["jobctl"].into_iter().chain(words.split_whitespace());
        let fault = Cli::try_parse_from(line).err().unwrap_or_else(|| panic!("{words:?} is understood"));
        assert_eq!(fault.exit_code(), i32::from(Exit::Usage.code()), "{words:?}");
    }
}
