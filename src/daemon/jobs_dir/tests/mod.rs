//! Real directories.

mod calendars;
mod examples;
mod loading;
mod outlook;
mod refusing;
mod watching;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// A jobs directory that goes with the test.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        chmod(&path, 0o644);
        path
    }

    fn jobs(&self) -> JobsDir {
        JobsDir::new(self.directory.path().to_owned(), Trust::new(nix::unistd::geteuid().as_raw(), &[]), reading(""))
    }
}

fn reading(defaults: &str) -> Reading {
    Reading {
        defaults: defaults.into(),
        authority: Authority::Anybody,
        timezone: Zone::utc(),
        machine: Machine::default(),
        calendars_dir: "/nonexistent".into(),
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Whether the test may give files away. When not, it says so and should end.
fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("not run: only root can give a file to somebody else");
    }
    root
}

fn names(set: &SpecSet) -> Vec<&str> {
    set.jobs.keys().map(JobName::as_str).collect()
}

fn good<'a>(set: &'a SpecSet, name: &str) -> &'a Arc<LoadedSpec> {
    match &set.jobs[&JobName::new(name).unwrap()] {
        SpecEntry::Good(loaded) => loaded,
        SpecEntry::Faulty(fault) => panic!("{}", fault.report),
    }
}

fn fault<'a>(set: &'a SpecSet, name: &str) -> &'a Fault {
    match &set.jobs[&JobName::new(name).unwrap()] {
        SpecEntry::Good(loaded) => panic!("{} is good", loaded.path.display()),
        SpecEntry::Faulty(fault) => fault,
    }
}
