//! [`ApiSocket`]: the socket's file, from before the first client to after the last.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::Gid;
use tokio::net::{UnixListener, UnixSocket};

use crate::daemon::config::Audience;

/// Clients that may wait to be accepted; the kernel cuts it to its `somaxconn`. More get EAGAIN and try again.
const BACKLOG: u32 = 1024;

/// A socket's path holds 107 bytes and a zero ([unix(7)]); four of them go to the suffix of the name under which it is
/// prepared.
///
/// [unix(7)]: https://man7.org/linux/man-pages/man7/unix.7.html
pub const PATH_LIMIT_BYTES: usize = 103;

/// A listening socket with its rights set. Dropping it removes its file, unless another daemon has put its own there.
#[derive(Debug)]
pub struct ApiSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// Why a socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path does not fit into a socket address.
    #[error(
        "the socket path {} has {} bytes, but a Unix socket's path has at most {PATH_LIMIT_BYTES}",
        path.display(), path.as_os_str().len()
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// A daemon answers there.
    #[error("another daemon already listens on {}", path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// What lies there is none of our making.
    #[error("{} exists and is not a socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// A system call failed.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ApiSocket {
    /// Listens at `path`, where the audience may connect. A file that a daemon left behind when it was killed is replaced.
    ///
    /// The socket is prepared under another name and renamed: nobody can connect before its rights are set, and a
    /// client finds either the old socket or the new one, never none.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the path is too long, taken, or cannot be made.
    pub fn bind(path: &Path, audience: Audience) -> Result<Self, SocketError> {
        let failed = |step| move |source| SocketError::Io { step, path: path.to_owned(), source };
        if path.as_os_str().len() > PATH_LIMIT_BYTES {
            return Err(SocketError::PathTooLong { path: path.to_owned() });
        }
        if let Some(directory) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(directory)
                .map_err(failed("create the directory of"))?;
        }
        refuse_unless_stale(path)?;

        let prepared = PathBuf::from(format!("{}.new", path.display()));
        match fs::remove_file(&prepared) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove the leftover of")(fault));
            }
            Ok(()) | Err(_) => {}
        }
        let socket = UnixSocket::new_stream().map_err(failed("make the socket"))?;
        socket.bind(&prepared).map_err(failed("bind the socket"))?;
        set_rights(&prepared, audience).map_err(failed("set the rights of"))?;
        // From here on clients could connect, had the name been published.
        let listener = socket.listen(BACKLOG).map_err(failed("listen on"))?;
        let file = SocketFile::of(&prepared, path).map_err(failed("look at"))?;
        fs::rename(&prepared, path).map_err(failed("put the socket at"))?;
        warn_if_hidden(path, audience);
        Ok(Self { listener, file })
    }

    /// Lets another audience connect from now on; connections that are open stay.
    ///
    /// # Errors
    /// When the file is no longer ours, or its rights cannot be set.
    pub fn open_to(&self, audience: Audience) -> io::Result<()> {
        if !self.file.is_ours()? {
            return Err(io::Error::other("another socket has been put in its place"));
        }
        warn_if_hidden(&self.file.path, audience);
        set_rights(&self.file.path, audience)
    }

    /// The listener.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

fn refuse_unless_stale(path: &Path) -> Result<(), SocketError> {
    let failed = |step| move |source| SocketError::Io { step, path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(failed("look at")(fault)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        // Nobody listens: its daemon is gone.
        Err(fault) if fault.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        // A full queue is a daemon, too.
        Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Err(SocketError::InUse { path: path.to_owned() }),
        Err(fault) => Err(failed("ask whether a daemon listens on")(fault)),
        Ok(_) => Err(SocketError::InUse { path: path.to_owned() }),
    }
}

/// Connecting needs the right to write ([unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html)).
fn set_rights(path: &Path, audience: Audience) -> io::Result<()> {
    let set = |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    match audience {
        Audience::Daemon => set(0o600),
        Audience::Everybody => set(0o666),
        Audience::Group(gid) => {
            // Never open to the group that it had before.
            set(0o600)?;
            nix::unistd::chown(path, None, Some(Gid::from_raw(gid)))?;
            set(0o660)
        }
    }
}

/// Says it when the audience cannot come to the socket.
fn warn_if_hidden(path: &Path, audience: Audience) {
    if let Some(directory) = hidden_by(path, audience) {
        tracing::warn!(
            "those whom [access] names cannot connect: {} does not let them pass; give the socket another place, or chmod o+x",
            directory.display()
        );
    }
}

/// The directory that keeps the audience from the socket. Passing one needs the right to search it
/// ([path_resolution(7)](https://man7.org/linux/man-pages/man7/path_resolution.7.html)).
fn hidden_by(path: &Path, audience: Audience) -> Option<&Path> {
    let lets_pass = |directory: &Path| {
        let Ok(metadata) = fs::metadata(directory) else { return true };
        match audience {
            Audience::Daemon => true,
            Audience::Group(gid) if metadata.gid() == gid => metadata.mode() & 0o010 != 0,
            Audience::Group(_) | Audience::Everybody => metadata.mode() & 0o001 != 0,
        }
    };
    path.ancestors()
        .skip(1)
        .filter(|directory| !directory.as_os_str().is_empty())
        .find(|directory| !lets_pass(directory))
}

/// The file of a socket, told from others by its inode.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(prepared: &Path, path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(prepared)?;
        Ok(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    fn is_ours(&self) -> io::Result<bool> {
        let metadata = fs::symlink_metadata(&self.path)?;
        Ok((metadata.dev(), metadata.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let removed = self.is_ours().and_then(|ours| if ours { fs::remove_file(&self.path) } else { Ok(()) });
        match removed {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), cause = %fault, "cannot remove the socket's file");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn rights_follow_the_audience_and_the_file_goes_with_the_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/jobsd.sock");
        let alone = ApiSocket::bind(&path, Audience::Daemon).unwrap();
        assert_eq!(mode(&path), 0o600);
        alone.open_to(Audience::Everybody).unwrap();
        assert_eq!(mode(&path), 0o666);
        drop(alone);
        assert!(!path.exists());
        let own_group = nix::unistd::getegid().as_raw();
        let _shared = ApiSocket::bind(&path, Audience::Group(own_group)).unwrap();
        assert_eq!(mode(&path), 0o660);
        assert_eq!(fs::metadata(&path).unwrap().gid(), own_group);
    }

    #[test]
    fn a_directory_that_nobody_may_pass_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("open/jobsd.sock");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let set = |mode| fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        set(0o700);
        assert_eq!(hidden_by(&path, Audience::Everybody), Some(directory.path()));
        assert_eq!(hidden_by(&path, Audience::Group(4242)), Some(directory.path()));
        assert_eq!(hidden_by(&path, Audience::Daemon), None);
        set(0o711);
        assert_eq!(hidden_by(&path, Audience::Everybody), None);
        set(0o710);
        let own_group = fs::metadata(directory.path()).unwrap().gid();
        fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(hidden_by(&path, Audience::Group(own_group)), None);
        assert_eq!(hidden_by(&path, Audience::Everybody), Some(directory.path()));
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_a_served_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobsd.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let first = ApiSocket::bind(&path, Audience::Daemon).unwrap();
        assert!(matches!(ApiSocket::bind(&path, Audience::Daemon), Err(SocketError::InUse { .. })));
        drop(first);
        ApiSocket::bind(&path, Audience::Daemon).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobsd.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(ApiSocket::bind(&path, Audience::Daemon), Err(SocketError::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_path_that_does_not_fit_is_named_with_its_length() {
        let path = PathBuf::from(format!("/tmp/{}", "x".repeat(200)));
        let fault = ApiSocket::bind(&path, Audience::Daemon).unwrap_err().to_string();
        assert!(fault.contains("205 bytes") && fault.contains("103"), "{fault}");
    }

    #[tokio::test]
    async fn the_file_of_a_successor_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobsd.sock");
        let first = ApiSocket::bind(&path, Audience::Daemon).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = ApiSocket::bind(&path, Audience::Daemon).unwrap();
        drop(first);
        assert!(path.exists());
    }
}
