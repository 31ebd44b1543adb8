//! [`Note`]: what opening found and had to work around, told until somebody has acknowledged it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};

use super::aside::NoCopy;
use super::journal::replace_file;
use crate::clock::Timestamp;
use crate::run::RunId;
use crate::spec::{JobName, Revision};

/// Something that opening found and had to work around. Each is logged, and shown in the health report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A record cannot be read and is left out.
    DamagedRecord {
        /// Its key.
        key: String,
        /// Why.
        reason: String,
    },
    /// A run that was live has no record.
    MissingRun(RunId),
    /// A revision that a job or a live run refers to has no text.
    MissingSource(Revision, JobName),
    /// The database was damaged, and another one was made in its place.
    Repaired {
        /// How the damage showed.
        reason: String,
        /// Where the damaged one lies.
        set_aside: Option<PathBuf>,
    },
    /// A backup was restored.
    Restored {
        /// Which.
        backup: PathBuf,
        /// When it was taken.
        taken_at: Timestamp,
        /// Records in it.
        records: u64,
    },
    /// There was no backup to restore.
    NoBackup,
    /// A backup is damaged.
    DamagedBackup {
        /// Which.
        backup: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// Records were salvaged from the damaged database.
    Salvaged {
        /// Records that are newer than the backup.
        records: u64,
        /// Records of which only a part was found.
        broken: u64,
    },
    /// What happened to these many jobs up to now is not known. Each has a record of it, and nothing is caught up.
    Unknown {
        /// Jobs.
        jobs: u64,
    },
    /// After an unclean end, the database could not be copied before it was opened.
    NoCopy {
        /// Why.
        reason: String,
    },
    /// Told when the store was opened before, and not acknowledged since.
    Earlier {
        /// When.
        at: Timestamp,
        /// What.
        text: String,
    },
}

impl Note {
    /// Whether something was, or may have been, lost, so that it is told until acknowledged.
    pub const fn is_loss(&self) -> bool {
        match self {
            Self::DamagedRecord { .. }
            | Self::MissingRun(_)
            | Self::MissingSource(..)
            | Self::Repaired { .. }
            | Self::Restored { .. }
            | Self::NoBackup
            | Self::DamagedBackup { .. }
            | Self::Salvaged { .. }
            | Self::Unknown { .. }
            | Self::Earlier { .. } => true,
            Self::NoCopy { .. } => false,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DamagedRecord { key, reason } => write!(f, "the record {key} is damaged and left out: {reason}"),
            Self::MissingRun(run) => write!(f, "the run {run} was live, and its record is missing"),
            Self::MissingSource(revision, job) => {
                write!(f, "the text of revision {} of job {job} is missing", revision.short())
            }
            Self::Repaired { reason, set_aside: Some(place) } => {
                write!(f, "the database was damaged ({reason}); it lies in {} now", place.display())
            }
            Self::Repaired { reason, set_aside: None } => write!(f, "the database was damaged ({reason})"),
            Self::Restored { backup, taken_at, records } => {
                let taken_at = taken_at.to_rfc3339_opts(SecondsFormat::Secs, true);
                write!(f, "the backup {} of {taken_at} was restored ({records} records)", backup.display())
            }
            Self::NoBackup => write!(f, "there was no backup to restore"),
            Self::DamagedBackup { backup, reason } => {
                write!(f, "the backup {} could not be restored: {reason}", backup.display())
            }
            Self::Salvaged { records, broken: 0 } => {
                write!(f, "{records} newer records were salvaged from the damaged database")
            }
            Self::Salvaged { records, broken } => write!(
                f,
                "{records} newer records were salvaged from the damaged database, {broken} could not be put together"
            ),
            Self::Unknown { jobs } => {
                write!(f, "what {jobs} jobs did up to now is not known; it is recorded as such and not caught up")
            }
            Self::NoCopy { reason } => {
                write!(f, "the database was not closed in order and was opened without a copy: {reason}")
            }
            Self::Earlier { at, text } => write!(f, "{}: {text}", at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        }
    }
}

impl From<NoCopy> for Note {
    fn from(fault: NoCopy) -> Self {
        let reason = match fault {
            NoCopy::TooLarge(bytes) => format!("it is too large ({})", crate::units::format_size(bytes)),
            NoCopy::NoRoom => "the disk has too little room".to_owned(),
            NoCopy::Failed(reason) => reason,
        };
        Self::NoCopy { reason }
    }
}

/// Notes that are kept until acknowledged at the most; of more the newest count.
const KEPT_LIMIT: usize = 100;

#[derive(Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    text: String,
}

/// The notes of earlier openings that nobody has acknowledged. An unreadable file says so as a note.
pub(super) fn unacknowledged(path: &Path) -> io::Result<Vec<Note>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) if fault.kind() == io::ErrorKind::InvalidData => String::from("?"),
        Err(fault) => return Err(fault),
    };
    let note = |line: &str| match serde_json::from_str(line) {
        Ok(Line { at, text }) => Note::Earlier { at, text },
        Err(_) => Note::DamagedRecord { key: path.display().to_string(), reason: "a line is no note".to_owned() },
    };
    Ok(text.lines().map(note).collect())
}

/// Keeps notes of a loss until they are acknowledged.
pub(super) fn keep(path: &Path, notes: &[Note], now: Timestamp) -> io::Result<()> {
    let lines: Vec<Line> = notes
        .iter()
        .filter(|note| note.is_loss())
        .map(|note| match note {
            Note::Earlier { at, text } => Line { at: *at, text: text.clone() },
            other => Line { at: now, text: other.to_string() },
        })
        .collect();
    let mut text = Vec::new();
    for line in &lines[lines.len().saturating_sub(KEPT_LIMIT)..] {
        serde_json::to_writer(&mut text, line).map_err(io::Error::other)?;
        text.push(b'\n');
    }
    if text.is_empty() { Ok(()) } else { replace_file(path, &text) }
}

/// Forgets them.
pub(super) fn acknowledge(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    }
}
