//! [`Diagnostic`] and [`Faults`]: what is wrong with a file, and where.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Fault;
use super::limits::DIAGNOSTICS_LIMIT;
use super::render;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The bytes of the file that it is about; absent when it is about the file as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What was expected there.
    pub expected: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// How much what is told of a file weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// The file is not taken.
    Fault,
    /// It is taken, and may not do what it is meant to.
    Warning,
}

/// Everything that is wrong with one file, or that it is to be warned of; never empty. `Debug` shows no line of the file, since it may hold secrets,
/// and nothing that is rendered shows a value of `environment`.
#[derive(Clone, PartialEq, Eq)]
pub struct Faults {
    path: PathBuf,
    text: String,
    secrets: Vec<Range<usize>>,
    list: Vec<Diagnostic>,
    untold: usize,
    weight: Weight,
}

/// A place in a file, counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl Faults {
    /// Faults of the file at `path`. `secrets` are the bytes of `text` that are never shown.
    pub(crate) fn new(path: &Path, text: &str, mut secrets: Vec<Range<usize>>, mut list: Vec<Diagnostic>) -> Self {
        assert!(!list.is_empty(), "a file without a fault is not faulty");
        secrets.sort_by_key(|secret| secret.start);
        secrets.dedup_by(|later, earlier| {
            let overlap = later.start <= earlier.end;
            if overlap {
                earlier.end = earlier.end.max(later.end);
            }
            overlap
        });
        list.sort_by_key(|fault| fault.span.clone().map_or((text.len(), 0), |span| (span.start, span.end)));
        list.dedup();
        let untold = list.len().saturating_sub(DIAGNOSTICS_LIMIT);
        list.truncate(DIAGNOSTICS_LIMIT);
        Self { path: path.to_owned(), text: text.to_owned(), secrets, list, untold, weight: Weight::Fault }
    }

    /// What a good file is to be warned of. None of the places may be that of a secret.
    pub fn warnings(path: &Path, text: &str, list: Vec<Diagnostic>) -> Self {
        Self { weight: Weight::Warning, ..Self::new(path, text, Vec::new(), list) }
    }

    /// One fault that is about a file as a whole, as when it cannot be read.
    pub fn whole_file(path: &Path, message: impl Into<String>, hint: Option<String>) -> Self {
        let fault = Diagnostic { span: None, message: message.into(), expected: None, hint };
        Self::new(path, "", Vec::new(), vec![fault])
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Each fault, in the order of the file; at most [`DIAGNOSTICS_LIMIT`].
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Faults beyond [`DIAGNOSTICS_LIMIT`], which are only counted.
    pub const fn untold(&self) -> usize {
        self.untold
    }

    /// Where a fault of this file begins, and where it ends (exclusive).
    pub fn places(&self, fault: &Diagnostic) -> Option<(Place, Place)> {
        let span = fault.span.clone()?;
        Some((place(&self.text, span.start), place(&self.text, span.end)))
    }

    /// One line for a table: where the first fault is, what it is, how many more there are.
    pub fn summary(&self) -> String {
        let first = self.list.first().expect("faults are never empty");
        let more = match self.list.len() - 1 + self.untold {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        match self.places(first) {
            Some((start, _)) => format!("line {}: {}{more}", start.line, first.message),
            None => format!("{}{more}", first.message),
        }
    }

    /// All faults with file, line and caret, without colour.
    pub fn plain(&self) -> String {
        self.render(&render::plain())
    }

    /// All faults with file, line and caret, coloured for a terminal. Colour adds nothing that [`Faults::plain`] does
    /// not say.
    pub fn styled(&self) -> String {
        self.render(&render::styled())
    }

    /// The form in which the daemon keeps it.
    pub fn to_fault(&self) -> Fault {
        Fault { path: self.path.clone(), summary: self.summary(), report: self.plain() }
    }

    fn render(&self, renderer: &annotate_snippets::Renderer) -> String {
        let mut report =
            self.list.iter().map(|fault| self.render_one(fault, renderer)).collect::<Vec<_>>().join("\n\n");
        if self.untold > 0 {
            report.push_str(&format!("\n\nand {} more", self.untold));
        }
        report
    }

    fn render_one(&self, fault: &Diagnostic, renderer: &annotate_snippets::Renderer) -> String {
        let excerpt = fault.span.clone().map(|span| {
            let line = place(&self.text, span.start).line;
            (render::excerpt(&self.text, span, &self.secrets), line)
        });
        render::render(&self.path, fault, self.weight, excerpt, renderer)
    }
}

fn place(text: &str, at: usize) -> Place {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("path", &self.path).field("list", &self.list).finish_non_exhaustive()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.summary())
    }
}

impl std::error::Error for Faults {}
