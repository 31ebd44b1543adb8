//! Messages on their way out: the scheduler says which is due, this thread makes the program of it, and the supervisor runs
//! that like any attempt, with its deadline, outside of the engine's hardening.

mod compose;
mod facts;
mod mail;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::handle::Published;
use super::mailbox::{Mailbox, Message};
use super::system_clock;
use crate::clock::Timestamp;
use crate::output::{Filter, Output, Piece};
use crate::run::{AttemptId, NOTICES, Notice, RunId, notices};
use crate::scheduler::{Delivery, Fate};
use crate::supervisor::{attempt_dir, remove_run};

/// How mail and messages of `[defaults]` are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifySettings {
    /// The program that takes mail, as sendmail(8) does with `-i -t`.
    pub sendmail: PathBuf,
    /// As whom targets of `[defaults]` are told; the daemon's user when absent.
    pub user: Option<String>,
    /// Time for the program of a message; a mail server that is slower is asked again later.
    pub timeout: Duration,
}

/// Where sendmail is, unless `notify.sendmail` says otherwise: the place that the Filesystem Hierarchy Standard gives it.
pub const SENDMAIL: &str = "/usr/sbin/sendmail";

impl Default for NotifySettings {
    fn default() -> Self {
        Self { sendmail: SENDMAIL.into(), user: None, timeout: Duration::from_secs(60) }
    }
}

/// How long the directory of a delivery is kept after its end, for those who ask what its program said.
const KEPT: Duration = Duration::from_secs(120);

/// Bytes of what a delivery's program said that are told.
const SAID_LIMIT: usize = 2000;

/// The way to the thread that makes messages.
#[derive(Clone)]
pub(super) struct NoticeDesk(Sender<Arc<Notice>>);

impl NoticeDesk {
    pub fn new() -> (Self, Receiver<Arc<Notice>>) {
        let (sender, receiver) = channel();
        (Self(sender), receiver)
    }

    /// Has the program of a message made and started. At most as many wait as the scheduler lets be under way.
    pub fn deliver(&self, notice: Arc<Notice>) {
        // Without the thread the daemon goes down; the message stays in the outbox.
        drop(self.0.send(notice));
    }
}

/// Runs beside the loop until the daemon goes down.
pub(super) struct Dispatcher {
    pub mailbox: Mailbox,
    pub published: Arc<Published>,
    pub state_dir: PathBuf,
}

impl Dispatcher {
    /// # Errors
    /// When there can be no thread.
    pub fn start(self, due: Receiver<Arc<Notice>>) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("dispatcher".into()).spawn(move || {
            for notice in due {
                let settings = self.published.notify.load_full();
                let surroundings = compose::Surroundings {
                    store: &self.published.store,
                    runs: &self.state_dir.join("runs"),
                    host: &host(),
                    now: system_clock::now().wall,
                };
                let plan = compose::plan(&notice, &settings, &surroundings);
                if !self.mailbox.send(Message::Deliver(Box::new(plan))) {
                    return;
                }
            }
        })
    }
}

/// The machine's name, as mails and people know it.
fn host() -> String {
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.unwrap_or_default().chars().filter(plain).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// What the program of a delivery said, both streams, cut to its end.
pub fn said(state_dir: &Path, attempt: &AttemptId) -> String {
    let dir = attempt_dir(&state_dir.join("runs"), attempt);
    let printed = Output::new(&dir).read(0, Filter::default()).filter_map(|piece| match piece {
        Ok(Piece::Printed(chunk)) => Some(chunk.bytes),
        Ok(Piece::Missing { .. }) | Err(_) => None,
    });
    let bytes: Vec<u8> = printed.flatten().collect();
    let end = &bytes[bytes.len().saturating_sub(SAID_LIMIT)..];
    String::from_utf8_lossy(end).trim().to_owned()
}

/// One line for the log on each delivery that is worth one.
pub(super) fn log(delivery: &Delivery, state_dir: &Path) {
    let Delivery { notice, attempt, outcome, fate } = delivery;
    let (job, event, outcome) = (&notice.job, notice.event.name(), outcome.name());
    let said = || said(state_dir, attempt).lines().last().unwrap_or_default().to_owned();
    match fate {
        Fate::Delivered => tracing::debug!(%job, event, number = notice.number, "message delivered"),
        Fate::Retried(after) => {
            tracing::warn!(%job, event, outcome, said = said(), "a message was not delivered; again in {after:?}");
        }
        Fate::GivenUp if notice.is_test() => {
            tracing::warn!(%job, event, outcome, said = said(), "a test message was not delivered");
        }
        Fate::GivenUp => {
            let deliveries = attempt.attempt;
            tracing::error!(%job, event, outcome, deliveries, said = said(), "a message is given up");
        }
    }
}

/// Lets the directories of deliveries go that are over. `waiting` are the messages of the outbox.
pub(super) fn tidy(state_dir: &Path, waiting: impl Fn(u64) -> bool) {
    let (runs, now) = (state_dir.join("runs"), system_clock::now().wall);
    let Ok(entries) = std::fs::read_dir(runs.join(NOTICES)) else { return };
    for entry in entries.filter_map(Result::ok) {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
        let changed = entry.metadata().and_then(|metadata| metadata.modified()).map(Timestamp::from);
        // The clock may have been set back meanwhile: then it is kept until it has passed that time again.
        let old = changed.is_ok_and(|at| at + KEPT < now);
        let Some(number) = number.filter(|&number| old && !waiting(number)) else { continue };
        let run = RunId { job: notices(), number };
        if let Err(fault) = remove_run(&runs, &run) {
            tracing::warn!(%run, %fault, "cannot remove the directory of a delivered message");
        }
    }
}
