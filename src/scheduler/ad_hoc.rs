//! Ad-hoc jobs: defined by a request and by no file, for one run.
//!
//! Such a job lives beside those of the jobs directory: a load neither adds nor removes it. Its definition is stored as any
//! other's, by revision, so that it survives whatever happens to the daemon. When its run is over it is done: it becomes a
//! tombstone that keeps its definition, and is forgotten with the last record of its history.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Job, LoadSummary, Named, Refusal, Scheduler};
use crate::clock::{Now, Timestamp};
use crate::run::{SkipReason, Trigger};
use crate::spec::{JobName, LoadedSpec};

/// Ad-hoc jobs that may wait or run at once: far more than people ask for, and few enough for a loop that went wild to be
/// noticed. What comes later is refused.
pub const AD_HOC_LIMIT: usize = 1000;

/// Those of one user, but for root: nobody can take the places of all others. What comes later is refused.
pub const AD_HOC_SHARE: usize = 250;

/// Ad-hoc jobs of one user that are over and still have a history: a thousand are a long list, and a loop that runs a command
/// each second would fill the memory within the week for which each is kept. Beyond it the oldest are forgotten.
pub const AD_HOC_KEPT: usize = 1000;

/// Who may take every place.
const ROOT: u32 = 0;

/// What sets an ad-hoc job apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdHoc {
    /// Who asked for it.
    pub uid: u32,
}

/// The ad-hoc jobs that are over and that each user has beyond the newest `kept`.
pub fn surplus<'j>(jobs: impl IntoIterator<Item = (&'j JobName, &'j Job)>, kept: usize) -> BTreeSet<JobName> {
    let mut over: BTreeMap<u32, Vec<(Timestamp, &JobName)>> = BTreeMap::new();
    for (name, job) in jobs {
        if let (Some(ad_hoc), Some(at)) = (job.state.ad_hoc, job.state.removed_at) {
            over.entry(ad_hoc.uid).or_default().push((at, name));
        }
    }
    let mut surplus = BTreeSet::new();
    for mut of_user in over.into_values() {
        of_user.sort_unstable();
        let beyond = of_user.len().saturating_sub(kept);
        surplus.extend(of_user.into_iter().take(beyond).map(|(_, name)| name.clone()));
    }
    surplus
}

impl Job {
    /// Whether no file defines it.
    pub const fn is_ad_hoc(&self) -> bool {
        self.state.ad_hoc.is_some()
    }

    /// Whether it is an ad-hoc job that has had its run.
    fn is_done(&self) -> bool {
        self.is_ad_hoc() && !self.is_removed() && self.live.is_empty() && self.next.is_none()
    }
}

impl Scheduler {
    /// Brings an ad-hoc job into being. One without a schedule starts at once.
    ///
    /// A history is never taken over from somebody else: it may be seen by those alone who may see the job.
    pub(super) fn define(&mut self, loaded: &LoadedSpec, uid: u32, named: Named, now: Now) -> Result<Answer, Refusal> {
        if self.snapshot.draining {
            return Err(Refusal::Draining);
        }
        if self.holding {
            return Err(Refusal::StoreFailed);
        }
        let name = &loaded.spec.name;
        let may_go_on = |job: &Job| match named {
            Named::ByCaller => job.is_removed() && job.state.ad_hoc == Some(AdHoc { uid }),
            Named::ByDaemon => false,
        };
        if self.snapshot.jobs.get(name).is_some_and(|job| !may_go_on(job)) {
            return Err(Refusal::NameTaken(name.clone()));
        }
        let present = || self.snapshot.jobs.values().filter(|job| !job.is_removed()).filter_map(|job| job.state.ad_hoc);
        if present().count() >= AD_HOC_LIMIT {
            return Err(Refusal::TooManyAdHoc);
        }
        if uid != ROOT && present().filter(|ad_hoc| ad_hoc.uid == uid).count() >= AD_HOC_SHARE {
            return Err(Refusal::TooManyOfYours);
        }
        self.adopt(name, loaded, now, &mut LoadSummary::default());
        self.job_mut(name).state.ad_hoc = Some(AdHoc { uid });
        let run = match loaded.spec.schedules.is_empty() {
            false => None,
            true => Some(self.admit(name, Trigger::Manual { uid }, now).expect("nothing of a new job is live")),
        };
        Ok(Answer::Defined { job: name.clone(), run })
    }

    /// Ends the ad-hoc jobs that this step has brought to their end.
    pub(super) fn retire_done(&mut self, now: Now) {
        let jobs = &self.snapshot.jobs;
        let done = |name: &&JobName| jobs.get(*name).is_some_and(|job| job.is_done());
        let done: Vec<JobName> = self.ledger.jobs().filter(done).cloned().collect();
        for name in done {
            let state = &mut self.job_mut(&name).state;
            state.removed_at = Some(now.wall);
            state.paused = None;
            self.update_wake(&name);
        }
    }

    /// Takes back an ad-hoc job whose time has not come; false when there is none.
    pub(super) fn withdraw(&mut self, name: &JobName, now: Now) -> bool {
        let Some(job) = self.snapshot.jobs.get(name).filter(|job| job.is_ad_hoc() && job.live.is_empty()) else {
            return false;
        };
        let Some(next) = job.next.clone() else { return false };
        self.skip(name, SkipReason::Cancelled, next.at, now);
        // No occurrence is left; the step ends the job.
        self.job_mut(name).next = None;
        self.update_wake(name);
        true
    }

    /// Forgets an ad-hoc job of which no record is left.
    pub(super) fn discard(&mut self, name: &JobName) {
        let Some(job) = self.snapshot.jobs.get(name) else { return };
        if !(job.is_ad_hoc() && job.is_removed() && job.live.is_empty()) {
            return;
        }
        if let Some(revision) = job.state.revision.clone() {
            self.ledger.forget_source(name, &revision);
        }
        self.snapshot.jobs.remove(name);
        self.ledger.forget_job(name);
    }
}
