//! [`check`]: the files of a directory, or one of them, looked at for their faults alone.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use nix::dir::Dir;

use super::entry::{FileFault, Unreadable, open};
use super::{Inspection, JobsDir, JobsDirError, Reading, Trust, is_job_file, job_name};
use crate::spec::Faults;

/// A job file that was looked at.
#[derive(Debug)]
pub struct Checked {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, when something is.
    pub faults: Option<Faults>,
}

/// Looks at every job file of a directory, in order of their names, as [`JobsDir::load`] does. Blocking.
///
/// # Errors
/// When the directory cannot be read or is not believed.
pub fn check(path: &Path, trust: &Trust, reading: &Reading) -> Result<Vec<Checked>, JobsDirError> {
    let jobs = JobsDir::new(path.to_owned(), trust.clone(), reading.clone());
    let mut inspection = trust.inspection();
    let directory = jobs.open_trusted(&mut inspection)?;
    let (directory, mut names) = jobs.names(directory)?;
    names.sort();
    let look = |name: &OsString| look(path, &directory, name, &mut inspection, reading);
    Ok(names.iter().filter_map(look).collect())
}

/// Looks at one job file as it would be looked at in its directory. `None` when there is no such file. Blocking.
///
/// # Errors
/// When the directory that it lies in cannot be opened.
pub fn check_file(path: &Path, trust: &Trust, reading: &Reading) -> Result<Option<Checked>, JobsDirError> {
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
        return Ok(there.then(|| Checked { path: path.to_owned(), faults: Some(fault.at(path)) }));
    }
    Ok(look(parent, &directory, name, &mut trust.inspection(), reading)
        .map(|checked| Checked { path: path.to_owned(), ..checked }))
}

/// `None` when the file is gone.
fn look(
    parent: &Path,
    directory: &Dir,
    name: &OsStr,
    inspection: &mut Inspection<'_>,
    reading: &Reading,
) -> Option<Checked> {
    let path = parent.join(name);
    let faults = match open(directory, name, None, inspection) {
        Ok(opened) => faults(&path, name, opened.text, reading),
        Err(Unreadable::Gone) => return None,
        Err(Unreadable::Fault { fault, .. }) => Some(fault.at(&path)),
        Err(Unreadable::Unchanged) => unreachable!("no stamp is known"),
    };
    Some(Checked { path, faults })
}

fn faults(path: &Path, name: &OsStr, text: String, reading: &Reading) -> Option<Faults> {
    match job_name(name) {
        Ok(job) => reading.read(&job, text, path.to_owned()).err(),
        Err(fault) => Some(fault.at(path)),
    }
}
