//! What an attempt used, and how it was stopped or killed, version 1. Frozen.

use serde::{Deserialize, Serialize};

use super::Span;
use crate::run::{self, ContextSwitches, CpuTime, IoBytes, PeakMemory, Usage};

/// What nobody measured is left out.
#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Used {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu_user: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu_system: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peak_memory: Option<PeakMemoryOf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    written_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    voluntary_switches: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    involuntary_switches: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peak_processes: Option<u64>,
}

/// Bytes, and what they are the bytes of.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PeakMemoryOf {
    Tree(u64),
    Process(u64),
    AtMost(u64),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutOfMemory {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peak_bytes: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leftovers {
    count: u64,
    names: Vec<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rung {
    Signal,
    Kill,
}

/// What the first records could say, as fields of the end itself. Zero where nothing was known; the memory is the most
/// that a process had, with the child before it became the program counted in.
#[derive(Clone, Copy, Default)]
pub(super) struct Early {
    pub(super) cpu_user: Span,
    pub(super) cpu_system: Span,
    pub(super) peak_memory_bytes: u64,
}

impl Used {
    /// A record says as the first ones did what they could say.
    pub(super) fn split(usage: &Usage) -> (Early, Self) {
        let (early_cpu, cpu) = match usage.cpu {
            Some(cpu) if cpu != CpuTime::default() => (cpu, None),
            cpu => (CpuTime::default(), cpu),
        };
        let (peak_memory_bytes, peak_memory) = match usage.peak_memory {
            Some(PeakMemory { bytes: bytes @ 1.., of: run::MemoryMeasure::AtMost }) => (bytes, None),
            memory => (0, memory),
        };
        let early = Early { cpu_user: early_cpu.user.into(), cpu_system: early_cpu.system.into(), peak_memory_bytes };
        let used = Self {
            cpu_user: cpu.map(|cpu| cpu.user.into()),
            cpu_system: cpu.map(|cpu| cpu.system.into()),
            peak_memory: peak_memory.map(|memory| match memory.of {
                run::MemoryMeasure::Tree => PeakMemoryOf::Tree(memory.bytes),
                run::MemoryMeasure::Process => PeakMemoryOf::Process(memory.bytes),
                run::MemoryMeasure::AtMost => PeakMemoryOf::AtMost(memory.bytes),
            }),
            read_bytes: usage.io.map(|io| io.read),
            written_bytes: usage.io.map(|io| io.written),
            voluntary_switches: usage.context_switches.map(|switches| switches.voluntary),
            involuntary_switches: usage.context_switches.map(|switches| switches.involuntary),
            peak_processes: usage.peak_processes,
        };
        (early, used)
    }

    pub(super) fn join(self, early: Early) -> Usage {
        let (voluntary, involuntary) = (self.voluntary_switches, self.involuntary_switches);
        let times = match (early.cpu_user, early.cpu_system) {
            (Span(0), Span(0)) => self.cpu_user.zip(self.cpu_system),
            early => Some(early),
        };
        let peak_memory = match early.peak_memory_bytes {
            0 => self.peak_memory,
            bytes => Some(PeakMemoryOf::AtMost(bytes)),
        };
        Usage {
            cpu: times.map(|(user, system)| CpuTime { user: user.into(), system: system.into() }),
            peak_memory: peak_memory.map(|memory| match memory {
                PeakMemoryOf::Tree(bytes) => PeakMemory { bytes, of: run::MemoryMeasure::Tree },
                PeakMemoryOf::Process(bytes) => PeakMemory { bytes, of: run::MemoryMeasure::Process },
                PeakMemoryOf::AtMost(bytes) => PeakMemory { bytes, of: run::MemoryMeasure::AtMost },
            }),
            io: self.read_bytes.zip(self.written_bytes).map(|(read, written)| IoBytes { read, written }),
            context_switches: voluntary
                .zip(involuntary)
                .map(|(voluntary, involuntary)| ContextSwitches { voluntary, involuntary }),
            peak_processes: self.peak_processes,
        }
    }
}

impl From<run::OutOfMemory> for OutOfMemory {
    fn from(killed: run::OutOfMemory) -> Self {
        Self { limit_bytes: killed.limit_bytes, peak_bytes: killed.peak_bytes }
    }
}

impl OutOfMemory {
    pub(super) fn into_domain(self) -> run::OutOfMemory {
        run::OutOfMemory { limit_bytes: self.limit_bytes, peak_bytes: self.peak_bytes }
    }
}

impl Leftovers {
    /// None are not written.
    pub(super) fn of(killed: &run::Leftovers) -> Option<Self> {
        (!killed.is_empty()).then(|| Self { count: killed.count, names: killed.names.clone() })
    }

    pub(super) fn into_domain(self) -> run::Leftovers {
        run::Leftovers { count: self.count, names: self.names }
    }
}

impl From<run::Rung> for Rung {
    fn from(rung: run::Rung) -> Self {
        match rung {
            run::Rung::Signal => Self::Signal,
            run::Rung::Kill => Self::Kill,
        }
    }
}

impl Rung {
    pub(super) fn into_domain(self) -> run::Rung {
        match self {
            Self::Signal => run::Rung::Signal,
            Self::Kill => run::Rung::Kill,
        }
    }
}
