//! Names of runs and attempts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::spec::JobName;

/// A run's name: the job and a number that counts its runs from 1 and never restarts. Written `backup/42`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId {
    /// The job.
    pub job: JobName,
    /// The run's number.
    pub number: u64,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.job, self.number)
    }
}

/// A text that names no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a run: expected JOB/NUMBER, as in backup/42")]
pub struct RunIdError(String);

impl FromStr for RunId {
    type Err = RunIdError;
    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let fault = || RunIdError(text.to_owned());
        let (job, number) = text.rsplit_once('/').ok_or_else(fault)?;
        let job = JobName::new(job).map_err(|_| fault())?;
        let number = number.parse().ok().filter(|&number| number > 0).ok_or_else(fault)?;
        Ok(Self { job, number })
    }
}

/// One launch inside a run, counted from 1. Written `backup/42/1`; also its directory below `runs/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The run.
    pub run: RunId,
    /// The attempt's number.
    pub attempt: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.attempt)
    }
}
