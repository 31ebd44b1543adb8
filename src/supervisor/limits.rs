//! Limits of an attempt's cgroup ([cgroup-v2], "Controllers").
//!
//! A controller is there for a cgroup when every cgroup above it hands it down (`cgroup.subtree_control`). The supervisor
//! does that for its own directory; a directory that hands controllers down holds no processes itself, so that, where the
//! cgroup it found itself in was delegated to it, it moves itself into a leaf first.
//!
//! [cgroup-v2]: https://docs.kernel.org/admin-guide/cgroup-v2.html#controllers

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

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
    for (controller, file, text) in settings(limits)? {
        if controllers.contains(&controller) {
            let path = cgroup.join(file);
            fs::write(&path, text).map_err(|fault| failure(path, fault.raw_os_error().unwrap_or(0)))?;
        }
    }
    Ok(())
}

/// What is written where.
fn settings(limits: &Limits) -> Result<Vec<(Controller, &'static str, String)>, SetupFailure> {
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
    settings.extend(limits.io_weight.map(|weight| (Controller::Io, "io.weight", format!("default {weight}"))));
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
        apply(&limits, Some(dir.path()), &all).unwrap();
        for (file, text) in [
            ("memory.max", "1073741824"),
            ("memory.oom.group", "1"),
            ("memory.swap.max", "0"),
            ("cpu.max", "150000 100000"),
            ("pids.max", "100"),
            ("io.weight", "default 50"),
        ] {
            assert_eq!(fs::read_to_string(dir.path().join(file)).unwrap(), text, "{file}");
        }
    }

    #[test]
    fn a_limit_is_left_out_only_when_the_job_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let memory: BTreeSet<Controller> = [Controller::Memory].into();
        let mut limits = Limits { memory_bytes: Some(1 << 30), processes: Some(5), ..Limits::default() };
        let failure = apply(&limits, Some(dir.path()), &memory).unwrap_err();
        assert_eq!((failure.path.as_deref(), failure.errno), (Some(Path::new("limits.processes")), libc::EOPNOTSUPP));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(apply(&limits, None, &memory).is_err());
        limits.best_effort = true;
        apply(&limits, Some(dir.path()), &memory).unwrap();
        assert!(dir.path().join("memory.max").exists() && !dir.path().join("pids.max").exists());
        apply(&limits, None, &memory).unwrap();
        apply(&Limits::default(), None, &BTreeSet::new()).unwrap();
    }
}
