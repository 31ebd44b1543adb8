//! Where a daemon may listen.

use std::path::{Path, PathBuf};

/// The sockets to try, in order. One that was named, by flag or JOBCTL_SOCKET, is the only one.
pub fn candidates(named: Option<&Path>) -> Vec<PathBuf> {
    match named {
        Some(socket) => vec![socket.to_owned()],
        None => Vec::new(),
    }
}
