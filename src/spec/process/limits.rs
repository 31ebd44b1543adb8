//! [`Limits`]: bounds of the whole tree of processes, and how a file says them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::DeValue;

use crate::spec::findings::{Findings, Problem};
use crate::spec::tree::{Field, Table};
use crate::spec::values;

/// Limits that the attempt's cgroup enforces for all its processes together. Absent is unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory; beyond it the kernel kills the whole tree, and the outcome is `out_of_memory`.
    pub memory_bytes: Option<u64>,
    /// Bytes of swap beside it.
    pub memory_swap_bytes: Option<u64>,
    /// Processors, in thousandths.
    pub cpu_millis: Option<u32>,
    /// Processes and threads.
    pub processes: Option<u32>,
    /// Share of the disks, from 1 to 10000; others have 100.
    pub io_weight: Option<u32>,
    /// Bytes a second read from the disk that holds the path.
    pub io_read: BTreeMap<PathBuf, u64>,
    /// Bytes a second written to the disk that holds the path.
    pub io_write: BTreeMap<PathBuf, u64>,
    /// Whether the job runs without those limits that the machine cannot enforce.
    pub best_effort: bool,
}

/// A part of the kernel that enforces limits, as it is called in `cgroup.controllers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    /// `memory` and `memory_swap`.
    Memory,
    /// `processes`.
    Pids,
    /// `cpus`.
    Cpu,
    /// `io_weight`, `io_read` and `io_write`.
    Io,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Pids, Self::Cpu, Self::Io];

    /// The kernel's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
            Self::Io => "io",
        }
    }
}

impl Limits {
    /// The keys that are said, each with the controller that it needs.
    pub fn needs(&self) -> Vec<(&'static str, Controller)> {
        let said = [
            ("memory", Controller::Memory, self.memory_bytes.is_some()),
            ("memory_swap", Controller::Memory, self.memory_swap_bytes.is_some()),
            ("cpus", Controller::Cpu, self.cpu_millis.is_some()),
            ("processes", Controller::Pids, self.processes.is_some()),
            ("io_weight", Controller::Io, self.io_weight.is_some()),
            ("io_read", Controller::Io, !self.io_read.is_empty()),
            ("io_write", Controller::Io, !self.io_write.is_empty()),
        ];
        said.into_iter().filter(|(.., said)| *said).map(|(key, controller, _)| (key, controller)).collect()
    }
}

/// `[limits]`.
pub(super) fn limits(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Limits> {
    /// Less than this no program can even be executed.
    const LEAST_MEMORY: u64 = 1 << 20;
    /// More than any machine has.
    const MOST: u64 = 1 << 50;
    let Some(table) = field.value.as_table() else {
        field.wrong_kind(findings, "expected a table, [limits]");
        return None;
    };
    let mut table = Table::new(table, "limits.");
    let limits = Limits {
        memory_bytes: table
            .read("memory", findings, |field, f| values::size(field, f, LEAST_MEMORY, MOST))
            .map(|said| said.value),
        memory_swap_bytes: table
            .read("memory_swap", findings, |field, f| values::size(field, f, 0, MOST))
            .map(|said| said.value),
        cpu_millis: table.read("cpus", findings, cpus).map(|said| said.value),
        processes: table.read("processes", findings, |field, f| field.number(f, 1, 4_194_304)).map(|said| said.value),
        io_weight: table.read("io_weight", findings, |field, f| field.number(f, 1, 10_000)).map(|said| said.value),
        io_read: table.read("io_read", findings, bandwidth).map(|said| said.value).unwrap_or_default(),
        io_write: table.read("io_write", findings, bandwidth).map(|said| said.value).unwrap_or_default(),
        best_effort: table.read("best_effort", findings, values::flag).is_some_and(|said| said.value),
    };
    table.finish(findings, &[("cpu", "the key is called `cpus`"), ("pids", "the key is called `processes`")]);
    Some(limits)
}

/// A number of processors, whole or not.
fn cpus(field: &Field<'_, '_>, findings: &mut Findings) -> Option<u32> {
    const EXPECTED: &str = "expected a number of processors from 0.01 to 8192, as in 1.5";
    let text = match field.value {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        _ => {
            field.wrong_kind(findings, EXPECTED);
            return None;
        }
    };
    let number = text.parse::<f64>().ok().filter(|number| (0.01..=8192.0).contains(number));
    if number.is_none() {
        findings.add(field.span.clone(), Problem::new(format!("`{}` is out of range", field.path)).expected(EXPECTED));
    }
    // Within bounds that fit.
    number.map(|number| (number * 1000.0).round() as u32)
}

/// A table of path = "size".
fn bandwidth(field: &Field<'_, '_>, findings: &mut Findings) -> Option<BTreeMap<PathBuf, u64>> {
    /// A page: what the kernel reads at least.
    const LEAST_RATE: u64 = 4096;
    const EXPECTED: &str = "expected a table of bytes a second by path, as in { \"/var/lib\" = \"20MiB\" }";
    let Some(table) = field.value.as_table() else {
        field.wrong_kind(findings, EXPECTED);
        return None;
    };
    let mut rates = BTreeMap::new();
    for (path, value) in table.iter() {
        let text: &str = path.get_ref();
        if !text.starts_with('/') || text.contains('\0') {
            findings.add(path.span(), Problem::new(format!("{text:?} is no absolute path")).expected(EXPECTED));
        }
        let field = Field { path: format!("{}.{text}", field.path), value: value.get_ref(), span: value.span() };
        let rate = values::size(&field, findings, LEAST_RATE, 1 << 50);
        rates.extend(rate.map(|rate| (PathBuf::from(text), rate)));
    }
    Some(rates)
}
