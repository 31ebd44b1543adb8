//! Who may do what: one pure function from a caller to a [`Role`], one from a role and an [`Action`] to yes or no.

use super::caller::Caller;

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look: jobs, runs, output, events, health, paths.
    Read,
    /// Drive what is defined: trigger, cancel, pause, resume. Changes neither command nor environment.
    Operate,
    /// Change the daemon itself: reload, shut down, look after its state.
    Administer,
}

/// What a caller is to this daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Root, or the daemon's own user: everything.
    Owner,
    /// A member of the configured group: everything but [`Action::Administer`].
    Operator,
    /// Anybody else: nothing.
    Stranger,
}

/// By which facts of the daemon roles are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The daemon's own user.
    pub daemon_uid: u32,
    /// The group whose members are operators, when one is configured.
    pub operator_gid: Option<u32>,
    /// That group's name, for hints; absent when it has none.
    pub operator_group: Option<String>,
}

impl Access {
    /// The role of a caller.
    pub fn role(&self, caller: &Caller) -> Role {
        const ROOT: u32 = 0;
        if caller.uid == ROOT || caller.uid == self.daemon_uid {
            return Role::Owner;
        }
        match self.operator_gid {
            Some(gid) if caller.gid == gid || caller.groups.contains(&gid) => Role::Operator,
            Some(_) | None => Role::Stranger,
        }
    }

    /// What somebody without the right can do about it.
    pub fn hint(&self, action: Action) -> String {
        let owner = match self.daemon_uid {
            0 => "root".to_owned(),
            uid => format!("root or as uid {uid}, the daemon's user"),
        };
        let group = self.operator_group.clone().or_else(|| self.operator_gid.map(|gid| gid.to_string()));
        match (action, group) {
            (Action::Read | Action::Operate, Some(group)) => {
                format!("do it as {owner}, or become a member of the group {group} and log in again")
            }
            (Action::Read | Action::Operate, None) | (Action::Administer, _) => format!("do it as {owner}"),
        }
    }
}

impl Role {
    /// Whether the role includes the action.
    pub const fn may(self, action: Action) -> bool {
        match (self, action) {
            (Self::Owner, Action::Read | Action::Operate | Action::Administer)
            | (Self::Operator, Action::Read | Action::Operate) => true,
            (Self::Operator, Action::Administer)
            | (Self::Stranger, Action::Read | Action::Operate | Action::Administer) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAEMON: u32 = 990;
    const GROUP: u32 = 880;

    fn caller(uid: u32, gid: u32, groups: &[u32]) -> Caller {
        Caller { uid, gid, groups: groups.to_vec() }
    }

    #[test]
    fn roles() {
        for (who, caller, without_group, with_group) in [
            ("root", caller(0, 0, &[]), Role::Owner, Role::Owner),
            ("the daemon's user", caller(DAEMON, 5, &[]), Role::Owner, Role::Owner),
            ("a member", caller(1000, 1000, &[4, GROUP, 27]), Role::Stranger, Role::Operator),
            ("a member by primary group", caller(1000, GROUP, &[]), Role::Stranger, Role::Operator),
            ("anybody", caller(1000, 1000, &[4, 27]), Role::Stranger, Role::Stranger),
            ("a uid like the group", caller(GROUP, 1000, &[]), Role::Stranger, Role::Stranger),
            ("group 0 is not root", caller(1000, 0, &[0]), Role::Stranger, Role::Stranger),
        ] {
            let access = |gid| Access { daemon_uid: DAEMON, operator_gid: gid, operator_group: None };
            assert_eq!(access(None).role(&caller), without_group, "{who}");
            assert_eq!(access(Some(GROUP)).role(&caller), with_group, "{who}");
        }
    }

    #[test]
    fn rights() {
        for (role, read, operate, administer) in [
            (Role::Owner, true, true, true),
            (Role::Operator, true, true, false),
            (Role::Stranger, false, false, false),
        ] {
            assert_eq!(role.may(Action::Read), read, "{role:?}");
            assert_eq!(role.may(Action::Operate), operate, "{role:?}");
            assert_eq!(role.may(Action::Administer), administer, "{role:?}");
        }
    }
}
