//! What was written of the state.

use std::path::Path;

use crate::api::types::{self, Time};
use crate::store::ExportSummary;

/// An export or a backup.
pub fn exported(path: &Path, summary: &ExportSummary) -> types::Exported {
    types::Exported { path: path.display().to_string(), records: summary.records, taken_at: Time(summary.taken_at) }
}
