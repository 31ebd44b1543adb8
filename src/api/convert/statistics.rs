//! Statistics of a job.

use super::health::is_failure;
use super::seconds_between;
use crate::api::types::{self, Halves, Quantiles, Time};
use crate::clock::Timestamp;
use crate::run::{Outcome, Run, RunState, Trigger};
use crate::schedule::{Context, ScheduleSet};
use crate::spec::JobName;
use crate::store::HistoryEntry;

/// Runs in each half before the halves are compared: fewer say more about chance than about the job.
const HALF_LEAST: usize = 5;

/// What a history, newest first, adds up to. `schedules` tell when a run was due; they are those of now.
pub fn statistics(
    job: &JobName,
    history: &[HistoryEntry],
    schedules: Option<(&ScheduleSet, &Context)>,
) -> types::JobStatistics {
    let runs: Vec<Finished<'_>> = history.iter().filter_map(Finished::of).collect();
    let skipped = history.iter().map(|entry| match entry {
        HistoryEntry::Skip(skip) => skip.count,
        HistoryEntry::Run(_) => 0,
    });
    let succeeded = runs.iter().filter(|run| run.outcome.is_success()).count() as u64;
    let failed = runs.iter().filter(|run| is_failure(run.outcome)).count() as u64;
    let lateness = runs.iter().filter_map(|run| run.lateness(schedules)).collect();
    types::JobStatistics {
        job: job.to_string(),
        from: runs.iter().map(|run| Time(run.ended_at)).min(),
        to: runs.iter().map(|run| Time(run.ended_at)).max(),
        runs: runs.len() as u64,
        succeeded,
        failed,
        other: runs.len() as u64 - succeeded - failed,
        skipped: skipped.sum(),
        success_rate: success_rate(&runs),
        duration_seconds: quantiles(durations(&runs)),
        lateness_seconds: quantiles(lateness),
        trend: trend(&runs),
    }
}

struct Finished<'a> {
    run: &'a Run,
    outcome: &'a Outcome,
    started_at: Option<Timestamp>,
    ended_at: Timestamp,
}

impl<'a> Finished<'a> {
    fn of(entry: &'a HistoryEntry) -> Option<Self> {
        let HistoryEntry::Run(run) = entry else { return None };
        let RunState::Finished { outcome, ended_at } = &run.state else { return None };
        let started_at = run.attempts.iter().find_map(super::run::started_at);
        Some(Self { run, outcome, started_at, ended_at: *ended_at })
    }

    fn lateness(&self, schedules: Option<(&ScheduleSet, &Context)>) -> Option<f64> {
        let Trigger::Schedule(scheduled) = &self.run.trigger else { return None };
        let (schedules, context) = schedules?;
        // Only the schedule knows the jitter.
        let due = schedules.due(scheduled.at, context)?;
        Some(seconds_between(due, self.started_at?))
    }
}

fn durations(runs: &[Finished<'_>]) -> Vec<f64> {
    let succeeded = runs.iter().filter(|run| run.outcome.is_success());
    succeeded.filter_map(|run| Some(seconds_between(run.started_at?, run.ended_at))).collect()
}

fn success_rate(runs: &[Finished<'_>]) -> Option<f64> {
    let succeeded = runs.iter().filter(|run| run.outcome.is_success()).count();
    let judged = succeeded + runs.iter().filter(|run| is_failure(run.outcome)).count();
    #[expect(clippy::cast_precision_loss, reason = "retention keeps far fewer runs than 2^53")]
    (judged > 0).then(|| succeeded as f64 / judged as f64)
}

/// By the nearest-rank method: always a value that occurred.
fn quantiles(mut values: Vec<f64>) -> Option<Quantiles> {
    values.sort_by(f64::total_cmp);
    let rank = |percent: usize| values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Quantiles { p50: rank(50)?, p95: rank(95)?, max: rank(100)? })
}

fn trend(runs: &[Finished<'_>]) -> Option<Halves> {
    let (newer, older) = runs.split_at(runs.len() / 2);
    let median = |runs: &[Finished<'_>]| quantiles(durations(runs)).map(|quantiles| quantiles.p50);
    (newer.len() >= HALF_LEAST).then(|| Halves {
        older_success_rate: success_rate(older),
        newer_success_rate: success_rate(newer),
        older_p50_seconds: median(older),
        newer_p50_seconds: median(newer),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::{at, finished_run};
    use crate::run::{Skip, SkipKey, SkipReason};
    use crate::schedule::{Boot, Entry, Rule, Zone};

    fn history() -> Vec<HistoryEntry> {
        let failed = finished_run("backup", 3, Outcome::Failed { exit_code: 1 });
        let cancelled = finished_run("backup", 2, Outcome::Cancelled);
        let good = finished_run("backup", 1, Outcome::Succeeded);
        let skip = Skip {
            job: JobName::new("backup").unwrap(),
            key: SkipKey { after_run: 1, index: 1 },
            reason: SkipReason::Paused,
            first: at("2026-11-18T01:30:00Z"),
            last: at("2026-11-20T01:30:00Z"),
            count: 3,
            recorded_at: at("2026-11-20T01:30:00Z"),
        };
        vec![HistoryEntry::Run(failed), HistoryEntry::Run(cancelled), HistoryEntry::Skip(skip), HistoryEntry::Run(good)]
    }

    #[test]
    fn outcomes_are_counted_and_a_cancellation_is_no_failure() {
        let statistics = statistics(&JobName::new("backup").unwrap(), &history(), None);
        assert_eq!((statistics.runs, statistics.succeeded, statistics.failed, statistics.other), (3, 1, 1, 1));
        assert_eq!((statistics.skipped, statistics.success_rate), (3, Some(0.5)));
        assert_eq!(statistics.duration_seconds, Some(Quantiles { p50: 9.75, p95: 9.75, max: 9.75 }));
        assert_eq!((statistics.lateness_seconds, statistics.trend), (None, None));
    }

    #[test]
    fn lateness_counts_from_the_time_when_a_run_was_due() {
        let name = JobName::new("backup").unwrap();
        let boot = Boot {
            id: crate::clock::BootId::new("boot"),
            at: at("2026-01-01T00:00:00Z"),
            seen_at: at("2026-01-01T00:00:00Z"),
        };
        let context = Context { first_seen: at("2026-01-01T00:00:00Z"), boot };
        let entry = Entry::new(Rule::cron("30 2 * * *", "backup").unwrap(), Zone::utc());
        let schedules = ScheduleSet::new(vec![entry], "backup").unwrap();
        let late = statistics(&name, &history(), Some((&schedules, &context))).lateness_seconds.unwrap();
        assert!((late.p50 - 0.25).abs() < 1e-9, "{late:?}");
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let to_hundred = (1..=100).map(f64::from).collect();
        assert_eq!(quantiles(to_hundred), Some(Quantiles { p50: 50.0, p95: 95.0, max: 100.0 }));
        assert_eq!(quantiles(vec![3.0, 1.0]), Some(Quantiles { p50: 1.0, p95: 3.0, max: 3.0 }));
        assert_eq!(quantiles(Vec::new()), None);
    }
}
