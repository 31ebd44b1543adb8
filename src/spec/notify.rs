//! [`Notify`]: who is told of what becomes of a job, and how a file says it.
//!
//! A target is a table whose only key names its channel: `{ mail = "ops@example.org" }`. One form, and this one: the key
//! is checked like any other, and a channel that needs more than one value can have it beside.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use toml::de::DeTable;

use super::Command;
use super::findings::{Findings, Problem, Said};
use super::limits::{NOTICE_COMMAND_LIMIT, NOTICE_TARGETS_LIMIT, NOTICES_PER_HOUR_LIMIT};
use super::tree::{Field, Table};
use super::values;

/// Who is told of what becomes of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The targets of each event; an event without any is not told.
    pub targets: BTreeMap<NoticeEvent, Vec<Target>>,
    /// Messages of one event of the job to one target within an hour; 10 unless said. What is more is held back and counted in
    /// the next message.
    pub per_hour: NonZeroU32,
}

impl Default for Notify {
    fn default() -> Self {
        Self { targets: BTreeMap::new(), per_hour: NonZeroU32::new(10).expect("ten is not zero") }
    }
}

/// What somebody can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeEvent {
    /// A run ended without success, after its last attempt.
    Failure,
    /// A run succeeded after failures, or after `alert_after` was over.
    Recovery,
    /// Occurrences did not run that should have, or `alert_after` is over.
    Missed,
    /// A run started.
    Start,
    /// A run succeeded.
    Success,
    /// A run ended that had printed something, whatever its outcome: when cron mails.
    Output,
}

impl NoticeEvent {
    /// All events.
    pub const ALL: [Self; 6] = [Self::Failure, Self::Recovery, Self::Missed, Self::Start, Self::Success, Self::Output];

    /// The name in the API, in variables and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Recovery => "recovery",
            Self::Missed => "missed",
            Self::Start => "start",
            Self::Success => "success",
            Self::Output => "output",
        }
    }

    /// The key of `[notify]`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Failure => "on_failure",
            Self::Recovery => "on_recovery",
            Self::Missed => "on_missed",
            Self::Start => "on_start",
            Self::Success => "on_success",
            Self::Output => "on_output",
        }
    }

    /// The event of a name or a key.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == word || event.key() == word)
    }
}

/// Somebody to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How.
    pub channel: Channel,
    /// Who said so: it decides as whom the message is sent.
    pub said_by: SaidBy,
}

/// Who named a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidBy {
    /// The job's file: sent as the job's user, so that a job file gives no right that the job has not.
    Job,
    /// `[defaults]` of `jobsd.toml`: sent as the daemon's user, or the one that its `[notify]` names.
    Daemon,
}

/// How somebody is told. A channel over the network is one more variant here, a key in `channel`, a record in the store and a
/// plan in the daemon; outbox, retries, bounds and privileges stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A mail, handed to sendmail(8).
    Mail {
        /// A mailbox: a local user or an address.
        to: String,
    },
    /// A program that gets the facts as variables, and the end of the output on standard input.
    Command(Command),
}

/// `[notify]` as a file says it.
#[derive(Default)]
pub(super) struct NotifyTable {
    lists: BTreeMap<NoticeEvent, Said<Vec<Channel>>>,
    per_hour: Option<Said<NonZeroU32>>,
}

impl NotifyTable {
    pub fn read(table: &DeTable<'_>, findings: &mut Findings) -> Self {
        let mut table = Table::new(table, "notify.");
        let mut lists = BTreeMap::new();
        for event in NoticeEvent::ALL {
            if let Some(said) = table.read(event.key(), findings, channels) {
                lists.insert(event, said);
            }
        }
        let per_hour = table.read("per_hour", findings, |field, f| values::count(field, f, NOTICES_PER_HOUR_LIMIT));
        table.finish(findings, FOREIGN);
        Self { lists, per_hour }
    }

    /// This table, with `defaults` for the events that it does not name.
    pub fn over(self, defaults: Self) -> Self {
        let mut lists = defaults.lists;
        lists.extend(self.lists);
        Self { lists, per_hour: self.per_hour.or(defaults.per_hour) }
    }

    pub fn complete(self) -> Notify {
        let of_list = |said: Said<Vec<Channel>>| {
            let said_by = if said.is_own() { SaidBy::Job } else { SaidBy::Daemon };
            said.value.into_iter().map(|channel| Target { channel, said_by }).collect::<Vec<_>>()
        };
        let targets = self.lists.into_iter().map(|(event, said)| (event, of_list(said)));
        Notify {
            targets: targets.filter(|(_, list)| !list.is_empty()).collect(),
            per_hour: self.per_hour.map_or(Notify::default().per_hour, |said| said.value),
        }
    }
}

/// Words of other programs.
const FOREIGN: &[(&str, &str)] = &[
    ("mail", "name the event: on_failure = [{ mail = \"ops@example.org\" }]"),
    ("email", "name the event: on_failure = [{ mail = \"ops@example.org\" }]"),
    ("on_error", "the key is called `on_failure`"),
    ("on_miss", "the key is called `on_missed`"),
];

fn channels(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Vec<Channel>> {
    let Some(elements) = field.elements() else {
        field.wrong_kind(findings, "expected a list of targets, as in [{ mail = \"ops@example.org\" }]");
        return None;
    };
    if elements.len() > NOTICE_TARGETS_LIMIT {
        let problem = Problem::new(format!("`{}` has more than {NOTICE_TARGETS_LIMIT} targets", field.path));
        findings.add(field.span.clone(), problem);
    }
    let channels: Vec<_> = elements.iter().map(|element| channel(&field.path, element, findings)).collect();
    channels.into_iter().collect()
}

fn channel(list: &str, element: &Field<'_, '_>, findings: &mut Findings) -> Option<Channel> {
    const EXPECTED: &str = "expected { mail = \"ops@example.org\" } or { command = [\"/usr/local/bin/page\"] }";
    let Some(table) = element.value.as_table() else {
        element.wrong_kind(findings, EXPECTED);
        return None;
    };
    let prefix = format!("{list}.");
    let mut table = Table::new(table, &prefix);
    let mail = table.read_or_faulty("mail", findings, mailbox);
    let command = table.read_or_faulty("command", findings, command);
    let before = findings.count();
    table.finish(findings, &[("to", "the key is called `mail`"), ("cmd", "the key is called `command`")]);
    match (mail, command) {
        (Some(mail), None) => mail.value.map(|to| Channel::Mail { to }),
        (None, Some(command)) => command.value.map(Channel::Command),
        (Some(_), Some(_)) => {
            let problem = Problem::new("a target has one channel, not two").hint("make two targets of it");
            findings.add(element.span.clone(), problem);
            None
        }
        (None, None) => {
            if findings.count() == before {
                findings.add(element.span.clone(), Problem::new("the target has no channel").expected(EXPECTED));
            }
            None
        }
    }
}

/// What cron takes after MAILTO, one mailbox of it: nothing that a header or sendmail could read as more than a mailbox.
fn mailbox(field: &Field<'_, '_>, findings: &mut Findings) -> Option<String> {
    field.parsed(findings, "expected a mailbox, as in \"root\" or \"ops@example.org\"", |text| {
        if !is_mailbox(text) {
            let problem = Problem::new(format!("{text:?} is no mailbox"));
            return Err(problem.expected("expected one mailbox, as in \"root\" or \"ops@example.org\""));
        }
        Ok(text.to_owned())
    })
}

/// Whether a text is one mailbox: the characters that cronie lets MAILTO have, and letters of other languages.
pub fn is_mailbox(text: &str) -> bool {
    /// Bytes of an address ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1), path without brackets).
    const LIMIT: usize = 254;
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:./-!".contains(c);
    !text.is_empty() && text.len() <= LIMIT && !text.starts_with('-') && text.chars().all(plain)
}

fn command(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Command> {
    let command = super::file::command(field, findings)?.with_shell(None);
    let size: usize = command.argv().iter().map(String::len).sum();
    if size > NOTICE_COMMAND_LIMIT {
        let problem = Problem::new(format!("`{}` is too long", field.path));
        let hint = "put it into a script";
        findings.add(
            field.span.clone(),
            problem.expected(format!("expected at most {NOTICE_COMMAND_LIMIT} bytes")).hint(hint),
        );
        return None;
    }
    Some(command)
}
