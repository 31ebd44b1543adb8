//! Job files on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fault, Reloaded, Time};

/// Answer of `PUT /v1/jobs/{job}`: the file is in place, and the jobs directory was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobWritten {
    /// The job.
    pub job: String,
    /// Its file.
    pub path: String,
    /// Whether there was none before.
    pub created: bool,
    /// The entity tag of what was written, for the next `If-Match`.
    pub etag: String,
    /// When it runs next; null when it is disabled or has no schedule.
    pub next: Option<Time>,
    /// What reading the directory changed.
    pub reloaded: Reloaded,
    /// What the file names and this machine does not have; null when nothing is missing, or it could not be told in time. The job
    /// is in force all the same.
    #[serde(default)]
    pub warning: Option<Fault>,
}

/// Answer of `DELETE /v1/jobs/{job}`: the file is gone; history and output stay as long as they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobDeleted {
    /// The job.
    pub job: String,
    /// Where its file was.
    pub path: String,
    /// Runs of it that are live, and go on to their end.
    pub live: Vec<String>,
    /// What reading the directory changed.
    pub reloaded: Reloaded,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileFaults {
    /// The file.
    pub path: String,
    /// Each fault, in the order of the file.
    pub faults: Vec<FileFault>,
    /// Faults beyond those that are told.
    pub untold: usize,
    /// All of them with line and caret, for people.
    pub report: String,
}

/// One fault of a file. Lines and columns count from 1, columns in characters; ends are exclusive. Null where the fault is
/// about the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileFault {
    /// What is wrong.
    pub message: String,
    /// What was expected there.
    pub expected: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The line where it begins.
    pub line: Option<usize>,
    /// The character in it.
    pub column: Option<usize>,
    /// The line where it ends.
    pub end_line: Option<usize>,
    /// The character in it.
    pub end_column: Option<usize>,
}
