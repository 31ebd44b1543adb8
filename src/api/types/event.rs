//! Server-sent events.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Delivery, Entry, Job};

/// One event of `GET /v1/events`: the `data` of a server-sent event whose `event` field is [`Event::name`] and whose
/// `id` is what `Last-Event-ID` takes to go on after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run changed its state.
    Run {
        /// The run as it is now.
        run: Box<Entry>,
    },
    /// Occurrences were skipped.
    Skip {
        /// The record.
        skip: Box<Entry>,
    },
    /// A job was added, changed, removed, paused or resumed.
    Job {
        /// The job's name.
        name: String,
        /// The job as it is now; null when the daemon no longer knows it.
        job: Option<Box<Job>>,
    },
    /// A message was delivered, or was not.
    Delivery {
        /// What became of it.
        delivery: Box<Delivery>,
    },
    /// Events were missed: the listener was too slow, or asked for an id that is no longer known. Read the lists again.
    Gap,
}

impl Event {
    /// The name in the field `event`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Run { .. } => "run",
            Self::Skip { .. } => "skip",
            Self::Job { .. } => "job",
            Self::Delivery { .. } => "delivery",
            Self::Gap => "gap",
        }
    }
}
