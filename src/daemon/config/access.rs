//! [`AccessRules`]: what `[access]` says of who may do what, with names looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nix::unistd::{Group, User};
use toml::de::DeValue;

use super::error::ConfigError;
use crate::spec::{Field, Findings, Said, Table, values};

/// Who may do what, beside root and the daemon's user, who may do everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRules {
    /// Those who may do everything.
    pub admin: Members,
    /// Those who may look and drive what is defined.
    pub operator: Members,
    /// Those who may look.
    pub viewer: Members,
    /// What anybody may do with the jobs that run as them.
    pub own_jobs: OwnJobs,
}

/// Users and groups, by number and by how they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Users.
    pub users: BTreeMap<u32, String>,
    /// Groups, whose members are meant.
    pub groups: BTreeMap<u32, String>,
}

/// What a caller without a role may do with a job that runs as them.
///
/// Nothing, unless said: more of it means a socket to which every program of the machine may connect, and that is for an
/// administrator to open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnJobs {
    /// Nothing.
    #[default]
    None,
    /// Look at it and read what it prints.
    View,
    /// That, and trigger, cancel, pause and resume it, and have commands run as themselves.
    Operate,
}

impl OwnJobs {
    /// Each with its word in `jobsd.toml` and in the API.
    pub const WORDS: [(&'static str, Self); 3] =
        [("none", Self::None), ("view", Self::View), ("operate", Self::Operate)];

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::View => "view",
            Self::Operate => "operate",
        }
    }
}

/// Who has to be able to connect to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The daemon's user alone, and root: mode 0600.
    Daemon,
    /// The members of one group: mode 0660.
    Group(u32),
    /// Everybody: mode 0666. A socket has one group, and names no users.
    Everybody,
}

impl AccessRules {
    /// Who has to be able to connect. What they may do then is decided for each request by who they are.
    pub fn audience(&self) -> Audience {
        let roles = [&self.admin, &self.operator, &self.viewer];
        let groups: BTreeSet<u32> = roles.iter().flat_map(|members| members.groups.keys().copied()).collect();
        let names_users = roles.iter().any(|members| !members.users.is_empty());
        match groups.first() {
            None if self.own_jobs == OwnJobs::None && !names_users => Audience::Daemon,
            Some(&group) if self.own_jobs == OwnJobs::None && !names_users && groups.len() == 1 => {
                Audience::Group(group)
            }
            None | Some(_) => Audience::Everybody,
        }
    }
}

/// `[access]` as the file says it; names are not looked up yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AccessFile {
    admin: Names,
    operator: Names,
    viewer: Names,
    own_jobs: OwnJobs,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names {
    users: Vec<String>,
    groups: Vec<String>,
}

impl AccessFile {
    pub fn read(field: &Field<'_, '_>, findings: &mut Findings) -> Self {
        let DeValue::Table(table) = field.value else {
            field.wrong_kind(findings, "expected a table, [access]");
            return Self::default();
        };
        let mut table = Table::new(table, "access.");
        let value = |said: Option<Said<Names>>| said.map(|said| said.value).unwrap_or_default();
        let file = Self {
            admin: value(table.read("admin", findings, |field, f| names(field, "access.admin.", f))),
            operator: value(table.read("operator", findings, |field, f| names(field, "access.operator.", f))),
            viewer: value(table.read("viewer", findings, |field, f| names(field, "access.viewer.", f))),
            own_jobs: table
                .read("own_jobs", findings, |field, f| values::choice(field, f, &OwnJobs::WORDS))
                .map(|said| said.value)
                .unwrap_or_default(),
        };
        table.finish(
            findings,
            &[
                ("operator_group", "write it as operator = { groups = [\"operators\"] }"),
                ("users", "say which role they have, as in operator = { users = [\"alice\"] }"),
                ("groups", "say which role they have, as in operator = { groups = [\"operators\"] }"),
            ],
        );
        file
    }

    /// Looks the names up.
    ///
    /// # Errors
    /// When a user or a group does not exist, or cannot be looked up.
    pub fn look_up(&self, file: Option<&Path>) -> Result<AccessRules, ConfigError> {
        Ok(AccessRules {
            admin: self.admin.look_up(file)?,
            operator: self.operator.look_up(file)?,
            viewer: self.viewer.look_up(file)?,
            own_jobs: self.own_jobs,
        })
    }
}

impl Names {
    fn look_up(&self, file: Option<&Path>) -> Result<Members, ConfigError> {
        let user = |name: &String| find_user(name, file).map(|uid| (uid, name.clone()));
        let group = |name: &String| find_group(name, file).map(|gid| (gid, name.clone()));
        Ok(Members {
            users: self.users.iter().map(user).collect::<Result<_, _>>()?,
            groups: self.groups.iter().map(group).collect::<Result<_, _>>()?,
        })
    }
}

fn names(field: &Field<'_, '_>, prefix: &str, findings: &mut Findings) -> Option<Names> {
    let DeValue::Table(table) = field.value else {
        field.wrong_kind(findings, "expected { users = [\"alice\"], groups = [\"operators\"] }");
        return None;
    };
    let mut table = Table::new(table, prefix);
    let list = |said: Option<Said<Vec<String>>>| said.map(|said| said.value).unwrap_or_default();
    let names = Names {
        users: list(table.read("users", findings, accounts)),
        groups: list(table.read("groups", findings, accounts)),
    };
    table.finish(findings, &[]);
    Some(names)
}

fn accounts(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Vec<String>> {
    let Some(elements) = field.elements() else {
        field.wrong_kind(findings, "expected a list of names or numbers, as in [\"alice\", 1000]");
        return None;
    };
    Some(elements.iter().filter_map(|element| values::account(element, findings)).collect())
}

fn find_user(name: &str, file: Option<&Path>) -> Result<u32, ConfigError> {
    let unknown = |source| ConfigError::UserUnknown { name: name.to_owned(), file: file.map(Path::to_owned), source };
    let user = User::from_name(name).map_err(|errno| unknown(Some(errno.into())))?;
    user.map(|user| user.uid.as_raw()).or_else(|| name.parse().ok()).ok_or_else(|| unknown(None))
}

fn find_group(name: &str, file: Option<&Path>) -> Result<u32, ConfigError> {
    let unknown = |source| ConfigError::GroupUnknown { name: name.to_owned(), file: file.map(Path::to_owned), source };
    let group = Group::from_name(name).map_err(|errno| unknown(Some(errno.into())))?;
    group.map(|group| group.gid.as_raw()).or_else(|| name.parse().ok()).ok_or_else(|| unknown(None))
}
