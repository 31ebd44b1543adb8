//! Ad-hoc runs on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Time;

/// Body of `POST /v1/exec`: a command to run once, now or later. It runs as the caller. No `Debug`: variables may be secrets.
#[derive(Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecRequest {
    /// Program and arguments, executed as they are. Either this or `line`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// A line, or a script, for `/bin/sh -c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// The job's name; `exec-` and the time unless said. The name of an ad-hoc job that is done may be used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it starts; now unless said, and when that has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Variables on top of the clean base.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Where it runs, an absolute path; the user's home unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// As whom it runs; only root may say another than itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Further keys of a job file, as `{"timeout": "1h", "limits": {"memory": "1GiB"}}`.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub properties: serde_json::Map<String, serde_json::Value>,
}

/// Answer of `POST /v1/exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Executed {
    /// The ad-hoc job.
    pub job: String,
    /// Its run, as in `exec-20261121-180000/1`; null while it waits for its time.
    pub run: Option<String>,
    /// The run's number.
    pub number: Option<u64>,
    /// When it starts; null when it did.
    pub at: Option<Time>,
}
