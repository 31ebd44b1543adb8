//! Power cuts: what was acknowledged is on the disk, whatever the kernel and the disk still hold in memory.
//!
//! A process writes to ext4 on a loop device, which lies on a [`Disk`] with a write cache. At a moment by chance, and while the
//! process goes on, the disk's power is cut: an image is taken of what the disk had promised to keep, with some of what it
//! had not. The image is mounted, which replays ext4's journal, and the store in it is opened.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jobsd::scheduler::Change;

use crate::disk::{Cut, Disk};
use crate::kit::{Chance, PATIENCE, commit, finished, job, open, running, source, state};
use crate::mounted::{Mounted, run, skip};

/// Set for the process that writes, to its state directory.
const WRITER_DIR: &str = "JOBSD_TEST_POWER_WRITER";

#[test]
fn acknowledged_commits_survive_power_cuts() {
    if let Some(dir) = std::env::var_os(WRITER_DIR) {
        return write_until_killed(Path::new(&dir));
    }
    let scratch = tempfile::tempdir().expect("a directory");
    let live = match Live::new(scratch.path()) {
        Ok(live) => live,
        Err(reason) => return skip(&reason),
    };
    let mut writer = Writer::start(&live.mounted.at.join("state"));
    let mut chance = Chance(1);
    let mut last = 0;
    let mut lost_ever = 0;
    for number in 0..cuts() {
        writer.wait_for(last + 1);
        // Any moment will do: it is no condition that is waited for.
        std::thread::sleep(Duration::from_micros(chance.below(50_000)));
        // Before the cut: what is acknowledged during it may be there or not.
        last = writer.acknowledged();
        let Cut { image, cached, lost } = live.disk.cut(&mut chance);
        let copy = scratch.path().join("copy");
        fs::write(&copy, image).expect("written");
        let found = runs_in(&scratch.path().join("cut"), &copy);
        assert!(found >= last, "cut {number}: {last} commits were acknowledged, {found} are there");
        println!("cut {number}: {last} acknowledged, {found} found; {lost} of {cached} sectors lost");
        lost_ever += lost;
    }
    assert!(lost_ever > 0, "no cut took anything from the disk: nothing was tried");
}

/// How often the power is cut.
pub fn cuts() -> u64 {
    std::env::var("JOBSD_POWER_CUTS").map_or(10, |count| count.parse().expect("JOBSD_POWER_CUTS is a number"))
}

/// A mounted ext4 whose disk can lose its power.
pub struct Live {
    pub mounted: Mounted,
    pub disk: Disk,
}

impl Live {
    pub fn new(scratch: &Path) -> Result<Self, String> {
        const BYTES: u64 = 64 << 20;
        let fresh = scratch.join("fresh");
        fs::File::create(&fresh).and_then(|file| file.set_len(BYTES)).map_err(|fault| fault.to_string())?;
        run(Command::new("mkfs.ext4").arg("-q").arg(&fresh))?;
        let image = fs::read(&fresh).map_err(|fault| fault.to_string())?;
        let disk = Disk::new(&scratch.join("disk"), image)?;
        let mounted = Mounted::image(&scratch.join("live"), &scratch.join("disk"))?;
        Ok(Self { mounted, disk })
    }
}

/// The disk of these tests bites: otherwise they would prove nothing.
#[test]
fn the_disk_loses_what_was_not_synced_and_nothing_else() {
    let scratch = tempfile::tempdir().expect("a directory");
    let live = match Live::new(scratch.path()) {
        Ok(live) => live,
        Err(reason) => return skip(&reason),
    };
    let mut chance = Chance(2);
    let write = |name: &str| {
        let mut file = fs::File::create(live.mounted.at.join(name)).expect("created");
        file.write_all(&[7; 100_000]).expect("written");
        file
    };
    write("synced").sync_all().expect("synced");
    fs::File::open(&live.mounted.at).and_then(|dir| dir.sync_all()).expect("synced");
    let unsynced = write("unsynced");
    // It is handed to the disk, and the disk is not asked to keep it: sync_file_range(2) is no more than that.
    // SAFETY: the descriptor is open; the call takes no pointers.
    let handed = unsafe {
        libc::sync_file_range(
            unsynced.as_raw_fd(),
            0,
            0,
            libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER,
        )
    };
    assert_eq!(handed, 0, "{}", std::io::Error::last_os_error());
    let mut lost = false;
    for _ in 0..8 {
        let copy = scratch.path().join("copy");
        fs::write(&copy, live.disk.cut(&mut chance).image).expect("written");
        let mounted = Mounted::image(&scratch.path().join("cut"), &copy).expect("the copy is mounted");
        assert_eq!(fs::read(mounted.at.join("synced")).expect("it is there"), [7; 100_000]);
        lost |= fs::read(mounted.at.join("unsynced")).map_or(true, |bytes| bytes != [7; 100_000]);
    }
    assert!(lost, "what was only handed over was there after every cut");
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
