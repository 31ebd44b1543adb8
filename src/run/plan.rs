//! [`LaunchPlan`]: all that the supervisor needs to carry one attempt to its end on its own.

use std::path::PathBuf;
use std::time::Duration;

use super::AttemptId;
use crate::spec::{Environment, Identity, OutputPolicy, ProcessSpec, StopPolicy};

/// One attempt, ready to launch. The engine may die the moment after it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchPlan {
    /// Which attempt this is; launched at most once.
    pub attempt: AttemptId,
    /// Argument vector; the first element is looked up in the job's PATH when it has no slash.
    pub argv: Vec<String>,
    /// The job's variables and the facts of the run (`JOBSD_JOB`, …). The child puts them on top of the clean base
    /// (PATH, HOME, USER, LOGNAME, SHELL, LANG), which depends on the user it looks up.
    pub environment: Environment,
    /// Where to run; the user's home when absent.
    pub working_directory: Option<PathBuf>,
    /// As whom; the supervisor's own user when empty.
    pub identity: Identity,
    /// How its processes are made.
    pub process: ProcessSpec,
    /// Time from the start of the program to the stop ladder.
    pub timeout: Option<Duration>,
    /// The stop ladder.
    pub stop: StopPolicy,
    /// Bound of its output.
    pub output: OutputPolicy,
}
