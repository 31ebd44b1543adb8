//! [`Journal`]: the names of the attempts whose end was not acknowledged, so that a supervisor that starts finds them
//! without looking through all of `runs/`.
//!
//! The file `supervisor.attempts` grows by lines: `+backup/42/1` before an attempt's directory is made, `-backup/42/1`
//! when its end was acknowledged. It is a hint and never the truth, which lies in the attempts' directories: a line
//! too many costs a look there, a line too few is made good when the engine asks for the attempt.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::run::{AttemptId, RunId};

/// Bytes at which the file is written anew with the names that still count.
const COMPACT_BYTES: u64 = 1 << 20;

/// The journal, and what it says.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    names: BTreeSet<AttemptId>,
}

impl Journal {
    /// Opens the journal of a state directory; a new one when there is none.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join("supervisor.attempts");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(fault) => return Err(fault),
        };
        let mut names = BTreeSet::new();
        for line in String::from_utf8_lossy(&text).lines() {
            match (line.get(..1), line.get(1..).and_then(parse)) {
                (Some("+"), Some(id)) => {
                    names.insert(id);
                }
                (Some("-"), Some(id)) => {
                    names.remove(&id);
                }
                // Torn by a kill or a power cut.
                _ => {}
            }
        }
        let (file, bytes) = write_anew(&path, &names)?;
        Ok(Self { path, file, bytes, names })
    }

    /// The attempts that count.
    pub fn names(&self) -> Vec<AttemptId> {
        self.names.iter().cloned().collect()
    }

    /// Notes an attempt that is about to be launched.
    pub fn begin(&mut self, id: &AttemptId) {
        self.names.insert(id.clone());
        self.add('+', id);
    }

    /// Notes that the end of an attempt was acknowledged.
    pub fn forget(&mut self, id: &AttemptId) {
        if self.names.remove(id) {
            self.add('-', id);
        }
    }

    fn add(&mut self, sign: char, id: &AttemptId) {
        let line = format!("{sign}{id}\n");
        let written = self.file.write_all(line.as_bytes()).and_then(|()| {
            self.bytes += line.len() as u64;
            if self.bytes < COMPACT_BYTES.max(2 * self.kept_bytes()) {
                return Ok(());
            }
            (self.file, self.bytes) = write_anew(&self.path, &self.names)?;
            Ok(())
        });
        if let Err(fault) = written {
            tracing::warn!(attempt = %id, %fault, "cannot write the journal of attempts");
        }
    }

    /// About the bytes that a new file would have.
    fn kept_bytes(&self) -> u64 {
        const TYPICAL_LINE: u64 = 32;
        self.names.len() as u64 * TYPICAL_LINE
    }
}

fn parse(name: &str) -> Option<AttemptId> {
    let (run, attempt) = name.rsplit_once('/')?;
    Some(AttemptId { run: run.parse::<RunId>().ok()?, attempt: attempt.parse().ok()? })
}

fn write_anew(path: &Path, names: &BTreeSet<AttemptId>) -> io::Result<(File, u64)> {
    let text: String = names.iter().map(|id| format!("+{id}\n")).collect();
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path)?;
    let file = OpenOptions::new().append(true).open(path)?;
    Ok((file, text.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(run: &str) -> AttemptId {
        AttemptId { run: run.parse().unwrap(), attempt: 1 }
    }

    #[test]
    fn what_was_not_forgotten_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path()).unwrap();
        for run in ["a/1", "a/2", "b/1"] {
            journal.begin(&id(run));
        }
        journal.forget(&id("a/2"));
        drop(journal);
        let path = dir.path().join("supervisor.attempts");
        let torn = [fs::read(&path).unwrap(), b"+c/9/1\n+d/".to_vec()].concat();
        fs::write(&path, torn).unwrap();
        assert_eq!(Journal::open(dir.path()).unwrap().names(), [id("a/1"), id("b/1"), id("c/9")]);
    }

    #[test]
    fn the_file_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path()).unwrap();
        let long = "x".repeat(100);
        for number in 1..10_000 {
            let id = id(&format!("{long}/{number}"));
            journal.begin(&id);
            journal.forget(&id);
            assert!(journal.bytes <= COMPACT_BYTES + 120);
        }
        assert!(fs::metadata(dir.path().join("supervisor.attempts")).unwrap().len() <= COMPACT_BYTES + 120);
    }
}
