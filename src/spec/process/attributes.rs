//! [`Attributes`]: what the kernel keeps of a process beside its identity, and how a file says it.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeValue;

use crate::spec::findings::{Findings, Problem};
use crate::spec::suggest::closest;
use crate::spec::tree::Field;
use crate::units;

/// Plain attributes of a job's processes. What is absent stays as the supervisor has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// File mode bits that new files do not get; `0022` when absent.
    pub umask: Option<u32>,
    /// From -20, the most favourable, to 19.
    pub nice: Option<i32>,
    /// In which order its disk accesses are served.
    pub io: Option<IoPriority>,
    /// The processors that it may run on.
    pub cpu_affinity: Option<BTreeSet<u32>>,
    /// How the kernel's scheduler treats it.
    pub cpu_scheduling: Option<CpuScheduling>,
    /// From -1000, never killed for memory, to 1000, killed first.
    pub oom_score_adjust: Option<i32>,
    /// Limits of each single process.
    pub rlimits: BTreeMap<Rlimit, RlimitValue>,
}

/// Class and level of disk accesses ([ioprio_set(2)](https://man7.org/linux/man-pages/man2/ioprio_set.2.html)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoPriority {
    /// Before everybody; needs root.
    Realtime {
        /// From 0, first, to 7.
        level: u8,
    },
    /// As everybody.
    BestEffort {
        /// From 0, first, to 7; the kernel's own default is 4.
        level: u8,
    },
    /// When nobody else wants the disk.
    Idle,
}

/// A scheduling policy ([sched(7)](https://man7.org/linux/man-pages/man7/sched.7.html)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuScheduling {
    /// As everybody.
    Normal,
    /// For work that nobody waits for.
    Batch,
    /// When nobody else wants the processor.
    Idle,
    /// Before everybody, until it sleeps; needs root.
    Fifo {
        /// From 1 to 99, first.
        priority: u8,
    },
    /// Before everybody, in turns; needs root.
    RoundRobin {
        /// From 1 to 99, first.
        priority: u8,
    },
}

/// A limit of each process ([getrlimit(2)](https://man7.org/linux/man-pages/man2/getrlimit.2.html)), named as there, in
/// lower case and without `RLIMIT_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rlimit(u32);

impl Rlimit {
    const NAMES: [(&'static str, u32); 15] = [
        ("as", libc::RLIMIT_AS),
        ("core", libc::RLIMIT_CORE),
        ("cpu", libc::RLIMIT_CPU),
        ("data", libc::RLIMIT_DATA),
        ("fsize", libc::RLIMIT_FSIZE),
        ("memlock", libc::RLIMIT_MEMLOCK),
        ("msgqueue", libc::RLIMIT_MSGQUEUE),
        ("nice", libc::RLIMIT_NICE),
        ("nofile", libc::RLIMIT_NOFILE),
        ("nproc", libc::RLIMIT_NPROC),
        ("rss", libc::RLIMIT_RSS),
        ("rtprio", libc::RLIMIT_RTPRIO),
        ("rttime", libc::RLIMIT_RTTIME),
        ("sigpending", libc::RLIMIT_SIGPENDING),
        ("stack", libc::RLIMIT_STACK),
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.iter().map(|&(_, number)| Self(number))
    }

    /// The limit of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|&(_, number)| Self(number))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(_, number)| *number == self.0);
        named.expect("limits are made from the list").0
    }

    /// Its number for setrlimit(2).
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// The two halves of a limit. `u64::MAX` is unlimited, as the kernel has it (`RLIM_INFINITY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RlimitValue {
    /// What holds.
    pub soft: u64,
    /// How far the process may raise it.
    pub hard: u64,
}

impl IoPriority {
    /// Reads `idle`, `best-effort`, `best-effort:7`, `realtime:0`.
    pub fn parse(text: &str) -> Option<Self> {
        /// What the kernel gives to who asks for a class alone.
        const USUAL: u8 = 4;
        let (class, level) = split(text);
        let level = match level {
            Some(level) => Some(level.parse().ok().filter(|level: &u8| *level <= 7)?),
            None => None,
        };
        match (class, level) {
            ("idle", None) => Some(Self::Idle),
            ("best-effort", level) => Some(Self::BestEffort { level: level.unwrap_or(USUAL) }),
            ("realtime", level) => Some(Self::Realtime { level: level.unwrap_or(USUAL) }),
            _ => None,
        }
    }

    /// As [`IoPriority::parse`] reads it.
    pub fn text(self) -> String {
        match self {
            Self::Idle => "idle".to_owned(),
            Self::BestEffort { level } => format!("best-effort:{level}"),
            Self::Realtime { level } => format!("realtime:{level}"),
        }
    }
}

impl CpuScheduling {
    /// Reads `normal`, `batch`, `idle`, `fifo:10`, `round-robin:10`.
    pub fn parse(text: &str) -> Option<Self> {
        let (policy, priority) = split(text);
        let real_time = || priority?.parse().ok().filter(|priority| (1..=99).contains(priority));
        match (policy, priority) {
            ("normal", None) => Some(Self::Normal),
            ("batch", None) => Some(Self::Batch),
            ("idle", None) => Some(Self::Idle),
            ("fifo", Some(_)) => real_time().map(|priority| Self::Fifo { priority }),
            ("round-robin", Some(_)) => real_time().map(|priority| Self::RoundRobin { priority }),
            _ => None,
        }
    }

    /// As [`CpuScheduling::parse`] reads it.
    pub fn text(self) -> String {
        match self {
            Self::Normal => "normal".to_owned(),
            Self::Batch => "batch".to_owned(),
            Self::Idle => "idle".to_owned(),
            Self::Fifo { priority } => format!("fifo:{priority}"),
            Self::RoundRobin { priority } => format!("round-robin:{priority}"),
        }
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    text.split_once(':').map_or((text, None), |(word, rest)| (word, Some(rest)))
}

/// Octal digits.
pub(super) fn umask(field: &Field<'_, '_>, findings: &mut Findings) -> Option<u32> {
    field.parsed(findings, "expected octal digits in quotes, as in \"0027\"", |text| {
        let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o777 && text.len() <= 4);
        bits.ok_or_else(|| {
            Problem::new(format!("{text:?} is no umask")).expected("expected octal digits up to \"0777\"")
        })
    })
}

/// A whole number between two bounds (inclusive), either of which may be below zero.
pub(super) fn signed(field: &Field<'_, '_>, findings: &mut Findings, least: i32, most: i32) -> Option<i32> {
    let expected = format!("expected a whole number from {least} to {most}");
    let Some(integer) = field.value.as_integer() else {
        field.wrong_kind(findings, &expected);
        return None;
    };
    let number = i32::from_str_radix(integer.as_str(), integer.radix()).ok();
    let number = number.filter(|number| (least..=most).contains(number));
    if number.is_none() {
        findings.add(field.span.clone(), Problem::new(format!("`{}` is out of range", field.path)).expected(expected));
    }
    number
}

pub(super) fn io_class(field: &Field<'_, '_>, findings: &mut Findings) -> Option<IoPriority> {
    let expected =
        "expected \"idle\", \"best-effort\" or \"realtime\", the latter two with a level, as in \"best-effort:7\"";
    field.parsed(findings, expected, |text| {
        IoPriority::parse(text).ok_or_else(|| Problem::new(format!("{text:?} is no io class")).expected(expected))
    })
}

pub(super) fn cpu_scheduling(field: &Field<'_, '_>, findings: &mut Findings) -> Option<CpuScheduling> {
    let expected = "expected \"normal\", \"batch\", \"idle\", \"fifo:PRIORITY\" or \"round-robin:PRIORITY\", 1 to 99";
    field.parsed(findings, expected, |text| {
        CpuScheduling::parse(text).ok_or_else(|| Problem::new(format!("{text:?} is no policy")).expected(expected))
    })
}

/// Processors and ranges of them: `[0, "2-5"]`.
pub(super) fn cpus(field: &Field<'_, '_>, findings: &mut Findings) -> Option<BTreeSet<u32>> {
    /// The kernel's own bound, CONFIG_NR_CPUS, is at most this.
    const MOST: u32 = 8191;
    const EXPECTED: &str = "expected processors and ranges of them, as in [0, \"2-5\"]";
    let Some(elements) = field.elements().filter(|elements| !elements.is_empty()) else {
        field.wrong_kind(findings, EXPECTED);
        return None;
    };
    let mut cpus = BTreeSet::new();
    for element in &elements {
        if let DeValue::Integer(_) = element.value {
            cpus.insert(element.number(findings, 0, MOST)?);
            continue;
        }
        cpus.extend(element.parsed(findings, EXPECTED, |text| {
            let ends =
                text.split_once('-').and_then(|(first, last)| first.parse::<u32>().ok().zip(last.parse::<u32>().ok()));
            match ends {
                Some((first, last)) if first <= last && last <= MOST => Ok(first..=last),
                _ => Err(Problem::new(format!("{text:?} is no range of processors")).expected(EXPECTED)),
            }
        })?);
    }
    Some(cpus)
}

/// `[rlimits]`: name = number, size, "unlimited" or "SOFT:HARD".
pub(super) fn rlimits(field: &Field<'_, '_>, findings: &mut Findings) -> Option<BTreeMap<Rlimit, RlimitValue>> {
    let Some(table) = field.value.as_table() else {
        field.wrong_kind(findings, "expected a table, [rlimits]");
        return None;
    };
    let mut limits = BTreeMap::new();
    for (name, value) in table.iter() {
        let word: &str = name.get_ref();
        let Some(limit) = Rlimit::from_name(word) else {
            let known = Rlimit::NAMES.iter().map(|(known, _)| *known);
            let list = known.clone().collect::<Vec<_>>().join(", ");
            let problem = Problem::new(format!("unknown limit {word:?}")).expected(format!("expected one of {list}"));
            findings.add(name.span(), problem.meant(closest(word, known)));
            continue;
        };
        let field = Field { path: format!("rlimits.{word}"), value: value.get_ref(), span: value.span() };
        limits.extend(rlimit(&field, findings).map(|value| (limit, value)));
    }
    Some(limits)
}

fn rlimit(field: &Field<'_, '_>, findings: &mut Findings) -> Option<RlimitValue> {
    const EXPECTED: &str = "expected a number, a size, \"unlimited\", or \"SOFT:HARD\" of these";
    let half = |text: &str| match text {
        "unlimited" => Some(u64::MAX),
        text => text.parse().ok().or_else(|| units::parse_size(text).ok()),
    };
    if let Some(integer) = field.value.as_integer() {
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if number.is_none() {
            findings
                .add(field.span.clone(), Problem::new(format!("`{}` is out of range", field.path)).expected(EXPECTED));
        }
        return number.map(|both| RlimitValue { soft: both, hard: both });
    }
    field.parsed(findings, EXPECTED, |text| {
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        match half(soft).zip(half(hard)) {
            Some((soft, hard)) if soft <= hard => Ok(RlimitValue { soft, hard }),
            Some(_) => Err(Problem::new(format!("`{}`: the soft limit is above the hard one", field.path))),
            None => Err(Problem::new(format!("{text:?} is no limit")).expected(EXPECTED)),
        }
    })
}
