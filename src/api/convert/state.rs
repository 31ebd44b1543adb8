//! The state: whether it can be written, what was found wrong with it, what was exported.

use std::path::Path;

use crate::api::types::{self, Time};
use crate::store::{ExportSummary, Note, WriteState};

/// How the state is.
pub fn state_health(store: &WriteState, notes: &[Note]) -> types::StateHealth {
    let writable = match store {
        WriteState::Writing | WriteState::OnReserve => true,
        WriteState::Failing { .. } | WriteState::Closed => false,
    };
    let notices: Vec<String> = notes.iter().filter(|note| note.is_loss()).map(ToString::to_string).collect();
    types::StateHealth { ok: matches!(store, WriteState::Writing) && notices.is_empty(), writable, notices }
}

/// Why no run is started, when the store is the reason.
pub(super) fn write_problem(store: &WriteState) -> Option<String> {
    match store {
        WriteState::Writing => None,
        WriteState::OnReserve => {
            Some("the disk is full: live runs are recorded on the reserve, and no run is started".to_owned())
        }
        WriteState::Failing { disk_full: true, .. } => {
            Some("the disk is full: nothing can be recorded, and no run is started until it can".to_owned())
        }
        WriteState::Failing { disk_full: false, reason, .. } => {
            Some(format!("the state cannot be written, and no run is started until it can: {reason}"))
        }
        WriteState::Closed => Some("the state was closed: the daemon is going down".to_owned()),
    }
}

/// What was written.
pub fn exported(path: &Path, summary: &ExportSummary) -> types::Exported {
    types::Exported { path: path.display().to_string(), records: summary.records, taken_at: Time(summary.taken_at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_or_cannot_be_written_is_ill() {
        let notes = [Note::NoBackup];
        assert!(state_health(&WriteState::Writing, &[]).ok);
        assert!(!state_health(&WriteState::Writing, &notes).ok);
        let told = state_health(&WriteState::OnReserve, &[]);
        assert!(!told.ok && told.writable);
        let failing = WriteState::Failing { reason: "EIO".to_owned(), disk_full: false, failures: 3 };
        assert!(!state_health(&failing, &[]).writable);
        assert!(write_problem(&failing).is_some_and(|text| text.ends_with("EIO")));
        assert_eq!(write_problem(&WriteState::Writing), None);
    }
}
