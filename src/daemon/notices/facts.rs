//! [`Facts`]: what a message tells, in words and as variables.

use std::collections::BTreeMap;

use chrono::SecondsFormat;

use crate::clock::Timestamp;
use crate::run::{About, Notice, Outcome, Run, RunState};
use crate::spec::NoticeEvent;
use crate::units::format_duration;

/// What a message tells.
pub(super) struct Facts {
    /// One line: what happened.
    pub summary: String,
    /// Lines of a name and a value, for people.
    pub lines: Vec<(&'static str, String)>,
    /// The same for programs.
    pub variables: BTreeMap<String, String>,
}

/// A time as programs and people of any zone read it.
fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Facts {
    /// `run` is the run that the message is about, if history has it still.
    pub fn of(notice: &Notice, run: Option<&Run>, host: &str) -> Self {
        let mut facts = Self { summary: String::new(), lines: Vec::new(), variables: BTreeMap::new() };
        facts.set("JOBSD_JOB", notice.job.to_string());
        facts.set("JOBSD_EVENT", notice.event.name().to_owned());
        facts.set("JOBSD_HOST", host.to_owned());
        facts.set("JOBSD_AT", time(notice.at));
        facts.set("JOBSD_NOTICE", notice.number.to_string());
        facts.line("job", notice.job.to_string());
        facts.line("host", host.to_owned());
        match &notice.about {
            About::Run { outcome, failures, .. } => facts.run(notice, outcome.as_ref(), *failures, run),
            About::Skipped { reason, first, last, count } => {
                let what = if *count == 1 { "1 occurrence" } else { &format!("{count} occurrences") };
                facts.summary = format!("{what} did not run: {}", reason.explain());
                facts.set("JOBSD_REASON", reason.name().to_owned());
                facts.set("JOBSD_FIRST", time(*first));
                facts.set("JOBSD_LAST", time(*last));
                facts.set("JOBSD_COUNT", count.to_string());
                facts.line("first", time(*first));
                facts.line("last", time(*last));
            }
            About::Overdue { last_success, since, limit } => {
                let limit = format_duration(*limit);
                facts.summary = format!("no success within {limit}");
                facts.set("JOBSD_REASON", "overdue".to_owned());
                facts.set("JOBSD_ALERT_AFTER", limit);
                facts.set("JOBSD_SINCE", time(*since));
                facts.line("since", time(*since));
                match last_success {
                    Some(at) => {
                        facts.set("JOBSD_LAST_SUCCESS", time(*at));
                        facts.line("last success", time(*at));
                    }
                    None => facts.line("last success", "none yet".to_owned()),
                }
            }
            About::Test { uid } => {
                facts.summary = "test message".to_owned();
                facts.set("JOBSD_TEST", "1".to_owned());
                facts.line("test", format!("uid {uid} tries whether messages arrive; nothing has happened"));
            }
        }
        if notice.held_back > 0 {
            facts.set("JOBSD_HELD_BACK", notice.held_back.to_string());
            let what = format!("and {} more like this, held back before it", notice.held_back);
            facts.line("held back", what);
        }
        facts.set("JOBSD_SUMMARY", facts.summary.clone());
        facts
    }

    fn run(&mut self, notice: &Notice, outcome: Option<&Outcome>, failures: u64, run: Option<&Run>) {
        let id = notice.run().expect("it is about a run");
        self.set("JOBSD_RUN", id.to_string());
        self.line("run", id.to_string());
        self.summary = match (notice.event, outcome) {
            (NoticeEvent::Start, _) | (_, None) => "started".to_owned(),
            (NoticeEvent::Recovery, Some(_)) => match failures {
                0 => "succeeded again".to_owned(),
                1 => "succeeded again after 1 failure".to_owned(),
                failures => format!("succeeded again after {failures} failures"),
            },
            (_, Some(outcome)) => words(outcome),
        };
        self.set("JOBSD_FAILURES", failures.to_string());
        if let Some(outcome) = outcome {
            self.set("JOBSD_OUTCOME", outcome.name().to_owned());
            self.line("outcome", outcome.name().to_owned());
            match outcome {
                Outcome::Succeeded => {}
                Outcome::Failed { exit_code } => self.set("JOBSD_EXIT_CODE", exit_code.to_string()),
                Outcome::Signaled { signal, .. } => self.set("JOBSD_SIGNAL", signal.to_string()),
                Outcome::TimedOut | Outcome::Cancelled | Outcome::Replaced | Outcome::HostShutdown | Outcome::Lost => {}
                Outcome::OutOfMemory(_) => {}
                Outcome::SetupFailed(failure) => self.line("cause", failure.to_string()),
            }
            if failures > 1 && outcome.is_failure() {
                self.line("failures", format!("{failures} in a row"));
            }
        }
        match run {
            Some(run) => self.history(run),
            None => self.line("history", "the run is no longer kept".to_owned()),
        }
    }

    fn history(&mut self, run: &Run) {
        self.set("JOBSD_TRIGGER", run.trigger.name().to_owned());
        self.set("JOBSD_ATTEMPTS", run.attempts.len().to_string());
        if let Some(scheduled) = run.trigger.scheduled() {
            self.set("JOBSD_SCHEDULED_AT", time(scheduled.at));
            self.line("scheduled", time(scheduled.at));
        }
        let started_at = run.started_at();
        if let Some(at) = started_at {
            self.set("JOBSD_STARTED_AT", time(at));
            self.line("started", time(at));
        }
        if let RunState::Finished { ended_at, .. } = run.state {
            self.set("JOBSD_ENDED_AT", time(ended_at));
            self.line("ended", time(ended_at));
            let took = started_at.and_then(|started_at| (ended_at - started_at).to_std().ok());
            if let Some(took) = took {
                self.set("JOBSD_DURATION_SECONDS", took.as_secs().to_string());
            }
        }
        if run.attempts.len() > 1 {
            self.line("attempts", run.attempts.len().to_string());
        }
    }

    fn set(&mut self, name: &str, value: String) {
        self.variables.insert(name.to_owned(), value);
    }

    fn line(&mut self, name: &'static str, value: String) {
        self.lines.push((name, value));
    }
}

/// How a run ended, in a few words for a subject.
fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Succeeded => "succeeded".to_owned(),
        Outcome::Failed { exit_code } => format!("failed with exit code {exit_code}"),
        Outcome::Signaled { .. } => "was ended by a signal".to_owned(),
        Outcome::OutOfMemory(_) => "ran out of memory".to_owned(),
        Outcome::TimedOut => "timed out".to_owned(),
        Outcome::Cancelled => "was cancelled".to_owned(),
        Outcome::Replaced => "was replaced by a newer run".to_owned(),
        Outcome::HostShutdown => "was ended by the machine's shutdown".to_owned(),
        Outcome::SetupFailed(_) => "could not be started".to_owned(),
        Outcome::Lost => "was lost".to_owned(),
    }
}
