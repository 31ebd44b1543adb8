//! [`World`]: a state directory, a real supervisor on it, and an engine's link to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use jobsd::run::{AttemptEnd, AttemptId, Ending, LaunchPlan, Report, Rung, SetupFailure, StopReason, Stopped};
use jobsd::spec::{Environment, Identity, OutputPolicy, ProcessSpec, StopPolicy};
use jobsd::supervisor::{Incoming, Link, LinkError, Request, attempt_dir};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// An end for this reason, by the stop signal.
pub fn by_signal(reason: StopReason) -> Option<Stopped> {
    Some(Stopped { reason, rung: Some(Rung::Signal) })
}

/// An end for this reason, by SIGKILL.
pub fn by_kill(reason: StopReason) -> Option<Stopped> {
    Some(Stopped { reason, rung: Some(Rung::Kill) })
}

/// Longer than anything here takes, on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The ordinary user of these tests.
const NOBODY: u32 = 65534;

/// A state directory with a supervisor and a connected engine.
pub struct World {
    dir: tempfile::TempDir,
    pub supervisor: Option<Child>,
    link: Option<Link>,
    reports: Option<Receiver<Incoming>>,
    generation: u64,
    as_nobody: bool,
    /// Shell lines that are gone through before the supervisor is executed, among mounts of its own.
    before: Option<String>,
}

impl World {
    /// Everything set up and connected.
    pub fn new() -> Self {
        let mut world = Self::without_supervisor();
        world.start();
        world.connect();
        world
    }

    pub fn without_supervisor() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir, supervisor: None, link: None, reports: None, generation: 1, as_nobody: false, before: None }
    }

    /// Everything set up, with a supervisor that runs as an ordinary user.
    pub fn of_nobody() -> Result<Self, String> {
        let mut world = Self::without_supervisor();
        // A link rather than a copy: a program that was just written may still be open for writing in the fork of another
        // test, and is not executed then (ETXTBSY).
        let (program, shown) = (env!("CARGO_BIN_EXE_jobsd"), world.path("jobsd"));
        fs::hard_link(program, &shown)
            .or_else(|_| fs::copy(program, &shown).map(drop))
            .map_err(|fault| fault.to_string())?;
        std::os::unix::fs::chown(world.path(""), Some(NOBODY), Some(NOBODY)).map_err(|fault| fault.to_string())?;
        world.as_nobody = true;
        world.start();
        world.connect();
        Ok(world)
    }

    /// Everything set up, with a supervisor that sees what these shell lines have mounted. They run in the world's
    /// directory, as root.
    pub fn behind(self, before: &str) -> Self {
        let mut world = self;
        world.before = Some(before.to_owned());
        world.start();
        world.connect();
        world
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("supervisor.sock")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self) -> Command {
        let mut command = match (self.as_nobody, &self.before) {
            (false, None) => Command::new(env!("CARGO_BIN_EXE_jobsd")),
            (false, Some(before)) => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "--propagation", "private", "sh", "-ec"]).current_dir(self.path(""));
                command.arg(format!("{before}\nexec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_jobsd"));
                command
            }
            (true, _) => {
                let mut command = Command::new("setpriv");
                let user = NOBODY.to_string();
                command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).arg(self.path("jobsd"));
                // Nothing that the caller has of root's: as after `env -i`.
                command.env_clear().env("PATH", std::env::var_os("PATH").expect("every shell has one"));
                command
            }
        };
        command.arg("supervise").arg("--state-dir").arg(self.state_dir()).arg("--socket").arg(self.socket());
        command.env("PASSED_ON", "yes").stdin(Stdio::null()).stderr(self.log());
        command
    }

    /// What the supervisor says, beside its state; a failed test leaves nothing, so look at it by hand there.
    fn log(&self) -> fs::File {
        fs::OpenOptions::new().create(true).append(true).open(self.path("supervisor.stderr")).unwrap()
    }

    /// Starts a supervisor and waits until it listens.
    pub fn start(&mut self) {
        self.supervisor = Some(self.command().spawn().unwrap());
        wait_for("the supervisor listens", || std::os::unix::net::UnixStream::connect(self.socket()).is_ok());
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.supervisor.as_ref().unwrap().id() as i32)
    }

    pub fn connect(&mut self) {
        self.try_connect().unwrap();
    }

    /// Connects as an engine that was started anew.
    pub fn try_connect(&mut self) -> Result<(), LinkError> {
        let (sender, receiver) = channel();
        let deliver = move |incoming| drop(sender.send(incoming));
        self.link = Some(Link::connect(&self.socket(), self.generation, deliver)?);
        self.reports = Some(receiver);
        self.generation += 1;
        Ok(())
    }

    /// The engine dies.
    pub fn disconnect(&mut self) {
        self.link = None;
        self.reports = None;
    }

    /// The supervisor is killed, as by the kernel's OOM killer.
    pub fn kill_supervisor(&mut self) {
        let mut supervisor = self.supervisor.take().unwrap();
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
        self.disconnect();
    }

    pub fn send(&self, request: &Request) {
        self.link.as_ref().unwrap().send(request).unwrap();
    }

    pub fn launch(&self, plan: &LaunchPlan) {
        self.send(&Request::Launch(Box::new(plan.clone())));
    }

    pub fn stop(&self, attempt: &AttemptId, reason: StopReason) {
        self.send(&Request::Stop { attempt: attempt.clone(), reason });
    }

    /// The next report, which must come.
    pub fn report(&self) -> Report {
        match self.reports.as_ref().unwrap().recv_timeout(PATIENCE).expect("a report") {
            Incoming::Report(report) => report,
            Incoming::Closed(reason) => panic!("closed: {reason:?}"),
        }
    }

    /// What came instead of a report.
    pub fn closed(&self) -> LinkError {
        loop {
            match self.reports.as_ref().unwrap().recv_timeout(PATIENCE).expect("an end of the connection") {
                Incoming::Report(_) => {}
                Incoming::Closed(reason) => return reason,
            }
        }
    }

    /// Whether nothing is said. A request and its answer show that all before it was said.
    pub fn assert_silent(&self) {
        let unknown = plan("silence", &["true"]);
        self.send(&Request::Find(Box::new(unknown.clone())));
        assert_eq!(self.report(), Report::NoTrace { attempt: unknown.attempt });
        assert!(matches!(self.reports.as_ref().unwrap().recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout)));
    }

    /// Waits for an attempt to run, and says with which process.
    pub fn started(&self, attempt: &AttemptId) -> Pid {
        match self.report() {
            Report::Started { attempt: which, pid, .. } if which == *attempt => Pid::from_raw(pid as i32),
            other => panic!("{attempt} did not start: {other:?}"),
        }
    }

    /// Waits for an attempt's end; that it ran may be said before.
    pub fn ended(&self, attempt: &AttemptId) -> AttemptEnd {
        loop {
            match self.report() {
                Report::Ended { attempt: which, end } if which == *attempt => return *end,
                Report::Started { attempt: which, .. } if which == *attempt => {}
                other => panic!("{attempt} did not end: {other:?}"),
            }
        }
    }

    /// Launches, waits for the end, acknowledges.
    pub fn run(&self, plan: &LaunchPlan) -> AttemptEnd {
        self.launch(plan);
        let end = self.ended(&plan.attempt);
        self.send(&Request::Acknowledge(plan.attempt.clone()));
        end
    }

    pub fn attempt_dir(&self, attempt: &AttemptId) -> PathBuf {
        attempt_dir(&self.state_dir().join("runs"), attempt)
    }

    /// Everything that an attempt printed on both streams, as it lies on disk.
    pub fn printed(&self, attempt: &AttemptId) -> Vec<u8> {
        fs::read(self.attempt_dir(attempt).join("0.out")).unwrap_or_default()
    }

    /// Runs a shell line and returns what it printed.
    pub fn shell(&self, job: &str, line: &str) -> String {
        let plan = plan(job, &["sh", "-c", line]);
        let end = self.run(&plan);
        let printed = String::from_utf8(self.printed(&plan.attempt)).unwrap();
        assert_eq!(end.ending, Ending::Exited { wait_status: 0 }, "{printed}");
        printed
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut supervisor) = self.supervisor.take() {
            // SIGTERM, so that no job of a failed test stays behind.
            kill(Pid::from_raw(supervisor.id() as i32), Signal::SIGTERM).unwrap();
            supervisor.wait().unwrap();
        }
    }
}

/// A plan for the first attempt of the first run of a job.
pub fn plan(job: &str, argv: &[&str]) -> LaunchPlan {
    LaunchPlan {
        attempt: AttemptId { run: format!("{job}/1").parse().unwrap(), attempt: 1 },
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        environment: Environment(BTreeMap::new()),
        working_directory: None,
        identity: Identity::default(),
        process: ProcessSpec::default(),
        timeout: None,
        stop: StopPolicy { signal: Signal::SIGTERM, grace: Duration::from_secs(10) },
        output: OutputPolicy::default(),
    }
}

/// The failure of an end that has one.
pub fn setup_failure(end: &AttemptEnd) -> &SetupFailure {
    match &end.ending {
        Ending::SetupFailed(failure) => failure,
        other => panic!("set-up did not fail: {other:?}"),
    }
}

/// The wait status of an end that has one.
pub fn wait_status(end: &AttemptEnd) -> i32 {
    match end.ending {
        Ending::Exited { wait_status } => wait_status,
        ref other => panic!("it did not exit: {other:?}"),
    }
}

/// Polls until it is so.
#[expect(clippy::disallowed_methods, reason = "a test waits for a condition, and not for ever")]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited for this in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process exists and is no zombie.
pub fn lives(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// A process number that a job wrote into a file.
pub fn read_pid(path: &Path) -> Pid {
    let mut pid = None;
    wait_for("a job writes its number", || {
        pid =
            fs::read_to_string(path).ok().filter(|text| text.ends_with('\n')).and_then(|text| text.trim().parse().ok());
        pid.is_some()
    });
    Pid::from_raw(pid.unwrap())
}

/// Whether this test may switch users. When it may not, it says so.
pub fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("{test}: not tested, because only root can switch users");
    }
    root
}
