//! Faults of a file's TOML, beside those of its keys.

use std::ops::Range;

use super::findings::{Findings, Problem};

/// Adds what the parser says. When it says anything, the tree that it recovered may lack keys, or hold pieces of values
/// as keys: faults that may follow from that are dropped, and every line that may hold a variable is hidden.
pub(crate) fn add(text: &str, errors: &[toml::de::Error], findings: &mut Findings) {
    if errors.is_empty() {
        return;
    }
    let doubtful = lines_of_environment(text);
    let is_header = |line: &Range<usize>| text.as_bytes()[line.clone()].trim_ascii_start().starts_with(b"[");
    let broken =
        errors.iter().filter_map(|error| error.span()).map(|span| line_at(text, span.start)).collect::<Vec<_>>();
    // What follows a broken header belongs to a table that nobody knows.
    let lost = broken.iter().filter(|line| is_header(line)).map(|line| line.start).min().unwrap_or(text.len());
    findings.retain(|fault| {
        let clear = |span: &Range<usize>| {
            let line = line_at(text, span.start);
            line.start < lost && !broken.contains(&line) && !doubtful.iter().any(|lines| lines.contains(&line.start))
        };
        fault.span.as_ref().is_some_and(clear)
    });
    for lines in doubtful {
        findings.hide(lines);
    }
    for error in errors {
        findings.add_at(error.span(), problem(error.message()));
    }
}

/// The parser's words, `what is wrong, expected what`, in two.
pub(super) fn problem(message: &str) -> Problem {
    // It says so of everything that is no value at all, an absent one included.
    if message.starts_with("string values must be quoted") {
        return Problem::new("this is no value").expected("expected a value; texts stand in quotes");
    }
    match message.split_once(", expected ") {
        Some((message, expected)) => Problem::new(message).expected(format!("expected {expected}")),
        None => Problem::new(message),
    }
}

/// The stretches of a file that may belong to `environment`: from a line with that word to the next header of another
/// table. Too much rather than too little, since nobody knows what a broken file means.
fn lines_of_environment(text: &str) -> Vec<Range<usize>> {
    /// Tables of a job file and of `jobsd.toml`. A value of several lines may hold a line that looks like any other
    /// header.
    const HEADERS: [&str; 9] =
        ["schedule", "retry", "output", "retention", "access", "defaults", "rlimits", "limits", "isolation"];
    let mut stretches = Vec::new();
    let mut open = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '[' | '"' | '\''));
        let is_header = line.trim_start().starts_with('[') && HEADERS.iter().any(|header| bare.starts_with(header));
        if looks_like_environment(bare) || line.to_ascii_lowercase().contains("environment") {
            open = open.or(Some(at));
        } else if is_header && let Some(start) = open.take() {
            stretches.push(start..at);
        }
        at += line.len();
    }
    stretches.extend(open.map(|start| start..at));
    stretches
}

/// Whether a line begins with `environment`, `env` or a slip of these, alone or behind `defaults.`.
fn looks_like_environment(line: &str) -> bool {
    let line = line.strip_prefix("defaults.").unwrap_or(line).trim_start_matches(['"', '\'', ' ']);
    line.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("env"))
}

/// The bytes of the line that holds `at`.
fn line_at(text: &str, at: usize) -> Range<usize> {
    let (before, after) = text.as_bytes().split_at(at.min(text.len()));
    let newline = |&byte: &u8| byte == b'\n';
    let start = before.iter().rposition(newline).map_or(0, |newline| newline + 1);
    start..after.iter().position(newline).map_or(text.len(), |newline| before.len() + newline)
}
