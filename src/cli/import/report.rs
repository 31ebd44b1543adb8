//! [`Report`]: what an import did, and what it means.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::WriteArgs;
use super::disable::Disabled;
use super::gather::Gathered;
use super::target::{FileState, Target};
use crate::cli::style::Tone;
use crate::cli::table::{Cell, Column, Give, Table};
use crate::cli::{Failure, Session};
use crate::clock::Timestamp;
use crate::daemon::jobs_dir::Outlook;
use crate::migrate::{Change, Comparison, Everywhere, Finished, Imported, LineOrigin, Reading};
use crate::spec::{Faults, LoadedSpec, Source};

/// Everything there is to tell.
pub(super) struct Report<'a> {
    pub target: &'a Target,
    pub gathered: &'a Gathered,
    pub finished: &'a Finished,
    pub checks: Option<Vec<Comparison>>,
    pub written: Vec<FileState>,
    pub disabled: Option<Vec<Disabled>>,
}

#[derive(Serialize)]
struct Json<'a> {
    jobs: Vec<JsonJob<'a>>,
    everywhere: Vec<String>,
    faults: Vec<JsonFault<'a>>,
    dispensable: Vec<JsonFault<'a>>,
    passed_over: &'a [String],
    disabled: Option<&'a [Disabled]>,
}

#[derive(Serialize)]
struct JsonJob<'a> {
    name: &'a str,
    path: PathBuf,
    state: FileState,
    from: String,
    schedule: &'a str,
    check: Option<String>,
    check_passed: Option<bool>,
    changes: Vec<String>,
    /// What it names and this machine does not have.
    missing: Vec<String>,
    text: &'a str,
}

#[derive(Serialize)]
struct JsonFault<'a> {
    from: String,
    text: &'a str,
    reason: &'a str,
}

impl Report<'_> {
    /// Shows it, in the form that was asked for.
    pub fn show(&self, session: &mut Session, args: &WriteArgs) -> Result<(), Failure> {
        if session.is_json() {
            let json = serde_json::to_vec_pretty(&self.json()).expect("plain data");
            return Ok(session.json(&json)?);
        }
        if args.dry_run {
            for job in &self.finished.jobs {
                let path = self.target.path(job);
                session.terminal.line(format!("==> {} <==\n{}", path.display(), job.text))?;
            }
        }
        let table = self.table(session);
        session.terminal.data(table)?;
        for line in self.lines(args) {
            session.terminal.line(line)?;
        }
        self.warn_of_active_lines(session, args);
        Ok(())
    }

    fn table(&self, session: &Session) -> String {
        let mut columns = vec![
            Column { heading: "NAME", give: Give::Cut(12) },
            Column { heading: "SCHEDULE", give: Give::Cut(12) },
            Column { heading: "FROM", give: Give::Leave(16, 1) },
        ];
        if self.checks.is_some() {
            columns.push(Column { heading: "CHECK", give: Give::Stay });
        }
        let mut table = Table::new(&columns);
        for (index, job) in self.finished.jobs.iter().enumerate() {
            let cells = [Cell::new(job.name.as_str()), Cell::new(&job.schedule), Cell::new(from(&job.origin))];
            match self.checks.as_ref().map(|checks| &checks[index]) {
                None => table.row(cells),
                Some(check) => {
                    let [name, schedule, from] = cells;
                    let tone = if check.is_good() { Tone::Good } else { Tone::Bad };
                    table.row([name, schedule, from, Cell::new(verdict(check, job)).tone(tone)]);
                }
            }
        }
        table.render(session.terminal.width, session.terminal.colour)
    }

    fn lines(&self, args: &WriteArgs) -> Vec<String> {
        let mut lines = vec![String::new(), self.summary(args)];
        lines.extend(self.disabled.iter().flatten().map(|table| {
            let Disabled { place, lines, copy } = table;
            let lines = if *lines == 1 { "1 line is".to_owned() } else { format!("{lines} lines are") };
            format!("{lines} commented out in {place}, which is kept as it was in {}", copy.display())
        }));
        let changes = self.changes();
        if !changes.is_empty() {
            lines.extend([String::new(), "What is different from before:".to_owned()]);
            lines.extend(changes.into_iter().map(|change| format!("  {change}")));
        }
        let missing = self.missing().into_iter().zip(&self.finished.jobs);
        let missing = missing.flat_map(|(told, job)| told.into_iter().map(|told| format!("  {}: {told}", job.name)));
        let missing: Vec<String> = missing.collect();
        if !missing.is_empty() {
            lines.extend([String::new(), "Not there on this machine, and so the runs would fail:".to_owned()]);
            lines.extend(missing);
        }
        if !self.finished.faults.is_empty() {
            lines.extend([String::new(), "Not imported:".to_owned()]);
            for fault in &self.finished.faults {
                lines.push(format!("  {}: {}", from(&fault.origin), fault.text.trim()));
                lines.push(format!("    {}", fault.reason));
            }
        }
        let mut others: Vec<String> = Vec::new();
        others.extend(self.gathered.dispensable.iter().map(|line| format!("{}: {}", from(&line.origin), line.reason)));
        others.extend(self.gathered.passed_over.iter().map(|path| format!("{path}: cron passes over it, too")));
        others.extend(self.gathered.commented_out.iter().map(|(place, count)| {
            let lines = if *count == 1 { "1 line was".to_owned() } else { format!("{count} lines were") };
            format!("{place}: {lines} commented out before")
        }));
        if !others.is_empty() {
            lines.extend([String::new(), "Left as it is:".to_owned()]);
            lines.extend(others.into_iter().map(|line| format!("  {line}")));
        }
        lines
    }

    fn summary(&self, args: &WriteArgs) -> String {
        let count = |what| self.written.iter().filter(|written| **written == what).count();
        let jobs = |count: usize| if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") };
        let place = self.target.jobs_dir.display();
        let unchanged = match count(FileState::Unchanged) {
            0 => String::new(),
            more => format!("; {more} were there already"),
        };
        if args.dry_run || count(FileState::Shown) > 0 {
            return format!("{} for {place}, not written{unchanged}", jobs(count(FileState::Shown)));
        }
        format!("{} written to {place}{unchanged}", jobs(count(FileState::Written)))
    }

    /// Each difference once, with the jobs that it is about.
    fn changes(&self) -> Vec<String> {
        let mut by_change: BTreeMap<&Change, Vec<&str>> = BTreeMap::new();
        for job in &self.finished.jobs {
            for change in &job.changes {
                by_change.entry(change).or_default().push(job.name.as_str());
            }
        }
        let everywhere = self.everywhere().into_iter().map(|change| format!("all: {change}"));
        everywhere.chain(by_change.iter().map(|(change, jobs)| format!("{}: {change}", jobs.join(", ")))).collect()
    }

    /// For each job what it names and this machine does not have.
    fn missing(&self) -> Vec<Vec<String>> {
        let mut outlook = Outlook::default();
        let look = |job: &Imported| {
            let source = Source { text: job.text.clone(), defaults: self.target.defaults.clone() };
            let loaded = LoadedSpec { spec: Arc::new(job.spec.clone()), source, path: self.target.path(job) };
            let warnings = outlook.warnings(&loaded);
            warnings.iter().flat_map(Faults::iter).map(|warning| warning.message.clone()).collect()
        };
        self.finished.jobs.iter().map(look).collect()
    }

    fn everywhere(&self) -> Vec<Change> {
        let timed = self.finished.jobs.iter().any(|job| matches!(job.reading, Reading::Times(..)));
        let cron = Everywhere::ALL.into_iter().filter(|_| timed).map(Change::Everywhere);
        cron.chain(Change::of_defaults(&self.target.defaults)).collect()
    }

    /// Both cron and jobsd would run them.
    fn warn_of_active_lines(&self, session: &mut Session, args: &WriteArgs) {
        let active = self.finished.jobs.iter().filter(|job| job.origin.line.is_some()).count();
        if active == 0 || self.disabled.is_some() || self.written.contains(&FileState::Shown) {
            return;
        }
        let again = if args.prefix.is_empty() { "" } else { " (with the same --prefix)" };
        session.terminal.say(format!(
            "\nwarning: the imported lines are still active in cron, which runs them beside jobsd\n\nhint: import them \
             once more with --disable{again}: it comments them out and keeps a copy"
        ));
    }

    fn json(&self) -> Json<'_> {
        let mut missing = self.missing();
        let jobs = self.finished.jobs.iter().enumerate().map(|(index, one)| {
            let check = self.checks.as_ref().map(|checks| &checks[index]);
            JsonJob {
                name: one.name.as_str(),
                path: self.target.path(one),
                state: self.written[index],
                from: from(&one.origin),
                schedule: &one.schedule,
                check: check.map(|check| verdict(check, one)),
                check_passed: check.map(Comparison::is_good),
                changes: one.changes.iter().map(ToString::to_string).collect(),
                missing: std::mem::take(&mut missing[index]),
                text: &one.text,
            }
        });
        let faults = self.finished.faults.iter();
        let dispensable = self.gathered.dispensable.iter();
        Json {
            jobs: jobs.collect(),
            everywhere: self.everywhere().iter().map(ToString::to_string).collect(),
            faults: faults
                .map(|fault| JsonFault { from: from(&fault.origin), text: &fault.text, reason: &fault.reason })
                .collect(),
            dispensable: dispensable
                .map(|line| JsonFault { from: from(&line.origin), text: "", reason: &line.reason })
                .collect(),
            passed_over: &self.gathered.passed_over,
            disabled: self.disabled.as_deref(),
        }
    }
}

fn from(origin: &LineOrigin) -> String {
    match origin.line {
        Some(line) => format!("{}:{line}", origin.place),
        None => origin.place.clone(),
    }
}

fn verdict(check: &Comparison, job: &Imported) -> String {
    let shown = |at: &Option<Timestamp>| at.map_or("none".to_owned(), |at| at.format("%Y-%m-%d %H:%MZ").to_string());
    match check {
        Comparison::Equal { fires, last } => {
            let last = last.map(|last| format!(", to {}", last.format("%Y-%m-%d"))).unwrap_or_default();
            format!("{fires} fires equal{last}")
        }
        Comparison::Differs { equal, line, job } => {
            format!("fire {} differs: {} in the crontab, {} in the job", equal + 1, shown(line), shown(job))
        }
        Comparison::Boot => "both once after each boot".to_owned(),
        Comparison::Inexact => match job.origin.line {
            Some(_) => "not compared: anacron has no exact times".to_owned(),
            None => "not compared: nothing ran it".to_owned(),
        },
    }
}
