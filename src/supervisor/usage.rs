//! What an attempt used, as the kernel tells: by its cgroup for the whole tree, and by wait4 for the main process.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

use crate::run::{ContextSwitches, CpuTime, IoBytes, MemoryMeasure, OutOfMemory, PeakMemory, Usage};

/// How much larger than the child before execution a process must have been to be told from it. The kernel counts
/// resident pages per processor and sums up now and then, so that its figure is off by some dozens of them for each kind
/// of page and processor
/// ([proc_pid_status(5)](https://man7.org/linux/man-pages/man5/proc_pid_status.5.html), `VmRSS`).
const RESIDENT_SLACK_BYTES: u64 = 2 << 20;

/// Blocks of getrusage(2): 512 bytes, whatever the file system has.
const BLOCK_BYTES: u64 = 512;

/// What wait4 gave for a main process. `resident_before_bytes` is the resident set of the child before it became the
/// program, which the kernel counts as the program's.
pub(super) fn of_process(used: &libc::rusage, resident_before_bytes: Option<u64>) -> Usage {
    let count = |value: libc::c_long| u64::try_from(value).unwrap_or(0);
    let time = |time: libc::timeval| {
        Duration::from_micros(count(time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_usec)))
    };
    // getrusage(2): kilobytes.
    let bytes = count(used.ru_maxrss).saturating_mul(1024);
    let told = resident_before_bytes.is_some_and(|before| bytes > before.saturating_add(RESIDENT_SLACK_BYTES));
    Usage {
        cpu: Some(CpuTime { user: time(used.ru_utime), system: time(used.ru_stime) }),
        peak_memory: Some(PeakMemory { bytes, of: if told { MemoryMeasure::Process } else { MemoryMeasure::AtMost } }),
        io: Some(IoBytes {
            read: count(used.ru_inblock).saturating_mul(BLOCK_BYTES),
            written: count(used.ru_oublock).saturating_mul(BLOCK_BYTES),
        }),
        context_switches: Some(ContextSwitches { voluntary: count(used.ru_nvcsw), involuntary: count(used.ru_nivcsw) }),
        peak_processes: None,
    }
}

/// What this process's descendants used that it has waited for. They were made from it, and its own resident set is what they
/// had before they became programs.
pub(super) fn of_reaped() -> Usage {
    let used = |who| getrusage(who).ok();
    let before = used(UsageWho::RUSAGE_SELF).and_then(|own| u64::try_from(own.max_rss()).ok());
    let before = before.map(|kilobytes| kilobytes.saturating_mul(1024));
    used(UsageWho::RUSAGE_CHILDREN).map_or_else(Usage::default, |used| of_process(used.as_ref(), before))
}

/// What a cgroup counted, and whether the kernel killed in it. Files of controllers that are not there say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    cpu: Option<CpuTime>,
    peak_memory_bytes: Option<u64>,
    io: Option<IoBytes>,
    peak_processes: Option<u64>,
    /// Kills for want of memory.
    pub out_of_memory: Option<OutOfMemory>,
}

impl Counted {
    /// Reads the counters of a cgroup ([cgroup-v2], "Interface Files").
    ///
    /// [cgroup-v2]: https://docs.kernel.org/admin-guide/cgroup-v2.html
    pub fn read(cgroup: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(cgroup.join(name)).ok();
        let number = |name: &str| text(name).and_then(|text| text.trim().parse().ok());
        let peak_memory_bytes = number("memory.peak");
        Self {
            cpu: text("cpu.stat").and_then(|text| cpu(&text)),
            peak_memory_bytes,
            io: text("io.stat").map(|text| io(&text)),
            peak_processes: number("pids.peak"),
            out_of_memory: text("memory.events").and_then(|events| {
                let limit_bytes = number("memory.max").filter(|_| value(&events, "oom").is_some_and(|count| count > 0));
                let killed = value(&events, "oom_kill").is_some_and(|count| count > 0);
                killed.then_some(OutOfMemory { limit_bytes, peak_bytes: peak_memory_bytes })
            }),
        }
    }

    /// The usage of the main process, with what is known of the whole tree in its place.
    pub fn over(&self, of_process: Usage) -> Usage {
        let tree = self.peak_memory_bytes.map(|bytes| PeakMemory { bytes, of: MemoryMeasure::Tree });
        Usage {
            cpu: self.cpu.or(of_process.cpu),
            peak_memory: tree.or(of_process.peak_memory),
            io: self.io.or(of_process.io),
            context_switches: of_process.context_switches,
            peak_processes: self.peak_processes.or(of_process.peak_processes),
        }
    }
}

/// The value of a key in lines of `KEY VALUE`.
fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

fn cpu(text: &str) -> Option<CpuTime> {
    let micros = |key| value(text, key).map(Duration::from_micros);
    Some(CpuTime { user: micros("user_usec")?, system: micros("system_usec")? })
}

/// One line a disk, as in `8:0 rbytes=1 wbytes=2 …`.
fn io(text: &str) -> IoBytes {
    let sum = |key: &str| {
        text.split_whitespace()
            .filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok())
            .fold(0, u64::saturating_add)
    };
    IoBytes { read: sum("rbytes="), written: sum("wbytes=") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cgroup(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn a_cgroup_tells_of_the_whole_tree() {
        let dir = cgroup(&[
            ("cpu.stat", "usage_usec 3500\nuser_usec 2000\nsystem_usec 1500\nnr_periods 0\n"),
            ("memory.peak", "1048576\n"),
            ("memory.max", "max\n"),
            ("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"),
            ("io.stat", "8:0 rbytes=10 wbytes=20 rios=1\n259:3 rbytes=1 wbytes=2 rios=1\n"),
            ("pids.peak", "7\n"),
        ]);
        let counted = Counted::read(dir.path());
        assert_eq!(counted.out_of_memory, None);
        let switches = Some(ContextSwitches { voluntary: 1, involuntary: 2 });
        let usage = counted.over(Usage { context_switches: switches, ..Usage::default() });
        let cpu = CpuTime { user: Duration::from_micros(2000), system: Duration::from_micros(1500) };
        let expected = Usage {
            cpu: Some(cpu),
            peak_memory: Some(PeakMemory { bytes: 1 << 20, of: MemoryMeasure::Tree }),
            io: Some(IoBytes { read: 11, written: 22 }),
            context_switches: switches,
            peak_processes: Some(7),
        };
        assert_eq!(usage, expected);
    }

    #[test]
    fn a_kill_names_the_limit_that_was_reached() {
        let table = [
            // Its own limit.
            ("oom 1\noom_kill 2\n", "67108864\n", Some(Some(64 << 20))),
            // The machine's memory, or that of a cgroup above.
            ("oom 0\noom_kill 1\n", "67108864\n", Some(None)),
            ("oom 0\noom_kill 1\n", "max\n", Some(None)),
            // The limit was reached, and an allocation failed without a kill.
            ("oom 1\noom_kill 0\n", "67108864\n", None),
        ];
        for (events, max, expected) in table {
            let dir = cgroup(&[("memory.events", events), ("memory.max", max)]);
            let found = Counted::read(dir.path()).out_of_memory;
            let expected = expected.map(|limit_bytes| OutOfMemory { limit_bytes, peak_bytes: None });
            assert_eq!(found, expected, "{events} {max}");
        }
    }

    #[test]
    fn what_is_not_counted_is_not_told() {
        let dir = cgroup(&[]);
        assert_eq!(Counted::read(dir.path()), Counted::default());
        assert_eq!(Counted::default().over(Usage::default()), Usage::default());
    }

    #[test]
    fn a_small_process_is_not_told_from_the_child_before_it() {
        // SAFETY: all fields of rusage are integers, for which zero is a value.
        let mut used: libc::rusage = unsafe { std::mem::zeroed() };
        used.ru_maxrss = 8 << 10;
        for (before, of) in [
            (Some(1 << 20), MemoryMeasure::Process),
            (Some(8 << 20), MemoryMeasure::AtMost),
            (Some((8 << 20) - (100 << 10)), MemoryMeasure::AtMost),
            (None, MemoryMeasure::AtMost),
        ] {
            assert_eq!(of_process(&used, before).peak_memory, Some(PeakMemory { bytes: 8 << 20, of }));
        }
    }
}
