//! [`OutputKeeper`]: bounds what the output of finished runs takes on disk, and compresses what is old.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use super::handle::Published;
use super::mailbox::Mailbox;
use crate::clock::Timestamp;
use crate::output::{self, Attic, Stored};
use crate::run::{AttemptId, Run, RunId, RunState};
use crate::scheduler::Change;
use crate::spec::JobName;
use crate::supervisor::{attempt_dir, remove_run};
use crate::units::format_size;

/// `[output]` of `jobsd.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputBounds {
    /// Disk space for the output of all finished runs; a tenth of the file system, at most `TOTAL_MOST`, when absent.
    pub total_bytes: Option<u64>,
    /// Age at which output is compressed; never when absent.
    pub compress_after: Option<Duration>,
}

/// As the journal's own default: a tenth of the file system, and no more than 4 GiB.
const TOTAL_MOST: u64 = 4 << 30;
const TOTAL_SHARE: u64 = 10;

/// Output is mostly read while its run is the newest, and an hour's output is seldom large.
const COMPRESS_AFTER: Duration = Duration::from_secs(3600);

/// Records of removed output that one round hands to the loop; what is more follows in the next.
const REMOVE_LIMIT: usize = 200;

/// Output without a record of its run, as after a restored backup, goes at a bound when it is as old as this.
const ORPHAN_AGE: Duration = Duration::from_secs(86_400);

impl Default for OutputBounds {
    fn default() -> Self {
        Self { total_bytes: None, compress_after: Some(COMPRESS_AFTER) }
    }
}

impl OutputBounds {
    fn total_bytes(self, runs: &Path) -> u64 {
        self.total_bytes.unwrap_or_else(|| match statvfs(runs) {
            Ok(room) => (room.blocks() * room.fragment_size() / TOTAL_SHARE).min(TOTAL_MOST),
            // Before the first run there is no directory.
            Err(_) => TOTAL_MOST,
        })
    }
}

/// The janitor's hand for output.
pub(super) struct OutputKeeper {
    mailbox: Mailbox,
    published: Arc<Published>,
    runs: PathBuf,
    attic: Attic,
    /// What the output of each job took when it was last looked at.
    usage: BTreeMap<JobName, u64>,
    /// Jobs to look at again in the next round.
    unfinished: BTreeSet<JobName>,
}

impl OutputKeeper {
    pub(super) fn new(mailbox: Mailbox, published: Arc<Published>, runs: PathBuf) -> Self {
        Self {
            mailbox,
            published,
            attic: Attic::new(runs.clone()),
            runs,
            usage: BTreeMap::new(),
            unfinished: BTreeSet::new(),
        }
    }

    /// Looks after the output of one job, which may take `limit_bytes`.
    pub(super) fn tend(&mut self, job: &JobName, limit_bytes: u64, now: Timestamp) {
        let Some(stored) = self.list(job) else { return };
        if let Some(age) = self.published.output_bounds.load().compress_after {
            let old = |stored: &&Stored| (now - stored.newest).to_std().is_ok_and(|passed| passed >= age);
            stored.iter().filter(old).flat_map(|stored| &stored.plain).for_each(|attempt| self.compress(attempt));
        }
        let gone = output::beyond(&stored, limit_bytes);
        self.usage.insert(job.clone(), stored.iter().map(|stored| stored.bytes).sum());
        self.remove(gone, now);
    }

    /// Jobs with output that is to be deleted in this round.
    pub(super) fn unfinished(&mut self) -> BTreeSet<JobName> {
        std::mem::take(&mut self.unfinished)
    }

    /// Keeps the bound of all jobs.
    pub(super) fn keep_total(&mut self, now: Timestamp) {
        let limit_bytes = self.published.output_bounds.load().total_bytes(&self.runs);
        if self.usage.values().sum::<u64>() <= limit_bytes {
            return;
        }
        let jobs: Vec<JobName> = self.usage.keys().cloned().collect();
        let stored: Vec<Stored> = jobs.iter().filter_map(|job| self.list(job)).flatten().collect();
        self.remove(output::beyond(&stored, limit_bytes), now);
    }

    fn list(&mut self, job: &JobName) -> Option<Vec<Stored>> {
        let stored = self.attic.of_job(job);
        let stored = stored.inspect_err(|fault| tracing::warn!(%job, %fault, "cannot look at a job's output")).ok()?;
        self.usage.insert(job.clone(), stored.iter().map(|stored| stored.bytes).sum());
        Some(stored)
    }

    fn compress(&self, attempt: &AttemptId) {
        // Files of a run that is not over are the supervisor's.
        if !matches!(self.find(&attempt.run), Some(Some(run)) if is_over(&run)) {
            return;
        }
        match output::compress(&attempt_dir(&self.runs, attempt)) {
            Ok(freed) => tracing::debug!(%attempt, freed, "old output compressed"),
            Err(fault) => tracing::warn!(%attempt, %fault, "cannot compress old output"),
        }
    }

    /// Removes the output of these runs. The record is durable before the files go: in one round it is written, in the next
    /// one, which still finds the files, they are deleted.
    fn remove(&mut self, runs: Vec<RunId>, now: Timestamp) {
        let mut changes = Vec::new();
        for id in runs.into_iter().take(REMOVE_LIMIT) {
            match self.find(&id) {
                Some(Some(run)) if run.output_removed_at.is_some() => self.delete(&id),
                Some(Some(run)) if is_over(&run) => {
                    self.unfinished.insert(id.job);
                    changes.push(Change::Run(Box::new(Run { output_removed_at: Some(now), ..run })));
                }
                Some(None) if self.is_orphan(&id, now) => self.delete(&id),
                // Its own bound holds for a run that is not over; what cannot be told stays.
                Some(Some(_) | None) | None => {}
            }
        }
        if !changes.is_empty() {
            tracing::info!(runs = changes.len(), "the oldest output is removed, to stay within its bound");
            self.mailbox.forget(changes);
        }
    }

    /// The record of a run; `None` when it cannot be told.
    fn find(&self, id: &RunId) -> Option<Option<Run>> {
        let found = self.published.store.run(id);
        found.inspect_err(|fault| tracing::error!(run = %id, %fault, "cannot read the record of a run")).ok()
    }

    fn is_orphan(&self, id: &RunId, now: Timestamp) -> bool {
        let live = self.published.snapshot.load().live.contains_key(id);
        let stored = self.attic.of_job(&id.job).unwrap_or_default();
        let newest = stored.iter().find(|stored| stored.run == *id).map(|stored| stored.newest);
        !live && newest.is_some_and(|newest| (now - newest).to_std().is_ok_and(|age| age >= ORPHAN_AGE))
    }

    fn delete(&mut self, id: &RunId) {
        let bytes = self.usage.get(&id.job).copied().unwrap_or_default();
        match remove_run(&self.runs, id) {
            Ok(()) => tracing::debug!(run = %id, job_bytes = format_size(bytes), "output removed"),
            Err(fault) => tracing::warn!(run = %id, %fault, "cannot remove old output"),
        }
    }
}

const fn is_over(run: &Run) -> bool {
    matches!(run.state, RunState::Finished { .. })
}
