//! Where a daemon may listen.

use std::path::{Path, PathBuf};

use crate::places;
use crate::surroundings::Surroundings;

/// The sockets to try, in order. One that was named, by flag or JOBCTL_SOCKET, is the only one.
pub fn candidates(named: Option<&Path>) -> Vec<PathBuf> {
    match named {
        Some(socket) => vec![socket.to_owned()],
        None => places::socket_candidates(&Surroundings::of_process()),
    }
}
