//! [`JobFile`]: what a job file says, key by key, with the place of everything.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use toml::de::{DeTable, DeValue};

use super::conditions::{self, Named};
use super::findings::{Findings, Problem, Said};
use super::limits::{CONCURRENT_LIMIT, DESCRIPTION_LIMIT, OUTPUT_LEAST, OUTPUT_LIMIT, RETENTION_LIMIT, WORD_LIMIT};
use super::notify::NotifyTable;
use super::output::OutputTable;
use super::process::ProcessFile;
use super::schedules::{self, ScheduleLine};
use super::tree::{Field, Table};
use super::{ATTEMPTS_LIMIT, Backoff, CatchUpPolicy, Command, values};
use crate::schedule::Zone;

/// A job file, or the `[defaults]` of `jobsd.toml`: each value checked by itself, nothing completed yet. A faulty
/// value is absent, except where others depend on it: there it is `Some` and empty.
#[derive(Default)]
pub(super) struct JobFile {
    pub description: Option<Said<String>>,
    pub command: Option<Said<Option<Words>>>,
    pub schedule: Option<Said<Vec<ScheduleLine>>>,
    pub shell: Option<Said<Vec<String>>>,
    pub timezone: Option<Said<Zone>>,
    pub calendar: Option<Said<Vec<Named>>>,
    pub environment: BTreeMap<String, Said<String>>,
    pub working_directory: Option<Said<PathBuf>>,
    pub user: Option<Said<String>>,
    pub group: Option<Said<String>>,
    pub process: ProcessFile,
    pub timeout: Option<Said<Option<Duration>>>,
    pub stop_signal: Option<Said<Signal>>,
    pub stop_grace: Option<Said<Duration>>,
    pub overlap: Option<Said<Option<OverlapWord>>>,
    pub max_concurrent: Option<Said<NonZeroU32>>,
    pub catch_up: Option<Said<Option<CatchUpPolicy>>>,
    pub catch_up_window: Option<Said<Option<Duration>>>,
    pub catch_up_spread: Option<Said<Duration>>,
    pub start_deadline: Option<Said<Option<Duration>>>,
    pub retry: RetryTable,
    pub success_exit_codes: Option<Said<BTreeSet<u8>>>,
    pub enabled: Option<Said<bool>>,
    pub tags: Option<Said<BTreeSet<String>>>,
    pub owner: Option<Said<String>>,
    pub output: OutputTable,
    pub retention_runs: Option<Said<NonZeroU32>>,
    pub retention_age: Option<Said<Duration>>,
    pub alert_after: Option<Said<Option<Duration>>>,
    pub notify: NotifyTable,
    pub retention_output: Option<Said<u64>>,
}

/// The two ways to say a command.
pub(super) enum Words {
    /// A list.
    List(Vec<String>),
    /// A line for the shell.
    Line(String),
}

impl Words {
    /// The command, its line run by `shell`, or by [`SHELL`].
    pub fn with_shell(self, shell: Option<Vec<String>>) -> Command {
        match self {
            Self::Line(line) => {
                Command::Shell { shell: shell.unwrap_or_else(|| SHELL.map(str::to_owned).to_vec()), line }
            }
            Self::List(argv) => Command::Argv(argv),
        }
    }
}

/// The shell of a command that is a string.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// `overlap`, before it has its `max_concurrent`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OverlapWord {
    Skip,
    Allow,
    Queue,
    Replace,
}

/// `[retry]`.
#[derive(Default)]
pub(super) struct RetryTable {
    /// The table itself, when there is one.
    pub said: Option<Said<()>>,
    pub attempts: Option<Said<Option<NonZeroU32>>>,
    pub backoff: Option<Said<Backoff>>,
    pub delay: Option<Said<Duration>>,
    pub max_delay: Option<Said<Duration>>,
    pub on_lost: Option<Said<bool>>,
}

/// Words of other programs, and ours.
const FOREIGN: &[(&str, &str)] = &[
    ("cron", "write schedule = \"30 2 * * *\""),
    ("every", "write schedule = \"every 15m\""),
    ("at", "write [[schedule]] with at = \"2026-12-24T18:00\""),
    ("cmd", "the key is called `command`"),
    ("exec", "the key is called `command`"),
    ("script", "the key is called `command`; a string is run by the shell"),
    ("env", "the key is called `environment`"),
    ("cwd", "the key is called `working_directory`"),
    ("workdir", "the key is called `working_directory`"),
    ("directory", "the key is called `working_directory`"),
    ("calendars", "the key is called `calendar`; it takes a list too"),
    ("tz", "the key is called `timezone`"),
    ("name", "a job's name is its file's name without .toml"),
    ("retries", "write [retry] with attempts = 3, the first included"),
    ("disabled", "write enabled = false"),
    ("mailto", "write [notify] with on_output = [{ mail = \"ops@example.org\" }]"),
    ("on_failure", "it belongs below [notify]"),
    ("jitter", "write [[schedule]] with jitter = \"5m\" beside the rule"),
];

impl JobFile {
    /// What a job file says.
    pub fn of_job(table: &DeTable<'_>, text: &schedules::Text<'_>, findings: &mut Findings) -> Self {
        let mut table = Table::new(table, "");
        let mut file = Self::shared(&mut table, text.source, findings);
        file.description = table.read("description", findings, |field, f| values::line(field, f, DESCRIPTION_LIMIT));
        file.command = table.read_or_faulty("command", findings, command);
        file.schedule = table.read("schedule", findings, |field, f| schedules::lines(field, text, f));
        table.finish(findings, FOREIGN);
        file
    }

    /// What `[defaults]` says: everything but what makes a job that job.
    pub fn of_defaults(table: &DeTable<'_>, source: &str, findings: &mut Findings) -> Self {
        const OWN: &str = "every job says this itself; it cannot come from [defaults]";
        let mut table = Table::new(table, "");
        let file = Self::shared(&mut table, source, findings);
        table.finish(findings, &[("description", OWN), ("command", OWN), ("schedule", OWN)]);
        file
    }

    fn shared(table: &mut Table<'_, '_>, source: &str, findings: &mut Findings) -> Self {
        let environment = table.read("environment", findings, values::environment);
        let mut file = Self {
            shell: table.read("shell", findings, shell),
            timezone: table.read("timezone", findings, |field, f| schedules::zone(field, source, f)),
            calendar: table.read("calendar", findings, conditions::names),
            environment: environment.map(|said| said.value).unwrap_or_default(),
            working_directory: table.read("working_directory", findings, values::absolute_path),
            user: table.read("user", findings, values::account),
            group: table.read("group", findings, values::account),
            process: ProcessFile::read(table, findings),
            timeout: table.read("timeout", findings, values::duration_or_none),
            stop_signal: table.read("stop_signal", findings, values::signal),
            stop_grace: table.read("stop_grace", findings, values::duration),
            overlap: table.read_or_faulty("overlap", findings, overlap),
            max_concurrent: table
                .read("max_concurrent", findings, |field, f| values::count(field, f, CONCURRENT_LIMIT)),
            catch_up: table.read_or_faulty("catch_up", findings, catch_up),
            catch_up_window: table.read("catch_up_window", findings, values::duration_or_none),
            catch_up_spread: table.read("catch_up_spread", findings, values::duration),
            start_deadline: table.read("start_deadline", findings, values::duration_or_none),
            success_exit_codes: table.read("success_exit_codes", findings, values::exit_codes),
            enabled: table.read("enabled", findings, values::flag),
            tags: table.read("tags", findings, values::tags),
            owner: table.read("owner", findings, |field, f| values::line(field, f, WORD_LIMIT)),
            alert_after: table.read("alert_after", findings, values::duration_or_none),
            ..Self::default()
        };
        file.read_tables(table, findings);
        file
    }

    fn read_tables(&mut self, table: &mut Table<'_, '_>, findings: &mut Findings) {
        let said =
            |field: &Field<'_, '_>, findings: &Findings| Said { value: (), span: findings.span(field.span.clone()) };
        if let Some(field) = table.field("retry")
            && let Some(mut retry) = inner(&field, "retry.", findings)
        {
            self.retry = RetryTable {
                said: Some(said(&field, findings)),
                attempts: retry
                    .read_or_faulty("attempts", findings, |field, f| values::count(field, f, ATTEMPTS_LIMIT)),
                backoff: retry.read("backoff", findings, backoff),
                delay: retry.read("delay", findings, values::duration),
                max_delay: retry.read("max_delay", findings, values::duration),
                on_lost: retry.read("on_lost", findings, values::flag),
            };
            retry.finish(findings, &[]);
        }
        if let Some(field) = table.field("output")
            && let Some(output) = inner(&field, "output.", findings)
        {
            self.output = OutputTable::read(output, findings);
        }
        if let Some(field) = table.field("retention")
            && let Some(mut retention) = inner(&field, "retention.", findings)
        {
            let runs = |field: &Field<'_, '_>, f: &mut Findings| values::count(field, f, RETENTION_LIMIT);
            self.retention_runs = retention.read("runs", findings, runs);
            self.retention_age = retention.read("age", findings, values::positive_duration);
            let output = |field: &Field<'_, '_>, f: &mut Findings| values::size(field, f, OUTPUT_LEAST, OUTPUT_LIMIT);
            self.retention_output = retention.read("output", findings, output);
            retention.finish(findings, &[]);
        }
        if let Some(field) = table.field("notify") {
            match field.value {
                DeValue::Table(notify) => self.notify = NotifyTable::read(notify, findings),
                _ => field.wrong_kind(findings, "expected a table, [notify]"),
            }
        }
    }

    /// This file, with `defaults` for what it does not say: key by key in tables too, variable by variable.
    pub fn over(self, defaults: Self) -> Self {
        let mut environment = defaults.environment;
        environment.extend(self.environment);
        Self {
            description: self.description,
            command: self.command,
            schedule: self.schedule,
            shell: self.shell.or(defaults.shell),
            timezone: self.timezone.or(defaults.timezone),
            calendar: self.calendar.or(defaults.calendar),
            environment,
            working_directory: self.working_directory.or(defaults.working_directory),
            user: self.user.or(defaults.user),
            group: self.group.or(defaults.group),
            process: self.process.over(defaults.process),
            timeout: self.timeout.or(defaults.timeout),
            stop_signal: self.stop_signal.or(defaults.stop_signal),
            stop_grace: self.stop_grace.or(defaults.stop_grace),
            overlap: self.overlap.or(defaults.overlap),
            max_concurrent: self.max_concurrent.or(defaults.max_concurrent),
            catch_up: self.catch_up.or(defaults.catch_up),
            catch_up_window: self.catch_up_window.or(defaults.catch_up_window),
            catch_up_spread: self.catch_up_spread.or(defaults.catch_up_spread),
            start_deadline: self.start_deadline.or(defaults.start_deadline),
            retry: self.retry.over(defaults.retry),
            success_exit_codes: self.success_exit_codes.or(defaults.success_exit_codes),
            enabled: self.enabled.or(defaults.enabled),
            tags: self.tags.or(defaults.tags),
            owner: self.owner.or(defaults.owner),
            output: self.output.over(defaults.output),
            retention_runs: self.retention_runs.or(defaults.retention_runs),
            retention_age: self.retention_age.or(defaults.retention_age),
            alert_after: self.alert_after.or(defaults.alert_after),
            notify: self.notify.over(defaults.notify),
            retention_output: self.retention_output.or(defaults.retention_output),
        }
    }
}

impl RetryTable {
    fn over(self, defaults: Self) -> Self {
        Self {
            said: self.said.or(defaults.said),
            attempts: self.attempts.or(defaults.attempts),
            backoff: self.backoff.or(defaults.backoff),
            delay: self.delay.or(defaults.delay),
            max_delay: self.max_delay.or(defaults.max_delay),
            on_lost: self.on_lost.or(defaults.on_lost),
        }
    }
}

pub(super) fn inner<'t, 'i>(field: &Field<'t, 'i>, prefix: &'t str, findings: &mut Findings) -> Option<Table<'t, 'i>> {
    match field.value {
        DeValue::Table(table) => Some(Table::new(table, prefix)),
        _ => {
            field.wrong_kind(findings, &format!("expected a table, [{}]", field.path));
            None
        }
    }
}

pub(super) fn command(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Words> {
    if let DeValue::Array(_) = field.value {
        return values::argv(field, findings).map(Words::List);
    }
    let expected = "expected a list, executed as it is, or a string for the shell";
    field.text(findings, expected)?;
    let line = values::argument(field, findings)?;
    if line.trim().is_empty() {
        findings.add(field.span.clone(), Problem::new("`command` is empty").expected(expected));
        return None;
    }
    Some(Words::Line(line))
}

/// A shell: its path, or a list of program and options up to the one that takes the line.
fn shell(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Vec<String>> {
    if let DeValue::Array(_) = field.value {
        return values::argv(field, findings);
    }
    field.parsed(findings, "expected a path, or a list such as [\"/bin/bash\", \"-eu\", \"-c\"]", |text| {
        if text.is_empty() || text.contains(char::is_whitespace) || text.contains('\0') {
            return Err(Problem::new("`shell` is not the path of a program")
                .expected("options make it a list, as in [\"/bin/bash\", \"-eu\", \"-c\"]"));
        }
        Ok(vec![text.to_owned(), "-c".to_owned()])
    })
}

fn overlap(field: &Field<'_, '_>, findings: &mut Findings) -> Option<OverlapWord> {
    use OverlapWord::{Allow, Queue, Replace, Skip};
    values::choice(field, findings, &[("skip", Skip), ("allow", Allow), ("queue", Queue), ("replace", Replace)])
}

fn catch_up(field: &Field<'_, '_>, findings: &mut Findings) -> Option<CatchUpPolicy> {
    use CatchUpPolicy::{All, Latest, None};
    values::choice(field, findings, &[("none", None), ("latest", Latest), ("all", All)])
}

fn backoff(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Backoff> {
    use Backoff::{Exponential, Fixed, Linear};
    values::choice(field, findings, &[("fixed", Fixed), ("linear", Linear), ("exponential", Exponential)])
}
