//! `[isolation]`: a profile, then single keys on top.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::inputs::list;
use super::isolation::{Bind, Capabilities, Filesystem, Isolation, Network, Profile, Syscalls};
use super::machine::Feature;
use super::names::{AddressFamily, Capability, SyscallGroup};
use crate::spec::findings::{Findings, Problem, Said};
use crate::spec::suggest::closest;
use crate::spec::tree::{Field, Table};
use crate::spec::values;

/// The table as a file says it. `[defaults]` and a job meet key by key.
#[derive(Default)]
pub(in crate::spec) struct IsolationTable {
    pub profile: Option<Said<Profile>>,
    network: Option<Said<Network>>,
    private_tmp: Option<Said<bool>>,
    filesystem: Option<Said<Filesystem>>,
    writable: Option<Said<Vec<PathBuf>>>,
    read_only: Option<Said<Vec<PathBuf>>>,
    hidden: Option<Said<Vec<PathBuf>>>,
    bind: Option<Said<Vec<Bind>>>,
    private_devices: Option<Said<bool>>,
    private_users: Option<Said<bool>>,
    processes_visible: Option<Said<bool>>,
    hostname: Option<Said<String>>,
    pub capabilities: Option<Said<BTreeSet<Capability>>>,
    pub no_new_privileges: Option<Said<bool>>,
    syscalls: Option<Said<Syscalls>>,
    lock_personality: Option<Said<bool>>,
    restrict_namespaces: Option<Said<bool>>,
    restrict_address_families: Option<Said<BTreeSet<AddressFamily>>>,
    control_socket: Option<Said<bool>>,
}

impl IsolationTable {
    pub fn read(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Self> {
        let Some(table) = field.value.as_table() else {
            field.wrong_kind(findings, "expected a table, [isolation]");
            return None;
        };
        let mut table = Table::new(table, "isolation.");
        let isolation = Self {
            profile: table.read("profile", findings, profile),
            network: table.read("network", findings, network),
            private_tmp: table.read("private_tmp", findings, values::flag),
            filesystem: table.read("filesystem", findings, filesystem),
            writable: table.read("writable", findings, paths),
            read_only: table.read("read_only", findings, paths),
            hidden: table.read("hidden", findings, paths),
            bind: table.read("bind", findings, binds),
            private_devices: table.read("private_devices", findings, values::flag),
            private_users: table.read("private_users", findings, values::flag),
            processes_visible: table.read("processes_visible", findings, values::flag),
            hostname: table.read("hostname", findings, hostname),
            capabilities: table.read("capabilities", findings, capabilities),
            no_new_privileges: table.read("no_new_privileges", findings, values::flag),
            syscalls: table.read("syscalls", findings, syscalls),
            lock_personality: table.read("lock_personality", findings, values::flag),
            restrict_namespaces: table.read("restrict_namespaces", findings, values::flag),
            restrict_address_families: table.read("restrict_address_families", findings, families),
            control_socket: table.read("control_socket", findings, values::flag),
        };
        table.finish(findings, &[("private_network", "write network = false")]);
        Some(isolation)
    }

    pub fn over(self, defaults: Self) -> Self {
        Self {
            profile: self.profile.or(defaults.profile),
            network: self.network.or(defaults.network),
            private_tmp: self.private_tmp.or(defaults.private_tmp),
            filesystem: self.filesystem.or(defaults.filesystem),
            writable: self.writable.or(defaults.writable),
            read_only: self.read_only.or(defaults.read_only),
            hidden: self.hidden.or(defaults.hidden),
            bind: self.bind.or(defaults.bind),
            private_devices: self.private_devices.or(defaults.private_devices),
            private_users: self.private_users.or(defaults.private_users),
            processes_visible: self.processes_visible.or(defaults.processes_visible),
            hostname: self.hostname.or(defaults.hostname),
            capabilities: self.capabilities.or(defaults.capabilities),
            no_new_privileges: self.no_new_privileges.or(defaults.no_new_privileges),
            syscalls: self.syscalls.or(defaults.syscalls),
            lock_personality: self.lock_personality.or(defaults.lock_personality),
            restrict_namespaces: self.restrict_namespaces.or(defaults.restrict_namespaces),
            restrict_address_families: self.restrict_address_families.or(defaults.restrict_address_families),
            control_socket: self.control_socket.or(defaults.control_socket),
        }
    }

    /// Each key that needs something of the machine, as it is said here or by the profile.
    pub fn needs(&self, isolation: &Isolation) -> Vec<(&'static str, Option<std::ops::Range<usize>>, Feature)> {
        let place = |said: Option<&Option<std::ops::Range<usize>>>| {
            said.cloned().or_else(|| self.profile.as_ref().map(|said| said.span.clone())).flatten()
        };
        let span = |said: &Option<Said<bool>>| place(said.as_ref().map(|said| &said.span));
        let list = |said: &Option<Said<Vec<PathBuf>>>| place(said.as_ref().map(|said| &said.span));
        let mut needs = vec![
            ("private_tmp", isolation.private_tmp, span(&self.private_tmp), Feature::Mounts),
            ("private_devices", isolation.private_devices, span(&self.private_devices), Feature::Mounts),
            (
                "filesystem",
                isolation.filesystem != Filesystem::Writable,
                place(self.filesystem.as_ref().map(|said| &said.span)),
                Feature::Mounts,
            ),
            ("writable", !isolation.writable.is_empty(), list(&self.writable), Feature::Mounts),
            ("read_only", !isolation.read_only.is_empty(), list(&self.read_only), Feature::Mounts),
            ("hidden", !isolation.hidden.is_empty(), list(&self.hidden), Feature::Mounts),
            ("bind", !isolation.bind.is_empty(), place(self.bind.as_ref().map(|said| &said.span)), Feature::Mounts),
            ("processes_visible", !isolation.processes_visible, span(&self.processes_visible), Feature::Processes),
            ("private_users", isolation.private_users, span(&self.private_users), Feature::Users),
            (
                "network",
                isolation.network != Network::Host,
                place(self.network.as_ref().map(|said| &said.span)),
                Feature::Network,
            ),
            (
                "hostname",
                isolation.hostname.is_some(),
                place(self.hostname.as_ref().map(|said| &said.span)),
                Feature::Hostname,
            ),
            (
                "syscalls",
                !isolation.syscalls.is_open(),
                place(self.syscalls.as_ref().map(|said| &said.span)),
                Feature::SystemCalls,
            ),
            ("lock_personality", isolation.lock_personality, span(&self.lock_personality), Feature::SystemCalls),
            (
                "restrict_namespaces",
                isolation.restrict_namespaces,
                span(&self.restrict_namespaces),
                Feature::SystemCalls,
            ),
            (
                "restrict_address_families",
                isolation.restrict_address_families.is_some(),
                place(self.restrict_address_families.as_ref().map(|said| &said.span)),
                Feature::SystemCalls,
            ),
        ];
        needs.retain(|(_, needed, ..)| *needed);
        needs.into_iter().map(|(key, _, span, feature)| (key, span, feature)).collect()
    }

    /// The profile with the keys on top.
    pub fn complete(&self, findings: &mut Findings) -> Isolation {
        let value = |said: &Option<Said<bool>>, usual: bool| said.as_ref().map_or(usual, |said| said.value);
        let profile = self.profile.as_ref().map_or(Profile::None, |said| said.value);
        let usual = Isolation::of_profile(profile);
        let list = |said: &Option<Said<Vec<PathBuf>>>| said.as_ref().map(|said| said.value.clone()).unwrap_or_default();
        let families = self.restrict_address_families.as_ref().map(|said| said.value.clone());
        let mut isolation = Isolation {
            network: self.network.as_ref().map_or(usual.network, |said| said.value),
            private_tmp: value(&self.private_tmp, usual.private_tmp),
            filesystem: self.filesystem.as_ref().map_or(usual.filesystem, |said| said.value),
            writable: list(&self.writable),
            read_only: list(&self.read_only),
            hidden: list(&self.hidden),
            bind: self.bind.as_ref().map(|said| said.value.clone()).unwrap_or_default(),
            private_devices: value(&self.private_devices, usual.private_devices),
            private_users: value(&self.private_users, usual.private_users),
            processes_visible: value(&self.processes_visible, usual.processes_visible),
            hostname: self.hostname.as_ref().map(|said| said.value.clone()),
            capabilities: match &self.capabilities {
                Some(said) => Capabilities::Given(said.value.clone()),
                None => usual.capabilities,
            },
            no_new_privileges: value(&self.no_new_privileges, usual.no_new_privileges),
            syscalls: self.syscalls.as_ref().map_or(usual.syscalls, |said| said.value.clone()),
            lock_personality: value(&self.lock_personality, usual.lock_personality),
            restrict_namespaces: value(&self.restrict_namespaces, usual.restrict_namespaces),
            restrict_address_families: families.or(usual.restrict_address_families),
            control_socket: value(&self.control_socket, usual.control_socket),
        };
        if isolation.filters_syscalls() && !isolation.no_new_privileges {
            self.demand_no_new_privileges(findings);
            isolation.no_new_privileges = true;
        }
        self.check_paths(&isolation, findings);
        isolation
    }

    /// A program that gains rights under a filter made by somebody else could be tricked by it, so that the kernel wants
    /// both together ([seccomp(2)](https://man7.org/linux/man-pages/man2/seccomp.2.html)).
    fn demand_no_new_privileges(&self, findings: &mut Findings) {
        if let Some(said) = &self.no_new_privileges {
            let problem = Problem::new("`isolation.no_new_privileges` cannot be false beside a filter of system calls");
            let hint = "leave it out, or the keys syscalls, lock_personality, restrict_namespaces and \
                        restrict_address_families";
            findings.add_at(said.span.clone(), problem.hint(hint));
        }
    }

    /// What lies below a hidden path or in a private directory is not there, and cannot be given back.
    fn check_paths(&self, isolation: &Isolation, findings: &mut Findings) {
        let mut covers: Vec<PathBuf> = isolation.hidden.clone();
        if isolation.private_tmp {
            covers.extend(["/tmp".into(), "/var/tmp".into()]);
        }
        if isolation.private_devices {
            covers.push("/dev".into());
        }
        for (key, path) in isolation.paths() {
            let cover =
                covers.iter().find(|cover| path.starts_with(cover) && (key != "hidden" || path != cover.as_path()));
            // A bind may well end inside of a private directory: its place is made there.
            if let Some(cover) = cover
                && (key != "bind" || isolation.hidden.contains(cover))
            {
                let span = match key {
                    "writable" => self.writable.as_ref().and_then(|said| said.span.clone()),
                    "read_only" => self.read_only.as_ref().and_then(|said| said.span.clone()),
                    "hidden" => self.hidden.as_ref().and_then(|said| said.span.clone()),
                    _ => self.bind.as_ref().and_then(|said| said.span.clone()),
                };
                let message = format!("`isolation.{key}`: {} lies below {}", path.display(), cover.display());
                findings.add_at(span, Problem::new(message).hint(way_out(key, path, isolation.hidden.contains(cover))));
            }
        }
    }
}

/// What to write instead where `key` names a path that is not there.
fn way_out(key: &str, path: &Path, is_hidden: bool) -> String {
    let place = path.display();
    if is_hidden {
        "what is hidden cannot be given back in part".to_owned()
    } else if key == "hidden" {
        "it is empty at the start as it is: leave the path out".to_owned()
    } else if path.starts_with("/dev") {
        "private_devices, which strict has, makes it anew: leave the path out, or set private_devices = false"
            .to_owned()
    } else {
        let only_read = if key == "read_only" { ":ro" } else { "" };
        format!(
            "private_tmp, which basic and strict have, empties it: bind = [\"{place}:{place}{only_read}\"] gives the path \
             back, or set private_tmp = false"
        )
    }
}

fn profile(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Profile> {
    let choices = [Profile::None, Profile::Basic, Profile::Strict].map(|profile| (profile.name(), profile));
    values::choice(field, findings, &choices)
}

fn network(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Network> {
    match (field.value.as_bool(), field.value.as_str()) {
        (Some(true), _) => Some(Network::Host),
        (Some(false), _) => Some(Network::None),
        (None, Some("loopback")) => Some(Network::Loopback),
        (None, _) => {
            let problem = Problem::new(format!("`{}` cannot be this", field.path));
            findings.add(field.span.clone(), problem.expected("expected true, false or \"loopback\""));
            None
        }
    }
}

fn filesystem(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Filesystem> {
    let choices = [
        ("writable", Filesystem::Writable),
        ("system-read-only", Filesystem::SystemReadOnly),
        ("read-only", Filesystem::ReadOnly),
    ];
    values::choice(field, findings, &choices)
}

/// Absolute paths in their plainest form: `..` would make it unclear what lies below what.
fn paths(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Vec<PathBuf>> {
    list(field, findings, "expected a list of absolute paths", |text| {
        let path = PathBuf::from(text);
        if !text.starts_with('/') || text.contains('\0') || path.components().any(|part| part.as_os_str() == "..") {
            return Err("it is no absolute path without `..`");
        }
        if text.trim_matches('/').is_empty() {
            return Err("the whole file system is what `filesystem` is about");
        }
        Ok(path.components().collect())
    })
}

fn binds(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Vec<Bind>> {
    list(field, findings, "expected a list of \"/source:/target\" or \"/source:/target:ro\"", |text| {
        Bind::parse(text).ok_or("it is no pair of absolute paths without `..`")
    })
}

fn hostname(field: &Field<'_, '_>, findings: &mut Findings) -> Option<String> {
    field.parsed(findings, "expected a host name", |text| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        // HOST_NAME_MAX of Linux.
        if text.is_empty() || text.len() > 64 || !text.chars().all(fits) || text.starts_with(['-', '.']) {
            return Err(Problem::new(format!("{text:?} cannot be a host name")));
        }
        Ok(text.to_owned())
    })
}

/// A list of known words.
fn words<T: Ord>(
    field: &Field<'_, '_>,
    findings: &mut Findings,
    what: &str,
    known: impl Iterator<Item = &'static str> + Clone,
    from_name: impl Fn(&str) -> Option<T>,
) -> Option<BTreeSet<T>> {
    let expected = format!("expected a list of {what}");
    let Some(elements) = field.elements() else {
        field.wrong_kind(findings, &expected);
        return None;
    };
    let read = |element: &Field<'_, '_>, findings: &mut Findings| {
        element.parsed(findings, &expected, |text| {
            from_name(text).ok_or_else(|| {
                let meant = closest(text, known.clone());
                Problem::new(format!("{text:?} is none of the {what}")).meant(meant)
            })
        })
    };
    let values = elements.iter().map(|element| read(element, findings)).collect::<Vec<_>>();
    values.into_iter().collect()
}

fn capabilities(field: &Field<'_, '_>, findings: &mut Findings) -> Option<BTreeSet<Capability>> {
    words(field, findings, "capabilities", Capability::all().map(Capability::name), Capability::from_name)
}

fn families(field: &Field<'_, '_>, findings: &mut Findings) -> Option<BTreeSet<AddressFamily>> {
    words(field, findings, "address families", AddressFamily::all().map(AddressFamily::name), AddressFamily::from_name)
}

/// Groups that are allowed, and behind `~` groups that are not.
fn syscalls(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Syscalls> {
    if let DeValue::String(_) = field.value {
        field.wrong_kind(findings, "expected a list of groups, as in [\"@system-service\", \"~@privileged\"]");
        return None;
    }
    let said = words(
        field,
        findings,
        "groups of system calls",
        SyscallGroup::ALL.into_iter().map(SyscallGroup::name),
        |text| {
            let (name, denied) = text.strip_prefix('~').map_or((text, false), |name| (name, true));
            SyscallGroup::from_name(name).map(|group| (denied, group))
        },
    )?;
    let pick = |wanted: bool| said.iter().filter(|(denied, _)| *denied == wanted).map(|(_, group)| *group).collect();
    Some(Syscalls { allowed: pick(false), denied: pick(true) })
}
