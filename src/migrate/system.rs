//! The tables of a whole machine: lines that run the scripts of a directory, and anacron, which runs them too.

use std::collections::{BTreeMap, BTreeSet};

use super::anacron::{AnacronJob, Anacrontab};
use super::crontab::{Crontab, Entry, Form, Origin, Times, Translated, translate};
use super::import::{ImportFault, LineOrigin, Proposal, Reading};
use super::name::Candidates;
use super::{Change, DraftCommand, Import};

/// What is on a machine, apart from its users' own crontabs.
#[derive(Clone, Debug, Default)]
pub struct System {
    /// `/etc/crontab` and `/etc/cron.d`.
    pub tables: Vec<(Origin, Crontab)>,
    /// `/etc/anacrontab`, when anacron is there to read it.
    pub anacron: Option<Anacrontab>,
    /// The scripts of each directory of [`DIRECTORIES`] that is to become a job a script; a directory that is not here
    /// stays one job.
    pub scripts: BTreeMap<String, Vec<String>>,
}

/// The directories that distributions have a line for, and when Debian runs them.
pub const DIRECTORIES: [(&str, &str); 4] = [
    ("/etc/cron.hourly", "17 * * * *"),
    ("/etc/cron.daily", "25 6 * * *"),
    ("/etc/cron.weekly", "47 6 * * 7"),
    ("/etc/cron.monthly", "52 6 1 * *"),
];

const ANACRONTAB: &str = "/etc/anacrontab";

/// A line that becomes no job since another one does its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispensable {
    /// Where it stands.
    pub origin: LineOrigin,
    /// Why nothing is lost.
    pub reason: String,
}

impl Import {
    /// Adds the tables of a machine. What comes back needs no job.
    pub fn system(&mut self, system: &System) -> Vec<Dispensable> {
        let mut dispensable = Vec::new();
        let mut attended = BTreeSet::new();
        if let Some(anacron) = &system.anacron {
            self.anacron(anacron, system, &mut attended);
        }
        for (origin, crontab) in &system.tables {
            let (others, special): (Vec<_>, Vec<_>) = crontab
                .entries
                .iter()
                .cloned()
                .partition(|entry| system.directory_of(&entry.command).is_none() && !system.starts_anacron(entry));
            for entry in special {
                let place = LineOrigin { place: origin.place.clone(), line: Some(entry.line) };
                let directory = system.directory_of(&entry.command).filter(|_| !system.leaves_to_anacron(&entry));
                match directory {
                    Some(directory) if system.scripts.get(directory).is_none_or(Vec::is_empty) => {
                        attended.insert(directory.to_owned());
                        dispensable.push(Dispensable { origin: place, reason: format!("{directory} has no scripts") });
                    }
                    Some(directory) => {
                        attended.insert(directory.to_owned());
                        self.directory(&entry, origin, directory, system);
                    }
                    None => dispensable.push(Dispensable {
                        origin: place,
                        reason: format!("it leaves its work to anacron, whose jobs of {ANACRONTAB} are imported"),
                    }),
                }
            }
            self.crontab(&Crontab { entries: others, ..crontab.clone() }, origin);
        }
        self.unattended(system, &attended);
        dispensable
    }

    /// A job for each script, when the line ran.
    fn directory(&mut self, entry: &Entry, origin: &Origin, directory: &str, system: &System) {
        let place = LineOrigin { place: origin.place.clone(), line: Some(entry.line) };
        match translate(entry, origin) {
            Ok(translated) => {
                let reading = Reading::Times(Box::new(entry.times.clone()), translated.zone);
                self.scripts(&translated, &place, &reading, directory, system);
            }
            Err(fault) => self.fault(place, &entry.text, &fault),
        }
    }

    fn scripts(&mut self, line: &Translated, place: &LineOrigin, reading: &Reading, directory: &str, system: &System) {
        let period = directory.rsplit('.').next().unwrap_or(directory);
        for script in system.scripts.get(directory).into_iter().flatten() {
            let mut draft = line.draft.clone();
            draft.heading.insert(0, format!("A script of {directory}."));
            draft.command = DraftCommand::Words(vec![script.clone()]);
            draft.shell = None;
            draft.working_directory = Some("/".to_owned());
            let mut changes = line.changes.clone();
            changes.push(Change::Directory { directory: directory.to_owned() });
            self.propose(Proposal {
                names: Candidates::of_name(script.rsplit('/').next().unwrap_or(script)).or_with(period),
                draft,
                origin: place.clone(),
                reading: reading.clone(),
                changes,
            });
        }
    }

    fn anacron(&mut self, anacron: &Anacrontab, system: &System, attended: &mut BTreeSet<String>) {
        let origin = Origin { place: ANACRONTAB.to_owned(), form: Form::System, owner: None, name: None };
        for job in &anacron.jobs {
            let place = LineOrigin { place: origin.place.clone(), line: Some(job.line) };
            let translated = match translate(&job.as_entry(), &origin) {
                Ok(translated) => with_anacrons_times(translated, job),
                Err(fault) => {
                    self.fault(place, &job.text, &fault);
                    continue;
                }
            };
            if let Some(directory) = system.directory_of(&job.command) {
                attended.insert(directory.to_owned());
                self.scripts(&translated, &place, &Reading::Inexact, directory, system);
                continue;
            }
            let Translated { draft, changes, .. } = translated;
            let names = Candidates::of_name(&job.identifier);
            self.propose(Proposal { draft, names, origin: place, reading: Reading::Inexact, changes });
        }
        for (line, text) in &anacron.faults {
            let origin = LineOrigin { place: origin.place.clone(), line: Some(*line) };
            self.add_fault(ImportFault {
                origin,
                text: text.clone(),
                reason: "anacron does not understand it".to_owned(),
            });
        }
    }

    /// Directories with scripts that no line runs.
    fn unattended(&mut self, system: &System, attended: &BTreeSet<String>) {
        for (directory, times) in DIRECTORIES.iter().filter(|(directory, _)| !attended.contains(*directory)) {
            let origin = Origin { place: (*directory).to_owned(), form: Form::System, owner: None, name: None };
            let line = format!("{times} root run-parts {directory}\n");
            let entry = Crontab::read(line.as_bytes(), Form::System).entries.pop();
            let entry = entry.expect("a line that is written here");
            let place = LineOrigin { place: origin.place.clone(), line: None };
            let translated = translate(&entry, &origin).expect("a line that is written here");
            let mut draft = translated.draft.clone();
            draft.heading = vec!["No line of cron or anacron runs this directory.".to_owned()];
            let unattended = Change::Unattended { directory: (*directory).to_owned() };
            let line = Translated { draft, changes: vec![unattended], ..translated };
            self.scripts(&line, &place, &Reading::Inexact, directory, system);
        }
    }
}

/// Anacron catches up by its nature, and never runs a job twice at once.
fn with_anacrons_times(translated: Translated, job: &AnacronJob) -> Translated {
    let Translated { mut draft, names, zone, mut changes } = translated;
    draft.schedules = vec![job.schedule()];
    draft.settings.clear();
    changes.push(job.change());
    Translated { draft, names, zone, changes }
}

impl System {
    /// The directory whose scripts a command runs, when they are to become jobs.
    fn directory_of(&self, command: &str) -> Option<&str> {
        let words = command.split(|c: char| c.is_whitespace() || "(){}&|;".contains(c));
        words.clone().find(|word| word.rsplit('/').next() == Some("run-parts"))?;
        let named = |directory: &&String| words.clone().any(|word| word.trim_end_matches('/') == directory.as_str());
        self.scripts.keys().find(named).map(String::as_str)
    }

    /// `test -x /usr/sbin/anacron || …`: with anacron, the line does nothing.
    fn leaves_to_anacron(&self, entry: &Entry) -> bool {
        self.anacron.is_some() && entry.command.contains("anacron")
    }

    /// A line that only starts anacron.
    fn starts_anacron(&self, entry: &Entry) -> bool {
        let is_timed = matches!(entry.times, Times::Fields(_));
        is_timed && self.leaves_to_anacron(entry)
    }
}
