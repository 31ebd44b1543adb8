//! [`Tone`]: colours. They repeat what a word says and never say anything alone.

use crate::api::types::{JobState, Outcome, RunState};

/// How a text is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// Headings and what to look at first.
    Strong,
    /// Of less interest.
    Faint,
    /// It went well.
    Good,
    /// It needs attention.
    Bad,
    /// It is out of the ordinary.
    Odd,
    /// It is going on.
    Active,
}

impl Tone {
    /// The text with its colour, or without.
    pub fn paint(self, text: &str, colour: bool) -> String {
        // SGR parameters of ECMA-48; the eight first colours follow the terminal's own palette.
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Odd => "33",
            Self::Active => "36",
        };
        if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The tone of a job's state.
    pub const fn of_job(state: JobState) -> Self {
        match state {
            JobState::Running | JobState::Queued => Self::Active,
            JobState::Backoff | JobState::Paused | JobState::Other => Self::Odd,
            JobState::Faulty => Self::Bad,
            JobState::Disabled | JobState::Removed => Self::Faint,
            JobState::Waiting | JobState::Idle => Self::Plain,
        }
    }

    /// The tone of a run's state.
    pub const fn of_run(state: RunState) -> Self {
        match state {
            RunState::Queued | RunState::Starting | RunState::Running => Self::Active,
            RunState::Stopping | RunState::Backoff | RunState::Other => Self::Odd,
            RunState::Finished | RunState::Skipped => Self::Plain,
        }
    }

    /// The tone of an outcome.
    pub const fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Good,
            Outcome::Failed
            | Outcome::Signaled
            | Outcome::OutOfMemory
            | Outcome::TimedOut
            | Outcome::SetupFailed
            | Outcome::Lost => Self::Bad,
            Outcome::Cancelled | Outcome::Replaced | Outcome::HostShutdown | Outcome::Other => Self::Odd,
            Outcome::Skipped => Self::Faint,
        }
    }
}
