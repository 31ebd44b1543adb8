//! [`JobsDir`]: the directory of job files, read as a whole, as often as wanted.
//!
//! Every `*.toml` in it is a job. Names that begin with `.` or `#` or do not end in `.toml` are passed over: that is
//! what editors and package managers leave behind (`.backup.toml.swp`, `.#backup.toml`, `backup.toml~`,
//! `backup.toml.dpkg-new`).

mod calendars;
mod check;
mod entry;
mod error;
mod job_files;
mod kept;
mod outlook;
mod stamp;
mod trust;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};

use crate::schedule::{Calendars, Zone};
use crate::spec::{
    Authority, FILE_LIMIT, Fault, Faults, JobName, LoadedSpec, Machine, ReadContext, Source, SpecEntry, SpecSet, read,
};
pub use calendars::{CALENDARS_LIMIT, CalendarsDir};
pub use check::{Checked, Question, check, check_file};
use entry::{Unreadable, open};
pub use error::JobsDirError;
pub use job_files::{Condition, FileTag, JobFileError, JobFiles, JobText};
pub use kept::KeptCalendars;
pub use outlook::{Outlook, unknown_account};
use stamp::{Stamp, Tick};
pub(crate) use trust::Inspection;
pub use trust::{Distrust, Trust};
pub use watch::{Watcher, watch};

/// Job files in one directory at most. Beyond it the directory is refused as a whole, and the last set stays in force:
/// half of a set would look like deleted jobs.
pub const FILES_LIMIT: usize = 200_000;

/// A jobs directory, and what it held when it was read last.
pub struct JobsDir {
    path: PathBuf,
    trust: Trust,
    reading: Reading,
    calendars_dir: CalendarsDir,
    calendars: Arc<Calendars>,
    known: HashMap<OsString, Known>,
}

/// What job files are read with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The `[defaults]` of the configuration, as TOML.
    pub defaults: String,
    /// As whom jobs may run.
    pub authority: Authority,
    /// The zone of schedules that name none.
    pub timezone: Zone,
    /// What can be had on the machine.
    pub machine: Machine,
    /// Where calendars lie.
    pub calendars_dir: PathBuf,
}

impl Reading {
    /// Reading that looks at nothing but the text: without defaults, for any user, on a machine that can do everything.
    pub fn of_text(timezone: Zone) -> Self {
        Self {
            defaults: String::new(),
            authority: Authority::Anybody,
            timezone,
            machine: Machine::default(),
            // Chosen for each file: beside the directory that it lies in.
            calendars_dir: PathBuf::new(),
        }
    }

    /// Reads the text of a job file. Pure.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(
        &self,
        job: &JobName,
        text: String,
        path: PathBuf,
        calendars: &Arc<Calendars>,
    ) -> Result<LoadedSpec, Faults> {
        let source = Source { text, defaults: self.defaults.clone() };
        let context = self.context(path.clone(), calendars);
        let spec = read(job, &source, &context)?;
        Ok(LoadedSpec { spec: Arc::new(spec), source, path })
    }

    /// What the text of a file at `path` is read against.
    pub fn context(&self, path: PathBuf, calendars: &Arc<Calendars>) -> ReadContext {
        ReadContext {
            path,
            authority: self.authority.clone(),
            timezone: self.timezone,
            machine: self.machine.clone(),
            calendars: Arc::clone(calendars),
        }
    }
}

/// A file as it was when it was read.
struct Known {
    stamp: Stamp,
    meaning: Meaning,
}

/// What a file is to us.
#[derive(Clone)]
enum Meaning {
    Job(JobName, SpecEntry),
    /// It should be a job, but its name cannot be one.
    Stray(Arc<Fault>),
}

impl JobsDir {
    /// A directory, not read yet.
    pub fn new(path: PathBuf, trust: Trust, reading: Reading) -> Self {
        let calendars_dir = CalendarsDir::new(reading.calendars_dir.clone());
        Self { path, trust, reading, calendars_dir, calendars: Arc::default(), known: HashMap::new() }
    }

    /// The same, which keeps the last good form of each calendar.
    #[must_use]
    pub fn keeping_calendars(self, kept: KeptCalendars) -> Self {
        Self { calendars_dir: self.calendars_dir.keeping(kept), ..self }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What files are read with, as of the last [`JobsDir::load`].
    pub fn circumstances(&self) -> (Reading, Arc<Calendars>) {
        (self.reading.clone(), Arc::clone(&self.calendars))
    }

    /// Takes a changed configuration over. Every file is read again with the next [`JobsDir::load`].
    pub fn configure(&mut self, trust: Trust, reading: Reading) {
        if (&trust, &reading) != (&self.trust, &self.reading) {
            self.known.clear();
            self.calendars_dir.turn_to(reading.calendars_dir.clone());
        }
        (self.trust, self.reading) = (trust, reading);
    }

    /// Reads the directory: always the whole set. Files that did not change since the last time are not opened again,
    /// so that this is cheap. Blocking.
    ///
    /// A file that cannot be read, is not believed or is faulty is a [`SpecEntry::Faulty`] in the set.
    ///
    /// # Errors
    /// When the directory itself cannot be read or is not believed. Nothing is known of the jobs then.
    pub fn load(&mut self) -> Result<SpecSet, JobsDirError> {
        // Before the first look at any file, so that no change after it passes for an old one.
        let tick = Tick::read();
        let trust = self.trust.clone();
        let mut inspection = trust.inspection();
        let directory = self.open_trusted(&mut inspection)?;
        let (directory, names) = self.names(directory)?;
        let mut set = SpecSet { strays: self.load_calendars(&trust), ..SpecSet::default() };
        let mut before = std::mem::take(&mut self.known);
        for name in names {
            let known = before.remove(&name);
            let Some(known) = self.look(&directory, &name, known, tick, &mut inspection) else { continue };
            match known.meaning.clone() {
                Meaning::Job(job, entry) => drop(set.jobs.insert(job, entry)),
                Meaning::Stray(fault) => set.strays.push(Fault::clone(&fault)),
            }
            self.known.insert(name, known);
        }
        set.strays.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(set)
    }

    /// Reads the calendars again, and returns what is wrong with them. Where one changed, every job file is read again:
    /// those whose schedules change are then another revision.
    fn load_calendars(&mut self, trust: &Trust) -> Vec<Fault> {
        let calendars = self.calendars_dir.load(trust);
        if calendars != *self.calendars {
            self.known.clear();
            self.calendars = Arc::new(calendars);
        }
        self.calendars_dir.faults(&self.calendars)
    }

    fn open(&self) -> Result<OwnedFd, JobsDirError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        nix::fcntl::open(&self.path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::ENOENT => JobsDirError::Missing { path: self.path.clone() },
            errno => self.unreadable(errno),
        })
    }

    fn open_trusted(&self, inspection: &mut Inspection<'_>) -> Result<OwnedFd, JobsDirError> {
        let directory = self.open()?;
        let stat = fstat(&directory).map_err(|errno| self.unreadable(errno))?;
        inspection.check(&stat).map_err(|reason| JobsDirError::Distrusted { path: self.path.clone(), reason })?;
        Ok(directory)
    }

    fn unreadable(&self, errno: Errno) -> JobsDirError {
        JobsDirError::Unreadable { path: self.path.clone(), source: errno.into() }
    }

    /// The names that could be jobs, and the directory again.
    fn names(&self, directory: OwnedFd) -> Result<(Dir, Vec<OsString>), JobsDirError> {
        let mut directory = Dir::from_fd(directory).map_err(|errno| self.unreadable(errno))?;
        let mut names = Vec::new();
        for entry in directory.iter() {
            let entry = entry.map_err(|errno| self.unreadable(errno))?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if !is_job_file(name) {
                continue;
            }
            if names.len() == FILES_LIMIT {
                return Err(JobsDirError::TooMany { path: self.path.clone() });
            }
            names.push(name.to_owned());
        }
        Ok((directory, names))
    }

    /// One file; `None` when it is gone meanwhile.
    fn look(
        &self,
        directory: &Dir,
        name: &OsStr,
        known: Option<Known>,
        tick: Tick,
        inspection: &mut Inspection<'_>,
    ) -> Option<Known> {
        let opened = match open(directory, name, known.as_ref().map(|known| known.stamp), FILE_LIMIT, inspection) {
            Ok(opened) => opened,
            Err(Unreadable::Gone) => return None,
            Err(Unreadable::Unchanged) => return known,
            Err(Unreadable::Fault { stamp, fault }) => {
                let fault = fault.at(&self.path.join(name)).to_fault();
                let meaning = match job_name(name) {
                    Ok(job) => Meaning::Job(job, SpecEntry::Faulty(Arc::new(fault))),
                    Err(_) => Meaning::Stray(Arc::new(fault)),
                };
                return Some(Known { stamp: stamp.seen(tick), meaning });
            }
        };
        let stamp = opened.stamp.seen(tick);
        let meaning = match known.map(|known| known.meaning) {
            // Touched, or too new to tell by its stamp: the text decides.
            Some(Meaning::Job(job, SpecEntry::Good(loaded))) if loaded.source.text == opened.text => {
                Meaning::Job(job, SpecEntry::Good(loaded))
            }
            _ => self.read(name, opened.text),
        };
        Some(Known { stamp, meaning })
    }

    fn read(&self, name: &OsStr, text: String) -> Meaning {
        let path = self.path.join(name);
        let job = match job_name(name) {
            Ok(job) => job,
            Err(fault) => return Meaning::Stray(Arc::new(fault.at(&path).to_fault())),
        };
        let entry = match self.reading.read(&job, text, path, &self.calendars) {
            Ok(loaded) => SpecEntry::Good(Arc::new(loaded)),
            Err(faults) => SpecEntry::Faulty(Arc::new(faults.to_fault())),
        };
        Meaning::Job(job, entry)
    }
}

fn is_job_file(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.ends_with(b".toml") && !name.starts_with(b".") && !name.starts_with(b"#")
}

/// The job that a file is, by its name.
fn job_name(file_name: &OsStr) -> Result<JobName, entry::FileFault> {
    let stem = Path::new(file_name).file_stem().unwrap_or(file_name);
    let Some(stem) = stem.to_str() else {
        return Err(entry::FileFault::new("the file's name is not UTF-8").hint("rename it, as in backup.toml"));
    };
    JobName::new(stem).map_err(|reason| {
        entry::FileFault::new(format!("the file's name without .toml cannot be a job's name: {reason}"))
            .hint("rename it, as in backup.toml")
    })
}
