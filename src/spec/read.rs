//! [`read`]: a job file becomes a [`JobSpec`].

use std::path::PathBuf;
use std::sync::Arc;

use toml::de::DeTable;

use super::complete::{complete, entries};
use super::file::JobFile;
use super::findings::{Findings, Problem};
use super::limits::FILE_LIMIT;
use super::schedules::Text;
use super::{Faults, JobName, JobSpec, Machine, RESERVED_NAME, Source, syntax};
use crate::schedule::{Calendars, Entry, Zone};
use crate::units;

/// What a job file is read with, beside its text.
#[derive(Clone, Debug)]
pub struct ReadContext {
    /// The file, for reports.
    pub path: PathBuf,
    /// As whom jobs may run.
    pub authority: Authority,
    /// The zone of schedules that name none.
    pub timezone: Zone,
    /// What can be had on the machine; one that can do everything accepts every key.
    pub machine: Machine,
    /// The calendars that schedules can name.
    pub calendars: Arc<Calendars>,
}

/// As whom the daemon that reads a file may start jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// As anybody: it runs as root.
    Anybody,
    /// As this account alone: its own.
    Only(Account),
}

/// A user with its primary group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The user's name, or its number when it has none.
    pub user: String,
    /// The group's number.
    pub gid: u32,
    /// The group's name, or its number when it has none.
    pub group: String,
}

/// Reads a job file. Pure: no clock, no file, no user database.
///
/// What the file leaves out comes from `source.defaults`, then from the values that [`JobSpec`]'s fields name.
///
/// # Errors
/// Everything that is wrong with the file, at once. A file that is no TOML gives the faults of its syntax, and of its
/// keys those that do not follow from them.
///
/// ```
/// # use jobsd::spec::{read, Authority, JobName, Machine, ReadContext, Source};
/// # use jobsd::schedule::Zone;
/// let context = ReadContext {
///     path: "jobs.d/backup.toml".into(),
///     authority: Authority::Anybody,
///     timezone: Zone::parse("UTC").unwrap(),
///     machine: Machine::default(),
///     calendars: Default::default(),
/// };
/// let name = JobName::new("backup").unwrap();
/// let source = |text: &str| Source { text: text.into(), defaults: String::new() };
/// let spec = read(&name, &source("command = ['true']\nschedule = '@daily'"), &context).unwrap();
/// assert_eq!(spec.command.argv(), ["true"]);
/// let faults = read(&name, &source("comand = ['true']"), &context).unwrap_err();
/// assert!(faults.plain().contains("did you mean \"command\"?"));
/// ```
pub fn read(name: &JobName, source: &Source, context: &ReadContext) -> Result<JobSpec, Faults> {
    let mut findings = Findings::default();
    if name.as_str() == RESERVED_NAME {
        let problem = Problem::new(format!("the name {RESERVED_NAME} belongs to jobsd"));
        findings.add_at(None, problem.hint("give the file another name"));
    }
    let spec = match source.text.len() {
        0..=FILE_LIMIT => read_text(name, source, context, &mut findings),
        _ => {
            let limit = units::format_size(FILE_LIMIT as u64);
            findings.add_at(None, Problem::new("the file is too large").expected(format!("expected at most {limit}")));
            None
        }
    };
    match findings.into_faults(&context.path, &source.text) {
        Some(faults) => Err(faults),
        None => Ok(spec.expect("a file without a fault gives a job")),
    }
}

/// Reads the schedules of a job file alone: what [`JobSpec::schedules`] makes ready, entry by entry.
///
/// # Errors
/// When the file is no TOML, or something is wrong with its schedules or their calendars.
pub fn read_schedules(name: &JobName, source: &Source, context: &ReadContext) -> Result<Vec<Entry>, Faults> {
    let mut findings = Findings::default();
    let (file, errors) = file_of(name, source, &mut findings);
    let lines = file.schedule.map(|said| said.value).unwrap_or_default();
    let entries = entries(lines, file.timezone, file.calendar, context, &mut findings);
    syntax::add(&source.text, &errors, &mut findings);
    match findings.into_faults(&context.path, &source.text) {
        Some(faults) => Err(faults),
        None => Ok(entries),
    }
}

fn read_text(name: &JobName, source: &Source, context: &ReadContext, findings: &mut Findings) -> Option<JobSpec> {
    let (file, errors) = file_of(name, source, findings);
    let spec = complete(name, source, file, context, findings);
    syntax::add(&source.text, &errors, findings);
    spec
}

/// What the file says over what `[defaults]` say, and where it is no TOML.
fn file_of(name: &JobName, source: &Source, findings: &mut Findings) -> (JobFile, Vec<toml::de::Error>) {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let file = JobFile::of_job(table.get_ref(), &Text { source: &source.text, job: name.as_str() }, findings);
    let defaults = findings.in_defaults(|findings| read_defaults(&source.defaults, findings));
    (file.over(defaults), errors)
}

/// The `[defaults]` that a file was, or is, read with. They were checked with `jobsd.toml`, but perhaps by another
/// version of this program.
fn read_defaults(text: &str, findings: &mut Findings) -> JobFile {
    match DeTable::parse(text) {
        Ok(table) => JobFile::of_defaults(table.get_ref(), text, findings),
        Err(error) => {
            findings.add_at(None, syntax::problem(error.message()));
            JobFile::default()
        }
    }
}

/// Checks `[defaults]` where they stand, in `jobsd.toml`.
pub(crate) fn check_defaults(table: &DeTable<'_>, source: &str, context: &ReadContext, findings: &mut Findings) {
    let file = JobFile::of_defaults(table, source, findings);
    super::complete::check_defaults(file, context, findings);
}
