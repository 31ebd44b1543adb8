//! [`Agenda`]: what is going to happen in the simulated world, in the order of real time.

use std::collections::BTreeMap;

use jobsd::run::Report;

use crate::host::HostEvent;

/// A happening to come.
pub enum Happening {
    /// The store is through with a commit.
    CommitEnds,
    /// A report reaches the engine over this connection.
    Reported(u64, Report),
    /// Something on the machine.
    Host(HostEvent),
    /// A supervisor is there, and the engine connects.
    Connect,
    /// The store's health reaches the loop.
    TellStore,
    /// The disk can be written again.
    DiskMends,
    /// The weather.
    Weather(Weather),
    StormEnds,
    Disable,
    End,
}

/// What happens in the storm alone, again and again.
#[derive(Clone, Copy, Debug)]
pub enum Weather {
    Client,
    AdHoc,
    Edit,
    ClockStep,
    SupervisorDies,
    LinkBreaks,
    DiskTrouble,
    Retention,
    Leave,
}

impl Weather {
    pub const ALL: [Self; 9] = [
        Self::Client,
        Self::AdHoc,
        Self::Edit,
        Self::ClockStep,
        Self::SupervisorDies,
        Self::LinkBreaks,
        Self::DiskTrouble,
        Self::Retention,
        Self::Leave,
    ];

    /// The longest time between two of a kind, in seconds.
    pub const fn longest_pause(self) -> u64 {
        match self {
            Self::Client => 600,
            Self::AdHoc => 2000,
            Self::Edit => 1800,
            Self::ClockStep => 20_000,
            Self::SupervisorDies | Self::LinkBreaks => 10_000,
            Self::DiskTrouble => 15_000,
            Self::Retention => 8_000,
            Self::Leave => 12_000,
        }
    }
}

#[derive(Default)]
pub struct Agenda {
    happenings: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
}

impl Agenda {
    /// Enters a happening for an instant of real time; those of one instant come in the order in which they were entered.
    pub fn at(&mut self, elapsed: u64, happening: Happening) {
        self.sequence += 1;
        self.happenings.insert((elapsed, self.sequence), happening);
    }

    pub fn first_at(&self) -> Option<u64> {
        self.happenings.first_key_value().map(|(&(at, _), _)| at)
    }

    pub fn take_first(&mut self) -> Option<(u64, Happening)> {
        self.happenings.pop_first().map(|((at, _), happening)| (at, happening))
    }

    /// The engine is gone: what was under way to it never arrives.
    pub fn forget_engine(&mut self) {
        self.happenings.retain(|_, happening| {
            !matches!(happening, Happening::CommitEnds | Happening::Reported(..) | Happening::TellStore)
        });
    }
}
