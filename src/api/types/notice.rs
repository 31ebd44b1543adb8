//! Messages on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Outcome;

/// What became of one delivery of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// The message's number.
    pub number: u64,
    /// The job that it is about.
    pub job: String,
    /// What it tells of: `failure`, `recovery`, `missed`, `start`, `success` or `output`.
    pub on: String,
    /// To whom, as in `mail ops@example.org`.
    pub target: String,
    /// Which delivery, counted from 1.
    pub attempt: u32,
    /// How the program ended that delivers it.
    pub outcome: Outcome,
    /// Its exit code, when it did not succeed and had one.
    pub exit_code: Option<u8>,
    /// Why it did not succeed, in words.
    pub explanation: Option<String>,
    /// `delivered`, `retried` or `given_up`.
    pub fate: String,
    /// When it is retried: after so many seconds.
    pub retry_seconds: Option<f64>,
}

/// Body of `POST /v1/jobs/{job}/notify/test`. The body may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NotifyTestRequest {
    /// The targets of this event alone, as in `on_failure`; all that the job has when null.
    pub event: Option<String>,
}

/// Answer of `POST /v1/jobs/{job}/notify/test`, when every delivery is over or takes too long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotifyTested {
    /// One for each target.
    pub deliveries: Vec<TestedDelivery>,
    /// Messages whose delivery had not ended after the time for which the request waits.
    pub pending: usize,
}

/// One delivery of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestedDelivery {
    /// What became of it.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// The end of what the program said, on standard output and error.
    pub said: String,
}

/// A target of a job, as its definition names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotifyTarget {
    /// The event's key, as in `on_failure`.
    pub on: String,
    /// To whom, as in `mail ops@example.org`.
    pub target: String,
    /// Whether `[defaults]` name it, not the job's file: then it is sent as the daemon's user.
    pub from_defaults: bool,
}

/// The outbox of messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoticesHealth {
    /// Whether no message was given up or dropped since the daemon began, and none waits after a failed delivery.
    pub ok: bool,
    /// Messages that are not delivered yet.
    pub waiting: usize,
    /// Those of them of which a delivery has failed.
    pub failing: usize,
    /// Messages delivered since the daemon began.
    pub delivered: u64,
    /// Messages given up since the daemon began: their program failed too often.
    pub given_up: u64,
    /// Messages dropped since the daemon began, because too many waited.
    pub dropped: u64,
}
