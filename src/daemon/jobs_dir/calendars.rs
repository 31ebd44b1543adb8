//! [`CalendarsDir`]: the directory of calendars, read as a whole like the jobs directory beside it.
//!
//! Every `*.toml` and `*.ics` in it is a calendar, named by the file's stem. Who may write one moves the times at which
//! jobs run, so the same owners and modes are asked for as of job files.

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

use super::entry::{Unreadable, open};
use super::stamp::{Stamp, Tick};
use super::{Inspection, KeptCalendars, Trust};
use crate::schedule::{CALENDAR_LIMIT_BYTES, Calendar, Calendars, ParseError};
use crate::spec::Fault;

/// Calendar files in one directory at most. Beyond it the directory is refused as a whole: it is the wrong one.
pub const CALENDARS_LIMIT: usize = 1000;

/// A calendars directory, which need not exist, and what it held when it was read last.
pub struct CalendarsDir {
    path: PathBuf,
    known: HashMap<OsString, Known>,
    kept: Option<KeptCalendars>,
}

/// A file as it was when it was read.
struct Known {
    stamp: Stamp,
    calendar: Result<Arc<Calendar>, String>,
}

impl CalendarsDir {
    /// A directory, not read yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, known: HashMap::new(), kept: None }
    }

    /// The same, which keeps the last good form of each calendar.
    #[must_use]
    pub fn keeping(self, kept: KeptCalendars) -> Self {
        Self { kept: Some(kept), ..self }
    }

    /// Turns to another directory, or looks at the same afresh.
    pub fn turn_to(&mut self, path: PathBuf) {
        self.path = path;
        self.known.clear();
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the directory: always all calendars. What is wrong is part of the answer, and a fault of the jobs that use
    /// it. Blocking.
    pub fn load(&mut self, trust: &Trust) -> Calendars {
        let tick = Tick::read();
        let before = std::mem::take(&mut self.known);
        match self.read(trust, before, tick) {
            Ok(calendars) => calendars,
            // Without the directory there are no calendars, and most machines need none.
            Err(None) => Calendars::default(),
            Err(Some(reason)) => Calendars::unreadable(format!("{}: {reason}", self.path.display())),
        }
    }

    /// The faulty calendars of an answer, as faults of their files: some job may need them some day.
    pub fn faults(&self, calendars: &Calendars) -> Vec<Fault> {
        let fault = |(name, reason): (&str, &str)| {
            let path = self.path.join(name);
            Fault { path, summary: reason.to_owned(), report: format!("the calendar {name:?} is faulty: {reason}") }
        };
        calendars.faulty().map(fault).collect()
    }

    fn read(
        &mut self,
        trust: &Trust,
        mut before: HashMap<OsString, Known>,
        tick: Tick,
    ) -> Result<Calendars, Option<String>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let unreadable = |errno: Errno| Some(errno.desc().to_owned());
        let directory: OwnedFd = match nix::fcntl::open(&self.path, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::ENOENT) => return Err(None),
            Err(errno) => return Err(unreadable(errno)),
        };
        let mut inspection = trust.inspection();
        let stat = fstat(&directory).map_err(unreadable)?;
        inspection.check(&stat).map_err(|reason| Some(reason.to_string()))?;
        let mut directory = Dir::from_fd(directory).map_err(unreadable)?;
        let names = calendar_files(&mut directory)?;
        let mut calendars = Calendars::default();
        for name in names {
            let Some(known) = self.look(&directory, &name, before.remove(&name), tick, &mut inspection) else {
                continue;
            };
            let stem = Path::new(&name).file_stem().unwrap_or(&name).to_string_lossy();
            calendars.insert(&stem, known.calendar.clone());
            self.known.insert(name, known);
        }
        Ok(calendars)
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
        let stamp = known.as_ref().map(|known| known.stamp);
        match open(directory, name, stamp, CALENDAR_LIMIT_BYTES, inspection) {
            Ok(opened) => {
                let calendar = parse(name, &opened.text).map_err(|fault| self.told(name, &opened.text, &fault));
                if let (Ok(_), Some(kept)) = (&calendar, &self.kept) {
                    kept.keep(name, &opened.text);
                }
                Some(Known { stamp: opened.stamp.seen(tick), calendar })
            }
            Err(Unreadable::Gone) => None,
            Err(Unreadable::Unchanged) => known,
            Err(Unreadable::Fault { stamp, fault }) => {
                let fault = fault.at(&self.path.join(name)).to_fault();
                let calendar = Err(format!("{}: {}", fault.path.display(), fault.summary));
                Some(Known { stamp: stamp.seen(tick), calendar })
            }
        }
    }

    /// What is wrong, with file and line.
    fn told(&self, name: &OsStr, text: &str, fault: &ParseError) -> String {
        let path = self.path.join(name);
        let hint = fault.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        match fault.span.start {
            0 => format!("{}: {fault}{hint}", path.display()),
            start => {
                let line = text.get(..start).unwrap_or(text).matches('\n').count() + 1;
                format!("{}:{line}: {fault}{hint}", path.display())
            }
        }
    }
}

pub(super) fn parse(file_name: &OsStr, text: &str) -> Result<Arc<Calendar>, ParseError> {
    let path = Path::new(file_name);
    let stem = path.file_stem().unwrap_or(file_name).to_string_lossy();
    let is_ics = path.extension().is_some_and(|extension| extension == "ics");
    let calendar = if is_ics { Calendar::from_ics(&stem, text) } else { Calendar::from_toml(&stem, text) };
    calendar.map(Arc::new)
}

/// The names that are calendars, in order, so that of two with one stem the same is told each time.
fn calendar_files(directory: &mut Dir) -> Result<Vec<OsString>, Option<String>> {
    let mut names = Vec::new();
    for entry in directory.iter() {
        let entry = entry.map_err(|errno| Some(errno.desc().to_owned()))?;
        let name = entry.file_name().to_bytes();
        let hidden = name.starts_with(b".") || name.starts_with(b"#");
        if hidden || !(name.ends_with(b".toml") || name.ends_with(b".ics")) {
            continue;
        }
        if names.len() == CALENDARS_LIMIT {
            return Err(Some(format!("it holds more than {CALENDARS_LIMIT} calendars")));
        }
        names.push(OsStr::from_bytes(name).to_owned());
    }
    names.sort();
    Ok(names)
}
