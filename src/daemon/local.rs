//! [`LocalWorld`]: the event loop's surroundings on one machine: sled, the supervisor next door, the kernel's clocks.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::alarm::{Alarm, Ring};
use super::event_loop::{Input, World};
use super::handle::{Published, RequestError, SupervisorState};
use super::mailbox::{Bell, Mailbox, Message, Ticket};
use super::notices::{self, NoticeDesk};
use super::service_manager::ServiceManager;
use super::system_clock;
use crate::clock::{Now, Timestamp};
use crate::run::{Run, Trigger};
use crate::schedule::Context;
use crate::scheduler::{Announcement, Answer, Change, Effect, Event, LoadSummary, Refusal, Snapshot, Wake};
use crate::spec::{Fault, JobName};
use crate::store::{CommitError, Store};
use crate::supervisor::{Link, Request};

/// Messages that one turn of the loop takes in: it bounds how long a due occurrence waits behind a burst.
const BATCH_LIMIT: usize = 512;

/// Pause before a failed commit is tried again.
const COMMIT_RETRY: Duration = Duration::from_millis(500);

/// The loop's surroundings.
pub(super) struct LocalWorld {
    pub(super) mailbox: Mailbox,
    pub(super) messages: Receiver<Message>,
    pub(super) bell: Bell,
    pub(super) alarm: Alarm,
    pub(super) store: Store,
    pub(super) link: Option<Link>,
    pub(super) published: Arc<Published>,
    pub(super) manager: ServiceManager,
    pub(super) desk: NoticeDesk,
    pub(super) told_faults: ToldFaults,
}

/// Faulty job files that the log knows of. Every change of the directory is a look at all files; a fault is told once.
#[derive(Default)]
pub(super) struct ToldFaults(BTreeMap<JobName, Option<Arc<Fault>>>);

impl ToldFaults {
    /// The files of a load that are newly faulty, or faulty in another way than before.
    fn news(&mut self, faulty: &[JobName], snapshot: &Snapshot) -> Vec<JobName> {
        let fault_of = |name: &JobName| snapshot.jobs.get(name).and_then(|job| job.fault.clone());
        let now: BTreeMap<_, _> = faulty.iter().map(|name| (name.clone(), fault_of(name))).collect();
        let before = std::mem::replace(&mut self.0, now);
        faulty.iter().filter(|name| before.get(*name) != self.0.get(*name)).cloned().collect()
    }
}

impl LocalWorld {
    /// Moves what the mailbox holds into `inputs`.
    fn collect(&mut self, inputs: &mut Vec<Input<Ticket>>) -> ControlFlow<()> {
        while inputs.len() < BATCH_LIMIT {
            match self.messages.try_recv() {
                Ok(Message::Input(input)) => inputs.push(input),
                Ok(Message::SupervisorConnected(link)) => {
                    tracing::info!(pid = link.supervisor().pid, "connected to the supervisor");
                    let (pid, since) = (link.supervisor().pid, system_clock::now().monotonic);
                    self.published.supervisor.store(Arc::new(SupervisorState::Connected { pid, since }));
                    self.link = Some(*link);
                    // Said again after each loss, which the service manager takes without harm.
                    self.manager.ready();
                    inputs.push(Input::Event(Event::SupervisorConnected, None));
                }
                // Without a supervisor it is made again for the next one.
                Ok(Message::Deliver(plan)) => self.ask(Request::Launch(plan)),
                Ok(Message::SupervisorLost { reason }) => {
                    tracing::warn!(reason, "the supervisor is gone; live runs are looked for when there is one again");
                    self.published.supervisor.store(Arc::new(SupervisorState::Missing { reason }));
                    self.link = None;
                }
                Err(TryRecvError::Empty) => return ControlFlow::Continue(()),
                Err(TryRecvError::Disconnected) => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }

    /// Sleeps until a message, the alarm, or the end of a back-off.
    fn sleep(&mut self, wake: Wake, inputs: &mut Vec<Input<Ticket>>) -> Result<(), Errno> {
        let now = system_clock::now();
        self.alarm.set(wake.wall, now.wall)?;
        let latest = wake.monotonic.into_iter().chain(self.manager.next_turn()).min();
        let timeout = latest.map(|at| TimeSpec::from_duration(at.saturating_since(now.monotonic)));
        let mut fds = [PollFd::new(self.bell.fd(), PollFlags::POLLIN), PollFd::new(self.alarm.fd(), PollFlags::POLLIN)];
        match ppoll(&mut fds, timeout, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let rang = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
        let (bell_rang, alarm_rang) = (rang(&fds[0]), rang(&fds[1]));
        if bell_rang {
            self.bell.silence();
        }
        if alarm_rang && self.alarm.take()? == Ring::ClockStepped {
            tracing::info!("the wall clock was set");
            inputs.push(Input::Event(Event::ClockStepped, None));
        }
        Ok(())
    }

    fn count(&self, announcement: &Announcement) {
        if let Announcement::Run(run) = announcement {
            self.published.metrics.run(run, || self.due(run));
        }
    }

    /// When the occurrence of a run was due, by the schedule as it is now.
    fn due(&self, run: &Run) -> Option<Timestamp> {
        let Trigger::Schedule(scheduled) = &run.trigger else { return None };
        let snapshot = self.published.snapshot.load();
        let job = snapshot.jobs.get(&run.id.job)?;
        let context = Context { first_seen: job.state.first_seen, boot: self.published.about.boot.clone() };
        job.spec.as_ref()?.schedules.due(scheduled.at, &context)
    }

    /// What a look at the jobs directory changed; a look that changed nothing is not worth a line.
    fn log_load(&mut self, answer: &Result<LoadSummary, RequestError>) {
        match answer {
            Ok(LoadSummary { held_back: Some(held), .. }) => {
                tracing::warn!(
                    known = held.known,
                    vanishing = held.vanishing,
                    "more than half of the jobs would vanish: the jobs that were known stay in force until `jobctl reload --force`"
                );
            }
            Ok(summary) => {
                let (added, changed, removed) = (summary.added.len(), summary.changed.len(), summary.removed.len());
                if added + changed + removed > 0 {
                    tracing::info!(added, changed, removed, "jobs loaded");
                }
                let snapshot = self.published.snapshot.load();
                for job in self.told_faults.news(&summary.faulty, &snapshot) {
                    tracing::warn!(%job, "its file is faulty; `jobctl show {job}` tells where");
                }
            }
            Err(fault) => tracing::error!(%fault, "the jobs are not loaded"),
        }
    }

    /// Sends a request to the supervisor. Without one nothing is lost: every live attempt is told again to the next.
    fn ask(&mut self, request: Request) {
        if let Some(link) = &mut self.link
            && let Err(fault) = link.send(&request)
        {
            tracing::warn!(%fault, "the supervisor takes no requests");
            self.link = None;
        }
    }
}

impl World for LocalWorld {
    type Ticket = Ticket;

    fn now(&mut self) -> Now {
        system_clock::now()
    }

    fn wait(&mut self, wake: Wake, inputs: &mut Vec<Input<Ticket>>) -> ControlFlow<()> {
        self.collect(inputs)?;
        let now = system_clock::now();
        self.manager.turn(now.monotonic);
        let due = wake.wall.is_some_and(|at| at <= now.wall) || wake.monotonic.is_some_and(|at| at <= now.monotonic);
        if !inputs.is_empty() || due {
            return ControlFlow::Continue(());
        }
        if let Err(errno) = self.sleep(wake, inputs) {
            // Without its timer the loop still turns, only later: an operating error that ends nobody's jobs.
            tracing::error!(%errno, "the event loop cannot sleep");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.collect(inputs)
    }

    fn begin_commit(&mut self, changes: &[Change]) {
        let (mailbox, published) = (self.mailbox.clone(), Arc::clone(&self.published));
        let begun = system_clock::now().monotonic;
        let done = Box::new(move |result: Result<(), CommitError>| {
            published.metrics.commit(result.is_ok(), system_clock::now().monotonic.saturating_since(begun));
            let input = match result {
                Ok(()) => Input::Committed,
                Err(fault) => {
                    tracing::error!(%fault, "the state cannot be written; trying again");
                    std::thread::sleep(COMMIT_RETRY);
                    Input::CommitFailed
                }
            };
            mailbox.send(Message::Input(input));
        });
        self.store.commit(changes.to_vec(), done);
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Launch(plan) => self.ask(Request::Launch(plan)),
            Effect::Find(plan) => self.ask(Request::Find(plan)),
            Effect::Stop { attempt, reason } => self.ask(Request::Stop { attempt, reason }),
            Effect::Acknowledge(attempt) => self.ask(Request::Acknowledge(attempt)),
            Effect::Deliver(notice) => self.desk.deliver(notice),
            Effect::Announce(announcement) => {
                log(&announcement, &self.published.about.state_dir);
                self.count(&announcement);
                // An error says that nobody listens.
                let _listeners = self.published.announcements.send(announcement);
            }
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Result<Answer, Refusal>) {
        // A client that has gone away wants no answer.
        match ticket {
            Ticket::Command(sender) => drop(sender.send(answer)),
            Ticket::Reload(sender) => {
                let answer = load_summary(answer);
                self.log_load(&answer);
                if let Some(sender) = sender {
                    drop(sender.send(answer));
                }
            }
        }
    }

    fn publish(&mut self, snapshot: Snapshot) {
        self.published.snapshot.store(Arc::new(snapshot));
    }

    fn late_ticket(&mut self) -> Option<Ticket> {
        Some(Ticket::Reload(None))
    }
}

fn load_summary(answer: Result<Answer, Refusal>) -> Result<LoadSummary, RequestError> {
    match answer {
        Ok(Answer::Loaded(summary)) => Ok(summary),
        Ok(other) => unreachable!("a load is answered by a summary, not by {other:?}"),
        Err(refusal) => Err(RequestError::Refused(refusal)),
    }
}

/// One line a run's end, by its outcome; beginnings only when somebody asks for them.
fn log(announcement: &Announcement, state_dir: &Path) {
    use crate::run::RunState;
    match announcement {
        Announcement::Run(run) => match &run.state {
            RunState::Finished { outcome, .. } if outcome.is_success() => {
                tracing::info!(job = %run.id.job, run = %run.id, outcome = outcome.name(), "finished");
            }
            RunState::Finished { outcome, .. } => {
                tracing::warn!(job = %run.id.job, run = %run.id, outcome = outcome.name(), "finished");
            }
            RunState::Queued { .. }
            | RunState::Starting { .. }
            | RunState::Running { .. }
            | RunState::Stopping { .. }
            | RunState::Backoff { .. } => {
                tracing::debug!(job = %run.id.job, run = %run.id, state = ?run.state, "changed")
            }
        },
        Announcement::Skip(skip) => {
            tracing::debug!(job = %skip.job, reason = skip.reason.name(), count = skip.count, "skipped");
        }
        Announcement::Job(job) => tracing::debug!(%job, "changed"),
        Announcement::Delivery(delivery) => notices::log(delivery, state_dir),
    }
}
