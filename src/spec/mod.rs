//! A job file becomes a [`JobSpec`]: file shape, checks, diagnostics.

mod job;
mod name;
mod set;

pub use job::*;
pub use name::{JobName, NAME_LIMIT, NameError, Revision, Source};
pub use set::{Fault, LoadedSpec, SpecEntry, SpecSet};
