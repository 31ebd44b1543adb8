//! [`Attic`]: the output of finished runs, on disk: how much it is, and what goes first.

use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::index::ReadError;
use crate::clock::Timestamp;
use crate::run::{AttemptId, RunId};
use crate::spec::JobName;

/// The directory below which all runs have theirs: `JOB/NUMBER/ATTEMPT`.
#[derive(Clone, Debug)]
pub struct Attic {
    runs: PathBuf,
}

/// The output of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The run.
    pub run: RunId,
    /// Disk space that it takes.
    pub bytes: u64,
    /// When it was last written; the oldest time there is, for one without output.
    pub newest: Timestamp,
    /// Attempts of which something is not compressed.
    pub plain: Vec<AttemptId>,
}

impl Attic {
    /// The one at `runs`.
    pub const fn new(runs: PathBuf) -> Self {
        Self { runs }
    }

    /// The runs of a job that have output, by their numbers.
    ///
    /// # Errors
    /// When a directory cannot be read. What vanishes meanwhile is no error.
    pub fn of_job(&self, job: &JobName) -> Result<Vec<Stored>, ReadError> {
        let dir = self.runs.join(job.as_str());
        let mut runs = Vec::new();
        for (number, path) in numbered(&dir)? {
            let stored = stored(RunId { job: job.clone(), number }, &path)?;
            runs.extend((stored.bytes > 0).then_some(stored));
        }
        runs.sort_by_key(|stored| stored.run.number);
        Ok(runs)
    }
}

fn stored(run: RunId, dir: &Path) -> Result<Stored, ReadError> {
    let mut stored = Stored { run, bytes: 0, newest: Timestamp::UNIX_EPOCH, plain: Vec::new() };
    for (attempt, path) in numbered(dir)? {
        let Ok(attempt) = u32::try_from(attempt) else { continue };
        let mut plain = false;
        for entry in entries(&path)? {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !(name.ends_with(".idx") || name.ends_with(".out") || name.ends_with(".zst")) {
                continue;
            }
            let Some(metadata) = existing(&path, entry.metadata())? else { continue };
            stored.bytes += disk_bytes(&metadata);
            let modified = metadata.modified().map(Timestamp::from).map_err(ReadError::at(&path))?;
            stored.newest = stored.newest.max(modified);
            plain |= name.ends_with(".out") && metadata.len() >= super::pack::WORTH_BYTES;
        }
        stored.plain.extend(plain.then(|| AttemptId { run: stored.run.clone(), attempt }));
    }
    Ok(stored)
}

/// What a file really takes: not its length, of which a disk block is the smallest part.
fn disk_bytes(metadata: &Metadata) -> u64 {
    const UNIT_BYTES: u64 = 512;
    metadata.blocks() * UNIT_BYTES
}

/// Directories whose names are numbers.
fn numbered(dir: &Path) -> Result<Vec<(u64, PathBuf)>, ReadError> {
    let named = |entry: DirEntry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path()));
    Ok(entries(dir)?.into_iter().filter_map(named).collect())
}

fn entries(dir: &Path) -> Result<Vec<DirEntry>, ReadError> {
    match existing(dir, fs::read_dir(dir))? {
        None => Ok(Vec::new()),
        Some(entries) => entries.collect::<io::Result<_>>().map_err(ReadError::at(dir)),
    }
}

/// What was found, unless it vanished meanwhile.
fn existing<T>(path: &Path, found: io::Result<T>) -> Result<Option<T>, ReadError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(fault) if matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(fault) => Err(ReadError::at(path)(fault)),
    }
}

/// The oldest of `runs` that must go so that what is left takes at most `limit_bytes`.
pub fn beyond(runs: &[Stored], limit_bytes: u64) -> Vec<RunId> {
    let mut order: Vec<&Stored> = runs.iter().collect();
    order.sort_by(|a, b| (a.newest, &a.run).cmp(&(b.newest, &b.run)));
    let mut total: u64 = runs.iter().map(|stored| stored.bytes).sum();
    let mut gone = Vec::new();
    for stored in order {
        if total <= limit_bytes {
            break;
        }
        total -= stored.bytes;
        gone.push(stored.run.clone());
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::super::{Stream, Writer, compress};
    use super::*;

    #[test]
    fn runs_are_found_with_what_they_take() {
        let dir = tempfile::tempdir().unwrap();
        let job = JobName::new("backup").unwrap();
        let attic = Attic::new(dir.path().to_owned());
        assert_eq!(attic.of_job(&job).unwrap(), []);
        let at = Timestamp::from_timestamp_micros(1_793_536_496_000_000).unwrap();
        for (number, attempt, count) in [(9, 1, 100), (10, 1, 100_000), (10, 2, 1), (11, 1, 0)] {
            let dir = dir.path().join(format!("backup/{number}/{attempt}"));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("record"), "the supervisor's").unwrap();
            let mut writer = Writer::new(&dir, 1 << 20);
            for _ in 0..count {
                writer.append(Stream::Stdout, b"line\n", at);
            }
        }
        fs::write(dir.path().join("backup/stray"), "").unwrap();
        let before = attic.of_job(&job).unwrap();
        assert_eq!(before.iter().map(|stored| stored.run.number).collect::<Vec<_>>(), [9, 10]);
        assert!(before[1].bytes >= 500_000 && before[0].plain.is_empty(), "{before:?}");
        assert_eq!(before[1].plain, [AttemptId { run: "backup/10".parse().unwrap(), attempt: 1 }]);
        compress(&dir.path().join("backup/10/1")).unwrap();
        let after = attic.of_job(&job).unwrap();
        assert!(after[1].bytes < before[1].bytes / 4 && after[1].plain.is_empty(), "{after:?}");
    }

    #[test]
    fn the_oldest_goes_first() {
        let stored = |run: &str, bytes, seconds: i64| Stored {
            run: run.parse().unwrap(),
            bytes,
            newest: Timestamp::from_timestamp_micros(seconds * 1_000_000).unwrap(),
            plain: Vec::new(),
        };
        let runs = [stored("b/1", 10, 5), stored("a/1", 10, 9), stored("a/2", 10, 1)];
        let names = |limit| beyond(&runs, limit).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(30), Vec::<String>::new());
        assert_eq!(names(29), ["a/2"]);
        assert_eq!(names(10), ["a/2", "b/1"]);
        assert_eq!(names(0), ["a/2", "b/1", "a/1"]);
    }
}
