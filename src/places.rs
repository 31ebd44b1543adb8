//! Where configuration, jobs, state and sockets lie when nobody says otherwise. Pure.
//!
//! | | system (root) | user |
//! |---|---|---|
//! | configuration | `/etc/jobsd/jobsd.toml` | `$XDG_CONFIG_HOME/jobsd/jobsd.toml` |
//! | jobs | `/etc/jobsd/jobs.d` | beside it |
//! | state | `/var/lib/jobsd` | `$XDG_STATE_HOME/jobsd` |
//! | API socket | `/run/jobsd/jobsd.sock` | `$XDG_RUNTIME_DIR/jobsd/jobsd.sock`, without it in the state directory |
//! | supervisor's socket | `/run/jobsd/supervisor.sock` | in the state directory |
//!
//! `XDG_CONFIG_HOME` is `~/.config` and `XDG_STATE_HOME` is `~/.local/state` unless set
//! ([XDG base directories](https://specifications.freedesktop.org/basedir-spec/latest/)).

use std::path::{Path, PathBuf};

use crate::surroundings::Surroundings;

const SYSTEM_STATE: &str = "/var/lib/jobsd";
const SYSTEM_SOCKET: &str = "/run/jobsd/jobsd.sock";

/// Bytes of a socket's path at most: `sun_path` has 108, one of which is the closing NUL
/// ([unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html)).
pub const SOCKET_PATH_LIMIT: usize = 107;

/// The default places of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The configuration, which need not exist.
    pub config: PathBuf,
    /// The jobs directory.
    pub jobs_dir: PathBuf,
    /// The state directory.
    pub state_dir: PathBuf,
    /// The API's socket; `None`: `jobsd.sock` in the state directory, wherever that is in the end.
    pub socket: Option<PathBuf>,
}

/// An ordinary user has no home directory, and says of some place not where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the user {user} has no home directory")]
pub struct NoHome {
    /// The user.
    pub user: String,
}

impl Places {
    /// The places of whoever runs the process: the system's for root, those below the home for anybody else.
    ///
    /// # Errors
    /// When an ordinary user has neither a home nor both `XDG_CONFIG_HOME` and `XDG_STATE_HOME`.
    pub fn of(around: &Surroundings) -> Result<Self, NoHome> {
        if around.is_root() {
            return Ok(Self {
                config: "/etc/jobsd/jobsd.toml".into(),
                jobs_dir: "/etc/jobsd/jobs.d".into(),
                state_dir: SYSTEM_STATE.into(),
                socket: Some(SYSTEM_SOCKET.into()),
            });
        }
        let config = below(around, around.config_home.as_ref(), ".config")?;
        Ok(Self {
            config: config.join("jobsd.toml"),
            jobs_dir: config.join("jobs.d"),
            state_dir: below(around, around.state_home.as_ref(), ".local/state")?,
            socket: around.runtime_dir.as_ref().map(|directory| directory.join("jobsd/jobsd.sock")),
        })
    }
}

/// The socket of the supervisor that belongs to a state directory. It lies in that directory, so that no engine on this
/// state, however it was started, misses it; only the system's lies in `/run`, which is empty after a boot.
pub fn supervisor_socket(state_dir: &Path) -> PathBuf {
    if state_dir == Path::new(SYSTEM_STATE) {
        return "/run/jobsd/supervisor.sock".into();
    }
    state_dir.join("supervisor.sock")
}

/// The sockets at which a client that was told nothing looks for a daemon, in order; the first one that answers is it:
/// the user's own daemon, with `XDG_RUNTIME_DIR` and without (the variable may be missing in one of two terminals),
/// then the system's. For root there is only the system's.
///
/// A client that was told a socket, by flag or by `JOBCTL_SOCKET`, looks there and nowhere else.
pub fn socket_candidates(around: &Surroundings) -> Vec<PathBuf> {
    let system = PathBuf::from(SYSTEM_SOCKET);
    let Ok(places) = Places::of(around) else { return vec![system] };
    if around.is_root() {
        return vec![system];
    }
    places.socket.into_iter().chain([places.state_dir.join("jobsd.sock"), system]).collect()
}

fn below(around: &Surroundings, said: Option<&PathBuf>, usual: &str) -> Result<PathBuf, NoHome> {
    let base = said.cloned().or_else(|| around.home.as_ref().map(|home| home.join(usual)));
    base.map(|base| base.join("jobsd")).ok_or_else(|| NoHome { user: around.account.user.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Account;

    fn around(uid: u32, home: Option<&str>, runtime: Option<&str>) -> Surroundings {
        Surroundings {
            account: Account { uid, user: "alice".into(), gid: uid, group: "alice".into() },
            home: home.map(PathBuf::from),
            config_home: None,
            state_home: None,
            runtime_dir: runtime.map(PathBuf::from),
            timezone: None,
            machine: crate::spec::Machine::default(),
        }
    }

    #[test]
    fn root_has_the_systems_places_whatever_its_environment_says() {
        let root = Surroundings { config_home: Some("/x".into()), ..around(0, Some("/root"), Some("/run/user/0")) };
        let places = Places::of(&root).unwrap();
        assert_eq!(places.jobs_dir, Path::new("/etc/jobsd/jobs.d"));
        assert_eq!(supervisor_socket(&places.state_dir), Path::new("/run/jobsd/supervisor.sock"));
        assert_eq!(socket_candidates(&root), [PathBuf::from("/run/jobsd/jobsd.sock")]);
    }

    #[test]
    fn a_user_has_places_below_the_home() {
        let alice = around(1000, Some("/home/alice"), Some("/run/user/1000"));
        let places = Places::of(&alice).unwrap();
        assert_eq!(places.config, Path::new("/home/alice/.config/jobsd/jobsd.toml"));
        assert_eq!(places.jobs_dir, Path::new("/home/alice/.config/jobsd/jobs.d"));
        assert_eq!(places.state_dir, Path::new("/home/alice/.local/state/jobsd"));
        assert_eq!(places.socket.as_deref(), Some(Path::new("/run/user/1000/jobsd/jobsd.sock")));
        assert_eq!(
            socket_candidates(&alice),
            ["/run/user/1000/jobsd/jobsd.sock", "/home/alice/.local/state/jobsd/jobsd.sock", "/run/jobsd/jobsd.sock"]
                .map(PathBuf::from)
        );
    }

    #[test]
    fn what_xdg_says_counts_and_a_home_is_needed_only_for_the_rest() {
        let nobody = around(65534, None, None);
        assert_eq!(Places::of(&nobody), Err(NoHome { user: "alice".into() }));
        assert_eq!(socket_candidates(&nobody), [PathBuf::from("/run/jobsd/jobsd.sock")]);
        let said = Surroundings { config_home: Some("/c".into()), state_home: Some("/s".into()), ..nobody };
        let places = Places::of(&said).unwrap();
        assert_eq!((places.config, places.socket), ("/c/jobsd/jobsd.toml".into(), None));
        assert_eq!(places.state_dir, Path::new("/s/jobsd"));
        assert_eq!(supervisor_socket(&places.state_dir), Path::new("/s/jobsd/supervisor.sock"));
    }
}
