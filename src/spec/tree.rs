//! [`Table`] and [`Field`]: a TOML tree as it is read, key by key, with the place of everything.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::findings::{Findings, Problem, Said};
use super::suggest::closest;

/// A table whose keys are asked for one by one; [`Table::finish`] then knows which are unknown.
pub(crate) struct Table<'t, 'i> {
    table: &'t DeTable<'i>,
    /// What stands in front of a key in messages, as in `retry.`.
    prefix: &'t str,
    asked: Vec<&'static str>,
}

/// A key, or an element of a list, with its value.
#[derive(Clone)]
pub(crate) struct Field<'t, 'i> {
    /// As people write it: `retry.delay`, `command[2]`.
    pub path: String,
    pub value: &'t DeValue<'i>,
    pub span: Range<usize>,
}

impl<'t, 'i> Table<'t, 'i> {
    pub fn new(table: &'t DeTable<'i>, prefix: &'t str) -> Self {
        Self { table, prefix, asked: Vec::new() }
    }

    /// The value of a key as it stands.
    pub fn field(&mut self, key: &'static str) -> Option<Field<'t, 'i>> {
        self.asked.push(key);
        let value: &Spanned<DeValue<'i>> = self.table.get(key)?;
        Some(Field { path: format!("{}{key}", self.prefix), value: value.get_ref(), span: value.span() })
    }

    /// The value of a key, read by `read`, which notes what is wrong and then gives nothing.
    pub fn read<T>(
        &mut self,
        key: &'static str,
        findings: &mut Findings,
        read: impl FnOnce(&Field<'_, 'i>, &mut Findings) -> Option<T>,
    ) -> Option<Said<T>> {
        let field = self.field(key)?;
        let value = read(&field, findings)?;
        Some(Said { value, span: findings.span(field.span) })
    }

    /// Like [`Table::read`], but a key that is there and faulty gives an empty value: what depends on it is then not
    /// judged.
    pub fn read_or_faulty<T>(
        &mut self,
        key: &'static str,
        findings: &mut Findings,
        read: impl FnOnce(&Field<'_, 'i>, &mut Findings) -> Option<T>,
    ) -> Option<Said<Option<T>>> {
        self.read(key, findings, |field, findings| Some(read(field, findings)))
    }

    /// Notes every key that was not asked for. `foreign` are words that other programs use for ours, each with what to
    /// write instead.
    pub fn finish(self, findings: &mut Findings, foreign: &[(&str, &str)]) {
        let asked = self.asked;
        let unknown = |key: &str| asked.iter().all(|asked| *asked != key);
        for (key, value) in self.table.iter().filter(|(key, _)| unknown(key.get_ref())) {
            let word: &str = key.get_ref();
            // It may be a variable that belongs under `environment`, or `environment` misspelt.
            findings.hide(value.span());
            let problem = Problem::new(format!("unknown key {:?}", format!("{}{word}", self.prefix)));
            let problem = match foreign.iter().find(|(theirs, _)| *theirs == word) {
                Some((_, ours)) => problem.hint(*ours),
                None if is_variable(word) => problem.hint("variables of the job belong into [environment]"),
                None => problem.meant(closest(word, asked.iter().copied())),
            };
            findings.add(key.span(), problem);
        }
    }
}

impl<'t, 'i> Field<'t, 'i> {
    /// What the value is, with its article.
    pub fn kind(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }

    /// Notes that the value is of the wrong kind.
    pub fn wrong_kind(&self, findings: &mut Findings, expected: &str) {
        let problem = Problem::new(format!("`{}` cannot be {}", self.path, self.kind())).expected(expected);
        findings.add(self.span.clone(), problem);
    }

    /// The text; `expected` is said when it is none.
    pub fn text(&self, findings: &mut Findings, expected: &str) -> Option<&'t str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_kind(findings, expected);
        }
        text
    }

    /// The text, read by `parse`, whose problems are noted.
    pub fn parsed<T>(
        &self,
        findings: &mut Findings,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        let text = self.text(findings, expected)?;
        parse(text).map_err(|problem| findings.add(self.span.clone(), problem)).ok()
    }

    /// A whole number between two bounds (inclusive).
    pub fn number(&self, findings: &mut Findings, least: u32, most: u32) -> Option<u32> {
        let expected = format!("expected a whole number from {least} to {most}");
        let Some(integer) = self.value.as_integer() else {
            self.wrong_kind(findings, &expected);
            return None;
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let problem = Problem::new(format!("`{}` is out of range", self.path)).expected(expected);
            findings.add(self.span.clone(), problem);
        }
        number
    }

    /// The elements of a list.
    pub fn elements(&self) -> Option<Vec<Self>> {
        let elements = self.value.as_array()?.iter().enumerate();
        Some(
            elements
                .map(|(index, element)| Self {
                    path: format!("{}[{index}]", self.path),
                    value: element.get_ref(),
                    span: element.span(),
                })
                .collect(),
        )
    }
}

/// Whether a word is written as variables are.
fn is_variable(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_uppercase())
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The offset of a string's first character from the start of its TOML form, when the string stands in the file as it
/// is (one pair of quotes, no escapes), so that a place in the string is a place in the file.
pub(crate) fn plain_offset(source: &str, span: &Range<usize>, text: &str) -> Option<usize> {
    let form = source.get(span.clone())?;
    let quote = form.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    (form.len() == text.len() + 2 && form.ends_with(quote) && form.get(1..=text.len()) == Some(text)).then_some(1)
}
