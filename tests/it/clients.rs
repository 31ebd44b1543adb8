//! Clients that misbehave: they hang, send half a request or far too much, follow and never read, a thousand at once. The
//! daemon's memory stays where it is, and nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::resource::Resource;

use crate::harness::{World, limit};

/// By how much the daemon may grow: its own work beside the test included.
const GROWTH_MEBIBYTES: u64 = 48;

/// Clients that follow a loud run and do not read. For each the daemon keeps two batches of 256 KiB, fills a third, and
/// the HTTP library has its own buffer: below 1.5 MiB in all.
const FOLLOWERS: u64 = 50;

/// What the client sends that never stops.
const FLOOD_BYTES: usize = 1 << 30;

/// Clients that connect at once; the daemon serves 256 of one kind.
const CROWD: usize = 1000;

fn ticking() -> World {
    let mut world = World::new();
    world.job("tick", "command = 'echo x >> $DIR/out/ticks'\nschedule = 'every 1s'");
    world.start();
    world
}

fn connect(world: &World) -> UnixStream {
    let stream = UnixStream::connect(world.path("sock")).expect("the daemon accepts");
    stream.set_write_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream
}

/// A client that follows the first run of a job, and reads nothing.
///
/// # Errors
/// When the daemon is not there.
pub fn follow(world: &World, job: &str) -> std::io::Result<UnixStream> {
    let mut stream = UnixStream::connect(world.path("sock"))?;
    stream.write_all(format!("GET /v1/jobs/{job}/runs/1/output?follow=true HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())?;
    Ok(stream)
}

/// The daemon's memory in MiB, as `field` of proc(5)'s status tells it.
fn memory(world: &World, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.engine_pid())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
    line.trim_matches([':', '\t', ' ', 'k', 'B']).parse::<u64>().expect("a number") / 1024
}

fn goes_on(world: &World) {
    let before = world.lines("out/ticks").len();
    world.wait_for("two more occurrences", || (world.lines("out/ticks").len() >= before + 2).then_some(()));
}

#[test]
fn half_requests_and_silence_harm_nobody() {
    let world = ticking();
    let mut halves = Vec::new();
    for text in ["", "GET /v1/jo", "POST /v1/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"] {
        for _ in 0..20 {
            let mut stream = connect(&world);
            stream.write_all(text.as_bytes()).expect("written");
            halves.push(stream);
        }
    }
    goes_on(&world);
    world.ok(&["list"]);
    drop(halves);
}

#[test]
fn a_gigabyte_in_one_request_is_not_kept() {
    let world = ticking();
    let before = memory(&world, "VmHWM");
    let mut stream = connect(&world);
    let head = format!(
        "POST /v1/reload HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {FLOOD_BYTES}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("written");
    let chunk = vec![b' '; 1 << 16];
    let mut sent = 0;
    while sent < FLOOD_BYTES {
        match stream.write(&chunk) {
            Ok(bytes) => sent += bytes,
            Err(fault) => {
                assert!(matches!(fault.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{fault}");
                break;
            }
        }
    }
    assert!(sent < FLOOD_BYTES / 16, "the daemon took {sent} bytes of a request that it must refuse");
    let mut answer = String::new();
    // The answer may have been lost with what was still under way.
    if stream.read_to_string(&mut answer).is_ok() && !answer.is_empty() {
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
    let grown = memory(&world, "VmHWM").saturating_sub(before);
    println!("{sent} bytes went out; the daemon grew by {grown} MiB");
    assert!(grown < GROWTH_MEBIBYTES, "it grew by {grown} MiB");
    goes_on(&world);
}

#[test]
fn a_thousand_clients_at_once_are_bounded() {
    let world = ticking();
    let before = memory(&world, "VmHWM");
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        match UnixStream::connect(world.path("sock")) {
            Ok(stream) => crowd.push(stream),
            // The socket's queue is full for a moment: as good as a connection that is not served.
            Err(fault) => assert_eq!(fault.kind(), ErrorKind::WouldBlock, "{fault}"),
        }
    }
    goes_on(&world);
    let output = world.jobctl(&["list"]);
    assert!(!output.status.success(), "all places are taken");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("too many connections are open") && error.contains("hint: close some"), "{error}");
    let grown = memory(&world, "VmHWM").saturating_sub(before);
    println!("{} connections; the daemon grew by {grown} MiB", crowd.len());
    assert!(grown < GROWTH_MEBIBYTES, "it grew by {grown} MiB");
    drop(crowd);
    world.wait_for("a place", || world.jobctl(&["list"]).status.success().then_some(()));
}

#[test]
fn who_follows_and_never_reads_holds_up_nobody() {
    let world = ticking();
    world.job("loud", "command = 'head -c 100000000 /dev/zero | tr \"\\\\0\" x'\n[output]\nlimit = '200MiB'");
    world.wait_for("the job", || world.jobctl(&["show", "loud"]).status.success().then_some(()));
    let run = world.run("loud");
    let before = memory(&world, "VmHWM");
    let mut followers = Vec::new();
    for _ in 0..FOLLOWERS {
        followers.push(follow(&world, "loud").expect("the daemon accepts"));
    }
    assert_eq!(world.finished(&run)["outcome"], "succeeded", "the job prints to its end");
    goes_on(&world);
    let grown = memory(&world, "VmHWM").saturating_sub(before);
    println!("{} followers that do not read; the daemon grew by {grown} MiB", followers.len());
    assert!(grown < FOLLOWERS * 3 / 2, "it grew by {grown} MiB");
    drop(followers);
}

#[test]
fn without_descriptors_runs_go_on_and_clients_wait() {
    let world = ticking();
    goes_on(&world);
    let pid = i32::try_from(world.engine_pid()).expect("a pid");
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count();
    let (_, most) = limit(pid, Resource::RLIMIT_NOFILE, None);
    // Not one more: whatever is opened from now on fails with EMFILE.
    limit(pid, Resource::RLIMIT_NOFILE, Some((open as u64, most)));
    let waiting: Vec<UnixStream> = (0..5).map(|_| connect(&world)).collect();
    goes_on(&world);
    limit(pid, Resource::RLIMIT_NOFILE, Some((1024, most)));
    drop(waiting);
    world.wait_for("it to answer again", || world.jobctl(&["list"]).status.success().then_some(()));
    for entry in world.history("tick") {
        assert!(entry["outcome"] == "succeeded" || entry["outcome"].is_null(), "{entry}");
    }
}
