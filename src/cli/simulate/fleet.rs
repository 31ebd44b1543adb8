//! [`Fleet`]: the jobs of a directory, as they would be after a deploy.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::api::types::HistoryPage;
use crate::causes::causes;
use crate::cli::moment::seconds;
use crate::cli::target::job_path;
use crate::cli::{Exit, Failure, Session};
use crate::daemon::Config;
use crate::daemon::config::Flags;
use crate::daemon::jobs_dir::{JobsDir, Trust};
use crate::spec::{Fault, JobName, JobSpec, SpecEntry};
use crate::surroundings::Surroundings;

/// Newest runs of a job from which its typical duration follows.
const RUNS: usize = 20;

/// Jobs and what is wrong with the others.
pub struct Fleet {
    /// Enabled jobs.
    pub jobs: BTreeMap<JobName, Arc<JobSpec>>,
    /// Faulty files.
    pub faults: Vec<Fault>,
}

impl Fleet {
    /// Reads a jobs directory as a daemon of this user would, whoever owns it: nothing of it is started.
    ///
    /// # Errors
    /// When the configuration is faulty, or the directory cannot be read.
    pub fn read(jobs_dir: Option<PathBuf>, calendars_dir: Option<PathBuf>) -> Result<Self, Failure> {
        let flags = Flags { jobs_dir, calendars_dir, ..Flags::default() };
        let unreadable = |fault: &dyn std::error::Error, hint: Option<String>| {
            let failure = Failure::new(Exit::Failure, fault.to_string()).causes(causes(fault));
            hint.into_iter().fold(failure, Failure::hint)
        };
        let config =
            Config::load(&flags, &Surroundings::of_process()).map_err(|fault| unreadable(&fault, fault.hint()))?;
        let mut directory = JobsDir::new(config.paths.jobs_dir, Trust::anybody(), config.reading);
        let set = directory.load().map_err(|fault| unreadable(&fault, fault.hint()))?;
        let (mut jobs, mut faults) = (BTreeMap::new(), set.strays);
        for (name, entry) in set.jobs {
            match entry {
                SpecEntry::Good(loaded) if loaded.spec.enabled => drop(jobs.insert(name, Arc::clone(&loaded.spec))),
                SpecEntry::Good(_) => {}
                SpecEntry::Faulty(fault) => faults.push(Fault::clone(&fault)),
            }
        }
        Ok(Self { jobs, faults })
    }

    /// How long each job typically runs: the median of its newest runs, where a daemon knows any. `None` when no daemon
    /// answers.
    pub async fn durations(&self, session: &mut Session) -> Option<BTreeMap<JobName, Duration>> {
        let client = session.client().await.ok()?;
        let mut durations = BTreeMap::new();
        for name in self.jobs.keys() {
            // A job that the daemon does not know yet has no history.
            let path = format!("{}/runs?limit={RUNS}", job_path(name.as_str()));
            let Ok(page) = client.get::<HistoryPage>(&path).await else { continue };
            let mut lengths: Vec<f64> = page.entries.iter().filter_map(|entry| entry.duration_seconds).collect();
            lengths.sort_by(f64::total_cmp);
            if let Some(&median) = lengths.get(lengths.len() / 2) {
                durations.insert(name.clone(), seconds(median));
            }
        }
        Some(durations)
    }
}
