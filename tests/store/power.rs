//! Power cuts: what was acknowledged is on the disk, whatever the kernel and the disk still hold in memory.
//!
//! A process writes to ext4 on a loop device, which lies on a [`Disk`] with a write cache. At a moment by chance, and while the
//! process goes on, the disk's power is cut: an image is taken of what the disk had promised to keep, with some of what it
//! had not. The image is mounted, which replays ext4's journal, and the store in it is opened.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::disk::{Cut, Disk};
use crate::kit::{Chance, job, open};
use crate::mounted::{Mounted, run, skip};
use crate::writer::{Writer, is_writer, write_until_killed};

#[test]
fn acknowledged_commits_survive_power_cuts() {
    cut_power("power::acknowledged_commits_survive_power_cuts", false);
}

#[test]
fn acknowledged_commits_survive_power_cuts_during_compaction() {
    cut_power("power::acknowledged_commits_survive_power_cuts_during_compaction", true);
}

fn cut_power(test: &str, compacts: bool) {
    if let Some(dir) = is_writer() {
        return write_until_killed(&dir);
    }
    let scratch = tempfile::tempdir().expect("a directory");
    let live = match Live::new(scratch.path()) {
        Ok(live) => live,
        Err(reason) => return skip(&reason),
    };
    let mut writer = Writer::start(&live.mounted.at.join("state"), test, compacts);
    let mut chance = Chance(1);
    let mut last = 0;
    let (mut lost_ever, mut amid) = (0, 0);
    // By chance a few cuts may find the disk's cache empty, or no compaction under way.
    let is_enough = |lost: usize, amid: u64| lost > 0 && (amid > 0 || !compacts);
    for number in 0..cuts() * MORE {
        if number >= cuts() && is_enough(lost_ever, amid) {
            break;
        }
        writer.wait_for(last + 1);
        // Any moment will do: it is no condition that is waited for.
        std::thread::sleep(Duration::from_micros(chance.below(50_000)));
        // Before the cut: what is acknowledged during it may be there or not.
        last = writer.acknowledged();
        let (begun, ended) = writer.compactions();
        amid += u64::from(begun > ended);
        let Cut { image, cached, lost } = live.disk.cut(&mut chance);
        let found = newest_in(&Copy::new(scratch.path(), &format!("cut-{number}"), &image));
        assert!(found >= last, "cut {number}: {last} commits were acknowledged, {found} are there");
        println!("cut {number}: {last} acknowledged, {found} found; {lost} of {cached} sectors lost");
        lost_ever += lost;
    }
    println!("{amid} cuts during a compaction");
    assert!(is_enough(lost_ever, amid), "nothing was tried: {lost_ever} sectors lost");
}

/// By how much more the power is cut until something was tried.
const MORE: u64 = 10;

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

/// A mounted image of what a power cut left.
///
/// Each is a file of its own: a loop device may outlive its mount for a moment, and mount(8) takes one that lies on the same
/// file, with all that it remembers of it.
pub struct Copy {
    pub mounted: Mounted,
    file: PathBuf,
}

impl Copy {
    pub fn new(scratch: &Path, name: &str, image: &[u8]) -> Self {
        let file = scratch.join(format!("{name}.image"));
        fs::write(&file, image).expect("written");
        let mounted = Mounted::image(&scratch.join(name), &file).expect("the copy is mounted");
        Self { mounted, file }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        match fs::remove_file(&self.file) {
            // It may have gone with its directory.
            Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => println!("{}: {fault}", self.file.display()),
            Ok(()) | Err(_) => {}
        }
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
    for number in 0..8 {
        let copy = Copy::new(scratch.path(), &format!("cut-{number}"), &live.disk.cut(&mut chance).image);
        assert_eq!(fs::read(copy.mounted.at.join("synced")).expect("it is there"), [7; 100_000]);
        lost |= fs::read(copy.mounted.at.join("unsynced")).map_or(true, |bytes| bytes != [7; 100_000]);
    }
    assert!(lost, "what was only handed over was there after every cut");
}

/// Opens the store that a power cut left, and gives the newest commit.
fn newest_in(copy: &Copy) -> u64 {
    newest(&copy.mounted.at.join("state"))
}

/// The newest commit of a [`Writer`] in a state, in which nothing may be wrong.
pub fn newest(dir: &Path) -> u64 {
    let opened = open(dir);
    assert_eq!(opened.notes, [], "nothing is wrong");
    let known = opened.recovered.jobs.iter().find(|(name, _)| *name == job("a"));
    let known = known.map_or(0, |(_, state)| state.last_number);
    let history = opened.store.reader().history(&job("a"), None, usize::MAX).expect("readable");
    let numbers: Vec<u64> = history.iter().map(|entry| entry.key().number).collect();
    assert_eq!(numbers.first().copied().unwrap_or(0), known, "both halves of each commit");
    let whole: Vec<u64> = (1..=known).rev().take(numbers.len()).collect();
    assert_eq!(numbers, whole, "no commit between two others is missing");
    opened.store.close();
    known
}
