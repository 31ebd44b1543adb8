//! What an attempt used, and why it was stopped or killed, between the messages and what is meant by them.

use std::time::Duration;

use super::convert::micros;
use super::wire;
use crate::run::{
    ContextSwitches, CpuTime, IoBytes, Leftovers, MemoryMeasure, OutOfMemory, PeakMemory, Rung, StopReason, Stopped,
    Usage,
};

impl From<&Usage> for wire::Usage {
    fn from(usage: &Usage) -> Self {
        Self {
            cpu_user_micros: usage.cpu.map(|cpu| micros(cpu.user)),
            cpu_system_micros: usage.cpu.map(|cpu| micros(cpu.system)),
            peak_memory_bytes: usage.peak_memory.map(|memory| memory.bytes),
            memory_measure: usage.peak_memory.map(|memory| memory.of.into()),
            io_read_bytes: usage.io.map(|io| io.read),
            io_written_bytes: usage.io.map(|io| io.written),
            voluntary_switches: usage.context_switches.map(|switches| switches.voluntary),
            involuntary_switches: usage.context_switches.map(|switches| switches.involuntary),
            peak_processes: usage.peak_processes,
        }
    }
}

impl From<wire::Usage> for Usage {
    fn from(usage: wire::Usage) -> Self {
        let time = |micros: Option<u64>| micros.map(Duration::from_micros);
        let (user, system) = (time(usage.cpu_user_micros), time(usage.cpu_system_micros));
        let (read, written) = (usage.io_read_bytes, usage.io_written_bytes);
        let (voluntary, involuntary) = (usage.voluntary_switches, usage.involuntary_switches);
        let of = usage.memory_measure.map_or(MemoryMeasure::AtMost, Into::into);
        Self {
            cpu: user.zip(system).map(|(user, system)| CpuTime { user, system }),
            peak_memory: usage.peak_memory_bytes.map(|bytes| PeakMemory { bytes, of }),
            io: read.zip(written).map(|(read, written)| IoBytes { read, written }),
            context_switches: voluntary
                .zip(involuntary)
                .map(|(voluntary, involuntary)| ContextSwitches { voluntary, involuntary }),
            peak_processes: usage.peak_processes,
        }
    }
}

/// Usage as versions before 3 said it: zeros where nothing was known, and of memory what was counted of the child before
/// it became the program, too.
pub(in crate::supervisor) fn usage_before_3(cpu_user: u64, cpu_system: u64, peak_memory_bytes: u64) -> Usage {
    if (cpu_user, cpu_system, peak_memory_bytes) == (0, 0, 0) {
        return Usage::default();
    }
    let (user, system) = (Duration::from_micros(cpu_user), Duration::from_micros(cpu_system));
    Usage {
        cpu: Some(CpuTime { user, system }),
        peak_memory: Some(PeakMemory { bytes: peak_memory_bytes, of: MemoryMeasure::AtMost }),
        ..Usage::default()
    }
}

impl From<MemoryMeasure> for wire::MemoryMeasure {
    fn from(of: MemoryMeasure) -> Self {
        match of {
            MemoryMeasure::Tree => Self::Tree,
            MemoryMeasure::Process => Self::Process,
            MemoryMeasure::AtMost => Self::AtMost,
        }
    }
}

impl From<wire::MemoryMeasure> for MemoryMeasure {
    fn from(of: wire::MemoryMeasure) -> Self {
        match of {
            wire::MemoryMeasure::Tree => Self::Tree,
            wire::MemoryMeasure::Process => Self::Process,
            wire::MemoryMeasure::AtMost => Self::AtMost,
        }
    }
}

/// None is said by silence.
pub(super) fn leftovers_said(leftovers: &Leftovers) -> Option<wire::Leftovers> {
    let Leftovers { count, names } = leftovers.clone();
    (count > 0).then_some(wire::Leftovers { count, names })
}

pub(super) fn leftovers_heard(leftovers: Option<wire::Leftovers>) -> Leftovers {
    leftovers.map_or_else(Leftovers::default, |wire::Leftovers { count, names }| Leftovers { count, names })
}

impl From<OutOfMemory> for wire::OutOfMemory {
    fn from(killed: OutOfMemory) -> Self {
        Self { limit_bytes: killed.limit_bytes, peak_bytes: killed.peak_bytes }
    }
}

impl From<wire::OutOfMemory> for OutOfMemory {
    fn from(killed: wire::OutOfMemory) -> Self {
        Self { limit_bytes: killed.limit_bytes, peak_bytes: killed.peak_bytes }
    }
}

/// Reason and rung, which lie apart because the rung came later.
pub(super) fn stopped(reason: Option<wire::StopReason>, rung: Option<wire::Rung>) -> Option<Stopped> {
    reason.map(|reason| Stopped { reason: reason.into(), rung: rung.map(Into::into) })
}

impl From<Rung> for wire::Rung {
    fn from(rung: Rung) -> Self {
        match rung {
            Rung::Signal => Self::Signal,
            Rung::Kill => Self::Kill,
        }
    }
}

impl From<wire::Rung> for Rung {
    fn from(rung: wire::Rung) -> Self {
        match rung {
            wire::Rung::Signal => Self::Signal,
            wire::Rung::Kill => Self::Kill,
        }
    }
}

impl From<StopReason> for wire::StopReason {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::TimedOut => Self::TimedOut,
            StopReason::Cancelled => Self::Cancelled,
            StopReason::Replaced => Self::Replaced,
            StopReason::HostShutdown => Self::HostShutdown,
        }
    }
}

impl From<wire::StopReason> for StopReason {
    fn from(reason: wire::StopReason) -> Self {
        match reason {
            wire::StopReason::TimedOut => Self::TimedOut,
            wire::StopReason::Cancelled => Self::Cancelled,
            wire::StopReason::Replaced => Self::Replaced,
            wire::StopReason::HostShutdown => Self::HostShutdown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_known_stays_nothing() {
        let nothing = wire::Usage::from(&Usage::default());
        assert_eq!(serde_json::to_string(&nothing).unwrap(), "{}");
        assert_eq!(Usage::from(nothing), Usage::default());
        assert_eq!(usage_before_3(0, 0, 0), Usage::default());
    }

    #[test]
    fn all_that_is_known_comes_back() {
        let usage = Usage {
            cpu: Some(CpuTime { user: Duration::from_micros(1), system: Duration::ZERO }),
            peak_memory: Some(PeakMemory { bytes: 3, of: MemoryMeasure::Tree }),
            io: Some(IoBytes { read: 4, written: 5 }),
            context_switches: Some(ContextSwitches { voluntary: 6, involuntary: 7 }),
            peak_processes: Some(8),
        };
        assert_eq!(Usage::from(wire::Usage::from(&usage)), usage);
    }
}
