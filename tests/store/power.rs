//! Power cuts: what was acknowledged is on the disk, whatever the kernel still holds in memory.
//!
//! A process writes to an ext4 image on a loop device. At a moment by chance it is stopped, and the image is copied: the copy
//! has what had reached the disk by then, and nothing of the page cache of the file system in it. The copy is mounted,
//! which replays ext4's journal, and the store in it is opened.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jobsd::scheduler::Change;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::{Chance, PATIENCE, commit, finished, job, open, running, source, state};
use crate::mounted::{Mounted, run, skip};

/// Set for the process that writes, to its state directory.
const WRITER_DIR: &str = "JOBSD_TEST_POWER_WRITER";

#[test]
fn acknowledged_commits_survive_power_cuts() {
    if let Some(dir) = std::env::var_os(WRITER_DIR) {
        return write_until_killed(Path::new(&dir));
    }
    let cuts = std::env::var("JOBSD_POWER_CUTS").map_or(5, |count| count.parse::<u64>().expect("a number"));
    let scratch = tempfile::tempdir().expect("a directory");
    let image = scratch.path().join("disk");
    let made = fs::File::create(&image).and_then(|file| file.set_len(64 << 20)).map_err(|fault| fault.to_string());
    let mounted = made
        .and_then(|()| run(Command::new("mkfs.ext4").arg("-q").arg(&image)))
        .and_then(|()| Mounted::image(&scratch.path().join("live"), &image));
    let mounted = match mounted {
        Ok(mounted) => mounted,
        Err(reason) => return skip(&format!("no ext4 image can be mounted: {reason}")),
    };
    let mut writer = Writer::start(&mounted.at.join("state"));
    let mut chance = Chance(1);
    let mut last = 0;
    for cut in 0..cuts {
        writer.wait_for(last + 1);
        // Any moment will do: it is no condition that is waited for.
        std::thread::sleep(Duration::from_micros(chance.below(50_000)));
        let copy = scratch.path().join("copy");
        writer.pause();
        last = writer.acknowledged();
        fs::copy(&image, &copy).expect("copied");
        writer.go_on();
        let found = runs_in(&scratch.path().join("cut"), &copy);
        assert!(found >= last, "cut {cut}: {last} commits were acknowledged, {found} are there");
        println!("cut {cut}: {last} acknowledged, {found} found");
    }
}

/// Mounts an image as after a power cut, opens the store in it, and counts.
fn runs_in(at: &Path, image: &Path) -> u64 {
    let mounted = Mounted::image(at, image).expect("the copy is mounted");
    let opened = open(&mounted.at.join("state"));
    assert_eq!(opened.notes, [], "nothing is wrong after a power cut");
    let found = opened.store.reader().count(&job("a")).expect("readable").runs;
    let known =
        opened.recovered.jobs.iter().find(|(name, _)| *name == job("a")).map_or(0, |(_, state)| state.last_number);
    assert_eq!(known, found, "both halves of each commit");
    opened.store.close();
    found
}

struct Writer {
    process: Child,
    acknowledged: Arc<AtomicU64>,
}

impl Writer {
    fn start(dir: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "power::acknowledged_commits_survive_power_cuts", "--nocapture"])
            .env(WRITER_DIR, dir)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (lines, newest) = (BufReader::new(process.stdout.take().expect("a pipe")), Arc::clone(&acknowledged));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some(number) = line.strip_prefix("acknowledged ").and_then(|text| text.parse().ok()) {
                    newest.store(number, Ordering::SeqCst);
                }
            }
        });
        Self { process, acknowledged }
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    fn wait_for(&mut self, number: u64) {
        const LOOK: Duration = Duration::from_millis(2);
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            if self.acknowledged() >= number {
                return;
            }
            assert!(self.process.try_wait().expect("it is ours").is_none(), "the writer ended by itself");
            std::thread::sleep(LOOK);
        }
        panic!("commit {number} is not acknowledged");
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.process.id()).expect("a pid")), signal).expect("it is ours");
    }

    fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it is ours");
    }
}

fn write_until_killed(dir: &Path) {
    let store = open(dir).store;
    let (revision, text) = source("a", 100);
    commit(&store, vec![Change::Source(revision.clone(), job("a"), Box::new(text))]);
    for number in 1.. {
        let run = finished(&running("a", number, &revision), 0);
        let job_state = Change::Job(job("a"), Box::new(state(number, Some(revision.clone()))));
        commit(&store, vec![job_state, Change::Run(Box::new(run))]);
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "acknowledged {number}").and_then(|()| stdout.flush()).expect("the parent listens");
    }
}
