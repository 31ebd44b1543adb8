//! The state: backups, exports, compaction.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;

/// Body of `POST /v1/state/export`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExportRequest {
    /// The file that the daemon makes, an absolute path; it must not exist.
    pub path: String,
}

/// Answer of `POST /v1/state/backup` and `/v1/state/export`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exported {
    /// The file.
    pub path: String,
    /// Records in it.
    pub records: u64,
    /// When it was taken.
    pub taken_at: Time,
}

/// Answer of `POST /v1/state/compact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Compacted {
    /// Size of the database before.
    pub before_bytes: u64,
    /// Size of it now.
    pub after_bytes: u64,
}

/// Answer of `POST /v1/state/acknowledge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acknowledged {
    /// The notices that are told no more.
    pub notices: Vec<String>,
}
