//! [`check`]: the files of a directory, or one of them, looked at for their faults alone.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::dir::Dir;

use super::entry::{FileFault, Unreadable, open};
use super::{CalendarsDir, Inspection, JobsDir, JobsDirError, Outlook, Reading, Trust, is_job_file, job_name};
use crate::clock::Timestamp;
use crate::schedule::Calendars;
use crate::spec::{Diagnostic, FILE_LIMIT, Faults, LoadedSpec, locate};

/// A job file that was looked at.
#[derive(Debug)]
pub struct Checked {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, when something is.
    pub faults: Option<Faults>,
    /// What a good one is to be warned of.
    pub warnings: Option<Faults>,
}

/// What job files are checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether the text is good, wherever it is to run.
    Text,
    /// And whether this machine has what it names.
    Machine,
}

/// Looks at every job file of a directory, in order of their names, as [`JobsDir::load`] does. `now` is what schedules are held
/// against. Blocking.
///
/// # Errors
/// When the directory cannot be read or is not believed.
pub fn check(
    path: &Path,
    trust: &Trust,
    reading: &Reading,
    question: Question,
    now: Timestamp,
) -> Result<Vec<Checked>, JobsDirError> {
    let jobs = JobsDir::new(path.to_owned(), trust.clone(), reading.clone());
    let mut inspection = trust.inspection();
    let directory = jobs.open_trusted(&mut inspection)?;
    let (directory, mut names) = jobs.names(directory)?;
    names.sort();
    let calendars = calendars(trust, reading);
    let look = |name: &OsString| look(path, &directory, name, &mut inspection, reading, &calendars);
    let mut outlook = Outlook::default();
    Ok(names.iter().filter_map(look).map(|looked| looked.checked(question, now, &mut outlook)).collect())
}

/// Looks at one job file as it would be looked at in its directory. `None` when there is no such file. Blocking.
///
/// # Errors
/// When the directory that it lies in cannot be opened.
pub fn check_file(
    path: &Path,
    trust: &Trust,
    reading: &Reading,
    question: Question,
    now: Timestamp,
) -> Result<Option<Checked>, JobsDirError> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    };
    let Some(name) = path.file_name() else { return Ok(None) };
    let jobs = JobsDir::new(parent.to_owned(), trust.clone(), reading.clone());
    let directory = Dir::from_fd(jobs.open()?).map_err(|errno| jobs.unreadable(errno))?;
    if !is_job_file(name) {
        let fault =
            FileFault::new("the daemon passes this file over: job files end in .toml and do not begin with . or #");
        let there = std::fs::symlink_metadata(path).is_ok();
        return Ok(there.then(|| Checked { path: path.to_owned(), faults: Some(fault.at(path)), warnings: None }));
    }
    let looked = look(parent, &directory, name, &mut trust.inspection(), reading, &calendars(trust, reading));
    let checked = looked.map(|looked| looked.checked(question, now, &mut Outlook::default()));
    Ok(checked.map(|checked| Checked { path: path.to_owned(), ..checked }))
}

/// The calendars that job files can name.
fn calendars(trust: &Trust, reading: &Reading) -> Arc<Calendars> {
    Arc::new(CalendarsDir::new(reading.calendars_dir.clone()).load(trust))
}

/// A job file that was read.
struct Looked {
    path: PathBuf,
    read: Result<LoadedSpec, Faults>,
}

impl Looked {
    fn checked(self, question: Question, now: Timestamp, outlook: &mut Outlook) -> Checked {
        let Self { path, read } = self;
        let loaded = match read {
            Ok(loaded) => loaded,
            Err(faults) => return Checked { path, faults: Some(faults), warnings: None },
        };
        let mut warnings: Vec<Diagnostic> = over(&loaded, now).into_iter().collect();
        match question {
            Question::Text => {}
            Question::Machine => warnings.extend(outlook.missing(&loaded)),
        }
        let told = (!warnings.is_empty()).then(|| Faults::warnings(&path, &loaded.source.text, warnings));
        Checked { path, faults: None, warnings: told }
    }
}

/// What is over is a mistake in a file that is looked at before it is used. Of one that is in use it is the usual end.
fn over(loaded: &LoadedSpec, now: Timestamp) -> Option<Diagnostic> {
    loaded.spec.schedules.is_over(now).then(|| Diagnostic {
        span: locate(&loaded.source.text, &["schedule"], None),
        message: "every time of this schedule has passed".to_owned(),
        expected: None,
        hint: Some("nothing starts the job any more; `jobctl run` still does".to_owned()),
    })
}

/// `None` when the file is gone.
fn look(
    parent: &Path,
    directory: &Dir,
    name: &OsStr,
    inspection: &mut Inspection<'_>,
    reading: &Reading,
    calendars: &Arc<Calendars>,
) -> Option<Looked> {
    let path = parent.join(name);
    let read = match open(directory, name, None, FILE_LIMIT, inspection) {
        Ok(opened) => read(&path, name, opened.text, reading, calendars),
        Err(Unreadable::Gone) => return None,
        Err(Unreadable::Fault { fault, .. }) => Err(fault.at(&path)),
        Err(Unreadable::Unchanged) => unreachable!("no stamp is known"),
    };
    Some(Looked { path, read })
}

fn read(
    path: &Path,
    name: &OsStr,
    text: String,
    reading: &Reading,
    calendars: &Arc<Calendars>,
) -> Result<LoadedSpec, Faults> {
    let job = job_name(name).map_err(|fault| fault.at(path))?;
    reading.read(&job, text, path.to_owned(), calendars)
}
