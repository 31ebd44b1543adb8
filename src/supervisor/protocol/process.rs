//! [`Process`]: how a job's processes are made, as it travels. Part of version 2, frozen like the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ConversionError;
use crate::spec::{
    AddressFamily, Attributes, Bind, Capabilities, Capability, CpuScheduling, Credential, EnvironmentFile, Filesystem,
    Inputs, IoPriority, Isolation, Limits, Network, OnLeftover, ProcessSpec, Rlimit, RlimitValue, Stdin, SyscallGroup,
    Syscalls,
};

/// Attributes, inputs, isolation and limits. Words are those of job files.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    umask: Option<u32>,
    nice: Option<i32>,
    io: Option<String>,
    cpu_affinity: Option<BTreeSet<u32>>,
    cpu_scheduling: Option<String>,
    oom_score_adjust: Option<i32>,
    rlimits: BTreeMap<String, (u64, u64)>,
    create_working_directory: bool,
    on_leftover: String,
    stdin: StandardInput,
    environment_files: Vec<String>,
    pass_environment: BTreeSet<String>,
    credentials: BTreeMap<String, Secret>,
    isolation: Restrictions,
    limits: Bounds,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StandardInput {
    Nothing,
    Text(String),
    File(String),
}

/// The text may be a secret.
impl fmt::Debug for StandardInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Text(_) => "text",
            Self::File(_) => "file",
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Secret {
    File(String),
    Command(Vec<String>),
    Systemd(String),
}

/// Arguments of a command may be secrets.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "file",
            Self::Command(_) => "command",
            Self::Systemd(_) => "systemd",
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Restrictions {
    network: NetworkWord,
    private_tmp: bool,
    filesystem: FilesystemWord,
    writable: Vec<String>,
    read_only: Vec<String>,
    hidden: Vec<String>,
    bind: Vec<String>,
    private_devices: bool,
    private_users: bool,
    processes_visible: bool,
    hostname: Option<String>,
    capabilities: Rights,
    no_new_privileges: bool,
    syscalls_allowed: BTreeSet<String>,
    syscalls_denied: BTreeSet<String>,
    lock_personality: bool,
    restrict_namespaces: bool,
    restrict_address_families: Option<BTreeSet<String>>,
    /// Absent where nothing is taken away: a supervisor that does not know the key still takes the plan.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    no_control_socket: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NetworkWord {
    Host,
    Loopback,
    None,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FilesystemWord {
    Writable,
    SystemReadOnly,
    ReadOnly,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rights {
    All,
    Within(BTreeSet<String>),
    Given(BTreeSet<String>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    memory_bytes: Option<u64>,
    memory_swap_bytes: Option<u64>,
    cpu_millis: Option<u32>,
    processes: Option<u32>,
    io_weight: Option<u32>,
    io_read: BTreeMap<String, u64>,
    io_write: BTreeMap<String, u64>,
    best_effort: bool,
}

fn texts(paths: &[std::path::PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

fn names<T: Copy>(set: &BTreeSet<T>, name: impl Fn(T) -> &'static str) -> BTreeSet<String> {
    set.iter().map(|word| name(*word).to_owned()).collect()
}

fn known<T: Ord>(words: BTreeSet<String>, from: impl Fn(&str) -> Option<T>) -> Result<BTreeSet<T>, ConversionError> {
    words.into_iter().map(|word| known_word(word, &from)).collect()
}

fn known_word<T>(word: String, from: impl Fn(&str) -> Option<T>) -> Result<T, ConversionError> {
    from(&word).ok_or(ConversionError::Word(word))
}

impl From<&ProcessSpec> for Process {
    fn from(spec: &ProcessSpec) -> Self {
        let Attributes { umask, nice, io, cpu_affinity, cpu_scheduling, oom_score_adjust, rlimits } = &spec.attributes;
        let Inputs { stdin, environment_files, pass_environment, credentials } = &spec.inputs;
        Self {
            umask: *umask,
            nice: *nice,
            io: io.map(IoPriority::text),
            cpu_affinity: cpu_affinity.clone(),
            cpu_scheduling: cpu_scheduling.map(CpuScheduling::text),
            oom_score_adjust: *oom_score_adjust,
            rlimits: rlimits.iter().map(|(limit, value)| (limit.name().to_owned(), (value.soft, value.hard))).collect(),
            create_working_directory: spec.create_working_directory,
            on_leftover: spec.on_leftover.name().to_owned(),
            stdin: match stdin {
                Stdin::Nothing => StandardInput::Nothing,
                Stdin::Text(text) => StandardInput::Text(text.clone()),
                Stdin::File(path) => StandardInput::File(path.to_string_lossy().into_owned()),
            },
            environment_files: environment_files.iter().map(EnvironmentFile::text).collect(),
            pass_environment: pass_environment.clone(),
            credentials: credentials.iter().map(|(name, source)| (name.clone(), source.into())).collect(),
            isolation: (&spec.isolation).into(),
            limits: (&spec.limits).into(),
        }
    }
}

impl TryFrom<Process> for ProcessSpec {
    type Error = ConversionError;
    fn try_from(process: Process) -> Result<Self, ConversionError> {
        let limit = |(name, (soft, hard))| Ok((known_word(name, Rlimit::from_name)?, RlimitValue { soft, hard }));
        let files = process.environment_files.into_iter().map(|text| known_word(text, EnvironmentFile::parse));
        Ok(Self {
            attributes: Attributes {
                umask: process.umask,
                nice: process.nice,
                io: process.io.map(|text| known_word(text, IoPriority::parse)).transpose()?,
                cpu_affinity: process.cpu_affinity,
                cpu_scheduling: process
                    .cpu_scheduling
                    .map(|text| known_word(text, CpuScheduling::parse))
                    .transpose()?,
                oom_score_adjust: process.oom_score_adjust,
                rlimits: process.rlimits.into_iter().map(limit).collect::<Result<_, ConversionError>>()?,
            },
            inputs: Inputs {
                stdin: match process.stdin {
                    StandardInput::Nothing => Stdin::Nothing,
                    StandardInput::Text(text) => Stdin::Text(text),
                    StandardInput::File(path) => Stdin::File(path.into()),
                },
                environment_files: files.collect::<Result<_, _>>()?,
                pass_environment: process.pass_environment,
                credentials: process.credentials.into_iter().map(|(name, secret)| (name, secret.into())).collect(),
            },
            isolation: process.isolation.try_into()?,
            limits: process.limits.into(),
            create_working_directory: process.create_working_directory,
            on_leftover: known_word(process.on_leftover, OnLeftover::from_name)?,
        })
    }
}

impl From<&Credential> for Secret {
    fn from(credential: &Credential) -> Self {
        match credential {
            Credential::File(path) => Self::File(path.to_string_lossy().into_owned()),
            Credential::Command(argv) => Self::Command(argv.clone()),
            Credential::Systemd(name) => Self::Systemd(name.clone()),
        }
    }
}

impl From<Secret> for Credential {
    fn from(secret: Secret) -> Self {
        match secret {
            Secret::File(path) => Self::File(path.into()),
            Secret::Command(argv) => Self::Command(argv),
            Secret::Systemd(name) => Self::Systemd(name),
        }
    }
}

impl From<&Isolation> for Restrictions {
    fn from(isolation: &Isolation) -> Self {
        Self {
            network: match isolation.network {
                Network::Host => NetworkWord::Host,
                Network::Loopback => NetworkWord::Loopback,
                Network::None => NetworkWord::None,
            },
            private_tmp: isolation.private_tmp,
            filesystem: match isolation.filesystem {
                Filesystem::Writable => FilesystemWord::Writable,
                Filesystem::SystemReadOnly => FilesystemWord::SystemReadOnly,
                Filesystem::ReadOnly => FilesystemWord::ReadOnly,
            },
            writable: texts(&isolation.writable),
            read_only: texts(&isolation.read_only),
            hidden: texts(&isolation.hidden),
            bind: isolation.bind.iter().map(Bind::text).collect(),
            private_devices: isolation.private_devices,
            private_users: isolation.private_users,
            processes_visible: isolation.processes_visible,
            hostname: isolation.hostname.clone(),
            capabilities: match &isolation.capabilities {
                Capabilities::All => Rights::All,
                Capabilities::Within(set) => Rights::Within(names(set, Capability::name)),
                Capabilities::Given(set) => Rights::Given(names(set, Capability::name)),
            },
            no_new_privileges: isolation.no_new_privileges,
            syscalls_allowed: names(&isolation.syscalls.allowed, SyscallGroup::name),
            syscalls_denied: names(&isolation.syscalls.denied, SyscallGroup::name),
            lock_personality: isolation.lock_personality,
            restrict_namespaces: isolation.restrict_namespaces,
            restrict_address_families: isolation
                .restrict_address_families
                .as_ref()
                .map(|families| names(families, AddressFamily::name)),
            no_control_socket: !isolation.control_socket,
        }
    }
}

impl TryFrom<Restrictions> for Isolation {
    type Error = ConversionError;
    fn try_from(said: Restrictions) -> Result<Self, ConversionError> {
        let paths = |texts: Vec<String>| texts.into_iter().map(Into::into).collect();
        let families = said.restrict_address_families.map(|words| known(words, AddressFamily::from_name));
        Ok(Self {
            network: match said.network {
                NetworkWord::Host => Network::Host,
                NetworkWord::Loopback => Network::Loopback,
                NetworkWord::None => Network::None,
            },
            private_tmp: said.private_tmp,
            filesystem: match said.filesystem {
                FilesystemWord::Writable => Filesystem::Writable,
                FilesystemWord::SystemReadOnly => Filesystem::SystemReadOnly,
                FilesystemWord::ReadOnly => Filesystem::ReadOnly,
            },
            writable: paths(said.writable),
            read_only: paths(said.read_only),
            hidden: paths(said.hidden),
            bind: said.bind.into_iter().map(|text| known_word(text, Bind::parse)).collect::<Result<_, _>>()?,
            private_devices: said.private_devices,
            private_users: said.private_users,
            processes_visible: said.processes_visible,
            hostname: said.hostname,
            capabilities: match said.capabilities {
                Rights::All => Capabilities::All,
                Rights::Within(words) => Capabilities::Within(known(words, Capability::from_name)?),
                Rights::Given(words) => Capabilities::Given(known(words, Capability::from_name)?),
            },
            no_new_privileges: said.no_new_privileges,
            syscalls: Syscalls {
                allowed: known(said.syscalls_allowed, SyscallGroup::from_name)?,
                denied: known(said.syscalls_denied, SyscallGroup::from_name)?,
            },
            lock_personality: said.lock_personality,
            restrict_namespaces: said.restrict_namespaces,
            restrict_address_families: families.transpose()?,
            control_socket: !said.no_control_socket,
        })
    }
}

impl From<&Limits> for Bounds {
    fn from(limits: &Limits) -> Self {
        let rates = |rates: &BTreeMap<std::path::PathBuf, u64>| {
            rates.iter().map(|(path, rate)| (path.to_string_lossy().into_owned(), *rate)).collect()
        };
        Self {
            memory_bytes: limits.memory_bytes,
            memory_swap_bytes: limits.memory_swap_bytes,
            cpu_millis: limits.cpu_millis,
            processes: limits.processes,
            io_weight: limits.io_weight,
            io_read: rates(&limits.io_read),
            io_write: rates(&limits.io_write),
            best_effort: limits.best_effort,
        }
    }
}

impl From<Bounds> for Limits {
    fn from(bounds: Bounds) -> Self {
        let rates = |rates: BTreeMap<String, u64>| rates.into_iter().map(|(path, rate)| (path.into(), rate)).collect();
        Self {
            memory_bytes: bounds.memory_bytes,
            memory_swap_bytes: bounds.memory_swap_bytes,
            cpu_millis: bounds.cpu_millis,
            processes: bounds.processes,
            io_weight: bounds.io_weight,
            io_read: rates(bounds.io_read),
            io_write: rates(bounds.io_write),
            best_effort: bounds.best_effort,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives() {
        let mut spec = ProcessSpec { create_working_directory: true, ..ProcessSpec::default() };
        spec.attributes.nice = Some(-5);
        spec.attributes.io = Some(IoPriority::Realtime { level: 2 });
        spec.attributes.cpu_scheduling = Some(CpuScheduling::Fifo { priority: 3 });
        let value = RlimitValue { soft: 5, hard: u64::MAX };
        spec.attributes.rlimits = Rlimit::all().map(|limit| (limit, value)).collect();
        spec.inputs.stdin = Stdin::Text("hunter2".into());
        spec.inputs.environment_files = vec![EnvironmentFile { path: "/a b".into(), optional: true }];
        spec.inputs.credentials = [
            ("a".to_owned(), Credential::File("/f".into())),
            ("b".to_owned(), Credential::Command(vec!["hunter2".into()])),
            ("c".to_owned(), Credential::Systemd("x".into())),
        ]
        .into();
        spec.isolation = Isolation::of_profile(crate::spec::Profile::Strict);
        spec.isolation.capabilities = Capabilities::Given(Capability::all().collect());
        spec.isolation.bind = vec![Bind { source: "/s".into(), target: "/t".into(), read_only: true }];
        spec.isolation.network = Network::Loopback;
        spec.isolation.syscalls.denied = SyscallGroup::ALL.into();
        spec.isolation.restrict_address_families = Some(AddressFamily::all().collect());
        spec.limits.cpu_millis = Some(1500);
        spec.limits.io_read = [("/var".into(), 4096)].into();
        for on_leftover in [OnLeftover::Kill, OnLeftover::Wait, OnLeftover::Leave] {
            spec.on_leftover = on_leftover;
            let sent = Process::from(&spec);
            assert!(!format!("{sent:?}").contains("hunter2"));
            let text = serde_json::to_string(&sent).unwrap();
            let back: Process = serde_json::from_str(&text).unwrap();
            assert_eq!(ProcessSpec::try_from(back), Ok(spec.clone()));
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let mut text = serde_json::to_value(Process::from(&ProcessSpec::default())).unwrap();
        text["on_leftover"] = "adopt".into();
        let process: Process = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(ProcessSpec::try_from(process), Err(ConversionError::Word("adopt".into())));
        text["isolation"]["levitate"] = true.into();
        assert!(serde_json::from_value::<Process>(text).is_err(), "a restriction is never dropped in silence");
    }
}
