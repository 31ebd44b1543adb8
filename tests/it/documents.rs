//! Every block of code in the guide, run.
//!
//! - A `toml` block goes into the file that its first line names. `faulty` after `toml`: the daemon need not like it.
//! - A `sh` block runs in one shell, which must succeed.
//! - A `console` block has commands behind `$ ` and what they print, both streams; `[..]` stands for anything in a line, `...`
//!   for any lines, and `? 3` at the end of an answer for exit code 3.
//!
//! `root` after the language: skipped, with a word, where the test runs as an ordinary user. `package` and `user`: run by
//! `packaging/test/run`, under a real systemd.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{World, binary};

const GUIDE: &str = include_str!("../../docs/guide.md");

struct Block<'a> {
    language: &'a str,
    marks: Vec<&'a str>,
    text: String,
    line: usize,
}

fn blocks(document: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let mut words = info.split_whitespace();
        let language = words.next().unwrap_or_else(|| panic!("line {}: a block without a language", index + 1));
        let body: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        found.push(Block { language, marks: words.collect(), text: body.join("\n") + "\n", line: index + 1 });
    }
    found
}

#[test]
fn the_guide_is_true() {
    let mut world = World::new();
    world.start();
    let mut differ = Vec::new();
    for block in blocks(GUIDE) {
        if block.marks.contains(&"root") && !nix::unistd::geteuid().is_root() {
            println!("skipped: the block at line {} of docs/guide.md needs root", block.line);
            continue;
        }
        if block.marks.iter().any(|mark| ["package", "user"].contains(mark)) {
            println!("skipped: the block at line {} of docs/guide.md is run by packaging/test/run", block.line);
            continue;
        }
        match block.language {
            "toml" => write(&world, &block),
            "sh" => assert_ran(&world, &block.text, 0, block.line),
            "console" => differ.extend(converse(&world, &block)),
            other => panic!("line {}: nothing runs a block of {other}", block.line),
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
}

fn write(world: &World, block: &Block<'_>) {
    let name = block.text.lines().next().and_then(|line| line.strip_prefix("# "));
    let name = name.unwrap_or_else(|| panic!("line {}: the first line names the file", block.line));
    let path = world.path(name);
    fs::create_dir_all(path.parent().expect("a directory")).expect("its directory");
    fs::write(&path, &block.text).expect("the file");
    if block.marks.contains(&"faulty") || !name.starts_with("jobs.d/") {
        return;
    }
    let job = Path::new(name).file_stem().and_then(|stem| stem.to_str()).expect("a name");
    world.ok(&["reload"]);
    let shown = world.json(&["show", job]);
    assert_eq!(shown["fault"], serde_json::Value::Null, "line {}: {shown}", block.line);
}

/// A command of a `console` block, with what must come of it.
struct Exchange {
    command: String,
    code: i32,
    answer: Vec<String>,
}

fn exchanges(text: &str) -> Vec<Exchange> {
    let mut found: Vec<Exchange> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            found.push(Exchange { command: command.to_owned(), code: 0, answer: Vec::new() });
            continue;
        }
        let last = found.last_mut().expect("a command comes first");
        match line.strip_prefix("? ") {
            Some(code) => last.code = code.parse().expect("an exit code"),
            None => last.answer.push(line.to_owned()),
        }
    }
    found
}

/// Runs the commands of a block, and gives what differs from what it says.
fn converse(world: &World, block: &Block<'_>) -> Vec<String> {
    let answered = exchanges(&block.text).into_iter().filter_map(|exchange| {
        let said = ran(world, &format!("exec 2>&1; {}", exchange.command), exchange.code, block.line);
        let lines: Vec<&str> = said.lines().collect();
        let wanted: Vec<&str> = exchange.answer.iter().map(String::as_str).collect();
        (!agree(&wanted, &lines)).then(|| {
            format!(
                "line {}: $ {}\nthe guide says:\n{}\nit says:\n{said}",
                block.line,
                exchange.command,
                wanted.join("\n")
            )
        })
    });
    answered.collect()
}

fn assert_ran(world: &World, script: &str, code: i32, line: usize) {
    ran(world, script, code, line);
}

/// Runs a script with both binaries at hand, and gives what it printed.
fn ran(world: &World, script: &str, code: i32, line: usize) -> String {
    let jobctl = binary("jobctl", env!("CARGO_BIN_EXE_jobctl"));
    let path =
        format!("{}:{}", jobctl.parent().expect("a directory").display(), std::env::var("PATH").expect("a path"));
    let output = Command::new("/bin/sh")
        .args(["-eu", "-c", script])
        .current_dir(world.path("."))
        .env("PATH", path)
        .env("JOBCTL_SOCKET", world.path("sock"))
        .env("JOBSD_JOBS_DIR", world.path("jobs.d"))
        .env_remove("JOBSD_CONFIG")
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "line {line}: {script}\n{said}{error}\n{}", world.log());
    said
}

/// Whether what was printed is what the document says.
fn agree(wanted: &[&str], said: &[&str]) -> bool {
    match wanted.split_first() {
        None => said.is_empty(),
        Some((&"...", rest)) => (0..=said.len()).any(|skipped| agree(rest, &said[skipped..])),
        Some((line, rest)) => {
            said.split_first().is_some_and(|(first, said)| line_agrees(line, first) && agree(rest, said))
        }
    }
}

fn line_agrees(wanted: &str, said: &str) -> bool {
    let mut parts = wanted.split("[..]");
    let Some(mut left) = said.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut open = false;
    for part in parts {
        open = true;
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
        open = open && part.is_empty();
    }
    open || left.is_empty()
}

#[test]
fn the_matcher_tells_right_from_wrong() {
    assert!(agree(&["a [..] c", "..."], &["a b c", "x", "y"]));
    assert!(agree(&["...", "z"], &["x", "z"]));
    assert!(!agree(&["a"], &["b"]));
    assert!(!agree(&["a"], &["a", "b"]));
    assert!(!agree(&["a [..]d"], &["a b c"]));
    assert!(!agree(&["a[..]b"], &["a b c"]));
}
