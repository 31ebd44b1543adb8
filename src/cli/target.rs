//! [`Target`]: what a command line points at.

use std::fmt;
use std::str::FromStr;

use crate::api::client::encode;

/// A job, or one of its runs. A job's name is not checked here: the daemon knows which ones there are, and suggests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `backup`
    Job(String),
    /// `backup/42`
    Run {
        /// The job.
        job: String,
        /// The run's number.
        number: u64,
    },
}

impl Target {
    /// The job.
    pub fn job(&self) -> &str {
        match self {
            Self::Job(job) | Self::Run { job, .. } => job,
        }
    }
}

/// The path of a job in the API.
pub fn job_path(job: &str) -> String {
    format!("/v1/jobs/{}", encode(job))
}

/// The path of a run in the API.
pub fn run_path(job: &str, number: u64) -> String {
    format!("{}/runs/{number}", job_path(job))
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            None if text.is_empty() => Err("the name of a job is missing".to_owned()),
            None => Ok(Self::Job(text.to_owned())),
            Some((job, number)) => match number.parse() {
                Ok(number) if number > 0 && !job.is_empty() => Ok(Self::Run { job: job.to_owned(), number }),
                Ok(_) | Err(_) => Err("a run is written JOB/NUMBER, as in backup/42".to_owned()),
            },
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(job) => f.write_str(job),
            Self::Run { job, number } => write!(f, "{job}/{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_and_runs_are_told_apart() {
        assert_eq!("backup".parse(), Ok(Target::Job("backup".to_owned())));
        assert_eq!("backup/42".parse(), Ok(Target::Run { job: "backup".to_owned(), number: 42 }));
        for text in ["", "/", "/3", "backup/", "backup/0", "backup/x", "backup/1/2"] {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }
}
