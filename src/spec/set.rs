//! [`SpecSet`]: everything that the jobs directory says, at one moment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{JobName, JobSpec, Source};

/// All jobs of the directory. Always the whole set, never a difference: the scheduler finds out what changed.
#[derive(Clone, Debug, Default)]
pub struct SpecSet {
    /// One entry for each job file, good or faulty.
    pub jobs: BTreeMap<JobName, SpecEntry>,
    /// Files that should be jobs, but whose names cannot be: they are told of, and stand for no job.
    pub strays: Vec<Fault>,
    /// Set by `jobctl reload --force`: more than half of the jobs may vanish.
    pub confirmed: bool,
}

/// One file of the directory.
#[derive(Clone, Debug)]
pub enum SpecEntry {
    /// It says what it means.
    Good(Arc<LoadedSpec>),
    /// It does not; the last good revision, if any, stays in force.
    Faulty(Arc<Fault>),
}

/// A checked job with the text that it came from.
#[derive(Clone, Debug)]
pub struct LoadedSpec {
    /// The job.
    pub spec: Arc<JobSpec>,
    /// Its text, stored by revision.
    pub source: Source,
    /// The file.
    pub path: PathBuf,
}

/// What is wrong with a file, ready to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// First line of the first fault, for tables.
    pub summary: String,
    /// All faults with file, line and caret, for terminals.
    pub report: String,
}
