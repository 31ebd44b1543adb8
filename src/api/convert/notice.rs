//! Messages.

use super::run::{explain_outcome, outcome};
use super::seconds;
use crate::api::types;
use crate::run::Outcome;
use crate::scheduler::{self, Fate, Outbox};
use crate::spec::{Channel, Command, Notify, SaidBy};

/// What became of a delivery.
pub fn delivery(delivery: &scheduler::Delivery) -> types::Delivery {
    let (fate, retry_seconds) = match delivery.fate {
        Fate::Delivered => ("delivered", None),
        Fate::Retried(after) => ("retried", Some(seconds(after))),
        Fate::GivenUp => ("given_up", None),
    };
    let exit_code = match delivery.outcome {
        Outcome::Failed { exit_code } => Some(exit_code),
        Outcome::Succeeded
        | Outcome::Signaled { .. }
        | Outcome::OutOfMemory(_)
        | Outcome::TimedOut
        | Outcome::Cancelled
        | Outcome::Replaced
        | Outcome::HostShutdown
        | Outcome::SetupFailed(_)
        | Outcome::Lost => None,
    };
    types::Delivery {
        number: delivery.notice.number,
        job: delivery.notice.job.to_string(),
        on: delivery.notice.event.name().to_owned(),
        target: target(&delivery.notice.channel),
        attempt: delivery.attempt.attempt,
        outcome: outcome(&delivery.outcome),
        exit_code,
        explanation: explain_outcome(&delivery.outcome),
        fate: fate.to_owned(),
        retry_seconds,
    }
}

/// A target in a few words.
fn target(channel: &Channel) -> String {
    match channel {
        Channel::Mail { to } => format!("mail {to}"),
        Channel::Command(Command::Argv(argv)) => format!("command {}", argv.join(" ")),
        Channel::Command(Command::Shell { line, .. }) => format!("command {line}"),
    }
}

/// The targets of a job, event by event.
pub fn targets(notify: &Notify) -> Vec<types::NotifyTarget> {
    let all = notify.targets.iter().flat_map(|(event, list)| list.iter().map(move |one| (event, one)));
    all.map(|(event, one)| types::NotifyTarget {
        on: event.key().to_owned(),
        target: target(&one.channel),
        from_defaults: one.said_by == SaidBy::Daemon,
    })
    .collect()
}

/// The outbox.
pub fn outbox(outbox: &Outbox) -> types::NoticesHealth {
    let failing = outbox.waiting.values().filter(|notice| notice.failed_attempts > 0).count();
    types::NoticesHealth {
        ok: failing == 0 && outbox.given_up == 0 && outbox.dropped == 0,
        waiting: outbox.waiting.len(),
        failing,
        delivered: outbox.delivered,
        given_up: outbox.given_up,
        dropped: outbox.dropped,
    }
}
