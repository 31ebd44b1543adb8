//! [`Surroundings`]: what the process finds around it, read once and then handed on as arguments.

use std::ffi::OsStr;
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User};

use crate::schedule::Zone;
use crate::spec::{Account, Machine};

/// Who the process is, and what its environment says about places and time.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The effective user and group.
    pub account: Account,
    /// The user's home: `HOME`, or the user database's word.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, when it is an absolute path.
    pub config_home: Option<PathBuf>,
    /// `XDG_STATE_HOME`, when it is an absolute path.
    pub state_home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, when it is an absolute path.
    pub runtime_dir: Option<PathBuf>,
    /// The machine's time zone; `None` when it cannot be told.
    pub timezone: Option<Zone>,
    /// What the machine lets the daemon do for its jobs; everything, until somebody who has to know finds it out.
    pub machine: Machine,
}

impl Surroundings {
    /// Reads environment and user database. The latter may be on the network, so that this may block.
    pub fn of_process() -> Self {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        // A look-up that fails is a user without a name: containers and systemd's DynamicUser= have such.
        let user = User::from_uid(uid).ok().flatten();
        let group = Group::from_gid(gid).ok().flatten();
        let home = absolute("HOME").or_else(|| user.as_ref().map(|user| user.dir.clone()));
        Self {
            account: Account {
                uid: uid.as_raw(),
                user: user.map_or_else(|| uid.to_string(), |user| user.name),
                gid: gid.as_raw(),
                group: group.map_or_else(|| gid.to_string(), |group| group.name),
            },
            home,
            config_home: absolute("XDG_CONFIG_HOME"),
            state_home: absolute("XDG_STATE_HOME"),
            runtime_dir: absolute("XDG_RUNTIME_DIR"),
            timezone: machine_zone(),
            machine: Machine::default(),
        }
    }

    /// Whether the process may become any user.
    pub const fn is_root(&self) -> bool {
        self.account.uid == 0
    }
}

/// The XDG base directory specification has relative paths ignored.
fn absolute(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The machine's zone, as in [`Surroundings::timezone`]; asks no user database.
pub fn machine_zone() -> Option<Zone> {
    timezone(std::env::var_os("TZ").as_deref())
}

/// The release of the machine's own IANA database, as in `2025b`, where it says which: `tzdata.zi` begins with it, and
/// some systems have a file `+VERSION`.
pub fn machine_tz_database() -> Option<String> {
    let zi = std::fs::File::open("/usr/share/zoneinfo/tzdata.zi").ok().and_then(|file| {
        use std::io::{BufRead, BufReader, Read};
        // The release stands in the first line; the rest is long.
        let mut line = String::new();
        BufReader::new(file.take(200)).read_line(&mut line).ok()?;
        line.trim().strip_prefix("# version ").map(str::to_owned)
    });
    zi.or_else(|| Some(std::fs::read_to_string("/usr/share/zoneinfo/+VERSION").ok()?.trim().to_owned()))
        .filter(|version| !version.is_empty())
}

/// The machine's zone: `TZ` when it names one ([tzset(3)]: the name may follow a colon), else what the machine is set
/// to.
///
/// [tzset(3)]: https://man7.org/linux/man-pages/man3/tzset.3.html
fn timezone(variable: Option<&OsStr>) -> Option<Zone> {
    let named = variable.and_then(OsStr::to_str).map(|name| name.strip_prefix(':').unwrap_or(name));
    match named.and_then(|name| Zone::parse(name).ok()) {
        Some(zone) => Some(zone),
        None => iana_time_zone::get_timezone().ok().and_then(|name| Zone::parse(&name).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_who_it_is() {
        let here = Surroundings::of_process();
        assert_eq!(here.account.uid, nix::unistd::geteuid().as_raw());
        assert_eq!(here.is_root(), nix::unistd::geteuid().is_root());
        assert!(!here.account.user.is_empty() && !here.account.group.is_empty());
    }

    #[test]
    fn reads_the_zone_of_the_environment() {
        for (variable, zone) in [(":Asia/Tokyo", "Asia/Tokyo"), ("Europe/Berlin", "Europe/Berlin")] {
            assert_eq!(timezone(Some(OsStr::new(variable))).map(Zone::name), Some(zone));
        }
        // A POSIX rule names no zone of the database: the machine decides.
        assert_eq!(timezone(Some(OsStr::new("CET-1CEST,M3.5.0,M10.5.0/3"))), timezone(None));
    }
}
