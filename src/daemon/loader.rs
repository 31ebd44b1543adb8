//! [`Loader`]: reads the jobs directory whenever it changed or somebody asks, and hands the whole set to the loop.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::handle::{Circumstances, Published, RequestError};
use super::jobs_dir::{JobsDir, JobsDirError, KeptCalendars};
use super::lookout::Lookout;
use super::mailbox::{Mailbox, Message, Ticket};
use super::{Config, Input};
use crate::causes::chain;
use crate::schedule::Calendars;
use crate::scheduler::{Event, LoadSummary};
use crate::spec::SpecEntry;

/// Why the directory is read.
pub(super) enum Reason {
    /// Something in it may have changed.
    Changed,
    /// SIGHUP: the configuration is read again too.
    Hangup,
    /// A client asks, and waits for the answer.
    Asked { force: bool, answer: oneshot::Sender<Result<LoadSummary, RequestError>> },
    /// The daemon goes down.
    Stop,
}

/// Wakes the loader.
#[derive(Clone)]
pub(super) struct LoaderBell(Sender<Reason>);

impl LoaderBell {
    pub(super) fn new() -> (Self, Receiver<Reason>) {
        let (sender, receiver) = channel();
        (Self(sender), receiver)
    }

    /// False when the loader has ended.
    pub(super) fn ring(&self, reason: Reason) -> bool {
        self.0.send(reason).is_ok()
    }
}

/// Runs beside the loop until the daemon goes down.
pub(super) struct Loader {
    pub(super) jobs: JobsDir,
    pub(super) mailbox: Mailbox,
    pub(super) published: Arc<Published>,
    pub(super) kept: KeptCalendars,
    /// Reads the configuration again.
    pub(super) configure: Box<dyn Fn() -> anyhow::Result<Config> + Send>,
    /// Looks at what the jobs name.
    pub(super) lookout: Lookout,
}

impl Loader {
    /// Begins to wait for reasons.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start(mut self, reasons: Receiver<Reason>) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("loader".into()).spawn(move || {
            for reason in reasons {
                match reason {
                    Reason::Stop => return,
                    Reason::Changed => self.load(false, None),
                    Reason::Hangup => {
                        self.configure();
                        self.load(false, None);
                    }
                    Reason::Asked { force, answer } => {
                        self.configure();
                        self.load(force, Some(answer));
                    }
                }
            }
        })
    }

    /// A configuration that cannot be read leaves the one in force, and is told until it can.
    fn configure(&mut self) {
        match (self.configure)() {
            Ok(config) => {
                self.published.config_fault.store(None);
                self.published.access.send_if_modified(|access| {
                    let changed = **access != config.access;
                    *access = Arc::new(config.access);
                    changed
                });
                self.published.notify.store(Arc::new(config.notify));
                self.published.output_bounds.store(Arc::new(config.output));
                self.published.reading.store(Arc::new(config.reading.clone()));
                self.published.trust.store(Arc::new(config.trust.clone()));
                self.jobs.configure(config.trust, config.reading);
            }
            Err(fault) => {
                tracing::error!("the configuration is not read again: {fault:#}");
                self.published.config_fault.store(Some(Arc::new(format!("{fault:#}"))));
            }
        }
    }

    /// Reads the directory and hands over what it says.
    pub(super) fn load(&mut self, force: bool, answer: Option<oneshot::Sender<Result<LoadSummary, RequestError>>>) {
        match self.jobs.load() {
            Ok(mut set) => {
                set.confirmed = force;
                self.note(None);
                self.publish_circumstances();
                // Every look finds them again; each is told once.
                let told = self.published.strays.load();
                for stray in set.strays.iter().filter(|stray| !told.contains(stray)) {
                    tracing::warn!(file = %stray.path.display(), "{}", stray.summary);
                }
                self.published.strays.store(Arc::new(std::mem::take(&mut set.strays)));
                let good = set.jobs.values().filter_map(|entry| match entry {
                    SpecEntry::Good(loaded) => Some(Arc::clone(loaded)),
                    SpecEntry::Faulty(_) => None,
                });
                // It lives as long as this sender.
                drop(self.lookout.send(good.collect()));
                let ticket = Ticket::Reload(answer);
                self.mailbox.send(Message::Input(Input::Event(Event::SpecsLoaded(set), Some(ticket))));
            }
            Err(fault) => self.refuse(&fault, answer),
        }
    }

    fn publish_circumstances(&self) {
        let (reading, calendars) = self.jobs.circumstances();
        let mut calendars = Calendars::clone(&calendars);
        // Which copies are needed is found out when the daemon starts.
        if let Err(fault) = self.kept.stand_in(&mut calendars, |_| true) {
            tracing::warn!(%fault, "the last good forms of calendars cannot be read");
        }
        self.published.circumstances.store(Arc::new(Circumstances { reading, calendars: Arc::new(calendars) }));
    }

    fn refuse(&self, fault: &JobsDirError, answer: Option<oneshot::Sender<Result<LoadSummary, RequestError>>>) {
        let reason = chain(fault);
        if self.note(Some(reason.clone())) {
            tracing::error!("{reason}; the jobs that were known stay in force");
        }
        if let Some(answer) = answer {
            // A client that has gone away wants no answer.
            drop(answer.send(Err(RequestError::JobsDirectory { reason, hint: fault.hint() })));
        }
    }

    /// Keeps the fault for the health report. True when it is another than before.
    fn note(&self, fault: Option<String>) -> bool {
        let before = self.published.jobs_dir_fault.swap(fault.clone().map(Arc::new));
        before.as_deref() != fault.as_ref()
    }
}
