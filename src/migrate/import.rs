//! [`Import`]: everything that is about to become a job, named, written and read back.

use super::crontab::{Crontab, Origin, Times, TranslateError, Translated, translate};
use super::name::{Candidates, assign};
use super::{Change, Draft, DraftCommand};
use crate::schedule::Zone;
use crate::spec::{Faults, JobName, JobSpec, ReadContext, Source, read};

/// What is imported together: names are unique in it.
#[derive(Debug, Default)]
pub struct Import {
    proposals: Vec<Proposal>,
    faults: Vec<ImportFault>,
}

/// A job that has no name yet.
#[derive(Debug)]
pub(super) struct Proposal {
    pub draft: Draft,
    pub names: Candidates,
    pub origin: LineOrigin,
    pub reading: Reading,
    pub changes: Vec<Change>,
}

/// Where a job came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineOrigin {
    /// The file, or words for what has none.
    pub place: String,
    /// Counted from 1; `None` when it is the file as a whole, as a script in `/etc/cron.daily`.
    pub line: Option<usize>,
}

/// When the line ran, by a reading of its own, to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// By these times, in this zone or the machine's.
    Times(Box<Times>, Option<Zone>),
    /// Nothing says when exactly.
    Inexact,
}

/// A job file, ready to be written.
#[derive(Debug)]
pub struct Imported {
    /// The job's name.
    pub name: JobName,
    /// The file.
    pub text: String,
    /// The same, read.
    pub spec: JobSpec,
    /// What it came from.
    pub origin: LineOrigin,
    /// When it ran there.
    pub reading: Reading,
    /// The schedule as people read it.
    pub schedule: String,
    /// Where it does not mean quite the same.
    pub changes: Vec<Change>,
}

/// A line that becomes no job.
#[derive(Debug)]
pub struct ImportFault {
    /// Where it stands.
    pub origin: LineOrigin,
    /// The line.
    pub text: String,
    /// Why.
    pub reason: String,
}

/// Everything that came of an import.
#[derive(Debug, Default)]
pub struct Finished {
    /// Jobs, in the order of their lines.
    pub jobs: Vec<Imported>,
    /// Lines that become no job.
    pub faults: Vec<ImportFault>,
}

impl Import {
    /// Adds a crontab.
    pub fn crontab(&mut self, crontab: &Crontab, origin: &Origin) {
        // A file with one line is called what the line does.
        let lone = Origin { name: origin.name.clone().filter(|_| crontab.entries.len() == 1), ..origin.clone() };
        let last = crontab.entries.iter().map(|entry| entry.line).max();
        for entry in &crontab.entries {
            let place = LineOrigin { place: origin.place.clone(), line: Some(entry.line) };
            match translate(entry, &lone) {
                Ok(Translated { draft, names, zone, mut changes }) => {
                    if crontab.ends_without_newline && last == Some(entry.line) {
                        changes.push(Change::NoNewline);
                    }
                    let names = origin.name.iter().fold(names, |names, file| names.or_within(file));
                    let reading = Reading::Times(Box::new(entry.times.clone()), zone);
                    self.propose(Proposal { draft, names, origin: place, reading, changes });
                }
                Err(fault) => self.fault(place, &entry.text, &fault),
            }
        }
        for fault in &crontab.faults {
            let place = LineOrigin { place: origin.place.clone(), line: Some(fault.line) };
            self.faults.push(ImportFault { origin: place, text: fault.text.clone(), reason: fault.reason.to_string() });
        }
    }

    pub(super) fn propose(&mut self, proposal: Proposal) {
        self.proposals.push(proposal);
    }

    pub(super) fn fault(&mut self, origin: LineOrigin, text: &str, reason: &TranslateError) {
        self.faults.push(ImportFault { origin, text: text.to_owned(), reason: reason.to_string() });
    }

    pub(super) fn add_fault(&mut self, fault: ImportFault) {
        self.faults.push(fault);
    }

    /// Names every job, writes its file, and reads it as the daemon will. A file that cannot be read is a fault of the
    /// line that it came from, as of one that can never run.
    pub fn finish(self, terms: &Terms<'_>) -> Finished {
        let names: Vec<Candidates> =
            self.proposals.iter().map(|proposal| proposal.names.clone().prefixed(terms.prefix)).collect();
        let names = assign(&names);
        let mut finished = Finished { jobs: Vec::new(), faults: self.faults };
        for (mut proposal, name) in self.proposals.into_iter().zip(names) {
            terms.keep_usual(&mut proposal.draft);
            let text = proposal.draft.to_toml();
            match read_back(&name, &text, terms) {
                Ok(spec) => finished.jobs.push(Imported {
                    name,
                    spec,
                    origin: proposal.origin,
                    reading: proposal.reading,
                    schedule: proposal.draft.summary(),
                    changes: proposal.changes,
                    text,
                }),
                Err(faults) => finished.faults.push(ImportFault {
                    text: proposal.draft.heading.last().cloned().unwrap_or_default().trim().to_owned(),
                    origin: proposal.origin,
                    reason: faults.iter().map(|fault| fault.message.clone()).collect::<Vec<_>>().join("; "),
                }),
            }
        }
        finished.faults.sort_by(|one, other| one.origin.cmp(&other.origin));
        finished
    }
}

fn read_back(name: &JobName, text: &str, terms: &Terms<'_>) -> Result<JobSpec, Faults> {
    let context = ReadContext { path: format!("{name}.toml").into(), ..terms.context.clone() };
    read(name, &Source { text: text.to_owned(), defaults: terms.defaults.to_owned() }, &context)
}

/// How jobs are named and read.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// As the daemon reads them.
    pub context: &'a ReadContext,
    /// The `[defaults]` of the daemon.
    pub defaults: &'a str,
    /// In front of each name.
    pub prefix: &'a str,
}

impl Terms<'_> {
    /// Where `[defaults]` name a zone or a shell, a job that had the usual one has to say so.
    fn keep_usual(&self, draft: &mut Draft) {
        let has_own = draft.timezone.is_some() || draft.schedules.iter().all(|schedule| schedule.timezone.is_some());
        let keys = default_keys(self.defaults);
        if draft.shell.is_none()
            && matches!(draft.command, DraftCommand::Line(_))
            && keys.iter().any(|key| key == "shell")
        {
            draft.shell = Some("/bin/sh".to_owned());
        }
        if !has_own && keys.iter().any(|key| key == "timezone") {
            draft.timezone = Some(self.context.timezone.name().to_owned());
        }
    }
}

/// The keys of `[defaults]`.
pub(super) fn default_keys(defaults: &str) -> Vec<String> {
    let table = defaults.parse::<toml::Table>().unwrap_or_default();
    table.keys().cloned().collect()
}
