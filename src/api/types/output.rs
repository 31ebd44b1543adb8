//! Output as lines of JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Stream, Time, base64};

/// One line of `GET …/output?format=json`: a piece of output, or a mark about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OutputLine {
    /// Bytes that were printed.
    Chunk(OutputChunk),
    /// What is to be known between two pieces.
    Mark(OutputMark),
}

/// Bytes that one `read` of a job's pipe gave. Exactly one of `text` and `base64` is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputChunk {
    /// When they were read.
    pub at: Time,
    /// Where they were printed.
    pub stream: Stream,
    /// The number of the run that printed them.
    pub run: u64,
    /// Its attempt that did.
    pub attempt: u32,
    /// How many bytes the attempt had printed before them. `after=ATTEMPT:OFFSET` asks for what follows a place.
    pub offset: u64,
    /// The bytes, when they are UTF-8.
    pub text: Option<String>,
    /// The bytes in base64 (RFC 4648, padded), when they are not.
    pub base64: Option<String>,
}

/// A place where bytes are missing, or the end of an attempt's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputMark {
    /// The number of the run.
    pub run: u64,
    /// The attempt.
    pub attempt: u32,
    /// `cut` (the bound of the job's output), `limited` (its rate), `lost` (could not be written), `damaged` or `end`.
    pub mark: String,
    /// Where, in bytes that the attempt printed.
    pub offset: u64,
    /// How many bytes are missing here; 0 at the end.
    pub bytes: u64,
}

impl OutputChunk {
    /// A piece of output; as text when it is one.
    pub fn new(at: Time, stream: Stream, run: u64, attempt: u32, offset: u64, bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
        let base64 = text.is_none().then(|| base64::encode(bytes));
        Self { at, stream, run, attempt, offset, text, base64 }
    }

    /// The bytes; `None` when neither field holds any that can be read.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.text, &self.base64) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(text)) => base64::decode(text),
            (None, None) => None,
        }
    }
}
