//! What a run costs: `none`, `basic` and `strict` beside the bare loop of starting and waiting.
//!
//! `cargo bench --bench spawn` prints microseconds a run, the least, the first quarter and the median of rounds in which the
//! kinds take turns, so that other load on the machine falls on all of them alike. Each run starts `/bin/true` and is over when its end is reported; one at a
//! time. Then: how fast output is taken down, beside `cat` into a file, and what the supervisor's memory is with a thousand
//! runs at once.
//!
//! `cargo bench --bench spawn -- cost`, `capture` or `crowd` makes one of the three; `cost strict` one kind of runs alone,
//! for a profiler; `keys` each key of isolation alone.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jobsd::run::{AttemptEnd, AttemptId, Ending, LaunchPlan, Report};
use jobsd::spec::{
    Environment, Filesystem, Identity, Isolation, Network, OutputPolicy, ProcessSpec, Profile, StopPolicy,
};
use jobsd::supervisor::{Incoming, Link, Request};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Rounds, and runs of each kind in a round.
const ROUNDS: usize = 15;
const RUNS: u32 = 40;

/// Bytes that are printed by one run, and rounds of that.
const PRINTED: u64 = 256 << 20;
const PRINTINGS: usize = 5;

/// Runs that live at the same time.
const CROWD: u64 = 1000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    let supervisor = Supervisor::start();
    if wanted("cost") {
        cost(&supervisor, |kind| {
            !words.iter().any(|word| KINDS.contains(&word.as_str())) || words.iter().any(|word| word == kind)
        });
    }
    if words.iter().any(|word| word == "keys") {
        keys(&supervisor);
    }
    if wanted("capture") {
        capture(&supervisor);
    }
    if wanted("crowd") {
        crowd(&supervisor);
    }
}

/// What is measured, and what `cost` may be followed by.
const KINDS: [&str; 6] = ["bare", "namespaces", "none", "basic", "strict", "network"];

fn cost(supervisor: &Supervisor, wanted: impl Fn(&str) -> bool) {
    let profile = |profile| Measured::Run(Box::new(Isolation::of_profile(profile)));
    let network = Isolation { network: Network::None, ..Isolation::of_profile(Profile::Strict) };
    let measured = [
        Measured::Bare,
        Measured::Namespaces,
        profile(Profile::None),
        profile(Profile::Basic),
        profile(Profile::Strict),
        Measured::Run(Box::new(network)),
    ];
    let kinds: Vec<_> = KINDS.into_iter().zip(measured).filter(|(kind, _)| wanted(kind)).collect();
    by_turns(supervisor, "cost", &kinds);
}

/// Each key alone, beside a run without any.
fn keys(supervisor: &Supervisor) {
    let strict = Isolation::of_profile(Profile::Strict);
    let key = |name: &'static str, set: fn(&mut Isolation, Isolation)| {
        let mut isolation = Isolation::of_profile(Profile::None);
        set(&mut isolation, strict.clone());
        (name, Measured::Run(Box::new(isolation)))
    };
    by_turns(
        supervisor,
        "keys",
        &[
            key("none", |_, _| {}),
            key("network = false", |one, _| one.network = Network::None),
            key("network = \"loopback\"", |one, _| one.network = Network::Loopback),
            key("private_tmp", |one, _| one.private_tmp = true),
            key("system-read-only", |one, _| one.filesystem = Filesystem::SystemReadOnly),
            key("read-only", |one, _| one.filesystem = Filesystem::ReadOnly),
            key("hidden, one path", |one, _| one.hidden = ["/srv".into()].into()),
            key("private_devices", |one, _| one.private_devices = true),
            key("private_users", |one, _| one.private_users = true),
            key("processes_visible", |one, _| one.processes_visible = false),
            key("hostname", |one, _| one.hostname = Some("bench".to_owned())),
            key("capabilities", |one, strict| one.capabilities = strict.capabilities),
            key("no_new_privileges", |one, _| one.no_new_privileges = true),
            key("syscalls", |one, strict| one.syscalls = strict.syscalls),
            key("lock_personality", |one, _| one.lock_personality = true),
            key("restrict_namespaces", |one, _| one.restrict_namespaces = true),
            key("address_families", |one, strict| one.restrict_address_families = strict.restrict_address_families),
        ],
    );
}

/// What takes its turn.
enum Measured {
    /// The program, started and waited for by this process.
    Bare,
    /// The same in namespaces.
    Namespaces,
    /// A run, launched by the supervisor.
    Run(Box<Isolation>),
}

fn by_turns(supervisor: &Supervisor, job: &str, kinds: &[(&str, Measured)]) {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); kinds.len()];
    let mut number = 0;
    for _ in 0..ROUNDS {
        for ((_, measured), times) in kinds.iter().zip(&mut times) {
            for _ in 0..RUNS {
                number += 1;
                let begun = Instant::now();
                match measured {
                    Measured::Bare => bare(),
                    Measured::Namespaces => in_namespaces(),
                    Measured::Run(isolation) => supervisor.run(job, number, isolation),
                }
                times.push(begun.elapsed());
            }
        }
    }
    println!("{:<22}   least  quarter   median", "µs a run");
    for ((kind, _), times) in kinds.iter().zip(&mut times) {
        times.sort_unstable();
        let [least, quarter, median] =
            [0, times.len() / 4, times.len() / 2].map(|place| times[place].as_secs_f64() * 1e6);
        println!("{kind:<22}   {least:>5.0}  {quarter:>7.0}  {median:>7.0}");
    }
}

/// The kernel's part of what a strict run is put into: new process numbers and mounts, in which nothing is changed.
fn in_namespaces() {
    let flags = libc::c_long::from(libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::SIGCHLD);
    let program = c"/bin/true";
    let arguments = [program.as_ptr(), std::ptr::null()];
    // SAFETY: as fork(2): the child calls nothing but execve and _exit, on values made before.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if child == 0 {
        // SAFETY: program and arguments are live and end with NUL and null; _exit has no preconditions.
        unsafe {
            libc::execv(program.as_ptr(), arguments.as_ptr());
            libc::_exit(1)
        }
    }
    let child = Pid::from_raw(i32::try_from(child).expect("a process number"));
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)), "only root may make namespaces");
}

/// The same program, `cat` of one file, whose output is taken down or goes into a file of the same file system.
fn capture(supervisor: &Supervisor) {
    let source = supervisor.dir.path().join("source");
    let line = "0123456789 abcdefghijklmnopqrstuvwxyz 0123456789 abcdefghijklmn\n";
    std::fs::write(&source, line.repeat(PRINTED as usize / line.len())).expect("room on the disk");
    let plain_copy = supervisor.dir.path().join("copy");
    let (mut plain, mut taken) = (Vec::new(), Vec::new());
    for number in 0..PRINTINGS as u64 {
        let begun = Instant::now();
        let copy = std::fs::File::create(&plain_copy).expect("a file");
        assert!(Command::new("cat").arg(&source).stdout(copy).status().expect("cat starts").success());
        plain.push(begun.elapsed());
        std::fs::remove_file(&plain_copy).expect("it is there");
        let mut plan = plan("capture", number + 1, &["cat", source.to_str().expect("plain words")]);
        plan.output.limit_bytes = 2 * PRINTED;
        let begun = Instant::now();
        let end = supervisor.run_plan(plan);
        taken.push(begun.elapsed());
        let lacking = end.output.cut_bytes + end.output.lost_bytes + end.output.limited_bytes;
        assert_eq!((end.output.bytes, lacking), (PRINTED, 0));
        std::fs::remove_dir_all(supervisor.dir.path().join("state/runs/capture")).expect("it is there");
    }
    let rate = |times: &mut [Duration]| PRINTED as f64 / 1e6 / median(times).as_secs_f64();
    let (plain, taken) = (rate(&mut plain), rate(&mut taken));
    println!("capture: {taken:.0} MB/s, `cat` into a file {plain:.0} MB/s: {:.0} % (aim 50 %)", 100.0 * taken / plain);
}

/// Many runs that only live.
fn crowd(supervisor: &Supervisor) {
    let before = supervisor.resident_mib();
    let begun = Instant::now();
    for number in 1..=CROWD {
        let plan = plan("crowd", number, &["sleep", "1000"]);
        supervisor.send(Request::Launch(Box::new(plan)));
    }
    let mut started = 0;
    while started < CROWD {
        if let Report::Started { .. } = supervisor.report() {
            started += 1;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let after = supervisor.resident_mib();
    println!("{CROWD} runs at once: all started after {took:.2} s; supervisor {after:.1} MiB, {before:.1} before");
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn bare() {
    let status = Command::new("/bin/true").stdin(Stdio::null()).status().expect("/bin/true starts");
    assert!(status.success());
}

/// A supervisor in a directory of its own, and a link to it.
struct Supervisor {
    process: Child,
    link: Link,
    reports: Receiver<Incoming>,
    dir: TempDir,
}

impl Supervisor {
    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("jobsd-bench-").tempdir().expect("a directory");
        let socket = dir.path().join("sock");
        let process = Command::new(env!("CARGO_BIN_EXE_jobsd"))
            .args(["supervise".as_ref(), "--state-dir".as_ref(), dir.path().join("state").as_os_str()])
            .args(["--socket".as_ref(), socket.as_os_str()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the supervisor starts");
        loop {
            let (sender, reports) = channel();
            // The receiver goes with the benchmark.
            match Link::connect(&socket, 1, move |incoming| drop(sender.send(incoming))) {
                Ok(link) => return Self { process, link, reports, dir },
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn run(&self, job: &str, number: u64, isolation: &Isolation) {
        let mut plan = plan(job, number, &["/bin/true"]);
        plan.process.isolation = isolation.clone();
        self.run_plan(plan);
    }

    fn run_plan(&self, plan: LaunchPlan) -> AttemptEnd {
        let attempt = plan.attempt.clone();
        self.send(Request::Launch(Box::new(plan)));
        let end = loop {
            if let Report::Ended { end, .. } = self.report() {
                break end;
            }
        };
        assert_eq!(end.ending, Ending::Exited { wait_status: 0 });
        self.send(Request::Acknowledge(attempt));
        *end
    }

    fn send(&self, request: Request) {
        self.link.send(&request).expect("the supervisor listens");
    }

    fn report(&self) -> Report {
        match self.reports.recv().expect("a report") {
            Incoming::Report(report) => report,
            Incoming::Closed(reason) => panic!("{reason}"),
        }
    }

    fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has it");
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib / 1024.0
    }
}

/// The first attempt of a run, as an ordinary job has it.
fn plan(job: &str, number: u64, argv: &[&str]) -> LaunchPlan {
    LaunchPlan {
        attempt: AttemptId { run: format!("{job}/{number}").parse().expect("a name"), attempt: 1 },
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        environment: Environment::default(),
        working_directory: Some("/".into()),
        identity: Identity::default(),
        process: ProcessSpec::default(),
        timeout: None,
        stop: StopPolicy { signal: Signal::SIGTERM, grace: Duration::from_secs(1) },
        output: OutputPolicy { limit_bytes: 1 << 20, ..OutputPolicy::default() },
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).expect("process numbers are small"));
        kill(pid, Signal::SIGTERM).expect("it is our child");
        self.process.wait().expect("it is our child");
    }
}
