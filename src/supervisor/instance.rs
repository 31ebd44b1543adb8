//! [`Instance`]: one supervisor for each state directory, and its socket.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use super::process::Stat;
use super::record::Process;

/// Why this process cannot be the supervisor of a state directory.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// There is one.
    #[error("another supervisor{} works on {}", shown(.pid), state_dir.display())]
    Taken {
        /// The directory.
        state_dir: PathBuf,
        /// The other process, as it wrote itself down.
        pid: Option<u32>,
    },
    /// The lock cannot be had for another reason.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("cannot listen on {}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn shown(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// The lock file in the state directory.
const LOCK: &str = "supervisor.lock";

/// The supervisor of a state directory, as it wrote itself down. Whether it still lives is another question; its number and
/// time of birth together are nobody else's.
///
/// # Errors
/// When the file is there and cannot be read.
pub(super) fn holder(state_dir: &Path) -> io::Result<Option<Process>> {
    let text = match fs::read_to_string(state_dir.join(LOCK)) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let numbers = text.trim().split_once(' ').and_then(|(pid, ticks)| pid.parse().ok().zip(ticks.parse().ok()));
    Ok(numbers.map(|(pid, start_ticks)| Process { pid: Pid::from_raw(pid), start_ticks }))
}

/// The lock and the socket.
pub(super) struct Instance {
    lock: Flock<File>,
    listener: UnixListener,
    socket: PathBuf,
}

impl Instance {
    /// Makes the state directory if it misses, locks it, and listens.
    ///
    /// # Errors
    /// When another process holds the lock, or files cannot be made.
    pub fn claim(state_dir: &Path, socket: &Path) -> Result<Self, InstanceError> {
        let path = state_dir.join(LOCK);
        let failed = |source| InstanceError::Lock { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(failed)?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut lock =
            Flock::lock(file.map_err(failed)?, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
                nix::errno::Errno::EWOULDBLOCK => {
                    let pid = holder(state_dir).ok().flatten().map(|process| process.pid.as_raw().unsigned_abs());
                    InstanceError::Taken { state_dir: state_dir.to_owned(), pid }
                }
                errno => failed(errno.into()),
            })?;
        // For people, for the message above, and for who asks what descends from this process; the lock itself is the truth.
        let own = Stat::read_own().map_err(failed)?;
        lock.set_len(0).and_then(|()| writeln!(lock, "{} {}", own.pid, own.start_ticks)).map_err(failed)?;
        let listener = listen(socket).map_err(|source| InstanceError::Listen { path: socket.to_owned(), source })?;
        let socket =
            std::path::absolute(socket).map_err(|source| InstanceError::Listen { path: socket.to_owned(), source })?;
        Ok(Self { lock, listener, socket })
    }

    /// The socket that engines connect to.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Takes the socket away, then gives up the lock.
    pub fn release(self) {
        if let Err(fault) = fs::remove_file(&self.socket) {
            tracing::warn!(path = %self.socket.display(), %fault, "cannot remove the socket");
        }
        if let Err((_, errno)) = self.lock.unlock() {
            tracing::warn!(%errno, "cannot unlock the state directory");
        }
    }
}

fn listen(socket: &Path) -> io::Result<UnixListener> {
    remove_stale(socket)?;
    let before = umask(Mode::S_IXUSR | Mode::S_IRWXG | Mode::S_IRWXO);
    let listener = UnixListener::bind(socket);
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Takes away the socket of a supervisor that was killed; nothing else.
fn remove_stale(socket: &Path) -> io::Result<()> {
    match fs::symlink_metadata(socket) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(fault) => Err(fault),
        Ok(there) if !there.file_type().is_socket() => Err(io::ErrorKind::AlreadyExists.into()),
        // The supervisor of another state directory may have been given the same path.
        Ok(_) if UnixStream::connect(socket).is_ok() => Err(io::ErrorKind::AddrInUse.into()),
        Ok(_) => fs::remove_file(socket),
    }
}
