//! [`EventLoop`]: the scheduler's only owner. Commit, then act, then reply.
//!
//! The loop steps a batch of events, has one commit in flight, and lets effects, answers and the snapshot follow the
//! commit that they depend on. Everything outside reaches it through a [`World`], so that the simulator runs this very
//! loop over a simulated store, supervisor, clock and clients.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::ShutdownMode;
use crate::clock::Now;
use crate::scheduler::{Answer, Change, Command, Decision, Effect, Event, Refusal, Scheduler, Snapshot, Wake};
use crate::spec::SpecSet;

/// Changes that one commit takes, unless a single job's changes are more. sled's memory grows with the batch.
pub const COMMIT_LIMIT: usize = 250;

/// Changes that may wait for the store. Beyond it no occurrence is settled and no command taken: the store is too slow
/// or failing, occurrences stay due, and the catch-up policy decides on them when there is room again.
pub const BACKLOG_LIMIT: usize = 20_000;

/// What surrounds the loop.
pub trait World {
    /// Where a client's answer goes.
    type Ticket;

    /// Both clocks, now.
    fn now(&mut self) -> Now;

    /// Waits until something happens or `wake` has come, and appends what happened. `Break` ends the loop at once, as
    /// a crash does.
    fn wait(&mut self, wake: Wake, inputs: &mut Vec<Input<Self::Ticket>>) -> ControlFlow<()>;

    /// Begins to make changes durable, all or none. Exactly one [`Input::Committed`] follows.
    fn begin_commit(&mut self, changes: &[Change]);

    /// Acts. Called only for effects whose changes are durable.
    fn perform(&mut self, effect: Effect);

    /// Answers a client.
    fn answer(&mut self, ticket: Self::Ticket, answer: Result<Answer, Refusal>);

    /// Shows the newest committed state to readers.
    fn publish(&mut self, snapshot: Snapshot);

    /// A ticket for what nobody waits for any more and is to be told all the same: a load that had to wait for the store.
    fn late_ticket(&mut self) -> Option<Self::Ticket> {
        None
    }
}

/// What reaches the loop.
#[derive(Debug)]
pub enum Input<T> {
    /// Something for the scheduler, and where the answer goes if somebody waits for one.
    Event(Event, Option<T>),
    /// Finished runs and skips that retention lets go.
    Forget(Vec<Change>),
    /// The commit in flight is durable.
    Committed,
    /// The commit in flight failed, and nothing of it is durable. The world paces repetitions.
    CommitFailed,
    /// The store takes commits as this says.
    Store(StoreCondition),
    /// Go down.
    Shutdown(ShutdownMode),
}

/// Whether runs can be recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreCondition {
    /// They can.
    #[default]
    Good,
    /// Those that are live can, to their end, on room kept for that; new ones should not begin.
    Short,
    /// They cannot: commits wait.
    Failing,
}

/// One decision on its way to durability.
struct Pending<T> {
    changes: VecDeque<Change>,
    effects: Vec<Effect>,
    answer: Option<(T, Result<Answer, Refusal>)>,
}

/// A commit that the store works on.
struct InFlight<T> {
    changes: Vec<Change>,
    /// What may follow once it is durable.
    released: Vec<Pending<T>>,
    /// The state that it makes durable, when it leaves nothing behind.
    snapshot: Option<Snapshot>,
}

/// The loop and what it owns.
pub struct EventLoop<W: World> {
    scheduler: Scheduler,
    world: W,
    pending: VecDeque<Pending<W::Ticket>>,
    backlog: usize,
    in_flight: Option<InFlight<W::Ticket>>,
    store_failing: bool,
    holding: bool,
    /// The newest content of the jobs directory, while it cannot be taken over.
    held_load: Option<SpecSet>,
    shutdown: Option<ShutdownMode>,
}

impl<W: World> EventLoop<W> {
    /// A loop that has not begun.
    pub fn new(scheduler: Scheduler, world: W) -> Self {
        Self {
            scheduler,
            world,
            pending: VecDeque::new(),
            backlog: 0,
            in_flight: None,
            store_failing: false,
            holding: false,
            held_load: None,
            shutdown: None,
        }
    }

    /// Runs until a shutdown is complete or the world breaks off. Returns the world.
    pub fn run(mut self) -> W {
        let mut inputs = Vec::new();
        self.world.publish(self.scheduler.snapshot());
        while !self.is_done() {
            let wake = self.wake();
            if self.world.wait(wake, &mut inputs).is_break() {
                break;
            }
            let now = self.world.now();
            for input in inputs.drain(..) {
                self.take(now, input);
            }
            if is_due(self.wake(), now) {
                let decision = self.scheduler.step(now, Event::Tick);
                self.enqueue(decision, None);
            }
            self.commit();
        }
        self.world
    }

    fn take(&mut self, now: Now, input: Input<W::Ticket>) {
        match input {
            Input::Event(event, Some(ticket)) if self.refuses(&event) => {
                self.world.answer(ticket, Err(Refusal::StoreFailed));
            }
            Input::Event(Event::SpecsLoaded(set), ticket) if self.holding => self.hold_load(set, ticket),
            Input::Event(event, ticket) => {
                let decision = self.scheduler.step(now, event);
                self.enqueue(decision, ticket);
            }
            Input::Forget(changes) => self.enqueue(Decision { changes, ..Decision::default() }, None),
            Input::Committed => self.committed(),
            Input::CommitFailed => {
                self.store_failing = true;
                let commit = self.in_flight.as_ref().expect("a commit that failed was in flight");
                self.world.begin_commit(&commit.changes);
            }
            Input::Store(condition) => self.weigh(now, condition),
            Input::Shutdown(mode) => self.begin_shutdown(now, mode),
        }
    }

    /// Starts nothing that the store could not record, until it can.
    fn weigh(&mut self, now: Now, condition: StoreCondition) {
        self.store_failing = condition == StoreCondition::Failing;
        let holding = condition != StoreCondition::Good;
        if holding == self.holding {
            return;
        }
        self.holding = holding;
        let decision = self.scheduler.step(now, Event::Hold(holding));
        self.enqueue(decision, None);
        if let Some(set) = self.held_load.take_if(|_| !holding) {
            let decision = self.scheduler.step(now, Event::SpecsLoaded(set));
            let ticket = self.world.late_ticket();
            self.enqueue(decision, ticket);
        }
    }

    /// Changed definitions settle what is due under the old ones, which cannot be recorded now. Whoever waits hears so; the
    /// set comes into force when the store can be written again.
    fn hold_load(&mut self, set: SpecSet, ticket: Option<W::Ticket>) {
        self.held_load = Some(set);
        if let Some(ticket) = ticket {
            self.world.answer(ticket, Err(Refusal::StoreFailed));
        }
    }

    /// While the store fails or has its last room, a client hears so at once instead of waiting for an answer that may not come.
    fn refuses(&self, event: &Event) -> bool {
        let stops = match event {
            Event::Define { .. } => false,
            Event::Command(command) => {
                matches!(command, Command::Cancel { .. } | Command::CancelAll { .. } | Command::Drain { .. })
            }
            Event::SpecsLoaded(_)
            | Event::Tick
            | Event::ClockStepped
            | Event::SupervisorConnected
            | Event::Report(_)
            | Event::Hold(_)
            | Event::Discard(_) => return false,
        };
        ((self.store_failing || self.holding) && !stops) || self.backlog > BACKLOG_LIMIT
    }

    fn begin_shutdown(&mut self, now: Now, mode: ShutdownMode) {
        let stop_runs = match mode {
            ShutdownMode::LeaveRuns => None,
            ShutdownMode::Drain => Some(false),
            ShutdownMode::StopRuns => Some(true),
        };
        if let Some(stop_runs) = stop_runs {
            let decision = self.scheduler.step(now, Event::Command(Command::Drain { stop_runs }));
            self.enqueue(decision, None);
        }
        self.shutdown = Some(mode);
    }

    /// Whether a shutdown is complete: everything decided is durable and done, and no run is waited for.
    fn is_done(&self) -> bool {
        let idle = self.pending.is_empty() && self.in_flight.is_none();
        match self.shutdown {
            None => false,
            // A store that fails cannot be waited for; what it did not take is decided again by the next daemon.
            Some(ShutdownMode::LeaveRuns) => idle || self.store_failing,
            Some(ShutdownMode::Drain | ShutdownMode::StopRuns) => idle && !self.scheduler.has_active_attempts(),
        }
    }

    fn wake(&self) -> Wake {
        let leaving = matches!(self.shutdown, Some(ShutdownMode::LeaveRuns));
        if self.backlog > BACKLOG_LIMIT || leaving { Wake::default() } else { self.scheduler.wake() }
    }

    fn enqueue(&mut self, decision: Decision, ticket: Option<W::Ticket>) {
        let Decision { changes, effects, answer } = decision;
        let answer = ticket.zip(answer);
        if changes.is_empty() && effects.is_empty() && answer.is_none() {
            return;
        }
        self.backlog += changes.len();
        self.pending.push_back(Pending { changes: changes.into(), effects, answer });
    }

    /// Hands the next batch to the store when it is free. A batch without changes needs no commit.
    fn commit(&mut self) {
        if self.in_flight.is_some() {
            return;
        }
        let batch = self.next_batch();
        if batch.changes.is_empty() {
            self.release(batch);
        } else {
            self.world.begin_commit(&batch.changes);
            self.in_flight = Some(batch);
        }
    }

    fn next_batch(&mut self) -> InFlight<W::Ticket> {
        let mut changes = Vec::new();
        let mut released = Vec::new();
        while let Some(first) = self.pending.front_mut() {
            take_whole_jobs(&mut first.changes, &mut changes);
            if !first.changes.is_empty() {
                break;
            }
            released.extend(self.pending.pop_front());
        }
        self.backlog -= changes.len();
        let snapshot = (self.pending.is_empty() && !released.is_empty()).then(|| self.scheduler.snapshot());
        InFlight { changes, released, snapshot }
    }

    fn committed(&mut self) {
        self.store_failing = false;
        let durable = self.in_flight.take().expect("a commit that completed was in flight");
        // The next commit starts before the effects of this one: the store works while they are carried out.
        let next = self.next_batch();
        let waits_for_store = !next.changes.is_empty();
        if waits_for_store {
            self.world.begin_commit(&next.changes);
        }
        self.release(durable);
        if waits_for_store {
            self.in_flight = Some(next);
        } else {
            self.release(next);
        }
    }

    fn release(&mut self, batch: InFlight<W::Ticket>) {
        if let Some(snapshot) = batch.snapshot {
            self.world.publish(snapshot);
        }
        let mut answers = Vec::new();
        for pending in batch.released {
            pending.effects.into_iter().for_each(|effect| self.world.perform(effect));
            answers.extend(pending.answer);
        }
        for (ticket, answer) in answers {
            self.world.answer(ticket, answer);
        }
    }
}

/// Moves changes over until the batch is full, cutting only between two jobs: a run's record and its job's number and
/// cursor must become durable together.
fn take_whole_jobs(from: &mut VecDeque<Change>, batch: &mut Vec<Change>) {
    while let Some(change) = from.front() {
        let same_job = batch.last().is_some_and(|last| last.job() == change.job());
        if batch.len() >= COMMIT_LIMIT && !same_job {
            return;
        }
        batch.extend(from.pop_front());
    }
}

fn is_due(wake: Wake, now: Now) -> bool {
    wake.wall.is_some_and(|at| at <= now.wall) || wake.monotonic.is_some_and(|at| at <= now.monotonic)
}
