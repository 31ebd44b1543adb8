//! [`ConfigFile`]: what `jobsd.toml` says.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::access::AccessFile;
use super::flags::LogLevel;
use crate::daemon::notices::NotifySettings;
use crate::daemon::{LogFormat, OutputBounds};
use crate::spec::{
    Authority, Faults, Field, Findings, NoticeEvent, OUTPUT_LEAST, OUTPUT_LIMIT, Problem, ReadContext, Table,
    check_defaults, syntax, values,
};

/// What `jobsd.toml` says; everything in it may be left out.
///
/// ```toml
/// jobs_dir = "/etc/jobsd/jobs.d"
/// calendars_dir = "/etc/jobsd/calendars.d"
/// state_dir = "/var/lib/jobsd"
/// socket = "/run/jobsd/jobsd.sock"
/// supervisor_socket = "/run/jobsd/supervisor.sock"
/// log = "info"                  # error | warn | info | debug | trace
/// log_format = "json"           # text | json | journal
/// trust_owners = [1000]         # uids whose job files are believed, beside root's and the daemon's own
///
/// [access]
/// admin = { users = ["alice"] }             # may do everything, as root and the daemon's user
/// operator = { groups = ["operators"] }     # may look, trigger, cancel, pause
/// viewer = { groups = ["staff", 1000] }     # may look
/// own_jobs = "operate"                      # none | view | operate: what anybody may do with jobs that run as them
///
/// [notify]
/// sendmail = "/usr/sbin/sendmail"
/// timeout = "60s"               # for the program of a message
/// user = "jobsd-notify"         # as whom targets of [defaults] are told; the daemon's user unless said
///
/// [output]
/// total = "10GiB"               # of all jobs, on disk; a tenth of the file system, at most 4GiB, unless said
/// compress_after = "1h"         # or "none"
///
/// [defaults]                    # for every key that a job leaves out, except description, command and schedule
/// timezone = "Europe/Berlin"
/// timeout = "6h"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ConfigFile {
    pub jobs_dir: Option<PathBuf>,
    pub calendars_dir: Option<PathBuf>,
    pub state_dir: Option<PathBuf>,
    pub socket: Option<PathBuf>,
    pub supervisor_socket: Option<PathBuf>,
    pub log: Option<LogLevel>,
    pub log_format: Option<LogFormat>,
    pub trust_owners: Vec<u32>,
    pub access: AccessFile,
    pub notify: NotifySettings,
    pub output: OutputBounds,
    /// As TOML; the same text for the same meaning, whatever the layout, since it is part of each job's revision.
    pub defaults: String,
}

impl ConfigFile {
    /// Reads the text of the file at `path`. Pure.
    pub fn read(path: &Path, text: &str, context: &ReadContext) -> Result<Self, Faults> {
        let mut findings = Findings::default();
        let (tree, errors) = DeTable::parse_recoverable(text);
        let file = Self::of(tree.get_ref(), text, context, &mut findings);
        syntax::add(text, &errors, &mut findings);
        match findings.into_faults(path, text) {
            Some(faults) => Err(faults),
            None => Ok(file),
        }
    }

    fn of(table: &DeTable<'_>, text: &str, context: &ReadContext, findings: &mut Findings) -> Self {
        let mut table = Table::new(table, "");
        let path = |table: &mut Table<'_, '_>, key, findings: &mut Findings| {
            table.read(key, findings, values::absolute_path).map(|said| said.value)
        };
        let file = Self {
            jobs_dir: path(&mut table, "jobs_dir", findings),
            calendars_dir: path(&mut table, "calendars_dir", findings),
            state_dir: path(&mut table, "state_dir", findings),
            socket: path(&mut table, "socket", findings),
            supervisor_socket: path(&mut table, "supervisor_socket", findings),
            log: table
                .read("log", findings, |field, findings| values::choice(field, findings, &LogLevel::WORDS))
                .map(|said| said.value),
            log_format: table
                .read("log_format", findings, |field, findings| values::choice(field, findings, &LogFormat::WORDS))
                .map(|said| said.value),
            trust_owners: table.read("trust_owners", findings, owners).map(|said| said.value).unwrap_or_default(),
            access: table.field("access").map(|field| AccessFile::read(&field, findings)).unwrap_or_default(),
            notify: table.field("notify").map(|field| notify(&field, context, findings)).unwrap_or_default(),
            output: table.field("output").map(|field| output(&field, findings)).unwrap_or_default(),
            defaults: table
                .field("defaults")
                .map(|field| defaults(&field, text, context, findings))
                .unwrap_or_default(),
        };
        table.finish(findings, &[("environment", "write it below [defaults], as [defaults.environment]")]);
        file
    }
}

fn owners(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Vec<u32>> {
    let Some(elements) = field.elements() else {
        field.wrong_kind(findings, "expected a list of uids, as in [1000]");
        return None;
    };
    Some(elements.iter().filter_map(|element| element.number(findings, 0, u32::MAX - 1)).collect())
}

fn notify(field: &Field<'_, '_>, context: &ReadContext, findings: &mut Findings) -> NotifySettings {
    let mut settings = NotifySettings::default();
    let DeValue::Table(table) = field.value else {
        field.wrong_kind(findings, "expected a table, [notify]");
        return settings;
    };
    let mut table = Table::new(table, "notify.");
    if let Some(said) = table.read("sendmail", findings, values::absolute_path) {
        settings.sendmail = said.value;
    }
    if let Some(said) = table.read("timeout", findings, values::positive_duration) {
        settings.timeout = said.value;
    }
    if let Some(said) = table.read("user", findings, values::account) {
        if let (Authority::Only(account), Some(span)) = (&context.authority, said.span)
            && said.value != account.user
        {
            let problem =
                Problem::new(format!("`notify.user` cannot be {:?}: this jobsd does not run as root", said.value));
            findings.add(span, problem.hint("only a jobsd that runs as root starts programs as somebody else"));
        } else if context.authority == Authority::Anybody {
            settings.user = Some(said.value);
        }
    }
    let events = NoticeEvent::ALL.map(|event| (event.key(), "targets of all jobs belong into [defaults.notify]"));
    table.finish(findings, &events);
    settings
}

fn output(field: &Field<'_, '_>, findings: &mut Findings) -> OutputBounds {
    let usual = OutputBounds::default();
    let DeValue::Table(table) = field.value else {
        field.wrong_kind(findings, "expected a table, [output]");
        return usual;
    };
    let mut output = Table::new(table, "output.");
    let total = output.read("total", findings, |field, f| values::size(field, f, OUTPUT_LEAST, OUTPUT_LIMIT));
    let compress_after = output.read("compress_after", findings, values::duration_or_none);
    output.finish(findings, &[("limit", "that is a key of a job: write it below [defaults.output]")]);
    OutputBounds {
        total_bytes: total.map(|said| said.value),
        compress_after: compress_after.map_or(usual.compress_after, |said| said.value),
    }
}

fn defaults(field: &Field<'_, '_>, text: &str, context: &ReadContext, findings: &mut Findings) -> String {
    let DeValue::Table(table) = field.value else {
        field.wrong_kind(findings, "expected a table, [defaults]");
        return String::new();
    };
    check_defaults(table, text, context, findings);
    let written = toml::from_str::<toml::Table>(text).ok();
    let written = written.as_ref().and_then(|whole| whole.get("defaults")).map(toml::to_string);
    match written {
        Some(Ok(defaults)) => defaults,
        Some(Err(error)) => {
            findings.add(field.span.clone(), Problem::new(format!("[defaults] cannot be written again: {error}")));
            String::new()
        }
        // The file is no TOML, which is told elsewhere.
        None => String::new(),
    }
}
