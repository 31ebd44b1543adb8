//! [`Caller`]: who is at the other end of the socket.

use std::io;
use std::os::fd::AsRawFd;

use nix::unistd::{Uid, User};
use tokio::net::UnixStream;

/// The credentials of a peer, as the kernel noted them when it connected. They do not change with what the process
/// does later, and they cannot be forged ([unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
    /// The supplementary groups of the process: those of its login, not those of the group file now.
    pub groups: Vec<u32>,
    /// The user's name, where it was looked up: whose jobs are whose depends on it.
    pub name: Option<String>,
}

impl Caller {
    /// Asks the kernel.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let groups = match supplementary_groups(stream) {
            // Linux before 4.13 does not know the option: the effective group alone counts then.
            Err(fault) if fault.raw_os_error() == Some(libc::ENOPROTOOPT) => Vec::new(),
            other => other?,
        };
        Ok(Self { uid: credentials.uid(), gid: credentials.gid(), groups, name: None })
    }

    /// The same, with its name. The user database may be on the network, so that this may block.
    #[must_use]
    pub fn named(self) -> Self {
        match User::from_uid(Uid::from_raw(self.uid)) {
            Ok(user) => Self { name: user.map(|user| user.name), ..self },
            Err(fault) => {
                tracing::warn!(uid = self.uid, cause = %fault, "cannot look up a caller's name: jobs that name their user are not shown to it");
                self
            }
        }
    }
}

/// A process has at most this many groups (NGROUPS_MAX, [getgroups(2)]); more than the kernel would say is no answer.
///
/// [getgroups(2)]: https://man7.org/linux/man-pages/man2/getgroups.2.html
const GROUPS_LIMIT: usize = 65_536;

/// `SO_PEERGROUPS`. The kernel answers ERANGE and the size it needs while the buffer is too small.
fn supplementary_groups(stream: &UnixStream) -> io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 32];
    loop {
        let mut bytes = libc::socklen_t::try_from(size_of_val(groups.as_slice())).map_err(io::Error::other)?;
        // SAFETY: the buffer is writable for `bytes` bytes, and the kernel writes no more than that.
        let answer = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let fault = io::Error::last_os_error();
        let count = bytes as usize / size_of::<libc::gid_t>();
        match answer {
            0 => {
                groups.truncate(count);
                return Ok(groups);
            }
            _ if fault.raw_os_error() == Some(libc::ERANGE) && count > groups.len() && count <= GROUPS_LIMIT => {
                groups.resize(count, 0);
            }
            _ => return Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_of_this_process_is_this_process() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let caller = Caller::of(&ours).unwrap();
        assert_eq!(caller.uid, nix::unistd::geteuid().as_raw());
        let name = User::from_uid(nix::unistd::geteuid()).unwrap().map(|user| user.name);
        assert_eq!(caller.clone().named().name, name);
        assert_eq!(caller.gid, nix::unistd::getegid().as_raw());
        let mut groups: Vec<u32> = nix::unistd::getgroups().unwrap().into_iter().map(|gid| gid.as_raw()).collect();
        let mut seen = caller.groups;
        groups.sort_unstable();
        seen.sort_unstable();
        assert_eq!(seen, groups);
    }
}
