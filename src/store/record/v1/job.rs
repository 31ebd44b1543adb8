//! A job's state, version 1. Frozen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::attempt::Outcome;
use super::notice::Event;
use super::run::{Skip, name};
use super::{Micros, Span, is_default, timestamp};
use crate::run;
use crate::scheduler::{self, AdHoc, JobState};
use crate::spec::{JobName, Revision};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store::record) struct Job {
    job: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    cursor: Micros,
    first_seen: Micros,
    last_number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused: Option<Pause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removed_at: Option<Micros>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<LastRun>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_skip: Option<Skip>,
    #[serde(default, skip_serializing_if = "is_default")]
    succeeded: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    unsuccessful: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    skipped: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    run_time: Span,
    #[serde(default, skip_serializing_if = "is_default")]
    failures: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_success: Option<Micros>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    awaited_from: Option<Micros>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overdue_since: Option<Micros>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    told: BTreeMap<Event, Told>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ad_hoc_uid: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    since: Micros,
    sent: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    held_back: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pause {
    since: Micros,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Micros>,
    uid: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastRun {
    number: u64,
    outcome: Outcome,
    /// Left out where the outcome says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<Micros>,
    ended_at: Micros,
}

impl Job {
    pub(in crate::store::record) fn new(job: &JobName, state: &JobState) -> Self {
        Self {
            job: job.as_str().to_owned(),
            revision: state.revision.as_ref().map(|revision| revision.as_str().to_owned()),
            cursor: state.cursor.into(),
            first_seen: state.first_seen.into(),
            last_number: state.last_number,
            paused: state.paused.as_ref().map(Pause::from),
            removed_at: state.removed_at.map(Micros::from),
            last: state.last.as_ref().map(LastRun::from),
            open_skip: state.open_skip.as_ref().map(Skip::from),
            succeeded: state.totals.succeeded,
            unsuccessful: state.totals.unsuccessful,
            skipped: state.totals.skipped,
            run_time: state.totals.run_time.into(),
            failures: state.watch.failures,
            last_success: state.watch.last_success.map(Micros::from),
            awaited_from: state.watch.awaited_from.map(Micros::from),
            overdue_since: state.watch.overdue_since.map(Micros::from),
            told: state.watch.told.iter().map(|(event, told)| (Event::from(*event), Told::from(told))).collect(),
            ad_hoc_uid: state.ad_hoc.map(|ad_hoc| ad_hoc.uid),
        }
    }

    pub(in crate::store::record) fn into_domain(self) -> Result<(JobName, JobState), String> {
        let state = JobState {
            revision: self.revision.as_deref().map(Revision::from_hex),
            cursor: self.cursor.timestamp()?,
            first_seen: self.first_seen.timestamp()?,
            last_number: self.last_number,
            paused: self.paused.map(Pause::into_domain).transpose()?,
            removed_at: timestamp(self.removed_at)?,
            last: self.last.map(LastRun::into_domain).transpose()?,
            open_skip: self.open_skip.map(Skip::into_domain).transpose()?,
            totals: scheduler::Totals {
                succeeded: self.succeeded,
                unsuccessful: self.unsuccessful,
                skipped: self.skipped,
                run_time: self.run_time.into(),
            },
            watch: scheduler::Watch {
                failures: self.failures,
                last_success: timestamp(self.last_success)?,
                awaited_from: timestamp(self.awaited_from)?,
                overdue_since: timestamp(self.overdue_since)?,
                told: self
                    .told
                    .into_iter()
                    .map(|(event, told)| Ok((event.into(), told.into_domain()?)))
                    .collect::<Result<_, String>>()?,
            },
            ad_hoc: self.ad_hoc_uid.map(|uid| AdHoc { uid }),
        };
        Ok((name(&self.job)?, state))
    }
}

impl From<&scheduler::Told> for Told {
    fn from(told: &scheduler::Told) -> Self {
        Self { since: told.since.into(), sent: told.sent, held_back: told.held_back }
    }
}

impl Told {
    fn into_domain(self) -> Result<scheduler::Told, String> {
        Ok(scheduler::Told { since: self.since.timestamp()?, sent: self.sent, held_back: self.held_back })
    }
}

impl From<&scheduler::Pause> for Pause {
    fn from(pause: &scheduler::Pause) -> Self {
        Self { since: pause.since.into(), until: pause.until.map(Micros::from), uid: pause.uid }
    }
}

impl Pause {
    fn into_domain(self) -> Result<scheduler::Pause, String> {
        Ok(scheduler::Pause { since: self.since.timestamp()?, until: timestamp(self.until)?, uid: self.uid })
    }
}

impl From<&scheduler::LastRun> for LastRun {
    fn from(last: &scheduler::LastRun) -> Self {
        Self {
            number: last.number,
            outcome: (&last.outcome).into(),
            exit_code: last.exit_code.filter(|_| !matches!(last.outcome, run::Outcome::Failed { .. })),
            started_at: last.started_at.map(Micros::from),
            ended_at: last.ended_at.into(),
        }
    }
}

impl LastRun {
    fn into_domain(self) -> Result<scheduler::LastRun, String> {
        let outcome = self.outcome.into_domain();
        let told = match &outcome {
            run::Outcome::Failed { exit_code } => Some(*exit_code),
            run::Outcome::Succeeded
            | run::Outcome::Signaled { .. }
            | run::Outcome::OutOfMemory(_)
            | run::Outcome::TimedOut
            | run::Outcome::Cancelled
            | run::Outcome::Replaced
            | run::Outcome::HostShutdown
            | run::Outcome::SetupFailed(_)
            | run::Outcome::Lost => self.exit_code,
        };
        Ok(scheduler::LastRun {
            number: self.number,
            outcome,
            exit_code: told,
            started_at: timestamp(self.started_at)?,
            ended_at: self.ended_at.timestamp()?,
        })
    }
}
