//! Every sentence that the program can say when something is wrong, in one list to read: `tests/messages.txt`, made by
//! `JOBSD_PAGES=write cargo test --test messages`. And the style that they have in common.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What stands in front of a sentence in the source.
const MARKS: [(&str, &str); 8] = [
    ("#[error(", "error"),
    ("Failure::new(", "error"),
    ("Failure::usage(", "error"),
    (".hint(", "hint"),
    (".context(", "error"),
    ("tracing::error!(", "log"),
    ("tracing::warn!(", "log"),
    ("tracing::info!(", "log"),
];

/// How far behind its mark a sentence begins at most: the fields of a log line come first.
const REACH: usize = 240;

/// Words of other programs' messages: what failed is said plainly, and nobody is begged.
const FOREIGN: [&str; 9] =
    ["failed to", "unable to", "invalid", "illegal", "please", "oops", "sorry", "an error occurred", "!"];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "tests" {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" && name != "testing.rs" {
            found.push(path);
        }
    }
}

/// The first text literal within reach, as it is said.
fn literal(after: &str) -> Option<String> {
    let mut passed = 0;
    loop {
        let rest = after.get(passed..REACH.max(passed)).or(after.get(passed..))?;
        let begin = rest.find('"')?;
        // Another statement's.
        if rest[..begin].contains(';') || rest[..begin].contains("=>") {
            return None;
        }
        let (text, length) = read(&after[passed + begin + 1..])?;
        // A field of a log line, as in job = "…", or a whole sentence.
        if text.contains(' ') || text.starts_with('{') {
            return Some(text);
        }
        passed += begin + length + 2;
    }
}

/// A literal up to its closing quote, and its length in the source.
fn read(source: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut characters = source.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((text, at)),
            '\\' => match characters.next()?.1 {
                // The line goes on behind the indentation.
                '\n' => {
                    let spaces = source[at + 2..].len() - source[at + 2..].trim_start().len();
                    for _ in 0..spaces {
                        characters.next();
                    }
                }
                'n' => text.push('\n'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    None
}

fn messages() -> BTreeSet<(String, &'static str, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let mut found = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        // Tests stand at the end of a file.
        let text = text.split("#[cfg(test)]\nmod ").next().expect("a beginning");
        let place = file.strip_prefix(root).expect("below the root").display().to_string();
        for (mark, kind) in MARKS {
            for (at, _) in text.match_indices(mark) {
                if let Some(message) = literal(&text[at + mark.len()..]) {
                    found.insert((place.clone(), kind, message));
                }
            }
        }
    }
    found
}

#[test]
fn messages_have_one_style() {
    let messages = messages();
    assert!(messages.len() > 250, "the search finds {} alone", messages.len());
    let mut faults = Vec::new();
    for (place, kind, message) in &messages {
        let plain = message.to_lowercase();
        if let Some(word) = FOREIGN.iter().find(|word| plain.contains(**word)) {
            faults.push(format!("{place}: {message:?}: not {word:?}"));
        }
        if message.ends_with('.') && !message.ends_with("...") {
            faults.push(format!("{place}: {message:?}: no full stop at the end"));
        }
        let first = message.chars().next().expect("a sentence");
        let word: String = message.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        let is_name =
            word.len() > 1 && word.chars().all(|letter| letter.is_uppercase() || letter == '_' || letter.is_numeric());
        if *kind != "log" && first.is_uppercase() && !is_name && !message.contains('=') {
            faults.push(format!("{place}: {message:?}: begins with a small letter"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_list_of_messages_is_current() {
    let mut list = String::new();
    let mut last = String::new();
    for (place, kind, message) in messages() {
        if place != last {
            list.push_str(&format!("\n{place}\n"));
            last = place;
        }
        list.push_str(&format!("  {kind:5}  {}\n", message.replace('\n', "\n         ")));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages.txt");
    if std::env::var_os("JOBSD_PAGES").is_some_and(|what| what == "write") {
        fs::write(&path, &list).expect("the list");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == list,
        "tests/messages.txt is not current: JOBSD_PAGES=write cargo test --test messages; then read it"
    );
}
