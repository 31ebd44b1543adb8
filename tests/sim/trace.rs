//! The trace of a replayed seed: one line for each happening, with the wall clock, who, and what.

use std::sync::OnceLock;

use chrono::TimeDelta;
use jobsd::clock::Timestamp;
use jobsd::run::{Run, RunState, Trigger};
use jobsd::scheduler::{Change, JobState};
use jobsd::spec::{JobName, JobSpec};

use crate::store::Before;
use crate::world::SimWorld;

/// Who of the simulated world is not about one job: such lines are always shown.
const EVERYWHERE: [&str; 6] = ["clock", "disk", "engine", "link", "machine", "sim"];

impl SimWorld {
    /// One line of the trace, if it is wanted. `SIM_JOB=job-3` shows this job alone, with what concerns all.
    pub fn say(&self, who: &str, what: impl FnOnce() -> String) {
        static JOB: OnceLock<Option<String>> = OnceLock::new();
        if !self.traced {
            return;
        }
        let text = what();
        let job = JOB.get_or_init(|| std::env::var("SIM_JOB").ok());
        let concerns = |job: &String| {
            let after = |place: usize| text.as_bytes().get(place + job.len()).is_none_or(|next| !next.is_ascii_digit());
            text.match_indices(job.as_str()).any(|(place, _)| after(place))
        };
        if EVERYWHERE.contains(&who) || job.as_ref().is_none_or(concerns) {
            println!("{} {who:<10} {text}", self.clocks.wall().format("%m-%d %H:%M:%S%.6f"));
        }
    }

    /// What a commit made durable, one line a record.
    pub fn say_committed(&self, applied: &[(&Change, Before)]) {
        for (change, before) in applied {
            if let Some(text) = self.traced.then(|| described(change, before)).flatten() {
                self.say("durable", || text);
            }
        }
    }
}

/// A definition in one line.
pub fn definition(spec: &JobSpec) -> String {
    let JobSpec { revision, overlap, catch_up, retry, timeout, start_deadline, enabled, .. } = spec;
    let mut text = format!("revision {}, overlap {}, {:?}", revision.short(), overlap.name(), catch_up.policy);
    let mut add = |name: &str, value: Option<String>| text.extend(value.map(|value| format!(", {name} {value}")));
    add("window", catch_up.window.map(|window| format!("{window:?}")));
    add("spread", catch_up.spread.map(|spread| format!("{spread:?}")));
    add("deadline", start_deadline.map(|deadline| format!("{deadline:?}")));
    add("timeout", timeout.map(|timeout| format!("{timeout:?}")));
    add("attempts", (retry.attempts.get() > 1).then(|| format!("{} ({:?})", retry.attempts, retry.backoff)));
    add("disabled", (!enabled).then(String::new));
    let context = jobsd::schedule::Context {
        first_seen: Timestamp::UNIX_EPOCH,
        boot: jobsd::schedule::Boot {
            id: jobsd::clock::BootId::new(""),
            at: Timestamp::UNIX_EPOCH,
            seen_at: Timestamp::UNIX_EPOCH,
        },
    };
    let from = Timestamp::UNIX_EPOCH + TimeDelta::days(20_600);
    let mut gaps = spec.schedules.between(from, from + TimeDelta::days(2), &context).map(|occurrence| occurrence.at);
    add(
        "schedules give",
        gaps.next()
            .zip(gaps.next())
            .map(|(first, second)| format!("{} and then each {}", first.format("%H:%M:%S"), second - first)),
    );
    text
}

fn described(change: &Change, before: &Before) -> Option<String> {
    match (change, before) {
        (Change::Job(name, state), Before::Job(old)) => job(name, old, state),
        (Change::Job(name, state), _) => Some(format!("{name} is new, cursor {}", time(state.cursor))),
        (Change::Run(run), Before::Run(_)) => Some(format!("{} {}", run.id, state(run))),
        (Change::Run(run), _) => Some(format!("{} {} by {}", run.id, state(run), trigger(run))),
        (Change::ForgetRun(id), _) => Some(format!("{id} is forgotten")),
        (Change::Skip(skip), _) => {
            let (first, last) = (time(skip.first), time(skip.last));
            Some(format!("{} skips {} as {:?}: {first} to {last}", skip.job, skip.count, skip.reason))
        }
        (Change::ForgetSkip(name, key), _) => Some(format!("{name} forgets its skips {key:?}")),
        (Change::Notice(notice), _) => {
            let (event, failed) = (notice.event.name(), notice.failed_attempts);
            Some(format!("message {} of {} ({event}), {failed} deliveries failed", notice.number, notice.job))
        }
        (Change::ForgetNotice(name, number), _) => Some(format!("message {number} of {name} leaves")),
        (Change::ForgetJob(name), _) => Some(format!("{name} is forgotten")),
        (Change::Source(..) | Change::ForgetSource(..), _) => None,
    }
}

/// What of a job's state is new.
fn job(name: &JobName, old: &JobState, new: &JobState) -> Option<String> {
    let mut news = Vec::new();
    let mut tell = |differs: bool, text: &dyn Fn() -> String| news.extend(differs.then(text));
    tell(old.cursor != new.cursor, &|| format!("cursor {} to {}", time(old.cursor), time(new.cursor)));
    tell(old.revision != new.revision, &|| match &new.revision {
        Some(revision) => format!("revision {}", revision.short()),
        None => "no revision".to_owned(),
    });
    tell(old.paused != new.paused, &|| match &new.paused {
        Some(pause) => format!("paused until {}", pause.until.map_or("resumed".to_owned(), time)),
        None => "no longer paused".to_owned(),
    });
    tell(old.removed_at != new.removed_at, &|| match new.removed_at {
        Some(at) => format!("removed at {}", time(at)),
        None => "back".to_owned(),
    });
    (!news.is_empty()).then(|| format!("{name} {}", news.join(", ")))
}

fn state(run: &Run) -> String {
    match &run.state {
        RunState::Queued { reason, .. } => format!("queued ({reason:?})"),
        RunState::Starting { attempt, stop: None } => format!("starting {attempt}"),
        RunState::Starting { attempt, stop: Some(reason) } => format!("starting {attempt}, to be stopped ({reason:?})"),
        RunState::Running { attempt, .. } => format!("running {attempt}"),
        RunState::Stopping { attempt, reason, .. } => format!("stopping {attempt} ({reason:?})"),
        RunState::Backoff { next_attempt, until } => format!("waits for {next_attempt} until {}", time(until.wall)),
        RunState::Finished { outcome, .. } => format!("finished {}", outcome.name()),
    }
}

fn trigger(run: &Run) -> String {
    match &run.trigger {
        Trigger::Schedule(scheduled) => format!("schedule {}", time(scheduled.at)),
        Trigger::CatchUp(scheduled) => format!("catch-up of {}", time(scheduled.at)),
        Trigger::Manual { .. } => "hand".to_owned(),
    }
}

fn time(at: Timestamp) -> String {
    at.format("%m-%d %H:%M:%S").to_string()
}
