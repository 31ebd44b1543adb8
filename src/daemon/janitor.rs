//! Housekeeping: lets finished runs, skips and their output go by the bounds of each job, compresses what is left, and has the store take its
//! daily backup and compact itself when it is mostly holes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use super::handle::{Published, SupervisorState};
use super::mailbox::{Mailbox, Message};
use super::output_keeper::OutputKeeper;
use super::{Input, notices, system_clock};
use crate::run::{RunState, SkipReason};
use crate::scheduler::{AD_HOC_KEPT, Announcement, Change, Event, surplus};
use crate::spec::{JobName, Retention};
use crate::store::{CommitError, Compacted, Expired, HistoryCount, Upkeep, UpkeepError, UpkeepOutcome};
use crate::supervisor::remove_run;

/// Time between two rounds. In between a job may exceed its bound by what it runs meanwhile.
const ROUND: Duration = Duration::from_secs(10);

/// Time after which a supervisor that was connected again has told all that it has, and has heard that it is known.
const SUPERVISOR_SETTLES: Duration = Duration::from_secs(5);

/// Every so many rounds all jobs are looked at, for the bound by age, and the store is asked for what is due: each hour.
const FULL_ROUND: u64 = 360;

/// Records that one round lets go of one job; what is more follows in the next.
const FORGET_LIMIT: usize = 1000;

/// Runs beside the loop until the daemon goes down.
pub(super) struct Janitor {
    pub(super) mailbox: Mailbox,
    pub(super) published: Arc<Published>,
    pub(super) state_dir: PathBuf,
}

impl Janitor {
    /// Begins to keep house. The thread ends when the channel of announcements closes.
    pub(super) fn start(self, stop: std::sync::mpsc::Receiver<()>) -> std::io::Result<JoinHandle<()>> {
        let announcements = self.published.announcements.subscribe();
        std::thread::Builder::new().name("janitor".into()).spawn(move || self.run(announcements, &stop))
    }

    fn run(self, mut announcements: broadcast::Receiver<Announcement>, stop: &std::sync::mpsc::Receiver<()>) {
        let runs = self.state_dir.join("runs");
        let mut output = OutputKeeper::new(self.mailbox.clone(), Arc::clone(&self.published), runs);
        let mut rounds: u64 = 0;
        while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = stop.recv_timeout(ROUND) {
            let touched = if rounds.is_multiple_of(FULL_ROUND) { None } else { touched(&mut announcements) };
            if rounds.is_multiple_of(FULL_ROUND) {
                self.look_after_store();
            }
            rounds += 1;
            let snapshot = self.published.snapshot.load_full();
            notices::tidy(&self.state_dir, |number| snapshot.outbox.waiting.contains_key(&number));
            let mut jobs = touched.unwrap_or_else(|| snapshot.jobs.keys().cloned().collect());
            jobs.extend(output.unfinished());
            let surplus = surplus(snapshot.jobs.iter().map(|(name, job)| (name, job.as_ref())), AD_HOC_KEPT);
            jobs.extend(surplus.iter().cloned());
            for name in jobs {
                let Some(job) = snapshot.jobs.get(&name) else { continue };
                // A tombstone keeps the bounds of a job that says nothing about them.
                let mut retention = job.spec.as_ref().map_or_else(Retention::default, |spec| spec.retention);
                if surplus.contains(&name) {
                    retention.age = Duration::ZERO;
                }
                let is_done = job.is_ad_hoc() && job.is_removed();
                let records = if is_done { self.records(&name) } else { None };
                let forgotten = self.tidy(&name, retention);
                if records.is_some_and(|records| records == forgotten) && self.supervisor_has_settled() {
                    // The loop takes it in behind what is forgotten here, which needs not be durable yet.
                    self.mailbox.send(Message::Input(Input::Event(Event::Discard(name.clone()), None)));
                }
                output.tend(&name, retention.output_bytes, system_clock::now().wall);
            }
            output.keep_total(system_clock::now().wall);
        }
    }

    /// Whether the supervisor keeps nothing that it told in vain. With the job its numbers are forgotten: an end that came
    /// late would be taken for that of a later run of the same name.
    fn supervisor_has_settled(&self) -> bool {
        match **self.published.supervisor.load() {
            SupervisorState::Connected { since, .. } => {
                system_clock::now().monotonic.saturating_since(since) >= SUPERVISOR_SETTLES
            }
            SupervisorState::Missing { .. } => false,
        }
    }

    fn look_after_store(&self) {
        let now = system_clock::now().wall;
        self.published.caretaker.ask(Upkeep::Routine { now }, Box::new(tell));
    }

    /// How much history an ad-hoc job that is done has left: it is forgotten with the last record.
    fn records(&self, name: &JobName) -> Option<u64> {
        match self.published.store.count(name) {
            Ok(HistoryCount { runs, skips }) => Some(runs + skips),
            Err(fault) => {
                tracing::error!(job = %name, %fault, "cannot count the records of an ad-hoc job");
                None
            }
        }
    }

    /// Has the records of a job forgotten that its retention no longer keeps, and tells how many.
    fn tidy(&self, name: &JobName, retention: Retention) -> u64 {
        let cutoff = system_clock::now().wall - retention.age;
        let expired = match self.published.store.expired(name, retention.runs, cutoff, FORGET_LIMIT) {
            Ok(expired) => expired,
            Err(fault) => {
                tracing::error!(job = %name, %fault, "cannot look for expired runs");
                return 0;
            }
        };
        let runs: Vec<_> = expired
            .iter()
            .filter_map(|expired| match expired {
                Expired::Run(run) => Some(run.clone()),
                Expired::Skip(..) => None,
            })
            .collect();
        let changes: Vec<Change> = expired.into_iter().map(Change::from).collect();
        let count = changes.len() as u64;
        if count > 0 && !self.mailbox.forget(changes) {
            return 0;
        }
        for run in runs {
            if let Err(fault) = remove_run(&self.state_dir.join("runs"), &run) {
                tracing::warn!(job = %run.job, %run, %fault, "cannot remove the output of an expired run");
            }
        }
        count
    }
}

fn tell(result: Result<UpkeepOutcome, UpkeepError>) {
    match result {
        Ok(UpkeepOutcome { written, compacted }) => {
            if let Some((path, summary)) = written {
                tracing::info!(path = %path.display(), records = summary.records, "backup taken");
            }
            if let Some(Compacted { before_bytes, after_bytes }) = compacted {
                tracing::info!(before_bytes, after_bytes, "database compacted");
            }
        }
        // The daemon goes down.
        Err(UpkeepError::Refused(CommitError::Closed)) => {}
        Err(fault) => {
            let fault = anyhow::Error::new(fault);
            tracing::warn!("the store's upkeep failed and is tried again in an hour: {fault:#}");
        }
    }
}

/// Jobs of which a run ended, or occurrences were skipped, since the last round; `None` when some went by unseen.
fn touched(announcements: &mut broadcast::Receiver<Announcement>) -> Option<BTreeSet<JobName>> {
    let mut jobs = BTreeSet::new();
    loop {
        match announcements.try_recv() {
            Ok(Announcement::Run(run)) if matches!(run.state, RunState::Finished { .. }) => {
                jobs.insert(run.id.job.clone());
            }
            Ok(Announcement::Skip(skip)) if skip.reason != SkipReason::ClockRebased => {
                jobs.insert(skip.job);
            }
            Ok(Announcement::Run(_) | Announcement::Skip(_) | Announcement::Job(_) | Announcement::Delivery(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return Some(jobs),
            Err(TryRecvError::Lagged(_)) => return None,
        }
    }
}
