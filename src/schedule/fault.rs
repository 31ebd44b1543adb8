//! [`ParseError`]: what is wrong with a text, and where.

use std::ops::Range;

/// Why a text is no schedule, with the place, so that a caret can be put under it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong, and what was expected.
    pub message: String,
    /// The faulty part: bytes of the text that was parsed.
    pub span: Range<usize>,
    /// What to write instead, when that can be told.
    pub hint: Option<String>,
}

impl ParseError {
    /// A fault at `span`, without a hint.
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span, hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, for a text of which the parsed one is the part that begins at byte `by`.
    #[must_use]
    pub(super) fn shifted(mut self, by: usize) -> Self {
        self.span = self.span.start + by..self.span.end + by;
        self
    }
}
