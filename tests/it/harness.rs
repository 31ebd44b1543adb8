//! A daemon of its own for each test: real binaries, a directory that goes away, conditions instead of pauses.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::Resource;
use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for a condition. Only a broken daemon takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two looks at a condition.
const LOOK: Duration = Duration::from_millis(10);

/// The binary that was built, or the copy of it in `JOBSD_TEST_BIN`: another user may not be able to enter the build's
/// directory.
pub fn binary(name: &str, built: &str) -> PathBuf {
    std::env::var_os("JOBSD_TEST_BIN").map_or_else(|| built.into(), |directory| PathBuf::from(directory).join(name))
}

/// A jobs directory, a state directory, and an engine when one runs.
pub struct World {
    dir: TempDir,
    engine: Option<Child>,
    /// The boot in which the engine believes itself, when it is not the machine's.
    boot: Option<String>,
    /// Whether the engine runs as the user nobody.
    as_nobody: bool,
    /// The cgroup that the engine begins in, by its file of processes; the test's own otherwise.
    cgroup: Option<PathBuf>,
    environment: Vec<(String, PathBuf)>,
}

impl World {
    /// An empty jobs directory, and no engine yet.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("jobsd-").tempdir().expect("a directory");
        let world = Self { dir, engine: None, boot: None, as_nobody: false, cgroup: None, environment: Vec::new() };
        for name in ["jobs.d", "out"] {
            fs::create_dir(world.path(name)).expect("a directory");
            fs::set_permissions(world.path(name), fs::Permissions::from_mode(0o755)).expect("its mode");
        }
        world
    }

    /// The same for a daemon of the user nobody, who can reach the programs in it. Needs root.
    pub fn of_nobody() -> Self {
        const NOBODY: Option<u32> = Some(65534);
        let mut world = Self::new();
        for place in ["", "jobs.d", "out"] {
            std::os::unix::fs::chown(world.path(place), NOBODY, NOBODY).expect("root gives away");
        }
        show(env!("CARGO_BIN_EXE_jobsd"), &world.path("jobsd"));
        world.as_nobody = true;
        world
    }

    /// From its next start on the engine begins in this cgroup, named by its file of processes.
    pub fn begin_in(&mut self, procs: Option<PathBuf>) {
        self.cgroup = procs;
    }

    /// A path inside the test's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A variable that the engine gets from its next start on.
    pub fn environment(&mut self, name: &str, value: PathBuf) {
        self.environment.push((name.to_owned(), value));
    }

    /// Writes a job file as an editor does: beside it, then renamed.
    pub fn job(&self, name: &str, text: &str) {
        let text = text.replace("$DIR", self.dir.path().to_str().expect("a plain path"));
        let fresh = self.path(&format!("jobs.d/.{name}.new"));
        fs::write(&fresh, text).expect("a job file");
        fs::rename(fresh, self.path(&format!("jobs.d/{name}.toml"))).expect("a job file");
    }

    /// Writes a program.
    pub fn script(&self, name: &str, text: &str) {
        let text = text.replace("$DIR", self.dir.path().to_str().expect("a plain path"));
        fs::write(self.path(name), text).expect("a program");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    /// Writes `jobsd.toml`.
    pub fn configure(&self, text: &str) {
        let text = text.replace("$DIR", self.dir.path().to_str().expect("a plain path"));
        fs::write(self.path("jobsd.toml"), text).expect("a configuration");
        fs::set_permissions(self.path("jobsd.toml"), fs::Permissions::from_mode(0o644)).expect("its mode");
    }

    pub fn remove_job(&self, name: &str) {
        fs::remove_file(self.path(&format!("jobs.d/{name}.toml"))).expect("a job file");
    }

    /// Starts the engine and waits until it answers.
    pub fn start(&mut self) {
        self.spawn();
        self.wait_for("the daemon to answer", || self.jobctl(&["list"]).status.success().then_some(()));
    }

    /// Starts the engine, and waits for nothing.
    pub fn spawn(&mut self) {
        assert!(self.engine.is_none(), "one engine at a time");
        let log = fs::File::options().append(true).create(true).open(self.path("log")).expect("the log");
        let mut command = self.in_its_cgroup(self.in_its_boot(self.jobsd()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.engine = Some(command.spawn().expect("the daemon starts"));
    }

    /// `jobsd` with this world's paths.
    pub fn jobsd(&self) -> Command {
        let mut command = match self.as_nobody {
            false => Command::new(binary("jobsd", env!("CARGO_BIN_EXE_jobsd"))),
            true => {
                let mut command = Command::new(self.path("jobsd"));
                command.uid(65534).gid(65534).env("HOME", self.path("")).env_remove("XDG_CONFIG_HOME");
                command
            }
        };
        for (name, value) in [("JOBS_DIR", "jobs.d"), ("STATE_DIR", "state"), ("SOCKET", "sock")] {
            command.env(format!("JOBSD_{name}"), self.path(value));
        }
        command.env("JOBSD_LOG", "debug").env_remove("JOBSD_CONFIG");
        let config = self.path("jobsd.toml");
        if config.exists() {
            command.env("JOBSD_CONFIG", config);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// From its next start on the engine finds itself in another boot. Needs root.
    pub fn begin_in_boot(&mut self, id: &str) {
        self.boot = Some(id.to_owned());
    }

    /// As a reboot does: no process is left, and from now on the engine finds another boot id and an uptime of a second
    /// or two. Needs root.
    pub fn reboot_into(&mut self, id: &str) {
        let supervisor = self.supervisor_pid();
        self.kill();
        kill_process(supervisor);
        self.wait_for("the supervisor to be gone", || (!exists(supervisor)).then_some(()));
        self.begin_in_boot(id);
    }

    /// Namespaces of mounts and time show the engine, and what it starts, a boot of its own.
    fn in_its_boot(&self, engine: Command) -> Command {
        let Some(id) = &self.boot else { return engine };
        let file = self.path("boot-id");
        fs::write(&file, id).expect("a boot id");
        let uptime = fs::read_to_string("/proc/uptime").expect("an uptime");
        let (seconds, _) = uptime.split_once('.').expect("seconds with a fraction");
        let offset = 1 - seconds.parse::<i64>().expect("seconds");
        let script = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--time",
            "--fork",
            "--kill-child",
            &format!("--boottime={offset}"),
            "sh",
            "-c",
            script,
        ]);
        command.arg(file);
        wrap(command, &engine)
    }

    /// A shell moves itself there and becomes the engine.
    fn in_its_cgroup(&self, engine: Command) -> Command {
        let Some(procs) = &self.cgroup else { return engine };
        let mut command = Command::new("sh");
        command.args(["-c", "echo 0 > \"$0\" && exec \"$@\""]).arg(procs);
        wrap(command, &engine)
    }

    pub fn engine_pid(&self) -> u32 {
        self.engine.as_ref().expect("an engine").id()
    }

    /// SIGKILL to the engine.
    pub fn kill(&mut self) {
        let mut engine = self.engine.take().expect("an engine");
        // In a boot of its own the engine is a child of the process that made its namespaces, and dies with it.
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", engine.id())).unwrap_or_default();
        engine.kill().expect("it is ours");
        engine.wait().expect("it is ours");
        if self.boot.is_some() {
            for child in children.split_whitespace().map(|pid| pid.parse().expect("a pid")) {
                self.wait_for("the engine to be gone", || (!exists(child)).then_some(()));
            }
        }
    }

    /// Waits until the engine ends by itself.
    pub fn wait_for_end(&mut self) -> std::process::ExitStatus {
        let mut engine = self.engine.take().expect("an engine");
        self.wait_for("the daemon to end", || engine.try_wait().expect("it is ours"))
    }

    /// Waits until the engine answers, or gives how it ended instead.
    pub fn wait_for_start(&mut self) -> Option<std::process::ExitStatus> {
        let mut engine = self.engine.take().expect("an engine");
        let ended = self.wait_for("the daemon to answer or to end", || match engine.try_wait().expect("it is ours") {
            Some(status) => Some(Some(status)),
            None => self.jobctl(&["list"]).status.success().then_some(None),
        });
        if ended.is_none() {
            self.engine = Some(engine);
        }
        ended
    }

    pub fn has_ended(&mut self) -> bool {
        self.engine.as_mut().expect("an engine").try_wait().expect("it is ours").is_some()
    }

    /// The supervisor's process, as the daemon tells it.
    pub fn supervisor_pid(&self) -> i32 {
        self.wait_for("a supervisor", || {
            let health = self.json_any(&["health"]);
            health["ready"]["supervisor_pid"].as_i64().map(|pid| i32::try_from(pid).expect("a pid"))
        })
    }

    /// Runs `jobctl` and gives all that came of it.
    pub fn jobctl(&self, arguments: &[&str]) -> Output {
        Command::new(binary("jobctl", env!("CARGO_BIN_EXE_jobctl")))
            .args(arguments)
            .env("JOBCTL_SOCKET", self.path("sock"))
            .env_remove("NO_COLOR")
            .stdin(Stdio::null())
            .output()
            .expect("jobctl runs")
    }

    /// Runs `jobctl`, which must succeed, and gives what it printed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.jobctl(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "jobctl {arguments:?} fails ({}): {error}\n{}", output.status, self.log());
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same with `-o json`.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{arguments:?}: {fault}: {text}"))
    }

    /// The same of a command that may exit with another code than 0.
    pub fn json_any(&self, arguments: &[&str]) -> Value {
        let output = self.jobctl(&[arguments, &["-o", "json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// A job's whole history, newest first.
    pub fn history(&self, job: &str) -> Vec<Value> {
        let history = self.json(&["history", job, "-n", "100000"]);
        history.as_array().expect("an array").clone()
    }

    /// Waits until a job's newest run is over, and gives it.
    pub fn finished(&self, run: &str) -> Value {
        let job = run.split('/').next().expect("a job");
        self.wait_for(&format!("{run} to end"), || {
            self.history(job).into_iter().find(|entry| entry["run"] == run && !entry["outcome"].is_null())
        })
    }

    /// Starts a run by hand and gives its name.
    pub fn run(&self, job: &str) -> String {
        self.json(&["run", job])["run"].as_str().expect("a run").to_owned()
    }

    /// Looks again and again until there is something.
    pub fn wait_for<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.wait_within(PATIENCE, what, look)
    }

    /// The same for what takes its time.
    pub fn wait_within<T>(&self, patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < patience, "waited in vain for {what}\n{}", self.log());
            std::thread::sleep(LOOK);
        }
    }

    /// The lines of a file that jobs write to; none while it is not there.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The end of the engine's log, for a failing test.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for World {
    /// No process outlives its test: the supervisor too is told to stop everything, or is killed.
    fn drop(&mut self) {
        if self.engine.is_none() && !self.path("state").exists() {
            // None ever ran.
            return;
        }
        if self.engine.is_none() {
            self.spawn();
        }
        drop(self.jobctl(&["shutdown", "--stop-runs"]));
        let begun = Instant::now();
        while !self.has_ended() {
            if begun.elapsed() > PATIENCE {
                self.kill();
                break;
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A program that executes another one, with that one's environment.
fn wrap(mut command: Command, inner: &Command) -> Command {
    command.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Whether a process exists.
pub fn exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

pub fn kill_process(pid: i32) {
    use nix::sys::signal::{Signal, kill};
    kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).expect("a process");
}

/// Another process's limit: sets it, if asked to, and gives what it was, soft and hard.
pub fn limit(pid: i32, of: Resource, new: Option<(u64, u64)>) -> (u64, u64) {
    let new = new.map(|(soft, hard)| libc::rlimit { rlim_cur: soft, rlim_max: hard });
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let new = new.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both pointers are null or name structures that outlive the call (prlimit(2)).
    let done = unsafe { libc::prlimit(pid, of as libc::__rlimit_resource_t, new, &raw mut old) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    (old.rlim_cur, old.rlim_max)
}

/// Puts a program where other users can reach it. A link rather than a copy: what was just written may still be open for writing
/// in the fork of another test, and is not executed then (ETXTBSY).
pub fn show(built: &str, shown: &Path) {
    fs::hard_link(built, shown).or_else(|_| fs::copy(built, shown).map(drop)).expect("the program");
}
