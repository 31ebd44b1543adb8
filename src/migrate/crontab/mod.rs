//! [`Crontab`]: a crontab, read as cron reads it.

mod fields;
mod line;
mod percent;
mod translate;

use std::collections::BTreeMap;

pub use fields::{FieldError, Fields};
use line::{Line, split_word};
pub use line::{LineError, Times};
pub use translate::{Origin, TranslateError};
pub(in crate::migrate) use translate::{Translated, translate};

/// Bytes of a crontab at most. cron itself takes any, but no person writes a thousandth of this.
pub const CRONTAB_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// How a line begins, behind its `#`, that was commented out since a job does its work.
pub(in crate::migrate) const MOVED: &str = "moved to jobsd as ";

/// The two forms of a crontab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A user's own: the command follows the time.
    User,
    /// `/etc/crontab` and `/etc/cron.d`: the user's name stands between time and command.
    System,
}

/// What a crontab says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crontab {
    /// The lines that run something, in order.
    pub entries: Vec<Entry>,
    /// The lines that cron would not take.
    pub faults: Vec<LineFault>,
    /// Comments that would be entries without their `#`: somebody switched them off.
    pub commented_out: Vec<usize>,
    /// cron does not run a last line without a newline.
    pub ends_without_newline: bool,
}

/// A line that runs something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counted from 1.
    pub line: usize,
    /// The line as it was written.
    pub text: String,
    /// The five fields with one space in between, or a nickname.
    pub schedule: String,
    /// The same, read.
    pub times: Times,
    /// In a system crontab: as whom.
    pub user: Option<String>,
    /// What the shell is given.
    pub command: String,
    /// What the command finds on its standard input.
    pub stdin: Option<String>,
    /// Every variable that is in force at this line.
    pub variables: BTreeMap<String, String>,
    /// The comment right above.
    pub comment: Option<String>,
    /// The start is not logged by cron (a `-` in front).
    pub unlogged: bool,
    /// A carriage return ended the line, and was dropped.
    pub carriage_return: bool,
}

/// A line that cron would not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFault {
    /// Counted from 1.
    pub line: usize,
    /// As it was written, what is no text replaced.
    pub text: String,
    /// Why.
    pub reason: LineError,
}

impl Crontab {
    /// Reads a crontab. A line that cron would not take is a fault and keeps no other line from being read.
    pub fn read(bytes: &[u8], form: Form) -> Self {
        let mut reader = Reader { form, ..Reader::default() };
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        for (index, line) in body.split(|&byte| byte == b'\n').enumerate() {
            reader.line(index + 1, line);
        }
        reader.crontab.ends_without_newline = !bytes.is_empty() && !bytes.ends_with(b"\n");
        reader.crontab
    }
}

#[derive(Default)]
struct Reader {
    form: Form,
    crontab: Crontab,
    variables: BTreeMap<String, String>,
    /// Lines of the comment that ended on the line before.
    comment: Vec<String>,
}

impl Default for Form {
    /// As `crontab -e` has it.
    fn default() -> Self {
        Self::User
    }
}

impl Reader {
    fn line(&mut self, number: usize, bytes: &[u8]) {
        let fault = |text: &str, reason| LineFault { line: number, text: text.to_owned(), reason };
        let Ok(whole) = std::str::from_utf8(bytes) else {
            self.crontab.faults.push(fault(&String::from_utf8_lossy(bytes), LineError::NotText));
            return;
        };
        let text = whole.strip_suffix('\r').unwrap_or(whole);
        match Line::parse(text) {
            Ok(Line::Blank) => self.comment.clear(),
            Ok(Line::Comment(comment)) => self.comment(number, comment),
            Ok(Line::Variable { name, value }) => {
                self.variables.insert(name, value);
            }
            Ok(Line::Entry(entry)) => match self.entry(number, text, entry) {
                Ok(entry) => {
                    let entry = Entry { carriage_return: text.len() < whole.len(), ..entry };
                    self.crontab.entries.push(entry);
                }
                Err(reason) => self.crontab.faults.push(fault(text, reason)),
            },
            Err(reason) => {
                self.comment.clear();
                self.crontab.faults.push(fault(text, reason));
            }
        }
    }

    fn comment(&mut self, number: usize, text: &str) {
        let text = text.trim_matches(|c: char| c == '#' || c.is_whitespace());
        if matches!(Line::parse(text), Ok(Line::Entry(_))) {
            self.crontab.commented_out.push(number);
            self.comment.clear();
        } else if text.chars().any(char::is_alphanumeric) && !is_boilerplate(text) {
            self.comment.push(text.to_owned());
        } else {
            // A rule of dashes, or the heading of the columns: what stood above is about something else.
            self.comment.clear();
        }
    }

    fn entry(&mut self, number: usize, text: &str, entry: line::Entry<'_>) -> Result<Entry, LineError> {
        let comment = std::mem::take(&mut self.comment);
        let (user, command) = match self.form {
            Form::User => (None, entry.rest),
            Form::System => {
                let (user, command) = split_word(entry.rest).ok_or(LineError::NoUser)?;
                (Some(user.to_owned()), command)
            }
        };
        if command.trim().is_empty() {
            return Err(if user.is_some() { LineError::NoUser } else { LineError::NoCommand });
        }
        let (command, stdin) = percent::split(command);
        Ok(Entry {
            line: number,
            text: text.to_owned(),
            schedule: entry.schedule,
            times: entry.times,
            user,
            command: command.trim_end().to_owned(),
            stdin,
            variables: self.variables.clone(),
            comment: (!comment.is_empty()).then(|| comment.join(" ")),
            unlogged: entry.unlogged,
            carriage_return: false,
        })
    }
}

/// What every crontab of a distribution carries, and what says nothing about the line below it.
fn is_boilerplate(text: &str) -> bool {
    const COLUMNS: [&str; 4] = ["m h dom mon dow", "m h  dom mon dow", "min hour dom", "minute hour"];
    const GENERATED: [&str; 3] = ["DO NOT EDIT THIS FILE", "installed on", "Cron version"];
    let columns = COLUMNS.iter().any(|columns| text.starts_with(columns));
    columns || text.starts_with(MOVED) || GENERATED.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "\
# /etc/crontab: system-wide crontab
# Unlike any other crontab you don't have to run the `crontab'
# command to install the new version when you edit this file

SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin

# m h dom mon dow user\tcommand
17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly
# Save the database
# before the tape runs
MAILTO=dba
30 2 * * *\tpostgres\tpg_dump app > /var/backups/app-$(date +\\%F).sql
#0 4 * * * root /usr/local/bin/old
5 5 * * * root
";

    #[test]
    fn a_system_crontab() {
        let crontab = Crontab::read(DEBIAN.as_bytes(), Form::System);
        let [hourly, dump] = crontab.entries.as_slice() else { panic!("two entries: {crontab:?}") };
        assert_eq!((hourly.line, hourly.user.as_deref(), hourly.comment.as_deref()), (9, Some("root"), None));
        assert_eq!(hourly.command, "cd / && run-parts --report /etc/cron.hourly");
        assert!(!hourly.variables.contains_key("MAILTO"), "a variable holds from its line on");
        assert_eq!(dump.command, "pg_dump app > /var/backups/app-$(date +%F).sql");
        assert_eq!(dump.comment.as_deref(), Some("Save the database before the tape runs"));
        assert_eq!(dump.variables["MAILTO"], "dba");
        assert_eq!(crontab.commented_out, [14]);
        assert_eq!((crontab.faults[0].line, &crontab.faults[0].reason), (15, &LineError::NoUser));
        assert!(!crontab.ends_without_newline);
    }

    #[test]
    fn a_line_that_is_no_text_or_has_no_newline_is_told() {
        let crontab = Crontab::read(b"0 0 * * * caf\xe9\n0 1 * * * tea\r", Form::User);
        assert_eq!(crontab.faults[0].reason, LineError::NotText);
        assert_eq!(crontab.entries[0].command, "tea");
        assert!(crontab.entries[0].carriage_return && crontab.ends_without_newline);
    }
}
