//! Output as lines of JSON.

use serde::{Deserialize, Serialize};

use super::{Stream, Time};

/// One line of `GET …/output?format=json`: a piece of output, or a mark about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OutputLine {
    /// Bytes that were printed.
    Chunk(OutputChunk),
    /// What is to be known between two pieces.
    Mark(OutputMark),
}

/// Bytes that one `read` of a job's pipe gave. Exactly one of `text` and `base64` is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputChunk {
    /// When they were read.
    pub at: Time,
    /// Where they were printed.
    pub stream: Stream,
    /// The attempt that printed them.
    pub attempt: u32,
    /// The bytes, when they are UTF-8.
    pub text: Option<String>,
    /// The bytes in base64 (RFC 4648, padded), when they are not.
    pub base64: Option<String>,
}

/// A place where bytes are missing, or the end of an attempt's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputMark {
    /// The attempt.
    pub attempt: u32,
    /// `cut` (the bound of the job's output), `lost` (could not be written) or `end`.
    pub mark: String,
    /// How many bytes are missing here; 0 at the end.
    pub bytes: u64,
}
