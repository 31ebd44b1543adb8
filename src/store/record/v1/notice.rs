//! Messages of the outbox, version 1. Frozen.

use serde::{Deserialize, Serialize};

use super::attempt::Outcome;
use super::run::{SkipReason, name};
use super::{Micros, Span, is_default, timestamp};
use crate::run::{self, Sender};
use crate::spec::{self, Identity};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store::record) struct Notice {
    number: u64,
    job: String,
    event: Event,
    at: Micros,
    channel: Channel,
    /// Absent for a message that the daemon's user sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job_user: Option<JobUser>,
    about: About,
    #[serde(default, skip_serializing_if = "is_default")]
    held_back: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    failed_attempts: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    Failure,
    Recovery,
    Missed,
    Start,
    Success,
    Output,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Channel {
    Mail { to: String },
    Argv { argv: Vec<String> },
    Shell { shell: Vec<String>, line: String },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobUser {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum About {
    Run {
        run: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<Outcome>,
        #[serde(default, skip_serializing_if = "is_default")]
        failures: u64,
    },
    Skipped {
        reason: SkipReason,
        first: Micros,
        last: Micros,
        count: u64,
    },
    Overdue {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_success: Option<Micros>,
        since: Micros,
        limit: Span,
    },
    Test {
        uid: u32,
    },
}

impl From<&run::Notice> for Notice {
    fn from(notice: &run::Notice) -> Self {
        Self {
            number: notice.number,
            job: notice.job.as_str().to_owned(),
            event: notice.event.into(),
            at: notice.at.into(),
            channel: Channel::from(&notice.channel),
            job_user: match &notice.sender {
                Sender::Job(Identity { user, group }) => Some(JobUser { user: user.clone(), group: group.clone() }),
                Sender::Daemon => None,
            },
            about: About::from(&notice.about),
            held_back: notice.held_back,
            failed_attempts: notice.failed_attempts,
        }
    }
}

impl Notice {
    pub(in crate::store::record) fn into_domain(self) -> Result<run::Notice, String> {
        Ok(run::Notice {
            number: self.number,
            job: name(&self.job)?,
            event: self.event.into(),
            at: self.at.timestamp()?,
            channel: self.channel.into_domain()?,
            sender: match self.job_user {
                Some(JobUser { user, group }) => Sender::Job(Identity { user, group }),
                None => Sender::Daemon,
            },
            about: self.about.into_domain()?,
            held_back: self.held_back,
            failed_attempts: self.failed_attempts,
        })
    }
}

impl From<spec::NoticeEvent> for Event {
    fn from(event: spec::NoticeEvent) -> Self {
        match event {
            spec::NoticeEvent::Failure => Self::Failure,
            spec::NoticeEvent::Recovery => Self::Recovery,
            spec::NoticeEvent::Missed => Self::Missed,
            spec::NoticeEvent::Start => Self::Start,
            spec::NoticeEvent::Success => Self::Success,
            spec::NoticeEvent::Output => Self::Output,
        }
    }
}

impl From<Event> for spec::NoticeEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Failure => Self::Failure,
            Event::Recovery => Self::Recovery,
            Event::Missed => Self::Missed,
            Event::Start => Self::Start,
            Event::Success => Self::Success,
            Event::Output => Self::Output,
        }
    }
}

impl From<&spec::Channel> for Channel {
    fn from(channel: &spec::Channel) -> Self {
        match channel {
            spec::Channel::Mail { to } => Self::Mail { to: to.clone() },
            spec::Channel::Command(spec::Command::Argv(argv)) => Self::Argv { argv: argv.clone() },
            spec::Channel::Command(spec::Command::Shell { shell, line }) => {
                Self::Shell { shell: shell.clone(), line: line.clone() }
            }
        }
    }
}

impl Channel {
    fn into_domain(self) -> Result<spec::Channel, String> {
        let command = match self {
            Self::Mail { to } => return Ok(spec::Channel::Mail { to }),
            Self::Argv { argv } => spec::Command::Argv(argv),
            Self::Shell { shell, line } => spec::Command::Shell { shell, line },
        };
        match command.argv().is_empty() {
            true => Err("a message's command is empty".to_owned()),
            false => Ok(spec::Channel::Command(command)),
        }
    }
}

impl From<&run::About> for About {
    fn from(about: &run::About) -> Self {
        match about {
            run::About::Run { run, outcome, failures } => {
                Self::Run { run: *run, outcome: outcome.as_ref().map(Outcome::from), failures: *failures }
            }
            run::About::Skipped { reason, first, last, count } => {
                Self::Skipped { reason: (*reason).into(), first: (*first).into(), last: (*last).into(), count: *count }
            }
            run::About::Overdue { last_success, since, limit } => Self::Overdue {
                last_success: last_success.map(Micros::from),
                since: (*since).into(),
                limit: (*limit).into(),
            },
            run::About::Test { uid } => Self::Test { uid: *uid },
        }
    }
}

impl About {
    fn into_domain(self) -> Result<run::About, String> {
        Ok(match self {
            Self::Run { run, outcome, failures } => {
                run::About::Run { run, outcome: outcome.map(Outcome::into_domain), failures }
            }
            Self::Skipped { reason, first, last, count } => {
                run::About::Skipped { reason: reason.into(), first: first.timestamp()?, last: last.timestamp()?, count }
            }
            Self::Overdue { last_success, since, limit } => run::About::Overdue {
                last_success: timestamp(last_success)?,
                since: since.timestamp()?,
                limit: limit.into(),
            },
            Self::Test { uid } => run::About::Test { uid },
        })
    }
}
