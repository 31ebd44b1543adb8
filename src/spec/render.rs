//! Faults as people read them: the line of the file, a caret, what was expected, a hint.

use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

use super::Diagnostic;
use super::diagnostic::Weight;

/// What stands for a value that is not shown.
const MASK: &str = "***";

/// Bytes of a line that are handed to the renderer, which then cuts to the width of a terminal: a line may be as long
/// as the file.
const LINE_LIMIT: usize = 2000;

/// Without colour.
pub(super) const fn plain() -> Renderer {
    Renderer::plain()
}

/// With colour, as terminals take it.
pub(super) const fn styled() -> Renderer {
    Renderer::styled()
}

/// One line of a file, without its secrets, and the bytes of it that a fault is about.
pub(super) struct Excerpt {
    line: String,
    marked: Range<usize>,
}

/// One fault. `excerpt` comes with its line in the file. The column that is printed is that of the line as it is
/// shown: behind a masked value it differs from the file's.
pub(super) fn render(
    path: &Path,
    fault: &Diagnostic,
    weight: Weight,
    excerpt: Option<(Excerpt, usize)>,
    renderer: &Renderer,
) -> String {
    let path = normalize_untrusted_str(&path.display().to_string());
    let level = match weight {
        Weight::Fault => Level::ERROR,
        Weight::Warning => Level::WARNING,
    };
    let group = Group::with_title(level.primary_title(fault.message.as_str()));
    let group = match excerpt {
        None => {
            let expected = fault.expected.as_deref().map(|expected| Level::NOTE.message(expected));
            group.element(Origin::path(path)).elements(expected)
        }
        Some((Excerpt { line, marked }, number)) => {
            let mark = AnnotationKind::Primary.span(marked).label(fault.expected.as_deref());
            group.element(Snippet::source(line).path(path).line_start(number).annotation(mark))
        }
    };
    let hint = fault.hint.as_deref().map(|hint| Level::HELP.with_name("hint").message(hint));
    renderer.render(&[group.elements(hint)])
}

/// The line on which `span` begins, without the `secrets`, which are sorted and apart. Only this line is ever shown, so
/// that nothing else needs masking.
pub(super) fn excerpt(text: &str, span: Range<usize>, secrets: &[Range<usize>]) -> Excerpt {
    let start = floor(text, span.start);
    let line = window(text, line_around(text, start), start);
    let end = floor(text, span.end).clamp(start, line.end.max(start));
    let mut shown = text[line.clone()].to_owned();
    let mut marked = start - line.start..end - line.start;
    for secret in secrets.iter().rev().filter(|secret| secret.start < line.end && line.start < secret.end) {
        let from = floor(text, secret.start).max(line.start) - line.start;
        let to = ceil(text, secret.end).min(line.end) - line.start;
        shown.replace_range(from..to, MASK);
        // A mark that begins or ends inside a secret covers the mask.
        let moved = |at: usize, inside: usize| match at {
            _ if at <= from => at,
            _ if at >= to => at - to + from + MASK.len(),
            _ => inside,
        };
        marked = moved(marked.start, from)..moved(marked.end, from + MASK.len());
    }
    Excerpt { line: shown, marked }
}

/// The bytes of the line that holds `at`, without its end.
fn line_around(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    let end = if text[start..end].ends_with('\r') { end - 1 } else { end };
    start..end.max(start)
}

/// The part of a very long line that lies around `at`.
fn window(text: &str, line: Range<usize>, at: usize) -> Range<usize> {
    if line.len() <= LINE_LIMIT {
        return line;
    }
    let start = floor(text, at.saturating_sub(LINE_LIMIT / 2)).max(line.start);
    start..floor(text, start + LINE_LIMIT).min(line.end).max(start)
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The nearest character boundary at or after `at`.
fn ceil(text: &str, at: usize) -> usize {
    (at..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, span: Range<usize>, secrets: &[Range<usize>]) -> (String, String) {
        let Excerpt { line, marked } = excerpt(text, span, secrets);
        let marked = line[marked].to_owned();
        (line, marked)
    }

    #[test]
    fn shows_one_line_and_the_mark_in_it() {
        let text = "one = 1\ntwo = 2\r\nthree = 3";
        assert_eq!(cut(text, 8..11, &[]), ("two = 2".into(), "two".into()));
        assert_eq!(cut(text, 14..25, &[]), ("two = 2".into(), "2".into()), "a mark ends with its line");
        assert_eq!(cut(text, text.len()..text.len(), &[]), ("three = 3".into(), String::new()));
    }

    #[test]
    fn masks_secrets_and_moves_the_mark() {
        let text = "A = 'secret', B = 'other', C = 1";
        let secrets = [4..12, 18..25];
        let line = "A = ***, B = ***, C = 1";
        assert_eq!(cut(text, 0..1, &secrets), (line.into(), "A".into()));
        assert_eq!(cut(text, 4..12, &secrets), (line.into(), "***".into()));
        assert_eq!(cut(text, 6..9, &secrets), (line.into(), "***".into()), "a mark inside a secret");
        assert_eq!(cut(text, 27..28, &secrets), (line.into(), "C".into()));
        assert_eq!(cut(text, 0..32, &secrets), (line.into(), line.into()));
        assert_eq!(cut("x = 'a\nb\nc'", 4..11, std::slice::from_ref(&(4..11))), ("x = ***".into(), "***".into()));
        assert_eq!(cut("x = 'a\nb\nc'", 7..8, std::slice::from_ref(&(4..11))), ("***".into(), "***".into()));
    }

    #[test]
    fn cuts_lines_that_are_as_long_as_a_file() {
        let text = "ä".repeat(LINE_LIMIT * 2);
        let (line, marked) = cut(&text, 2001..2003, &[]);
        assert!(line.len() <= LINE_LIMIT, "{}", line.len());
        assert_eq!(marked, "ä");
    }
}
