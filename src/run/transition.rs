//! [`Run::advance`]: the one function through which a run changes its state.

use super::report::{AttemptEnd, StopReason};
use super::{Attempt, AttemptId, Deadline, Outcome, Run, RunState};
use crate::clock::{BootId, Timestamp};

/// A step in a run's life.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a transition lives for one call")]
pub enum Transition {
    /// From `Queued` or `Backoff`: the supervisor is to be asked for the next attempt.
    Launch {
        /// The boot in which it is asked for.
        boot: BootId,
        /// When.
        at: Timestamp,
    },
    /// From `Starting`: the program runs. A stop that was asked for before makes it `Stopping`.
    Executed {
        /// Its main process.
        pid: u32,
        /// When the program was executed.
        started_at: Timestamp,
        /// When SIGKILL follows, should it be stopping already.
        kill_at: Timestamp,
    },
    /// From `Starting` or `Running`: it is to be stopped. The first reason stays.
    Stop {
        /// Why.
        reason: StopReason,
        /// When SIGKILL follows.
        kill_at: Timestamp,
    },
    /// From `Starting`, `Running` or `Stopping`: the attempt is over.
    End {
        /// The raw facts.
        end: AttemptEnd,
        /// What they mean.
        outcome: Outcome,
        /// When the next attempt is due, when there is to be one.
        retry: Option<Deadline>,
    },
    /// From `Queued` or `Backoff`: it will not be launched (again).
    Abandon {
        /// Why.
        outcome: Outcome,
        /// When.
        at: Timestamp,
    },
}

impl Run {
    /// Takes one step.
    ///
    /// # Panics
    /// When the step does not start from this state: the scheduler checks that before.
    pub fn advance(&mut self, transition: Transition) {
        self.state = match (&self.state, transition) {
            (RunState::Queued { .. } | RunState::Backoff { .. }, Transition::Launch { boot, at }) => {
                let number = u32::try_from(self.attempts.len()).expect("attempts are bounded") + 1;
                self.attempts.push(Attempt { number, boot, asked_at: at, started_at: None, end: None });
                RunState::Starting { attempt: number, stop: None }
            }
            (&RunState::Starting { attempt, stop }, Transition::Executed { pid, started_at, kill_at }) => {
                self.newest_attempt().started_at = Some(started_at);
                match stop {
                    None => RunState::Running { attempt, pid, started_at },
                    Some(reason) => RunState::Stopping { attempt, pid, started_at, reason, kill_at },
                }
            }
            (&RunState::Starting { attempt, stop }, Transition::Stop { reason, .. }) => {
                RunState::Starting { attempt, stop: stop.or(Some(reason)) }
            }
            (&RunState::Running { attempt, pid, started_at }, Transition::Stop { reason, kill_at }) => {
                RunState::Stopping { attempt, pid, started_at, reason, kill_at }
            }
            (
                RunState::Starting { .. } | RunState::Running { .. } | RunState::Stopping { .. },
                Transition::End { end, outcome, retry },
            ) => {
                let ended_at = end.ended_at;
                let next_attempt = u32::try_from(self.attempts.len()).expect("attempts are bounded") + 1;
                let attempt = self.newest_attempt();
                attempt.started_at = attempt.started_at.or(end.started_at);
                attempt.end = Some((end, outcome.clone()));
                match retry {
                    Some(until) => RunState::Backoff { next_attempt, until },
                    None => RunState::Finished { outcome, ended_at },
                }
            }
            (RunState::Queued { .. } | RunState::Backoff { .. }, Transition::Abandon { outcome, at }) => {
                RunState::Finished { outcome, ended_at: at }
            }
            (state, transition) => panic!("{}: {transition:?} does not follow {state:?}", self.id),
        };
    }

    /// The attempt that was asked for last.
    fn newest_attempt(&mut self) -> &mut Attempt {
        self.attempts.last_mut().expect("a launched run has an attempt")
    }

    /// The attempt that the supervisor has, or is asked for.
    pub fn current_attempt(&self) -> Option<AttemptId> {
        match self.state {
            RunState::Starting { attempt, .. }
            | RunState::Running { attempt, .. }
            | RunState::Stopping { attempt, .. } => Some(AttemptId { run: self.id.clone(), attempt }),
            RunState::Queued { .. } | RunState::Backoff { .. } | RunState::Finished { .. } => None,
        }
    }

    /// Why it is to be stopped, while it is asked to.
    pub const fn stop_asked(&self) -> Option<StopReason> {
        match self.state {
            RunState::Starting { stop, .. } => stop,
            RunState::Stopping { reason, .. } => Some(reason),
            RunState::Queued { .. }
            | RunState::Running { .. }
            | RunState::Backoff { .. }
            | RunState::Finished { .. } => None,
        }
    }

    /// Whether it is over.
    pub const fn is_finished(&self) -> bool {
        matches!(self.state, RunState::Finished { .. })
    }

    /// Whether it waits for its first attempt.
    pub const fn is_queued(&self) -> bool {
        matches!(self.state, RunState::Queued { .. })
    }

    /// When its first attempt started, when one did.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.attempts.iter().find_map(|attempt| attempt.started_at)
    }
}
