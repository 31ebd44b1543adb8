//! The whole path, from a due instant or a request to a durable record, beside what the machine can do at best.
//!
//! `cargo bench --bench whole_path` prints all figures; a word after `--` picks those whose name contains it. The binaries
//! are the release build's. Ratios are of one run on one machine; absolute figures are only there to be divided.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tempfile::TempDir;

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let figures: [(&str, fn()); 8] = [
        ("runs_a_second", runs_a_second),
        ("lateness_of_one_job", lateness_of_one_job),
        ("lateness_of_1000_jobs", lateness_of_many),
        ("memory", memory),
        ("memory_of_live_runs", memory_of_live_runs),
        ("list_end_to_end", list_end_to_end),
        ("requests_a_second", requests_a_second),
        ("start_with_10000_files", start_with_many_files),
    ];
    for (_, figure) in figures.iter().filter(|(name, _)| name.contains(&wanted)) {
        figure();
    }
}

/// A daemon in a directory of its own.
struct Daemon {
    dir: TempDir,
    engine: Child,
}

impl Daemon {
    fn start(jobs: impl Fn(&Path)) -> Self {
        let dir = tempfile::Builder::new().prefix("jobsd-bench-").tempdir().expect("a directory");
        let jobs_dir = dir.path().join("jobs.d");
        fs::create_dir(&jobs_dir).expect("a directory");
        fs::set_permissions(&jobs_dir, fs::Permissions::from_mode(0o755)).expect("its mode");
        jobs(&jobs_dir);
        Self::start_in(dir)
    }

    fn start_in(dir: TempDir) -> Self {
        let engine = Command::new(env!("CARGO_BIN_EXE_jobsd"))
            .args(["--jobs-dir".as_ref(), dir.path().join("jobs.d").as_os_str()])
            .args(["--state-dir".as_ref(), dir.path().join("state").as_os_str()])
            .args(["--socket".as_ref(), dir.path().join("sock").as_os_str()])
            .env("JOBSD_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the daemon starts");
        let daemon = Self { dir, engine };
        while daemon.try_get("/v1/health/ready").is_none_or(|health| health["ok"] != true) {
            std::thread::sleep(Duration::from_millis(1));
        }
        daemon
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    fn connect(&self) -> Connection {
        Connection::open(&self.socket()).expect("the daemon listens")
    }

    fn try_get(&self, path: &str) -> Option<Value> {
        Connection::open(&self.socket())?.request("GET", path)
    }

    fn supervisor(&self) -> u32 {
        let health = self.try_get("/v1/health").expect("an answer");
        u32::try_from(health["ready"]["supervisor_pid"].as_u64().expect("a supervisor")).expect("a pid")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(
            Command::new(env!("CARGO_BIN_EXE_jobctl"))
                .args(["shutdown", "--stop-runs"])
                .env("JOBCTL_SOCKET", self.socket())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status(),
        );
        drop(self.engine.wait());
    }
}

/// One keep-alive connection, as plain as HTTP/1.1 allows: the client should cost as little as it can.
struct Connection {
    reader: BufReader<UnixStream>,
}

impl Connection {
    fn open(socket: &Path) -> Option<Self> {
        UnixStream::connect(socket).ok().map(|stream| Self { reader: BufReader::new(stream) })
    }

    fn request(&mut self, method: &str, path: &str) -> Option<Value> {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: jobsd\r\ncontent-length: 0\r\n\r\n");
        self.reader.get_mut().write_all(head.as_bytes()).ok()?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).ok()?;
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).ok()?;
        serde_json::from_slice(&body).ok()
    }
}

fn write_job(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(format!("{name}.toml")), text).expect("a job file");
}

/// `/bin/true` again and again, `depth` at once, by one bare loop over `posix_spawn`.
fn bare_spawns_a_second(depth: usize, count: usize) -> f64 {
    let begun = Instant::now();
    let spawn = || Command::new("/bin/true").stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("/bin/true");
    let mut live = std::collections::VecDeque::new();
    for _ in 0..count {
        if live.len() == depth {
            let mut oldest: Child = live.pop_front().expect("it is full");
            oldest.wait().expect("ours");
        }
        live.push_back(spawn());
    }
    for mut child in live {
        child.wait().expect("ours");
    }
    count as f64 / begun.elapsed().as_secs_f64()
}

fn runs_a_second() {
    const JOBS: usize = 8;
    const RUNS: usize = 500;
    let daemon = Daemon::start(|dir| {
        for job in 0..JOBS {
            let text = "command = ['/bin/true']\noverlap = 'queue'\n[retention]\nruns = 1000\n";
            write_job(dir, &format!("job-{job}"), text);
        }
    });
    let mut ratios = Vec::new();
    let mut done_before = 0;
    for round in 0..3 {
        let bare = bare_spawns_a_second(JOBS, 2000);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for job in 0..JOBS {
                let mut connection = daemon.connect();
                scope.spawn(move || {
                    let mut asked = 0;
                    while asked < RUNS {
                        let answer =
                            connection.request("POST", &format!("/v1/jobs/job-{job}/runs")).expect("an answer");
                        if answer["run"].is_string() {
                            asked += 1;
                        } else {
                            // The queue of 100 is full, which is what keeps eight at once, and lasts longer than this.
                            std::thread::sleep(Duration::from_millis(50));
                        }
                    }
                });
            }
        });
        let all = done_before + JOBS * RUNS;
        while finished(&daemon) < all as u64 {
            std::thread::sleep(Duration::from_millis(2));
        }
        done_before = all;
        let rate = (JOBS * RUNS) as f64 / begun.elapsed().as_secs_f64();
        println!(
            "runs_a_second round {round}: {rate:.0}/s with durable history, bare spawn {bare:.0}/s: {:.0} %",
            100.0 * rate / bare
        );
        ratios.push(rate / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!("runs_a_second: median ratio to the bare loop {:.0} % (aim 75 %)", 100.0 * ratios[1]);
}

fn finished(daemon: &Daemon) -> u64 {
    let jobs = daemon.try_get("/v1/jobs").expect("an answer");
    let total = |job: &Value| job["totals"]["succeeded"].as_u64().unwrap_or(0);
    jobs["jobs"].as_array().expect("jobs").iter().map(total).sum()
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().expect("a time").parse().expect("RFC 3339")
}

fn report_lateness(name: &str, mut lateness: Vec<f64>, aim: &str) {
    lateness.sort_by(f64::total_cmp);
    let at = |share: f64| lateness[((lateness.len() - 1) as f64 * share) as usize];
    println!(
        "{name}: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms over {} ({aim})",
        at(0.5),
        at(0.99),
        at(1.0),
        lateness.len()
    );
}

fn lateness_ms(entry: &Value) -> Option<f64> {
    if entry["started_at"].is_null() || entry["trigger"] != "schedule" {
        return None;
    }
    let late = time(&entry["started_at"]) - time(&entry["scheduled_at"]);
    Some(late.num_microseconds()? as f64 / 1000.0)
}

fn lateness_of_one_job() {
    const SECONDS: u64 = 60;
    let daemon = Daemon::start(|dir| write_job(dir, "tick", "command = ['/bin/true']\nschedule = 'every 1s'\n"));
    std::thread::sleep(Duration::from_secs(SECONDS));
    let page = daemon.try_get("/v1/jobs/tick/runs?limit=1000").expect("an answer");
    let late = page["entries"].as_array().expect("entries").iter().filter_map(lateness_ms).collect();
    report_lateness("lateness_of_one_job", late, "aim p99 3 ms");
}

fn lateness_of_many() {
    const JOBS: usize = 1000;
    let daemon = Daemon::start(|dir| {
        for job in 0..JOBS {
            write_job(dir, &format!("job-{job}"), "command = ['/bin/true']\nschedule = 'every 10s'\n");
        }
    });
    let mut done = 0;
    while done < JOBS as u64 {
        std::thread::sleep(Duration::from_millis(100));
        done = finished(&daemon);
    }
    let runs = (0..JOBS).map(|job| {
        let page = daemon.try_get(&format!("/v1/jobs/job-{job}/runs")).expect("an answer");
        lateness_ms(&page["entries"][0]).expect("a run")
    });
    report_lateness("lateness_of_1000_jobs", runs.collect(), "aim: all within 600 ms");
}

fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its size");
    line.split_whitespace().nth(1).expect("a number").parse::<f64>().expect("a number") / 1024.0
}

fn memory() {
    for jobs in [1, 1000, 100_000] {
        let daemon = Daemon::start(|dir| {
            for job in 0..jobs {
                write_job(dir, &format!("job-{job}"), "command = ['/bin/true']\nschedule = '30 2 * * *'\n");
            }
        });
        let engine = resident_mib(daemon.engine.id());
        let supervisor = resident_mib(daemon.supervisor());
        println!("memory with {jobs} jobs: engine {engine:.1} MiB, supervisor {supervisor:.1} MiB (aim 25 MB at 1000)");
    }
}

/// What a thousand live runs take beside a thousand jobs.
fn memory_of_live_runs() {
    const RUNS: usize = 1000;
    let daemon = Daemon::start(|dir| {
        for job in 0..RUNS {
            write_job(dir, &format!("job-{job}"), "command = ['sleep', '1000']\nschedule = 'every 10s'\n");
        }
    });
    let supervisor = daemon.supervisor();
    let children = format!("/proc/{supervisor}/task/{supervisor}/children");
    let live = || fs::read_to_string(&children).expect("the supervisor lives").split_whitespace().count();
    while live() < RUNS {
        std::thread::sleep(Duration::from_millis(50));
    }
    let engine = resident_mib(daemon.engine.id());
    let supervisor = resident_mib(supervisor);
    println!("memory_of_live_runs: {RUNS} at once: engine {engine:.1} MiB, supervisor {supervisor:.1} MiB");
}

fn list_end_to_end() {
    let daemon = Daemon::start(|dir| {
        for job in 0..20 {
            write_job(dir, &format!("job-{job}"), "command = ['/bin/true']\nschedule = '30 2 * * *'\n");
        }
    });
    let median = |program: &str, arguments: &[&str]| {
        let mut times: Vec<f64> = (0..200)
            .map(|_| {
                let begun = Instant::now();
                let mut command = Command::new(program);
                command.args(arguments).env("JOBCTL_SOCKET", daemon.socket()).stdout(Stdio::null());
                assert!(command.status().expect("it runs").success());
                begun.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let list = median(env!("CARGO_BIN_EXE_jobctl"), &["list"]);
    let bare = median("/bin/true", &[]);
    println!("list_end_to_end: {list:.2} ms, {:.1} × /bin/true ({bare:.2} ms) (aim 2 ms)", list / bare);
}

fn requests_a_second() {
    let daemon = Daemon::start(|dir| write_job(dir, "job", "command = ['/bin/true']\n"));
    for path in ["/v1/health/live", "/v1/jobs/job"] {
        let mut connection = daemon.connect();
        let begun = Instant::now();
        let mut count = 0;
        while begun.elapsed() < Duration::from_secs(3) {
            for _ in 0..1000 {
                connection.request("GET", path).expect("an answer");
            }
            count += 1000;
        }
        let rate = f64::from(count) / begun.elapsed().as_secs_f64();
        println!("requests_a_second on one connection, {path}: {rate:.0} (aim 60,000)");
    }
}

fn start_with_many_files() {
    const FILES: usize = 10_000;
    let dir = tempfile::Builder::new().prefix("jobsd-bench-").tempdir().expect("a directory");
    let jobs = dir.path().join("jobs.d");
    fs::create_dir(&jobs).expect("a directory");
    for job in 0..FILES {
        let text =
            format!("description = 'Job {job}'\ncommand = ['/bin/true', '{job}']\nschedule = '{} 2 * * *'\n", job % 60);
        write_job(&jobs, &format!("job-{job}"), &text);
    }
    let begun = Instant::now();
    let daemon = Daemon::start_in(dir);
    let first = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let daemon = restart(daemon);
    let second = begun.elapsed().as_secs_f64();
    drop(daemon);
    println!("start_with_10000_files: ready after {first:.2} s with an empty state, {second:.2} s again (aim 1 s)");
}

/// Kills the engine and starts it on the same state.
fn restart(mut daemon: Daemon) -> Daemon {
    daemon.engine.kill().expect("ours");
    daemon.engine.wait().expect("ours");
    let dir = std::mem::replace(&mut daemon.dir, tempfile::tempdir().expect("a directory"));
    let next = Daemon::start_in(dir);
    // What is left of the first holds no daemon any more.
    std::mem::forget(daemon);
    next
}
