//! What was added to the line of an end: what the attempt used, and how it was stopped or killed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::micros;
use crate::run::{self, ContextSwitches, CpuTime, IoBytes, PeakMemory, Usage};

/// What an attempt used. What nobody measured is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Used {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_user_micros: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_system_micros: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory_measure: Option<MemoryMeasure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    io_read_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    io_written_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    voluntary_switches: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    involuntary_switches: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peak_processes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MemoryMeasure {
    Tree,
    Process,
    AtMost,
}

/// A kill for want of memory.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct OutOfMemory {
    limit_bytes: Option<u64>,
    peak_bytes: Option<u64>,
}

/// Processes that were killed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::supervisor) struct Leftovers {
    count: u64,
    names: Vec<String>,
}

/// How far the stop ladder went.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rung {
    Signal,
    Kill,
}

impl From<&Usage> for Used {
    fn from(usage: &Usage) -> Self {
        Self {
            cpu_user_micros: usage.cpu.map(|cpu| micros(cpu.user)),
            cpu_system_micros: usage.cpu.map(|cpu| micros(cpu.system)),
            peak_memory_bytes: usage.peak_memory.map(|memory| memory.bytes),
            memory_measure: usage.peak_memory.map(|memory| match memory.of {
                run::MemoryMeasure::Tree => MemoryMeasure::Tree,
                run::MemoryMeasure::Process => MemoryMeasure::Process,
                run::MemoryMeasure::AtMost => MemoryMeasure::AtMost,
            }),
            io_read_bytes: usage.io.map(|io| io.read),
            io_written_bytes: usage.io.map(|io| io.written),
            voluntary_switches: usage.context_switches.map(|switches| switches.voluntary),
            involuntary_switches: usage.context_switches.map(|switches| switches.involuntary),
            peak_processes: usage.peak_processes,
        }
    }
}

impl From<Used> for Usage {
    fn from(used: Used) -> Self {
        let time = |micros: Option<u64>| micros.map(Duration::from_micros);
        let (user, system) = (time(used.cpu_user_micros), time(used.cpu_system_micros));
        let (read, written) = (used.io_read_bytes, used.io_written_bytes);
        let (voluntary, involuntary) = (used.voluntary_switches, used.involuntary_switches);
        let of = match used.memory_measure {
            Some(MemoryMeasure::Tree) => run::MemoryMeasure::Tree,
            Some(MemoryMeasure::Process) => run::MemoryMeasure::Process,
            Some(MemoryMeasure::AtMost) | None => run::MemoryMeasure::AtMost,
        };
        Self {
            cpu: user.zip(system).map(|(user, system)| CpuTime { user, system }),
            peak_memory: used.peak_memory_bytes.map(|bytes| PeakMemory { bytes, of }),
            io: read.zip(written).map(|(read, written)| IoBytes { read, written }),
            context_switches: voluntary
                .zip(involuntary)
                .map(|(voluntary, involuntary)| ContextSwitches { voluntary, involuntary }),
            peak_processes: used.peak_processes,
        }
    }
}

impl From<run::OutOfMemory> for OutOfMemory {
    fn from(killed: run::OutOfMemory) -> Self {
        Self { limit_bytes: killed.limit_bytes, peak_bytes: killed.peak_bytes }
    }
}

impl From<OutOfMemory> for run::OutOfMemory {
    fn from(killed: OutOfMemory) -> Self {
        Self { limit_bytes: killed.limit_bytes, peak_bytes: killed.peak_bytes }
    }
}

impl From<&run::Leftovers> for Leftovers {
    fn from(killed: &run::Leftovers) -> Self {
        Self { count: killed.count, names: killed.names.clone() }
    }
}

impl From<Leftovers> for run::Leftovers {
    fn from(killed: Leftovers) -> Self {
        Self { count: killed.count, names: killed.names }
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

impl From<Rung> for run::Rung {
    fn from(rung: Rung) -> Self {
        match rung {
            Rung::Signal => Self::Signal,
            Rung::Kill => Self::Kill,
        }
    }
}
