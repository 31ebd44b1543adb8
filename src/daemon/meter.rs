//! [`Meter`]: what the event loop has seen since this process began, counted.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::handle::Published;
use crate::clock::{Monotonic, Timestamp};
use crate::run::{Run, RunState, Skip, SkipKey, Trigger};
use crate::schedule::Context;
use crate::scheduler::{Announcement, Snapshot};
use crate::spec::JobName;

/// Upper bounds of the classes of run durations, in seconds: from a probe to a day's work.
pub const DURATION_BOUNDS: [f64; 12] =
    [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0, 43_200.0, 86_400.0];

/// Upper bounds of the classes of lateness, in seconds: a healthy daemon stays in the first few.
pub const LATENESS_BOUNDS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0];

/// Upper bounds of the classes of commit times, in seconds: what disks take for one `fdatasync`, and far more.
pub const COMMIT_BOUNDS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];

/// Counts since the process began. None is told by job: whoever has a thousand jobs would have a thousand of each.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Finished runs by the name of their outcome.
    pub runs: BTreeMap<&'static str, u64>,
    /// Attempts of finished runs.
    pub attempts: u64,
    /// Occurrences that did not run, by the name of the reason.
    pub skips: BTreeMap<&'static str, u64>,
    /// From the start of a finished run's first attempt to its end.
    pub duration: Histogram,
    /// From the time at which a run of the schedule was due, jitter included, to the start of its first attempt.
    pub lateness: Histogram,
    /// Bytes that finished runs printed.
    pub output_bytes: u64,
    /// Bytes of these that the bound of the job's output cut.
    pub output_cut_bytes: u64,
    /// Bytes of these that could not be written.
    pub output_lost_bytes: u64,
    /// Commits that became durable: from the moment they were handed to the store.
    pub commits: Histogram,
    /// Commits that the store could not write, and that were tried again.
    pub commit_failures: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            runs: BTreeMap::new(),
            attempts: 0,
            skips: BTreeMap::new(),
            duration: Histogram::new(&DURATION_BOUNDS),
            lateness: Histogram::new(&LATENESS_BOUNDS),
            output_bytes: 0,
            output_cut_bytes: 0,
            output_lost_bytes: 0,
            commits: Histogram::new(&COMMIT_BOUNDS),
            commit_failures: 0,
        }
    }
}

/// How values are spread over classes.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Upper bounds of the classes, ascending; above the last one there is one more class.
    pub bounds: &'static [f64],
    /// How many values are in each class.
    pub classes: Vec<u64>,
    /// All values together, in seconds.
    pub sum_seconds: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, classes: vec![0; bounds.len() + 1], sum_seconds: 0.0 }
    }

    fn observe(&mut self, value: Duration) {
        let seconds = value.as_secs_f64();
        self.classes[self.bounds.partition_point(|&bound| bound < seconds)] += 1;
        self.sum_seconds += seconds;
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.classes.iter().sum()
    }
}

/// Counts what is announced. Belongs to the loop; others see the copies that it publishes.
#[derive(Debug, Default)]
pub(super) struct Meter {
    counts: Counts,
    /// The newest record of skips of each job, and how many occurrences it covered when it was seen last: a record grows.
    skips: HashMap<JobName, (SkipKey, u64)>,
    commit_began: Option<Monotonic>,
    changed: bool,
}

impl Meter {
    /// Counts from now on: what the records of `snapshot` cover already was counted by an earlier process.
    pub fn new(snapshot: &Snapshot) -> Self {
        let open = |skip: &Skip| (skip.job.clone(), (skip.key, skip.count));
        let skips = snapshot.jobs.values().filter_map(|job| job.state.open_skip.as_ref()).map(open).collect();
        Self { skips, ..Self::default() }
    }

    /// The counts, when they are others than those given last.
    pub fn news(&mut self) -> Option<Counts> {
        std::mem::take(&mut self.changed).then(|| self.counts.clone())
    }

    pub fn see(&mut self, announcement: &Announcement, published: &Published) {
        match announcement {
            Announcement::Run(run) => self.see_run(run, published),
            Announcement::Skip(skip) => self.see_skip(skip),
            Announcement::Job(_) => {}
        }
    }

    fn see_run(&mut self, run: &Run, published: &Published) {
        let RunState::Finished { outcome, ended_at } = &run.state else { return };
        self.changed = true;
        let counts = &mut self.counts;
        *counts.runs.entry(outcome.name()).or_default() += 1;
        counts.attempts += run.attempts.len() as u64;
        for (end, _) in run.attempts.iter().filter_map(|attempt| attempt.end.as_ref()) {
            counts.output_bytes += end.output.bytes;
            counts.output_cut_bytes += end.output.cut_bytes;
            counts.output_lost_bytes += end.output.lost_bytes;
        }
        if let Some(started_at) = run.attempts.iter().find_map(|attempt| attempt.started_at) {
            counts.duration.observe(between(started_at, *ended_at));
            if let Some(due) = due(run, published) {
                counts.lateness.observe(between(due, started_at));
            }
        }
    }

    fn see_skip(&mut self, skip: &Skip) {
        self.changed = true;
        let before = self.skips.insert(skip.job.clone(), (skip.key, skip.count));
        let counted = before.filter(|(key, _)| *key == skip.key).map_or(0, |(_, count)| count);
        *self.counts.skips.entry(skip.reason.name()).or_default() += skip.count.saturating_sub(counted);
    }

    /// A commit was handed to the store, for the first time or again.
    pub fn commit_begins(&mut self, now: Monotonic) {
        self.commit_began.get_or_insert(now);
    }

    /// The commit under way failed, and is tried again.
    pub fn commit_failed(&mut self) {
        self.changed = true;
        self.counts.commit_failures += 1;
    }

    /// The commit under way is durable.
    pub fn commit_ended(&mut self, now: Monotonic) {
        if let Some(began) = self.commit_began.take() {
            self.changed = true;
            self.counts.commits.observe(now.saturating_since(began));
        }
    }
}

/// When a run of the schedule was due, as long as the schedule that it came from is in force: it alone knows the jitter.
fn due(run: &Run, published: &Published) -> Option<Timestamp> {
    let Trigger::Schedule(scheduled) = &run.trigger else { return None };
    let snapshot = published.snapshot.load();
    let job = snapshot.jobs.get(&run.id.job)?;
    let spec = job.spec.as_ref().filter(|spec| spec.revision == run.revision)?;
    let context = Context { first_seen: job.state.first_seen, boot: published.about.boot.clone() };
    spec.schedules.due(scheduled.at, &context)
}

/// Zero when the clock was set back in between.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    (to - from).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::SkipReason;

    fn skip(index: u32, reason: SkipReason, count: u64) -> Announcement {
        let at = Timestamp::UNIX_EPOCH;
        let job = JobName::new("backup").unwrap();
        let key = SkipKey { after_run: 3, index };
        Announcement::Skip(Skip { job, key, reason, first: at, last: at, count, recorded_at: at })
    }

    #[test]
    fn values_fall_into_the_class_that_their_bound_closes() {
        let mut histogram = Histogram::new(&[1.0, 5.0]);
        for seconds in [0.0, 1.0, 1.5, 5.0, 5.1, 100.0] {
            histogram.observe(Duration::from_secs_f64(seconds));
        }
        assert_eq!((histogram.classes.as_slice(), histogram.count()), (&[2, 2, 2][..], 6));
        assert!((histogram.sum_seconds - 112.6).abs() < 1e-9);
    }

    #[test]
    fn a_growing_record_of_skips_counts_what_is_new_in_it() {
        let mut meter = Meter::default();
        let see = |meter: &mut Meter, announcement| {
            let Announcement::Skip(skip) = announcement else { panic!("a skip") };
            meter.see_skip(&skip);
        };
        for count in [1, 2, 7] {
            see(&mut meter, skip(1, SkipReason::Missed, count));
        }
        see(&mut meter, skip(2, SkipReason::Paused, 4));
        assert_eq!((meter.counts.skips["missed"], meter.counts.skips["paused"]), (7, 4));
    }

    #[test]
    fn a_commit_that_is_tried_again_takes_from_its_first_beginning() {
        let mut meter = Meter::default();
        let at = |millis| Monotonic::from_duration(Duration::from_millis(millis));
        meter.commit_begins(at(0));
        meter.commit_failed();
        meter.commit_begins(at(500));
        meter.commit_ended(at(700));
        let counts = meter.news().unwrap();
        assert!(meter.news().is_none());
        assert_eq!((counts.commits.count(), counts.commit_failures), (1, 1));
        assert!((counts.commits.sum_seconds - 0.7).abs() < 1e-9);
    }
}
