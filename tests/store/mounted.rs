//! [`Mounted`]: a file system of its own for a test, where root may mount one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Mounted until dropped.
pub struct Mounted {
    pub at: PathBuf,
}

impl Mounted {
    /// A small file system in memory.
    pub fn memory(at: &Path, mebibytes: u32) -> Result<Self, String> {
        Self::mount(at, &["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0700"), "jobsd-test"])
    }

    /// An ext4 image.
    pub fn image(at: &Path, image: &Path) -> Result<Self, String> {
        Self::mount(at, &["-o", "loop", image.to_str().expect("a plain path")])
    }

    fn mount(at: &Path, arguments: &[&str]) -> Result<Self, String> {
        std::fs::create_dir_all(at).map_err(|fault| fault.to_string())?;
        run(Command::new("mount").args(arguments).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily, so that a process that a failed test left behind keeps nothing mounted.
        if let Err(fault) = run(Command::new("umount").arg("--lazy").arg(&self.at)) {
            println!("{fault}");
        }
    }
}

/// Runs a program that must succeed.
pub fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|fault| format!("{command:?}: {fault}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// What a test could not have: it says so and ends, unless `JOBSD_REQUIRE_MOUNT` is set, as in CI.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("JOBSD_REQUIRE_MOUNT").is_none(), "needed here: {reason}");
    println!("skipped: {reason}");
}
