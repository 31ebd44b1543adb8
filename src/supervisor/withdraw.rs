//! After a supervisor's death under a service manager: its cgroup is made fit for the next one.
//!
//! The kernel lets no process into a cgroup that hands controllers down ([cgroup-v2], "No Internal Process Constraint"), and
//! a unit's cgroup, into which systemd puts the next supervisor, does that from the first supervisor on for as long as a
//! run lives. So the unit calls `jobsd supervise --after-death` (`ExecStopPost=`), which takes the controllers back. That
//! takes the limits of live runs with them: they are written down before, and the next supervisor sets them again. In
//! between, usually a second, they do not hold; and the kernel does not count memory again that a run had before.
//!
//! [cgroup-v2]: https://docs.kernel.org/admin-guide/cgroup-v2.html#no-internal-process-constraint

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The limits that a supervisor sets.
const FILES: [&str; 7] =
    ["memory.oom.group", "memory.max", "memory.swap.max", "pids.max", "cpu.max", "io.weight", "io.max"];

/// Where they are written down, in the state directory.
const KEPT: &str = "supervisor.limits";

/// The leaf in which systemd runs what belongs to a unit that delegates its cgroup (systemd.exec(5)).
const CONTROL: &str = ".control";

/// The unit's cgroup, by that of a process of the unit.
pub(super) fn unit_of(own: &Path) -> PathBuf {
    match own.parent() {
        Some(unit) if own.file_name().is_some_and(|name| name == CONTROL) => unit.to_owned(),
        Some(_) | None => own.to_owned(),
    }
}

/// Writes the limits of what lives below `base` down, and takes the controllers back from there and from `unit`.
///
/// # Errors
/// When the limits cannot be written down, or the kernel does not give the controllers back.
pub(super) fn withdraw(state_dir: &Path, unit: &Path, base: &Path) -> io::Result<()> {
    let mut text = String::new();
    for entry in list(base)? {
        for file in FILES {
            // A controller that is not there has no files.
            let value = fs::read_to_string(base.join(&entry).join(file)).unwrap_or_default();
            text.extend(value.lines().map(|line| format!("{entry}\t{file}\t{line}\n")));
        }
    }
    let new = state_dir.join(format!("{KEPT}.new"));
    fs::write(&new, text)?;
    fs::rename(new, state_dir.join(KEPT))?;
    // From below: a cgroup keeps what one beneath it hands down.
    take_back(base).and_then(|()| take_back(unit))
}

/// The directories in a cgroup; none when it is gone.
fn list(cgroup: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(cgroup) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(names)
}

fn take_back(cgroup: &Path) -> io::Result<()> {
    let path = cgroup.join("cgroup.subtree_control");
    let controllers = match fs::read_to_string(&path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    let words: Vec<String> = controllers.split_whitespace().map(|name| format!("-{name}")).collect();
    if words.is_empty() { Ok(()) } else { fs::write(path, words.join(" ")) }
}

/// Sets the limits again that were written down, in cgroups that still live, and forgets them.
///
/// # Errors
/// When they cannot be read.
pub(super) fn restore(state_dir: &Path, base: &Path) -> io::Result<()> {
    let kept = state_dir.join(KEPT);
    let text = match fs::read_to_string(&kept) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    for line in text.lines() {
        let mut words = line.splitn(3, '\t');
        let (Some(name), Some(file), Some(value)) = (words.next(), words.next(), words.next()) else { continue };
        // The file is this user's own, and yet names are no paths.
        if name.contains('/') || !FILES.contains(&file) {
            continue;
        }
        match fs::write(base.join(name).join(file), value) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(cgroup = name, file, %fault, "a limit cannot be set again");
            }
            Ok(()) | Err(_) => {}
        }
    }
    fs::remove_file(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_come_back_where_something_lives() {
        let dir = tempfile::tempdir().unwrap();
        let (unit, base) = (dir.path().join("unit"), dir.path().join("unit/jobsd-1"));
        for run in ["a.1.1", "b.1.1"] {
            fs::create_dir_all(base.join(run)).unwrap();
            fs::write(base.join(run).join("memory.max"), "4096\n").unwrap();
        }
        fs::write(base.join("a.1.1/io.max"), "8:0 rbps=1 wbps=max\n8:16 rbps=2 wbps=max\n").unwrap();
        for cgroup in [&unit, &base] {
            fs::write(cgroup.join("cgroup.subtree_control"), "cpu memory\n").unwrap();
        }
        withdraw(dir.path(), &unit, &base).unwrap();
        for cgroup in [&unit, &base] {
            assert_eq!(fs::read_to_string(cgroup.join("cgroup.subtree_control")).unwrap(), "-cpu -memory");
        }
        fs::remove_dir_all(base.join("b.1.1")).unwrap();
        fs::write(base.join("a.1.1/memory.max"), "max").unwrap();
        restore(dir.path(), &base).unwrap();
        assert_eq!(fs::read_to_string(base.join("a.1.1/memory.max")).unwrap(), "4096");
        // Line by line, as the kernel takes them.
        assert_eq!(fs::read_to_string(base.join("a.1.1/io.max")).unwrap(), "8:16 rbps=2 wbps=max");
        assert!(!base.join("b.1.1").exists() && !dir.path().join(KEPT).exists());
        restore(dir.path(), &base).unwrap();
    }

    #[test]
    fn the_unit_is_above_the_leaf_of_its_helpers() {
        let unit = Path::new("/sys/fs/cgroup/system.slice/x.service");
        assert_eq!(unit_of(&unit.join(".control")), unit);
        assert_eq!(unit_of(unit), unit);
    }
}
