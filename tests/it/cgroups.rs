//! [`Controlled`]: a cgroup of a test's own, under whichever hierarchy has the controller on this machine.

use std::fs;
use std::path::{Path, PathBuf};

/// A kind of shortage that a cgroup can make.
#[derive(Clone, Copy, Debug)]
pub enum Controller {
    Pids,
    Memory,
}

impl Controller {
    const fn name(self) -> &'static str {
        match self {
            Self::Pids => "pids",
            Self::Memory => "memory",
        }
    }
}

/// Exists until dropped; whoever is still in it then is moved out.
pub struct Controlled {
    path: PathBuf,
    controller: Controller,
    unified: bool,
}

impl Controlled {
    /// Makes one.
    ///
    /// # Errors
    /// When this machine does not let it, in words.
    pub fn new(controller: Controller) -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mounts").map_err(|fault| fault.to_string())?;
        let (above, unified) = mounts
            .lines()
            .find_map(|line| place(line, controller))
            .ok_or_else(|| format!("the controller {} is not to be had", controller.name()))?;
        let path = tempfile::Builder::new()
            .prefix("jobsd-test-")
            .tempdir_in(above)
            .map_err(|fault| format!("no cgroup can be made: {fault}"))?
            .keep();
        Ok(Self { path, controller, unified })
    }

    /// The file through which processes come in.
    pub fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// Moves a process in, with all its threads.
    pub fn take_in(&self, pid: i32) {
        fs::write(self.procs(), pid.to_string()).expect("it may be moved");
    }

    /// What is in use: threads, or bytes.
    pub fn usage(&self) -> u64 {
        let file = match (self.controller, self.unified) {
            (Controller::Pids, _) => "pids.current",
            (Controller::Memory, true) => "memory.current",
            (Controller::Memory, false) => "memory.usage_in_bytes",
        };
        self.read(file).trim().parse().expect("a number")
    }

    /// Sets how much may be in use.
    pub fn limit(&self, most: Option<u64>) {
        let most = most.map(|most| most.to_string());
        let (file, none) = match (self.controller, self.unified) {
            (Controller::Pids, _) => ("pids.max", "max"),
            (Controller::Memory, true) => ("memory.max", "max"),
            (Controller::Memory, false) => ("memory.limit_in_bytes", "-1"),
        };
        fs::write(self.path.join(file), most.as_deref().unwrap_or(none)).expect("a limit");
    }

    /// Processes that the kernel killed because there was no more memory.
    pub fn killed(&self) -> u64 {
        let file = if self.unified { "memory.events" } else { "memory.oom_control" };
        let text = self.read(file);
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.expect("the kernel counts them").parse().expect("a number")
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path.join(file)).expect("a file of the cgroup")
    }
}

impl Drop for Controlled {
    fn drop(&mut self) {
        // Whoever lives on must not be held to the limit any more; an empty cgroup can be removed.
        let above = self.path.parent().expect("it is below a mount").join("cgroup.procs");
        for pid in fs::read_to_string(self.procs()).unwrap_or_default().lines() {
            if let Err(fault) = fs::write(&above, pid) {
                println!("process {pid} stays in {}: {fault}", self.path.display());
            }
        }
        if let Err(fault) = fs::remove_dir(&self.path) {
            println!("{} stays: {fault}", self.path.display());
        }
    }
}

/// Where a mount lets cgroups with this controller be made, and whether it is the unified hierarchy.
fn place(mount: &str, controller: Controller) -> Option<(PathBuf, bool)> {
    let fields: Vec<&str> = mount.split(' ').collect();
    let &[_, at, kind, options, ..] = fields.as_slice() else { return None };
    let at = Path::new(at);
    match kind {
        "cgroup" if options.split(',').any(|option| option == controller.name()) => Some((at.to_owned(), false)),
        "cgroup2" => {
            let handed_down = fs::read_to_string(at.join("cgroup.subtree_control")).unwrap_or_default();
            handed_down.split_whitespace().any(|name| name == controller.name()).then(|| (at.to_owned(), true))
        }
        _ => None,
    }
}
