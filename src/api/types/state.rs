//! The state: backups, exports, compaction.

use serde::{Deserialize, Serialize};

use super::Time;

/// Answer of `GET /v1/health/state`; with HTTP status 503 when not all is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateHealth {
    /// Whether it can be written, and nothing was found wrong that nobody has acknowledged.
    pub ok: bool,
    /// Whether it can be written.
    pub writable: bool,
    /// What was found wrong with it when the daemon began, or earlier, until `POST /v1/state/acknowledge`.
    pub notices: Vec<String>,
}

/// A daemon of before this field says nothing of its state.
impl Default for StateHealth {
    fn default() -> Self {
        Self { ok: true, writable: true, notices: Vec::new() }
    }
}

/// Body of `POST /v1/state/export`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportRequest {
    /// The file that the daemon makes, an absolute path; it must not exist.
    pub path: String,
}

/// Answer of `POST /v1/state/backup` and `/v1/state/export`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// The file.
    pub path: String,
    /// Records in it.
    pub records: u64,
    /// When it was taken.
    pub taken_at: Time,
}

/// Answer of `POST /v1/state/compact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// Size of the database before.
    pub before_bytes: u64,
    /// Size of it now.
    pub after_bytes: u64,
}

/// Answer of `POST /v1/state/acknowledge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The notices that are told no more.
    pub notices: Vec<String>,
}
