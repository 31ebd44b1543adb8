//! [`Paths`]: where everything lies, after flags, file and defaults had their say.

use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::file::ConfigFile;
use super::flags::Flags;
use crate::places::{NoHome, Places, SOCKET_PATH_LIMIT, calendars_beside, supervisor_socket};

/// Absolute paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The jobs directory.
    pub jobs_dir: PathBuf,
    /// The calendars directory, which need not exist.
    pub calendars_dir: PathBuf,
    /// The state directory.
    pub state_dir: PathBuf,
    /// The API's socket.
    pub socket: PathBuf,
    /// The supervisor's socket.
    pub supervisor_socket: PathBuf,
}

impl Paths {
    /// Chooses each path. `usual` is needed only for what neither flags nor file say.
    pub(super) fn choose(
        flags: &Flags,
        said: &ConfigFile,
        usual: Result<&Places, &NoHome>,
        notes: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let needed = || usual.map_err(|no_home| ConfigError::NoHome(no_home.clone()));
        let jobs_dir = match first(&flags.jobs_dir, &said.jobs_dir)? {
            Some(jobs_dir) => jobs_dir,
            None => needed()?.jobs_dir.clone(),
        };
        let calendars_dir =
            first(&flags.calendars_dir, &said.calendars_dir)?.unwrap_or_else(|| calendars_beside(&jobs_dir));
        let state_dir = match first(&flags.state_dir, &said.state_dir)? {
            Some(state_dir) => state_dir,
            None => needed()?.state_dir.clone(),
        };
        let usual_socket = || usual.ok().and_then(|usual| usual.socket.clone());
        let socket = first(&flags.socket, &said.socket)?.or_else(usual_socket).unwrap_or_else(|| {
            let socket = state_dir.join("jobsd.sock");
            notes.push(format!("XDG_RUNTIME_DIR is not set; the socket is {}", socket.display()));
            socket
        });
        let supervisor_socket =
            first(&flags.supervisor_socket, &said.supervisor_socket)?.unwrap_or_else(|| supervisor_socket(&state_dir));
        check_length(&socket, "--socket")?;
        check_length(&supervisor_socket, "--supervisor-socket")?;
        Ok(Self { jobs_dir, calendars_dir, state_dir, socket, supervisor_socket })
    }
}

/// What the flag says, else what the file says.
fn first(flag: &Option<PathBuf>, said: &Option<PathBuf>) -> Result<Option<PathBuf>, ConfigError> {
    Ok(flag.as_deref().map(absolute).transpose()?.or_else(|| said.clone()))
}

/// A path as it is from everywhere.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

fn check_length(socket: &Path, flag: &'static str) -> Result<(), ConfigError> {
    let length = socket.as_os_str().len();
    if length > SOCKET_PATH_LIMIT {
        return Err(ConfigError::SocketTooLong { path: socket.to_owned(), length, flag });
    }
    Ok(())
}
