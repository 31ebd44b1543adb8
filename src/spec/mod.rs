//! A job file becomes a [`JobSpec`]: file shape, checks, diagnostics.

mod complete;
mod conditions;
mod diagnostic;
mod file;
mod findings;
#[doc(hidden)]
pub mod fuzzing;
mod job;
mod limits;
mod locate;
mod name;
mod notify;
mod output;
mod process;
mod read;
mod render;
mod schedules;
mod set;
mod suggest;
pub(crate) mod syntax;
#[cfg(test)]
mod tests;
mod tree;
pub(crate) mod values;

pub use diagnostic::{Diagnostic, Faults, Place};
pub(crate) use findings::{Findings, Problem, Said};
pub use job::*;
pub use limits::*;
pub use locate::locate;
pub use name::{JobName, NAME_LIMIT, NameError, RESERVED_NAME, Revision, Source};
pub use notify::{Channel, NoticeEvent, Notify, SaidBy, Target, is_mailbox};
pub use output::{OutputPolicy, OutputRate, OutputTo, OutputUnit, RateError, RatePeriod};
pub use process::{
    AddressFamily, Attributes, Bind, Capabilities, Capability, Controller, CpuScheduling, Credential, EnvironmentFile,
    Feature, Filesystem, Inputs, IoPriority, Isolation, Limits, Machine, Network, OnLeftover, ProcessSpec, Profile,
    Rlimit, RlimitValue, Stdin, SyscallGroup, Syscalls,
};
pub(crate) use read::check_defaults;
pub use read::{Account, Authority, ReadContext, read, read_schedules};
pub use set::{Fault, LoadedSpec, SpecEntry, SpecSet};
pub use suggest::closest;
#[cfg(test)]
pub(crate) use tree::asked_keys;
pub(crate) use tree::{Field, Table};
