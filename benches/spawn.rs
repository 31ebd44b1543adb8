//! What a run costs: `none`, `basic` and `strict` beside the bare loop of starting and waiting.
//!
//! `cargo bench --bench spawn` prints microseconds a run, medians of rounds in which the kinds take turns, so that other
//! load on the machine falls on all of them alike. Each run starts `/bin/true` and is over when its end is reported; one at a
//! time.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jobsd::run::{AttemptId, Ending, LaunchPlan, Report};
use jobsd::spec::{Environment, Identity, Isolation, Network, OutputPolicy, ProcessSpec, Profile, StopPolicy};
use jobsd::supervisor::{Incoming, Link, Request};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Rounds, and runs of each kind in a round.
const ROUNDS: usize = 15;
const RUNS: u32 = 40;

fn main() {
    let supervisor = Supervisor::start();
    let network = Isolation { network: Network::None, ..Isolation::of_profile(Profile::Strict) };
    let kinds: [(&str, Option<Isolation>); 5] = [
        ("bare loop", None),
        ("none", Some(Isolation::of_profile(Profile::None))),
        ("basic", Some(Isolation::of_profile(Profile::Basic))),
        ("strict", Some(Isolation::of_profile(Profile::Strict))),
        ("strict without network", Some(network)),
    ];
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); kinds.len()];
    let mut number = 0;
    for _ in 0..ROUNDS {
        for ((_, isolation), times) in kinds.iter().zip(&mut times) {
            let begun = Instant::now();
            for _ in 0..RUNS {
                number += 1;
                match isolation {
                    None => bare(),
                    Some(isolation) => supervisor.run(number, isolation),
                }
            }
            times.push(begun.elapsed() / RUNS);
        }
    }
    let medians: Vec<Duration> = times.iter_mut().map(|times| median(times)).collect();
    for ((name, _), median) in kinds.iter().zip(&medians) {
        let micros = median.as_secs_f64() * 1e6;
        let above = (median.as_secs_f64() - medians[1].as_secs_f64()) * 1e6;
        println!("{name:<24} {micros:>8.0} µs a run {above:>+8.0} µs against none");
    }
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
    _dir: TempDir,
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
                Ok(link) => return Self { process, link, reports, _dir: dir },
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn run(&self, number: u64, isolation: &Isolation) {
        let attempt = AttemptId { run: format!("bench/{number}").parse().expect("a name"), attempt: 1 };
        let plan = LaunchPlan {
            attempt: attempt.clone(),
            argv: vec!["/bin/true".into()],
            environment: Environment::default(),
            working_directory: Some("/".into()),
            identity: Identity::default(),
            process: ProcessSpec { isolation: isolation.clone(), ..ProcessSpec::default() },
            timeout: None,
            stop: StopPolicy { signal: Signal::SIGTERM, grace: Duration::from_secs(1) },
            output: OutputPolicy { limit_bytes: 1 << 20, ..OutputPolicy::default() },
        };
        self.link.send(&Request::Launch(Box::new(plan))).expect("the supervisor listens");
        let end = loop {
            match self.reports.recv().expect("a report") {
                Incoming::Report(Report::Ended { end, .. }) => break end,
                Incoming::Report(_) => {}
                Incoming::Closed(reason) => panic!("{reason}"),
            }
        };
        assert_eq!(end.ending, Ending::Exited { wait_status: 0 });
        self.link.send(&Request::Acknowledge(attempt)).expect("the supervisor listens");
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).expect("process numbers are small"));
        kill(pid, Signal::SIGTERM).expect("it is our child");
        self.process.wait().expect("it is our child");
    }
}
