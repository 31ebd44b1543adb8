//! [`Draft`]: a job file in the making.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::text::{comment_line, toml_key, toml_string};
use crate::units::format_duration;

/// A job file that is about to be written, for people to read and go on with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Comment lines at the top.
    pub heading: Vec<String>,
    /// `description`.
    pub description: Option<String>,
    /// `command`.
    pub command: DraftCommand,
    /// `stdin`.
    pub stdin: Option<String>,
    /// Each `[[schedule]]`.
    pub schedules: Vec<DraftSchedule>,
    /// `timezone`.
    pub timezone: Option<String>,
    /// `user`.
    pub user: Option<String>,
    /// `group`.
    pub group: Option<String>,
    /// `shell`, when it is not `/bin/sh`.
    pub shell: Option<String>,
    /// `working_directory`.
    pub working_directory: Option<String>,
    /// Other keys with their values as TOML, each with the comment above it.
    pub settings: Vec<Setting>,
    /// `notify.on_output`: mailboxes. `None` leaves it to `[defaults]`; none at all is said, so that they do not count.
    pub mail: Option<Vec<String>>,
    /// `[environment]`.
    pub environment: BTreeMap<String, String>,
}

/// The two forms of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DraftCommand {
    /// For the shell.
    Line(String),
    /// Executed as it is.
    Words(Vec<String>),
}

impl Default for DraftCommand {
    fn default() -> Self {
        Self::Words(vec!["true".to_owned()])
    }
}

/// One schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftSchedule {
    /// The key that says the rule: `cron`, `every` or `boot`.
    pub key: &'static str,
    /// Its value.
    pub rule: String,
    /// `jitter`; none when zero.
    pub jitter: Duration,
    /// `from`, with `every`.
    pub from: Option<String>,
    /// `timezone`, where it is the schedule's own.
    pub timezone: Option<String>,
}

/// A key with a value in TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Why it is there; may be empty.
    pub comment: String,
    /// As in a job file.
    pub key: &'static str,
    /// As in a job file, quotes included.
    pub value: String,
}

impl DraftSchedule {
    /// A cron expression or a nickname.
    pub fn cron(expression: &str) -> Self {
        Self { key: "cron", rule: expression.to_owned(), ..Self::default() }
    }

    /// The one text that says it all, if one can.
    fn short(&self) -> Option<&str> {
        let bare = self.jitter.is_zero() && self.timezone.is_none() && self.from.is_none();
        (bare && self.key == "cron").then_some(self.rule.as_str())
    }
}

impl Draft {
    /// When it runs, for people.
    pub fn summary(&self) -> String {
        let one = |schedule: &DraftSchedule| match schedule.key {
            "cron" => schedule.rule.clone(),
            key => format!("{key} {}", schedule.rule),
        };
        self.schedules.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// The file.
    pub fn to_toml(&self) -> String {
        let mut toml = String::new();
        for line in &self.heading {
            toml.push_str(format!("# {}", comment_line(line)).trim_end());
            toml.push('\n');
        }
        if !self.heading.is_empty() {
            toml.push('\n');
        }
        let text = |value: &Option<String>| value.as_deref().map(toml_string);
        set(&mut toml, "description", text(&self.description));
        set(&mut toml, "command", Some(self.command.to_toml()));
        set(&mut toml, "stdin", text(&self.stdin));
        if let [schedule] = self.schedules.as_slice() {
            set(&mut toml, "schedule", schedule.short().map(toml_string));
        }
        set(&mut toml, "timezone", text(&self.timezone));
        set(&mut toml, "user", text(&self.user));
        set(&mut toml, "group", text(&self.group));
        set(&mut toml, "shell", text(&self.shell));
        set(&mut toml, "working_directory", text(&self.working_directory));
        self.write_settings(&mut toml);
        self.write_tables(&mut toml);
        toml
    }

    fn write_settings(&self, toml: &mut String) {
        if !self.settings.is_empty() {
            toml.push('\n');
        }
        for Setting { comment, key, value } in &self.settings {
            if !comment.is_empty() {
                put(toml, format_args!("# {}", comment_line(comment)));
            }
            put(toml, format_args!("{key} = {value}"));
        }
    }

    fn write_tables(&self, toml: &mut String) {
        let one_short = matches!(self.schedules.as_slice(), [only] if only.short().is_some());
        for schedule in self.schedules.iter().filter(|_| !one_short) {
            put(toml, format_args!("\n[[schedule]]"));
            put(toml, format_args!("{} = {}", schedule.key, toml_string(&schedule.rule)));
            set(toml, "from", schedule.from.as_deref().map(toml_string));
            set(toml, "timezone", schedule.timezone.as_deref().map(toml_string));
            let jitter = (!schedule.jitter.is_zero()).then(|| toml_string(&format_duration(schedule.jitter)));
            set(toml, "jitter", jitter);
        }
        if let Some(mailboxes) = &self.mail {
            let targets = mailboxes.iter().map(|to| format!("{{ mail = {} }}", toml_string(to))).collect::<Vec<_>>();
            put(toml, format_args!("\n[notify]\non_output = [{}]", targets.join(", ")));
        }
        if !self.environment.is_empty() {
            put(toml, format_args!("\n[environment]"));
        }
        for (name, value) in &self.environment {
            put(toml, format_args!("{} = {}", toml_key(name), toml_string(value)));
        }
    }
}

impl DraftCommand {
    fn to_toml(&self) -> String {
        match self {
            Self::Line(line) => toml_string(line),
            Self::Words(words) => {
                format!("[{}]", words.iter().map(|word| toml_string(word)).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn set(toml: &mut String, key: &str, value: Option<String>) {
    if let Some(value) = value {
        put(toml, format_args!("{key} = {value}"));
    }
}

fn put(toml: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(toml, "{line}").expect("a String takes everything");
}
