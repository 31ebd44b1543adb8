//! One line of a crontab: a variable, an entry, or nothing.

use super::fields::{FieldError, Fields};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Blank,
    /// The text behind `#`.
    Comment(&'a str),
    /// `NAME = value`.
    Variable {
        name: String,
        value: String,
    },
    Entry(Entry<'a>),
}

/// When and what; the user's name, in a system crontab, is still in front of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// With one space between fields.
    pub schedule: String,
    pub times: Times,
    /// A `-` stood in front: cron does not log the start.
    pub unlogged: bool,
    pub rest: &'a str,
}

/// When an entry runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Times {
    /// Once, after the machine has started.
    Boot,
    /// By the clock.
    Fields(Fields),
}

/// Why a line says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A field is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// There are not even five fields.
    #[error("this is neither a variable nor five time fields and a command")]
    TooShort,
    /// A word behind `@` that cron does not know.
    #[error("cron knows no {0:?}")]
    Nickname(String),
    /// Nothing stands behind the time.
    #[error("there is no command")]
    NoCommand,
    /// A system crontab's line without a command behind the user.
    #[error("there is no user name and command behind the time; is this a user's crontab?")]
    NoUser,
    /// Bytes that are no text.
    #[error("the line is not UTF-8 text")]
    NotText,
}

const NICKNAMES: [(&str, [&str; 5]); 7] = [
    ("@yearly", ["0", "0", "1", "1", "*"]),
    ("@annually", ["0", "0", "1", "1", "*"]),
    ("@monthly", ["0", "0", "1", "*", "*"]),
    ("@weekly", ["0", "0", "*", "*", "0"]),
    ("@daily", ["0", "0", "*", "*", "*"]),
    ("@midnight", ["0", "0", "*", "*", "*"]),
    ("@hourly", ["0", "*", "*", "*", "*"]),
];

const BLANKS: [char; 2] = [' ', '\t'];

impl<'a> Line<'a> {
    /// Reads a line without its newline, in cron's order: comment, variable, entry.
    pub fn parse(text: &'a str) -> Result<Self, LineError> {
        let text = text.trim_start_matches(BLANKS);
        if text.trim().is_empty() {
            return Ok(Self::Blank);
        }
        if let Some(comment) = text.strip_prefix('#') {
            return Ok(Self::Comment(comment));
        }
        match variable(text) {
            Some((name, value)) => Ok(Self::Variable { name, value }),
            None => entry(text).map(Self::Entry),
        }
    }
}

fn entry(text: &str) -> Result<Entry<'_>, LineError> {
    let (unlogged, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if text.starts_with('@') {
        let (word, rest) = split_word(text).unwrap_or((text, ""));
        let schedule = word.to_owned();
        if word == "@reboot" {
            return Ok(Entry { schedule, times: Times::Boot, unlogged, rest });
        }
        let known = NICKNAMES.iter().find(|(name, _)| *name == word);
        let (_, fields) = known.ok_or_else(|| LineError::Nickname(word.to_owned()))?;
        return Ok(Entry { schedule, times: Times::Fields(Fields::parse(*fields)?), unlogged, rest });
    }
    let mut rest = text;
    let mut fields = [""; 5];
    for field in &mut fields {
        (*field, rest) = split_word(rest).ok_or(LineError::TooShort)?;
    }
    Ok(Entry { schedule: fields.join(" "), times: Times::Fields(Fields::parse(fields)?), unlogged, rest })
}

/// The first word, and what follows it without the blanks in between; `None` for an empty text.
pub(super) fn split_word(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.split_once(BLANKS).unwrap_or((text, ""));
    (!word.is_empty()).then(|| (word, rest.trim_start_matches(BLANKS)))
}

/// `name = value`, as cron's `load_env` reads it: both may be quoted, and nothing in the value is expanded.
fn variable(text: &str) -> Option<(String, String)> {
    let (name, rest) = match quoted(text) {
        Some((name, rest)) if !name.contains('=') => (name, rest),
        Some(_) => return None,
        None => {
            let end = text.find(|c: char| c == '=' || c.is_ascii_whitespace())?;
            text.split_at(end)
        }
    };
    let value = rest.trim_start().strip_prefix('=')?.trim_start();
    let value = match quoted(value) {
        Some((value, rest)) => rest.trim().is_empty().then_some(value)?,
        None if value.starts_with(['"', '\'']) => return None,
        None => value.trim_end(),
    };
    (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

/// What stands between quotes at the start, and what follows them.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text.get(1..)?.split_once(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable_of(text: &str) -> Option<(String, String)> {
        match Line::parse(text) {
            Ok(Line::Variable { name, value }) => Some((name, value)),
            Ok(Line::Blank | Line::Comment(_) | Line::Entry(_)) | Err(_) => None,
        }
    }

    #[test]
    fn variables_as_cron_reads_them() {
        for (text, name, value) in [
            ("MAILTO=root", "MAILTO", "root"),
            ("  PATH = /usr/bin:/bin  ", "PATH", "/usr/bin:/bin"),
            ("MAILTO=\"\"", "MAILTO", ""),
            ("MAILTO=", "MAILTO", ""),
            ("GREETING=' two  words '", "GREETING", " two  words "),
            ("'odd name' = x=y # no comment", "odd name", "x=y # no comment"),
            ("HOME=$HOME/x", "HOME", "$HOME/x"),
        ] {
            assert_eq!(variable_of(text), Some((name.to_owned(), value.to_owned())), "{text}");
        }
        for text in ["NAME=\"a\" b", "NAME=\"open", "* * * * * A=b", "# A=b", "0 0 1 1 * x = y"] {
            assert_eq!(variable_of(text), None, "{text}");
        }
    }

    #[test]
    fn entries() {
        let Ok(Line::Entry(entry)) = Line::parse(" -*/5\t0-6  * * mon   root  /bin/x  y ") else { panic!("an entry") };
        assert_eq!(
            (entry.schedule.as_str(), entry.unlogged, entry.rest),
            ("*/5 0-6 * * mon", true, "root  /bin/x  y ")
        );
        let Ok(Line::Entry(boot)) = Line::parse("@reboot /bin/x") else { panic!("an entry") };
        assert_eq!((boot.times, boot.rest), (Times::Boot, "/bin/x"));
        assert_eq!(Line::parse("@fortnightly x"), Err(LineError::Nickname("@fortnightly".to_owned())));
        assert_eq!(Line::parse("make coffee"), Err(LineError::TooShort));
    }
}
