//! Limits of an attempt's cgroup ([cgroup-v2], "Controllers").
//!
//! A controller is there for a cgroup when every cgroup above it hands it down (`cgroup.subtree_control`). The supervisor
//! does that for its own directory; a directory that hands controllers down holds no processes itself, so that, where the
//! cgroup it found itself in was delegated to it, it moves itself into a leaf first.
//!
//! [cgroup-v2]: https://docs.kernel.org/admin-guide/cgroup-v2.html#controllers

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use crate::machine::WEIGHTS;
use crate::run::SetupFailure;
use crate::spec::{Controller, Limits};

/// The leaf into which the supervisor moves.
const LEAF: &str = "supervisor";

/// The period over which processor time is counted, as the kernel has it by itself.
const CPU_PERIOD_MICROS: u64 = 100_000;

/// Hands down to `base` and to what lies below it every controller that is to be had. `own` is the cgroup above it.
///
/// # Errors
/// When a file of the hierarchy cannot be read.
pub(super) fn hand_down(own: &Path, base: &Path) -> io::Result<BTreeSet<Controller>> {
    let there = controllers(&own.join("cgroup.controllers"))?;
    if there.is_empty() {
        return Ok(there);
    }
    if !controllers(&own.join("cgroup.subtree_control"))?.is_superset(&there) {
        if let Err(fault) = make_room(own) {
            tracing::info!(%fault, path = %own.display(), "the cgroup is shared with others, and keeps its controllers");
            return Ok(BTreeSet::new());
        }
        enable(own, &there);
    }
    enable(base, &there);
    controllers(&base.join("cgroup.subtree_control"))
}

fn controllers(path: &Path) -> io::Result<BTreeSet<Controller>> {
    let text = fs::read_to_string(path)?;
    Ok(Controller::ALL.into_iter().filter(|one| text.split_whitespace().any(|word| word == one.name())).collect())
}

/// Moves this process, when it is alone there, out of the cgroup that is to hand controllers down. The root of the
/// hierarchy may do that with processes in it.
fn make_room(own: &Path) -> io::Result<()> {
    if !own.join("cgroup.type").exists() {
        return Ok(());
    }
    let me = Pid::this().to_string();
    let text = fs::read_to_string(own.join("cgroup.procs"))?;
    if text.lines().any(|pid| pid != me) {
        return Err(io::Error::other("other processes are in it"));
    }
    let leaf = own.join(LEAF);
    match fs::create_dir(&leaf) {
        Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => return Err(fault),
        Ok(()) | Err(_) => {}
    }
    fs::write(leaf.join("cgroup.procs"), me)
}

/// One by one: that one cannot be had keeps none of the others away.
fn enable(cgroup: &Path, controllers: &BTreeSet<Controller>) {
    for controller in controllers {
        if let Err(fault) = fs::write(cgroup.join("cgroup.subtree_control"), format!("+{}", controller.name())) {
            tracing::info!(%fault, path = %cgroup.display(), controller = controller.name(), "not handed down");
        }
    }
}

/// Sets an attempt's limits, in a cgroup that holds no process yet. Without its controller, or without a cgroup, a limit is
/// left out only when the job says so.
///
/// # Errors
/// When a limit cannot be enforced and the job does not run without.
pub(super) fn apply(
    limits: &Limits,
    cgroup: Option<&Path>,
    controllers: &BTreeSet<Controller>,
) -> Result<(), SetupFailure> {
    let failure = |path: PathBuf, errno: i32| SetupFailure::of_daemon("set limits of cgroup", Some(path), errno);
    let missing = limits.needs().into_iter().find(|(_, need)| cgroup.is_none() || !controllers.contains(need));
    if let Some((key, _)) = missing
        && !limits.best_effort
    {
        return Err(failure(format!("limits.{key}").into(), libc::EOPNOTSUPP));
    }
    let Some(cgroup) = cgroup else { return Ok(()) };
    for (controller, file, text) in settings(limits, cgroup)? {
        if controllers.contains(&controller) {
            let path = cgroup.join(file);
            match write(&path, &text) {
                // A kernel that was built without, as it may be for swap and shares of disks.
                Err(fault) if limits.best_effort && fault.kind() == io::ErrorKind::NotFound => {}
                written => written.map_err(|fault| failure(path, fault.raw_os_error().unwrap_or(0)))?,
            }
        }
    }
    Ok(())
}

/// Writes to a file that is there: who would make one is told by a cgroup that he may not.
fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

/// The share of the disks by each policy that there is; at least one is asked for. That of BFQ goes to 1000, the other to
/// 10000, and the usual one is 100 for both: so what is above it is made to fit, as systemd does.
fn weights(cgroup: &Path, weight: u32) -> Vec<(&'static str, String)> {
    let bfq = if weight <= 100 { weight } else { 100 + (weight - 100) / 11 };
    let files = WEIGHTS.into_iter().zip([weight, bfq]);
    let said = |(file, weight)| (file, format!("default {weight}"));
    let there: Vec<_> = files.clone().filter(|(file, _)| cgroup.join(file).exists()).map(said).collect();
    if there.is_empty() { files.take(1).map(said).collect() } else { there }
}

/// What is written where.
fn settings(limits: &Limits, cgroup: &Path) -> Result<Vec<(Controller, &'static str, String)>, SetupFailure> {
    let mut settings = Vec::new();
    if let Some(bytes) = limits.memory_bytes {
        settings.push((Controller::Memory, "memory.max", bytes.to_string()));
        // All of it or nothing: half a tree of processes helps nobody.
        settings.push((Controller::Memory, "memory.oom.group", "1".to_owned()));
    }
    settings.extend(limits.memory_swap_bytes.map(|bytes| (Controller::Memory, "memory.swap.max", bytes.to_string())));
    settings.extend(limits.processes.map(|count| (Controller::Pids, "pids.max", count.to_string())));
    settings.extend(limits.cpu_millis.map(|millis| {
        let quota = u64::from(millis) * CPU_PERIOD_MICROS / 1000;
        (Controller::Cpu, "cpu.max", format!("{quota} {CPU_PERIOD_MICROS}"))
    }));
    let weights = limits.io_weight.map(|weight| weights(cgroup, weight)).unwrap_or_default();
    settings.extend(weights.into_iter().map(|(file, text)| (Controller::Io, file, text)));
    for (word, rates) in [("rbps", &limits.io_read), ("wbps", &limits.io_write)] {
        for (path, rate) in rates {
            let device = device(path).map_err(|fault| {
                SetupFailure::of_daemon("find disk of", Some(path.clone()), fault.raw_os_error().unwrap_or(0))
            })?;
            settings.push((Controller::Io, "io.max", format!("{device} {word}={rate}")));
        }
    }
    Ok(settings)
}

/// The disk that holds a path, as `MAJOR:MINOR`; of a partition the whole, which alone can be limited
/// ([sysfs(5)](https://man7.org/linux/man-pages/man5/sysfs.5.html)).
fn device(path: &Path) -> io::Result<String> {
    let number = fs::metadata(path)?.dev();
    let name = format!("{}:{}", libc::major(number), libc::minor(number));
    let entry = Path::new("/sys/dev/block").join(&name);
    if !entry.join("partition").exists() {
        return Ok(name);
    }
    let whole = fs::canonicalize(&entry)?;
    let whole = whole.parent().unwrap_or(&whole).join("dev");
    Ok(fs::read_to_string(whole)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_become_files() {
        let limits = Limits {
            memory_bytes: Some(1 << 30),
            memory_swap_bytes: Some(0),
            cpu_millis: Some(1500),
            processes: Some(100),
            io_weight: Some(50),
            ..Limits::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let all: BTreeSet<Controller> = Controller::ALL.into();
        let missing = apply(&limits, Some(dir.path()), &all).unwrap_err();
        assert_eq!((missing.path, missing.errno), (Some(dir.path().join("memory.max")), libc::ENOENT));
        apply(&Limits { best_effort: true, ..limits.clone() }, Some(dir.path()), &all).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let files = ["memory.max", "memory.oom.group", "memory.swap.max", "cpu.max", "pids.max"];
        for file in files.into_iter().chain(WEIGHTS) {
            fs::write(dir.path().join(file), "").unwrap();
        }
        apply(&limits, Some(dir.path()), &all).unwrap();
        for (file, text) in [
            ("memory.max", "1073741824"),
            ("memory.oom.group", "1"),
            ("memory.swap.max", "0"),
            ("cpu.max", "150000 100000"),
            ("pids.max", "100"),
            ("io.weight", "default 50"),
            ("io.bfq.weight", "default 50"),
        ] {
            assert_eq!(fs::read_to_string(dir.path().join(file)).unwrap(), text, "{file}");
        }
    }

    #[test]
    fn shares_of_disks_fit_both_policies() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(weights(dir.path(), 7), [("io.weight", "default 7".to_owned())]);
        fs::write(dir.path().join("io.bfq.weight"), "").unwrap();
        for (weight, bfq) in [(1, 1), (100, 100), (10_000, 1000)] {
            assert_eq!(weights(dir.path(), weight), [("io.bfq.weight", format!("default {bfq}"))]);
        }
    }

    #[test]
    fn a_limit_is_left_out_only_when_the_job_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let memory: BTreeSet<Controller> = [Controller::Memory].into();
        for file in ["memory.max", "memory.oom.group"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        let mut limits = Limits { memory_bytes: Some(1 << 30), processes: Some(5), ..Limits::default() };
        let failure = apply(&limits, Some(dir.path()), &memory).unwrap_err();
        assert_eq!((failure.path.as_deref(), failure.errno), (Some(Path::new("limits.processes")), libc::EOPNOTSUPP));
        assert_eq!(fs::read_to_string(dir.path().join("memory.max")).unwrap(), "");
        assert!(apply(&limits, None, &memory).is_err());
        limits.best_effort = true;
        apply(&limits, Some(dir.path()), &memory).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("memory.max")).unwrap(), "1073741824");
        apply(&limits, None, &memory).unwrap();
        apply(&Limits::default(), None, &BTreeSet::new()).unwrap();
    }
}
