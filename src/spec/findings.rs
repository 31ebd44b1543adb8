//! [`Findings`]: the faults of a file while it is read. Reading goes on after a fault, so that a person sees all
//! at once.

use std::ops::Range;
use std::path::Path;

use super::{Diagnostic, Faults};

/// Collects what is wrong, and what must not be shown.
#[derive(Default)]
pub(crate) struct Findings {
    list: Vec<Diagnostic>,
    secrets: Vec<Range<usize>>,
    mode: Mode,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    /// Spans are those of the file.
    #[default]
    File,
    /// What is read now is the `[defaults]` of another file: its spans mean nothing in this one.
    Defaults,
}

/// What is wrong with one value, before it is known where the value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    message: String,
    expected: Option<String>,
    hint: Option<String>,
    within: Option<Range<usize>>,
}

/// A value with the place where it was said; no place for one that comes from `[defaults]`.
#[derive(Clone, Debug)]
pub(crate) struct Said<T> {
    pub value: T,
    pub span: Option<Range<usize>>,
}

impl Findings {
    /// Notes a fault at `span`.
    pub fn add(&mut self, span: Range<usize>, problem: Problem) {
        let span = self.span(span);
        self.add_at(span, problem);
    }

    /// Notes a fault at a place that [`Findings::span`] gave, or of the file as a whole.
    pub fn add_at(&mut self, span: Option<Range<usize>>, problem: Problem) {
        let Problem { message, expected, hint, within } = problem;
        let message = match self.mode {
            Mode::File => message,
            Mode::Defaults => format!("[defaults] in jobsd.toml: {message}"),
        };
        let span = span.map(|span| match within {
            Some(within) => span.start + within.start..span.start + within.end,
            None => span,
        });
        self.list.push(Diagnostic { span, message, expected, hint });
    }

    /// Notes bytes that no report shows.
    pub fn hide(&mut self, span: Range<usize>) {
        if self.mode == Mode::File {
            self.secrets.push(span);
        }
    }

    /// The place of a value, for later.
    pub fn span(&self, span: Range<usize>) -> Option<Range<usize>> {
        match self.mode {
            Mode::File => Some(span),
            Mode::Defaults => None,
        }
    }

    /// Reads the `[defaults]` of another file: `read`'s faults say so and have no place.
    pub fn in_defaults<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.mode = Mode::Defaults;
        let read = read(self);
        self.mode = Mode::File;
        read
    }

    /// How many faults there are by now.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Drops the faults for which `keep` says no.
    pub fn retain(&mut self, keep: impl FnMut(&Diagnostic) -> bool) {
        self.list.retain(keep);
    }

    /// All of them; `None` when there is none.
    pub fn into_faults(self, path: &Path, text: &str) -> Option<Faults> {
        (!self.list.is_empty()).then(|| Faults::new(path, text, self.secrets, self.list))
    }
}

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), expected: None, hint: None, within: None }
    }

    pub fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), ..self }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Adds "did you mean", when there is something to mean.
    pub fn meant(self, word: Option<&str>) -> Self {
        match word {
            Some(word) => self.hint(format!("did you mean {word:?}?")),
            None => self,
        }
    }

    /// Adds a hint, when there is one.
    pub fn maybe_hint(self, hint: Option<String>) -> Self {
        Self { hint: hint.or(self.hint), ..self }
    }

    /// Narrows the place to some bytes of the value.
    pub fn within(self, within: Option<Range<usize>>) -> Self {
        Self { within, ..self }
    }
}

impl<T> Said<T> {
    /// Whether the file itself says it, not `[defaults]`.
    pub const fn is_own(&self) -> bool {
        self.span.is_some()
    }
}
