//! What was printed: chosen, searched, followed from run to run.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use crate::world::World;

/// Prints hostile bytes, and lines on both streams with a pause between.
const TALK: &str = r#"
printf 'first \000\377\n'
sleep 0.1
echo 'Error: one' >&2
sleep 1.2
printf '\303'
sleep 0.05
printf '\244 last %s\n' "$JOBSD_RUN"
sleep 0.1
echo 'error: two' >&2
sleep 0.1
printf 'no end'
"#;

fn talker() -> World {
    let world = World::new(&[("talk", &format!("command = '''{TALK}'''"))]);
    assert_eq!(world.code(&["run", "talk", "--wait"]), 0);
    world
}

fn logs(world: &World, arguments: &[&str]) -> Vec<u8> {
    let output = world.jobctl(&[&["logs"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", world.plain(&output.stderr));
    output.stdout
}

/// An answer to a plain GET, as curl gives it.
fn get(world: &World, path: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(world.path("sock")).expect("the daemon");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: jobsd\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let body = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a body") + 4;
    answer.split_off(body)
}

#[test]
fn output_is_chosen_by_stream_time_and_pattern() {
    let world = talker();
    let logs = |arguments: &[&str]| logs(&world, arguments);
    let whole = b"first \0\xff\nError: one\n\xc3\xa4 last talk/1\nerror: two\nno end";
    assert_eq!(logs(&["talk"]), whole);
    assert_eq!(logs(&["talk", "--stdout"]), b"first \0\xff\n\xc3\xa4 last talk/1\nno end");
    assert_eq!(logs(&["talk", "--stderr"]), b"Error: one\nerror: two\n");
    assert_eq!(logs(&["talk", "--grep", "(?i)^error"]), b"Error: one\nerror: two\n");
    assert_eq!(logs(&["talk", "--grep", "error|end$"]), b"error: two\nno end");
    assert_eq!(logs(&["talk", "--grep", "\u{e4} last"]), "\u{e4} last talk/1\n".as_bytes());
    assert_eq!(logs(&["talk", "--grep", r"(?-u)\xff"]), b"first \0\xff\n");
    assert_eq!(logs(&["talk", "--grep", "(?i)error", "-n", "1"]), b"error: two\n");
    assert_eq!(logs(&["talk", "--grep", "nothing like it"]), b"");
    assert_eq!(logs(&["talk", "--tail", "2"]), b"error: two\nno end");
    assert_eq!(logs(&["talk", "--since", "1h", "--until", "0s"]), whole);
    assert_eq!(logs(&["talk", "--since", "0s"]), b"");
    // The time of a line in the second half parts the two.
    let json = String::from_utf8(logs(&["talk", "--stderr", "-n", "1", "-o", "json"])).expect("text");
    let line: serde_json::Value = serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&line["run"], &line["text"]), (&1.into(), &"error: two\n".into()));
    let at = line["at"].as_str().expect("a time");
    assert_eq!(logs(&["talk", "--stderr", "--until", at]), b"Error: one\n");
    assert_eq!(logs(&["talk", "--stderr", "--since", at]), b"error: two\n");
}

#[test]
fn times_stand_in_front_of_lines_when_asked_or_when_the_job_says_so() {
    let world = World::new(&[("timed", "command = 'echo a; echo b >&2'\n[output]\ntimestamps = true")]);
    world.jobctl(&["run", "timed", "--wait"]);
    let text = String::from_utf8(logs(&world, &["timed"])).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("20")
            && lines[0].ends_with("   a")
            && lines[0].len() == "2026-11-21 12:00:00.250   a".len()
    );
    assert!(lines[1].ends_with(" ! b"), "{text}");
    assert_eq!(logs(&world, &["timed", "--no-timestamps"]), b"a\nb\n");
    let raw = String::from_utf8(get(&world, "/v1/jobs/timed/output?timestamps=true")).expect("text");
    assert!(raw.lines().all(|line| line.as_bytes()[10] == b'T' && line.contains("Z ")), "{raw}");
    assert_eq!(get(&world, "/v1/jobs/timed/runs/1/output?stream=stderr"), b"b\n");
    assert_eq!(get(&world, "/v1/jobs/timed/runs/1/output?grep=%5Eb"), b"b\n");
}

#[test]
fn earlier_runs_are_counted_back_from_the_newest() {
    let world = World::new(&[("count", "command = 'echo $JOBSD_RUN'"), ("never", "command = 'true'")]);
    for _ in 0..3 {
        world.jobctl(&["run", "count", "--wait"]);
    }
    assert_eq!(logs(&world, &["count"]), b"count/3\n");
    assert_eq!(logs(&world, &["count", "--previous", "1"]), b"count/2\n");
    assert_eq!(logs(&world, &["count", "-p", "2"]), b"count/1\n");
    assert_eq!(world.code(&["logs", "count", "-p", "3"]), 4);
    assert_eq!(world.code(&["logs", "count/2", "-p", "1"]), 2);
    assert_eq!(world.code(&["logs", "never"]), 4);
    assert_eq!(world.code(&["logs", "count", "--grep", "("]), 2);
    let error = world.error(&["logs", "count", "--grep", "(a"]);
    assert!(error.starts_with("error: grep: regex parse error") && error.contains("hint: "), "{error}");
}

#[test]
fn a_job_is_followed_from_run_to_run_and_a_closed_pipe_ends_it() {
    let world = World::new(&[("tick", "command = 'echo $JOBSD_RUN; echo x'")]);
    let mut child = world
        .command(&["logs", "-f", "tick"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("jobctl runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for number in 1..=4 {
        assert_eq!(world.code(&["run", "tick", "--wait"]), 0);
        assert_eq!(lines.next().expect("a line").expect("text"), format!("tick/{number}"));
        assert_eq!(lines.next().expect("a line").expect("text"), "x");
    }
    drop(lines);
    // The next run's words find nobody who reads them.
    assert_eq!(world.code(&["run", "tick", "--wait"]), 0);
    world.wait_for("jobctl to end", || child.try_wait().expect("it is ours"));
}

#[test]
fn what_is_larger_than_a_screen_goes_through_a_pipe_that_closes_early() {
    let world = World::new(&[("much", "command = 'seq 1000000'")]);
    assert_eq!(world.code(&["run", "much", "--wait"]), 0);
    let expected: String = (1..=1_000_000).map(|number| format!("{number}\n")).collect();
    assert!(logs(&world, &["much"]) == expected.as_bytes(), "every line is there");
    assert_eq!(logs(&world, &["much", "--grep", "^99999.$", "-n", "2"]), b"999998\n999999\n");
    let mut child =
        world.command(&["logs", "much"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("jobctl runs");
    let mut pipe = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    pipe.read_line(&mut first).expect("a line");
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((first.as_str(), String::from_utf8_lossy(&output.stderr).as_ref()), ("1\n", ""));
}
