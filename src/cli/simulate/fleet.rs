//! [`Fleet`]: the jobs of a directory, as they would be after a deploy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api::types::HistoryPage;
use crate::causes::causes;
use crate::cli::moment::seconds;
use crate::cli::target::job_path;
use crate::cli::{Exit, Failure, Session};
use crate::daemon::Config;
use crate::daemon::config::Flags;
use crate::daemon::jobs_dir::{JobsDir, Reading, Trust};
use crate::schedule::{Calendars, Entry};
use crate::spec::{Fault, JobName, JobSpec, Source, SpecEntry, closest, read_schedules};
use crate::surroundings::Surroundings;

/// Newest runs of a job from which its typical duration follows.
const RUNS: usize = 20;

/// Jobs and what is wrong with the others.
pub struct Fleet {
    /// Enabled jobs.
    pub jobs: BTreeMap<JobName, Arc<JobSpec>>,
    /// The texts of all good jobs, enabled or not.
    sources: BTreeMap<JobName, Source>,
    /// With what they were read.
    circumstances: (Reading, Arc<Calendars>),
    /// Faulty files.
    pub faults: Vec<Fault>,
}

impl Fleet {
    /// Reads a jobs directory as a daemon of this user would, whoever owns it: nothing of it is started.
    ///
    /// # Errors
    /// When the configuration is faulty, or the directory cannot be read.
    pub fn read(flags: &Flags) -> Result<Self, Failure> {
        let unreadable = |fault: &dyn std::error::Error, hint: Option<String>| {
            let failure = Failure::new(Exit::Failure, fault.to_string()).causes(causes(fault));
            hint.into_iter().fold(failure, Failure::hint)
        };
        let config =
            Config::load(flags, &Surroundings::of_process()).map_err(|fault| unreadable(&fault, fault.hint()))?;
        let mut directory = JobsDir::new(config.paths.jobs_dir, Trust::anybody(), config.reading);
        let set = directory.load().map_err(|fault| unreadable(&fault, fault.hint()))?;
        let (mut jobs, mut sources, mut faults) = (BTreeMap::new(), BTreeMap::new(), set.strays);
        for (name, entry) in set.jobs {
            match entry {
                SpecEntry::Good(loaded) => {
                    sources.insert(name.clone(), loaded.source.clone());
                    if loaded.spec.enabled {
                        jobs.insert(name, Arc::clone(&loaded.spec));
                    }
                }
                SpecEntry::Faulty(fault) => faults.push(Fault::clone(&fault)),
            }
        }
        Ok(Self { jobs, sources, circumstances: directory.circumstances(), faults })
    }

    /// The schedules of a job, entry by entry.
    ///
    /// # Errors
    /// When there is no such job, or its file is faulty.
    pub fn schedules(&self, name: &JobName) -> Result<Vec<Entry>, Failure> {
        let Some(source) = self.sources.get(name) else {
            let file = format!("{name}.toml");
            if let Some(fault) = self.faults.iter().find(|fault| fault.path.ends_with(&file)) {
                return Err(Failure::new(Exit::Failure, format!("{name} is faulty")).causes([fault.summary.clone()]));
            }
            let likely = closest(name.as_str(), self.sources.keys().map(JobName::as_str));
            let failure = Failure::new(Exit::NotFound, format!("there is no job named {:?}", name.as_str()));
            return Err(likely.into_iter().fold(failure, |it, likely| it.hint(format!("did you mean {likely}?"))));
        };
        let (reading, calendars) = &self.circumstances;
        let context = reading.context(format!("{name}.toml").into(), calendars);
        read_schedules(name, source, &context)
            .map_err(|faults| Failure::new(Exit::Failure, format!("{name} is faulty")).causes([faults.summary()]))
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
