//! How a job's processes are made.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::api::types;
use crate::spec::{
    self, AddressFamily, Bind, Capabilities, Capability, EnvironmentFile, Filesystem, Network, ProcessSpec, Stdin,
    SyscallGroup,
};

/// What a job file says about its processes. Secrets stay with the daemon.
pub(super) fn process(process: &ProcessSpec) -> types::Process {
    let ProcessSpec { attributes, inputs, isolation, limits, create_working_directory, on_leftover } = process;
    let (stdin_file, stdin_bytes) = match &inputs.stdin {
        Stdin::Nothing => (None, None),
        Stdin::Text(text) => (None, Some(text.len() as u64)),
        Stdin::File(path) => (Some(path.display().to_string()), None),
    };
    types::Process {
        umask: attributes.umask.map(|bits| format!("{bits:04o}")),
        nice: attributes.nice,
        io_class: attributes.io.map(spec::IoPriority::text),
        cpu_affinity: attributes.cpu_affinity.iter().flatten().copied().collect(),
        cpu_scheduling: attributes.cpu_scheduling.map(spec::CpuScheduling::text),
        oom_score_adjust: attributes.oom_score_adjust,
        rlimits: attributes.rlimits.iter().map(|(limit, value)| rlimit(*limit, *value)).collect(),
        stdin_file,
        stdin_bytes,
        environment_files: inputs.environment_files.iter().map(EnvironmentFile::text).collect(),
        pass_environment: inputs.pass_environment.iter().cloned().collect(),
        credentials: inputs.credentials.keys().cloned().collect(),
        create_working_directory: *create_working_directory,
        on_leftover: on_leftover.name().to_owned(),
        limits: self::limits(limits),
        isolation: self::isolation(isolation),
    }
}

fn rlimit(limit: spec::Rlimit, value: spec::RlimitValue) -> types::Rlimit {
    let bound = |number: u64| (number != u64::MAX).then_some(number);
    types::Rlimit { limit: limit.name().to_owned(), soft: bound(value.soft), hard: bound(value.hard) }
}

fn limits(limits: &spec::Limits) -> types::Limits {
    types::Limits {
        memory_bytes: limits.memory_bytes,
        memory_swap_bytes: limits.memory_swap_bytes,
        cpus: limits.cpu_millis.map(|millis| f64::from(millis) / 1000.0),
        processes: limits.processes,
        io_weight: limits.io_weight,
        io_read: bandwidths(&limits.io_read),
        io_write: bandwidths(&limits.io_write),
        best_effort: limits.best_effort,
    }
}

fn bandwidths(rates: &BTreeMap<PathBuf, u64>) -> Vec<types::Bandwidth> {
    let one =
        |(path, rate): (&PathBuf, &u64)| types::Bandwidth { path: path.display().to_string(), bytes_per_second: *rate };
    rates.iter().map(one).collect()
}

fn isolation(isolation: &spec::Isolation) -> types::Isolation {
    let paths = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect();
    let groups = |groups: &std::collections::BTreeSet<SyscallGroup>| {
        groups.iter().map(|group| group.name().to_owned()).collect::<Vec<_>>()
    };
    let (capabilities, list) = match &isolation.capabilities {
        Capabilities::All => ("all", None),
        Capabilities::Within(list) => ("within", Some(list)),
        Capabilities::Given(list) => ("given", Some(list)),
    };
    let families = isolation.restrict_address_families.as_ref();
    types::Isolation {
        network: match isolation.network {
            Network::Host => "host",
            Network::Loopback => "loopback",
            Network::None => "none",
        }
        .to_owned(),
        private_tmp: isolation.private_tmp,
        filesystem: match isolation.filesystem {
            Filesystem::Writable => "writable",
            Filesystem::SystemReadOnly => "system-read-only",
            Filesystem::ReadOnly => "read-only",
        }
        .to_owned(),
        writable: paths(&isolation.writable),
        read_only: paths(&isolation.read_only),
        hidden: paths(&isolation.hidden),
        bind: isolation.bind.iter().map(Bind::text).collect(),
        private_devices: isolation.private_devices,
        private_users: isolation.private_users,
        processes_visible: isolation.processes_visible,
        hostname: isolation.hostname.clone(),
        capabilities: capabilities.to_owned(),
        capability_list: list.into_iter().flatten().map(|&one| Capability::name(one).to_owned()).collect(),
        no_new_privileges: isolation.no_new_privileges,
        syscalls_allowed: groups(&isolation.syscalls.allowed),
        syscalls_denied: groups(&isolation.syscalls.denied),
        lock_personality: isolation.lock_personality,
        restrict_namespaces: isolation.restrict_namespaces,
        restrict_address_families: families
            .map(|families| families.iter().map(|&family| AddressFamily::name(family).to_owned()).collect()),
        control_socket: isolation.control_socket,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Credential, Isolation, Profile};

    #[test]
    fn secrets_stay_behind() {
        let mut spec = ProcessSpec::default();
        spec.inputs.stdin = Stdin::Text("hunter2".to_owned());
        spec.inputs.credentials = BTreeMap::from([
            ("file".to_owned(), Credential::File("/secret/hunter2".into())),
            ("program".to_owned(), Credential::Command(vec!["fetch".to_owned(), "hunter2".to_owned()])),
        ]);
        let wire = process(&spec);
        assert_eq!((wire.stdin_bytes, wire.credentials.len()), (Some(7), 2));
        assert!(!serde_json::to_string(&wire).unwrap().contains("hunter2"));
    }

    #[test]
    fn a_profile_is_filled_in() {
        let spec = ProcessSpec { isolation: Isolation::of_profile(Profile::Strict), ..ProcessSpec::default() };
        let wire = process(&spec).isolation;
        assert_eq!((wire.network.as_str(), wire.filesystem.as_str()), ("host", "read-only"));
        assert_eq!((wire.private_tmp, wire.processes_visible), (true, false));
        assert_eq!(wire.capabilities, "within");
        assert!(wire.capability_list.contains(&"setuid".to_owned()));
        assert_eq!(wire.syscalls_allowed, ["@system-service"]);
        assert!(wire.restrict_address_families.unwrap().contains(&"inet6".to_owned()));
    }
}
