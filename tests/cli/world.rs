//! A daemon of its own for each test, in a directory that goes away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for a condition. Only a broken daemon takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two looks at a condition.
const LOOK: Duration = Duration::from_millis(10);

/// A jobs directory and a daemon that reads it.
pub struct World {
    directory: TempDir,
    engine: Option<Child>,
}

impl World {
    /// A daemon with these jobs.
    pub fn new(jobs: &[(&str, &str)]) -> Self {
        let mut world = Self::without_daemon(jobs);
        let log = fs::File::create(world.path("log")).expect("the log");
        let mut engine = Command::new(env!("CARGO_BIN_EXE_jobsd"));
        engine.args(["--jobs-dir", "jobs.d", "--state-dir", "state", "--socket", "sock"]);
        engine.current_dir(world.directory.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        world.engine = Some(engine.spawn().expect("the daemon starts"));
        world.wait_for("a supervisor", || {
            let health = world.json(&["health"]);
            health["ready"]["supervisor_pid"].is_number().then_some(())
        });
        world
    }

    /// The same, before the daemon.
    pub fn without_daemon(jobs: &[(&str, &str)]) -> Self {
        let directory = tempfile::Builder::new().prefix("jobctl-").tempdir().expect("a directory");
        let world = Self { directory, engine: None };
        fs::create_dir(world.path("jobs.d")).expect("a directory");
        fs::set_permissions(world.path("jobs.d"), fs::Permissions::from_mode(0o755)).expect("its mode");
        for (name, text) in jobs {
            let path = world.path(&format!("jobs.d/{name}.toml"));
            fs::write(&path, text).expect("a job file");
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("its mode");
        }
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `jobctl` with this world's socket, in this world's directory, with nothing of the tester's taste.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobctl"));
        command.args(arguments).current_dir(self.directory.path()).env("JOBCTL_SOCKET", self.path("sock"));
        command.env("TZ", "UTC").stdin(Stdio::null());
        for variable in ["NO_COLOR", "COLUMNS", "JOBCTL_COMPLETE", "JOBSD_CONFIG", "JOBSD_JOBS_DIR"] {
            command.env_remove(variable);
        }
        command
    }

    pub fn jobctl(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("jobctl runs")
    }

    pub fn code(&self, arguments: &[&str]) -> i32 {
        self.jobctl(arguments).status.code().expect("an exit code")
    }

    /// What it shows as JSON; null when that is none.
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.jobctl(&[arguments, &["-o", "json"]].concat()).stdout).unwrap_or_default()
    }

    /// Standard error of a command line that fails, this world's directory being `DIR`.
    pub fn error(&self, arguments: &[&str]) -> String {
        self.plain(&self.jobctl(arguments).stderr)
    }

    pub fn plain(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace(self.directory.path().to_str().expect("a plain path"), "DIR")
    }

    /// Starts a run, and waits until its program runs.
    pub fn running(&self, job: &str) -> String {
        let run = self.json(&["run", job])["run"].as_str().expect("a run").to_owned();
        self.wait_for("the run to start", || (self.json(&["show", &run])["state"] == "running").then_some(()));
        run
    }

    pub fn wait_for<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}\n{}", log());
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let Some(mut engine) = self.engine.take() else { return };
        drop(self.jobctl(&["shutdown", "--stop-runs"]));
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && engine.try_wait().expect("it is ours").is_none() {
            std::thread::sleep(LOOK);
        }
        // Where it has ended there is nothing to kill.
        engine.kill().ok();
        engine.wait().expect("it is ours");
    }
}
