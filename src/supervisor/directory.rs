//! An attempt's directory: that it can be made only once is what makes a launch happen only once.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::run::{AttemptId, RunId};

/// The directory of a run below `runs/`.
pub fn run_dir(runs: &Path, run: &RunId) -> PathBuf {
    runs.join(run.job.as_str()).join(run.number.to_string())
}

/// The directory of an attempt below `runs/`: `JOB/NUMBER/ATTEMPT`.
pub fn attempt_dir(runs: &Path, id: &AttemptId) -> PathBuf {
    run_dir(runs, &id.run).join(id.attempt.to_string())
}

/// Whether the directory was made, or had been made before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is new: the attempt was never launched.
    New,
    /// It exists: the attempt was, or may have been, launched.
    Taken,
}

/// Makes the directory of an attempt, and those above it where they miss.
///
/// # Errors
/// When a directory cannot be made, as on a full disk.
pub(super) fn claim(dir: &Path) -> io::Result<Claim> {
    match make(dir) {
        Ok(()) => Ok(Claim::New),
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(Claim::Taken),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            let run = dir.parent().ok_or(fault)?;
            make_all(run)?;
            match make(dir) {
                Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(Claim::Taken),
                made => made.map(|()| Claim::New),
            }
        }
        Err(fault) => Err(fault),
    }
}

/// Only the supervisor's user reads what jobs print.
fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(dir)
}

fn make_all(dir: &Path) -> io::Result<()> {
    match make(dir) {
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            make_all(dir.parent().ok_or(fault)?)?;
            make(dir)
        }
        made => made,
    }
}

/// Deletes everything that is kept of a run, its attempts' records and output, and the job's directory when it is empty
/// then. A run of which nothing is there is no error. Ask only for runs whose end was acknowledged.
///
/// # Errors
/// When something cannot be deleted.
pub fn remove_run(runs: &Path, run: &RunId) -> io::Result<()> {
    let dir = run_dir(runs, run);
    match fs::remove_dir_all(&dir) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        Ok(()) | Err(_) => {}
    }
    let Some(job) = dir.parent() else { return Ok(()) };
    match fs::remove_dir(job) {
        Err(fault) if !matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_is_claimed_once() {
        let state = tempfile::tempdir().unwrap();
        let id = AttemptId { run: "backup/42".parse().unwrap(), attempt: 1 };
        let dir = attempt_dir(&state.path().join("runs"), &id);
        assert_eq!(claim(&dir).unwrap(), Claim::New);
        assert_eq!(claim(&dir).unwrap(), Claim::Taken);
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn runs_are_removed_one_by_one() {
        let runs = tempfile::tempdir().unwrap();
        for (run, attempt) in [("a/1", 1), ("a/1", 2), ("a/2", 1)] {
            let id = AttemptId { run: run.parse().unwrap(), attempt };
            claim(&attempt_dir(runs.path(), &id)).unwrap();
            fs::write(attempt_dir(runs.path(), &id).join("0.out"), "x").unwrap();
        }
        remove_run(runs.path(), &"a/1".parse().unwrap()).unwrap();
        remove_run(runs.path(), &"a/1".parse().unwrap()).unwrap();
        assert!(!runs.path().join("a/1").exists() && runs.path().join("a/2/1/0.out").exists());
        remove_run(runs.path(), &"a/2".parse().unwrap()).unwrap();
        assert!(!runs.path().join("a").exists() && runs.path().exists());
    }
}
