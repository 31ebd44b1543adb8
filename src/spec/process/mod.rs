//! How a job's processes are made: attributes, inputs, isolation, limits.

mod attributes;
mod file;
mod inputs;
mod isolation;
mod isolation_keys;
mod limits;
mod machine;
mod names;

pub use attributes::{Attributes, CpuScheduling, IoPriority, Rlimit, RlimitValue};
pub(super) use file::ProcessFile;
pub use inputs::{Credential, EnvironmentFile, Inputs, Stdin};
pub use isolation::{Bind, Capabilities, Filesystem, Isolation, Network, Profile, Syscalls};
pub use limits::{Controller, Limits};
pub use machine::{Feature, Machine};
pub use names::{AddressFamily, Capability, SyscallGroup};

/// Everything that a job file says about how its processes are made, beside command, user and environment. The default
/// asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessSpec {
    /// What the kernel keeps of each process.
    pub attributes: Attributes,
    /// Files, secrets, standard input.
    pub inputs: Inputs,
    /// What it may use and touch.
    pub isolation: Isolation,
    /// How much of the machine all its processes together may use.
    pub limits: Limits,
    /// Whether its working directory is made, as its user, when it is missing.
    pub create_working_directory: bool,
    /// What happens to processes that outlive the main one.
    pub on_leftover: OnLeftover,
}

/// What happens to processes of an attempt that outlive its main process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLeftover {
    /// They are killed at once.
    #[default]
    Kill,
    /// The attempt ends with the last of them; its timeout still holds.
    Wait,
    /// The attempt ends without them, and they go on. What they print from then on is not kept.
    Leave,
}

impl OnLeftover {
    /// The name in job files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Wait => "wait",
            Self::Leave => "leave",
        }
    }

    /// The choice of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Kill, Self::Wait, Self::Leave].into_iter().find(|choice| choice.name() == name)
    }
}
