//! `ExecStart=` lines: systemd's quoting, prefixes, specifiers and variables.

use crate::migrate::text::shell_word;

/// A command line of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exec {
    words: Vec<Word>,
    /// `-`: a failure does not count.
    pub ignores_failure: bool,
}

/// A word, and whether systemd puts variables into it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    text: String,
    expands: bool,
}

/// Why a command line cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// A quote is open at its end.
    #[error("a quote is not closed in {0:?}")]
    OpenQuote(String),
    /// There is nothing in it.
    #[error("a command is empty")]
    Empty,
    /// A specifier that only systemd can resolve.
    #[error("the specifier %{specifier} in {line:?} is only known to systemd")]
    Specifier {
        /// The letter.
        specifier: char,
        /// The command line.
        line: String,
    },
}

impl Exec {
    /// Reads a command line of the unit `unit`, as `backup@etc.service`.
    pub fn parse(line: &str, unit: &str) -> Result<Self, ExecError> {
        let command = line.trim_start_matches(['-', '+', '!', ':', '@', '|']);
        let prefixes = &line[..line.len() - command.len()];
        let expand = !prefixes.contains(':');
        let resolved = specifiers(command, unit)?;
        let mut words = Vec::new();
        for text in split(&resolved).ok_or_else(|| ExecError::OpenQuote(line.to_owned()))? {
            let expands = expand && text.replace("$$", "").contains('$');
            let text = if expand && !expands { text.replace("$$", "$") } else { text };
            words.push(Word { text, expands });
        }
        // `@`: the second word is what the program is told as its own name.
        if prefixes.contains('@') && words.len() > 1 {
            words.remove(1);
        }
        if words.is_empty() {
            return Err(ExecError::Empty);
        }
        Ok(Self { words, ignores_failure: prefixes.contains('-') })
    }

    /// The words, when they are what they say.
    pub fn plain(&self) -> Option<Vec<String>> {
        let plain = !self.ignores_failure && self.words.iter().all(|word| !word.expands);
        plain.then(|| self.words.iter().map(|word| word.text.clone()).collect())
    }

    /// The same for a shell.
    pub fn shell_line(&self) -> String {
        let line = self.words.iter().map(Word::for_shell).collect::<Vec<_>>().join(" ");
        if self.ignores_failure { format!("{{ {line} || true; }}") } else { line }
    }
}

impl Word {
    /// `$NAME` alone becomes as many words as it holds; `${NAME}` stays one.
    fn for_shell(&self) -> String {
        if !self.expands {
            return shell_word(&self.text);
        }
        let name =
            self.text.strip_prefix('$').filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        if name.is_some() {
            return self.text.clone();
        }
        let inner = self.text.replace('\\', r"\\").replace('"', "\\\"").replace('`', "\\`").replace("$$", r"\$");
        format!("\"{inner}\"")
    }
}

/// Replaces what can be known without systemd.
fn specifiers(line: &str, unit: &str) -> Result<String, ExecError> {
    let whole = unit.rsplit_once('.').map_or(unit, |(name, _)| name);
    let (prefix, instance) = whole.split_once('@').unwrap_or((whole, ""));
    let mut resolved = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            resolved.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => resolved.push('%'),
            Some('n') => resolved.push_str(unit),
            Some('N') => resolved.push_str(whole),
            Some('p') => resolved.push_str(prefix),
            Some('i') => resolved.push_str(instance),
            Some(specifier) => return Err(ExecError::Specifier { specifier, line: line.to_owned() }),
            None => resolved.push('%'),
        }
    }
    Ok(resolved)
}

/// Words between blanks, with quotes and backslashes; `None` when a quote stays open.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (_, '\\') => {
                let escaped = match chars.next()? {
                    'n' => '\n',
                    't' => '\t',
                    's' => ' ',
                    other => other,
                };
                word.get_or_insert_default().push(escaped);
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}
