//! [`Account`]: as whom a program runs.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};

use crate::spec::Identity;

/// A user and a group, looked up.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub uid: Uid,
    pub gid: Gid,
    /// Absent for a number that the user database does not know.
    pub name: Option<String>,
    pub home: PathBuf,
    pub shell: PathBuf,
}

/// What could not be looked up, and why.
#[derive(Debug)]
pub(super) struct Unknown {
    pub name: String,
    pub errno: Errno,
}

impl Unknown {
    fn named(name: &str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self { name: name.to_owned(), errno }
    }
}

impl Account {
    /// The account of this process. Its user may be unknown to the user database, as in a container.
    pub fn own() -> Self {
        let known = User::from_uid(geteuid()).unwrap_or_else(|errno| {
            tracing::warn!(%errno, "the user database cannot be asked for the supervisor's own user");
            None
        });
        match known {
            Some(user) => Self { gid: getegid(), ..Self::from(user) },
            None => Self::unnamed(geteuid(), getegid()),
        }
    }

    /// The group that a job asks for. Asks the user database, as [`Account::look_up`] does.
    pub fn look_up_group(identity: &Identity) -> Result<Option<Gid>, Unknown> {
        identity.group.as_deref().map(|name| find_group(name).map_err(Unknown::named(name))).transpose()
    }

    /// The account that a job asks for, with its group. Asks the user database, which may take long: only for the child.
    pub fn look_up(identity: &Identity, group: Option<Gid>, own: &Self) -> Result<Self, Unknown> {
        let mut account = match identity.user.as_deref() {
            None => own.clone(),
            Some(name) => find_user(name, group).map_err(Unknown::named(name))?,
        };
        account.gid = group.unwrap_or(account.gid);
        Ok(account)
    }

    /// The name for [initgroups(3)](https://man7.org/linux/man-pages/man3/initgroups.3.html).
    pub fn c_name(&self) -> Option<CString> {
        self.name.as_deref().and_then(|name| CString::new(name).ok())
    }

    fn unnamed(uid: Uid, gid: Gid) -> Self {
        Self { uid, gid, name: None, home: "/".into(), shell: "/bin/sh".into() }
    }
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        let or = |path: PathBuf, default: &str| if path == Path::new("") { default.into() } else { path };
        Self {
            uid: user.uid,
            gid: user.gid,
            name: Some(user.name),
            home: or(user.dir, "/"),
            shell: or(user.shell, "/bin/sh"),
        }
    }
}

/// A user by name, or by number when no user is named so. A number that is nobody's needs a group beside it.
fn find_user(name: &str, group: Option<Gid>) -> Result<Account, Errno> {
    if let Some(user) = User::from_name(name)? {
        return Ok(user.into());
    }
    let uid = name.parse().map(Uid::from_raw).map_err(|_| Errno::ENOENT)?;
    match (User::from_uid(uid)?, group) {
        (Some(user), _) => Ok(user.into()),
        (None, Some(gid)) => Ok(Account::unnamed(uid, gid)),
        (None, None) => Err(Errno::ENOENT),
    }
}

fn find_group(name: &str) -> Result<Gid, Errno> {
    match Group::from_name(name)? {
        Some(group) => Ok(group.gid),
        None => name.parse().map(Gid::from_raw).map_err(|_| Errno::ENOENT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(user: Option<&str>, group: Option<&str>) -> Identity {
        Identity { user: user.map(Into::into), group: group.map(Into::into) }
    }

    fn look_up(identity: &Identity) -> Result<Account, Unknown> {
        Account::look_up(identity, Account::look_up_group(identity)?, &Account::own())
    }

    #[test]
    fn names_and_numbers_are_looked_up() {
        let root = look_up(&identity(Some("root"), None)).unwrap();
        assert_eq!((root.uid, root.gid, root.name.as_deref()), (Uid::from_raw(0), Gid::from_raw(0), Some("root")));
        let by_number = look_up(&identity(Some("0"), Some("12345"))).unwrap();
        assert_eq!((by_number.name.as_deref(), by_number.gid), (Some("root"), Gid::from_raw(12345)));
        let stranger = look_up(&identity(Some("3999999"), Some("0"))).unwrap();
        assert_eq!((stranger.uid, stranger.name), (Uid::from_raw(3_999_999), None));
    }

    #[test]
    fn the_unknown_is_named() {
        for (user, group, name) in [
            (Some("no-such-user"), None, "no-such-user"),
            (Some("3999999"), None, "3999999"),
            (None, Some("no-such-group"), "no-such-group"),
        ] {
            let unknown = look_up(&identity(user, group)).unwrap_err();
            assert_eq!((unknown.name.as_str(), unknown.errno), (name, Errno::ENOENT));
        }
    }
}
