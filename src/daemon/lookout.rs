//! [`Lookout`]: looks whether the machine has what the jobs in force name, so that a misspelt user is told of when its file
//! is loaded, and not when its run fails.
//!
//! In a thread of its own, since the user database and the file systems may be on the network and take as long as they
//! like: no load, no run and no client ever waits for it. What it found is in the daemon's log, once, and in the health report
//! until it is no longer so. Whether a job runs does not depend on it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::handle::Published;
use super::jobs_dir::Outlook;
use crate::spec::{Fault, JobName, LoadedSpec};

/// Time after which it is looked again although no job changed: somebody may have made the directory meanwhile.
const AGAIN: Duration = Duration::from_secs(600);

/// What is missing, by the job that names it.
pub type Warnings = BTreeMap<JobName, Arc<Fault>>;

/// Where the jobs of each load go.
pub(super) type Lookout = Sender<Vec<Arc<LoadedSpec>>>;

/// Begins to look. It ends with the last [`Lookout`]; nobody waits for that, since a look may hang.
///
/// # Errors
/// When there can be no thread.
pub(super) fn start(published: Arc<Published>) -> io::Result<Lookout> {
    let (lookout, loads) = channel();
    std::thread::Builder::new().name("lookout".into()).spawn(move || watch(&loads, &published))?;
    Ok(lookout)
}

fn watch(loads: &Receiver<Vec<Arc<LoadedSpec>>>, published: &Published) {
    let mut jobs = Vec::new();
    loop {
        match loads.recv_timeout(AGAIN) {
            // Of several loads the newest counts.
            Ok(load) => jobs = loads.try_iter().last().unwrap_or(load),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let found = look(&jobs);
        let before = published.warnings.load();
        for (job, warning) in found.iter().filter(|(job, warning)| before.get(job) != Some(warning)) {
            let file = warning.path.display();
            tracing::warn!(%job, %file, "the job names what this machine does not have: {}", warning.summary);
        }
        published.warnings.store(Arc::new(found));
    }
}

/// One that is disabled is not finished, often, and starts nothing by itself.
fn look(jobs: &[Arc<LoadedSpec>]) -> Warnings {
    let mut outlook = Outlook::default();
    let enabled = jobs.iter().filter(|loaded| loaded.spec.enabled);
    let told = enabled.filter_map(|loaded| {
        let warnings = outlook.warnings(loaded)?;
        Some((loaded.spec.name.clone(), Arc::new(warnings.to_fault())))
    });
    told.collect()
}
