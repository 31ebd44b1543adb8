//! [`Disk`]: a disk with a write cache that loses what was not flushed when its power is cut.
//!
//! It is a file of a FUSE file system that this process serves, for a loop device to lie on. What is written to the loop
//! device arrives here as writes, what asks the disk to flush its cache (`fdatasync` of a file on it, for one) as
//! syncs, so that it is known of every byte whether the disk has promised to keep it. A power cut can so be had at any
//! instant, while everybody goes on writing.
//!
//! Only what a loop device needs of the [protocol](https://docs.kernel.org/filesystems/fuse/fuse.html) is spoken; its
//! structures are those of `linux/fuse.h`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::kit::Chance;

/// The unit that a disk writes as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// The longest write that the kernel may send.
const WRITE_BYTES: u32 = 128 << 10;

/// Room for the longest request with its head.
const REQUEST_BYTES: usize = WRITE_BYTES as usize + 4096;

/// What the disk holds.
struct Content {
    /// What survives a power cut.
    kept: Vec<u8>,
    /// What is read: that, and everything written since.
    shown: Vec<u8>,
    /// What was written since the last flush, in order: from where on, and the bytes.
    cached: Vec<(usize, Vec<u8>)>,
}

/// A disk, there until dropped.
pub struct Disk {
    at: PathBuf,
    content: Arc<Mutex<Content>>,
}

/// A disk as it is after a power cut.
pub struct Cut {
    pub image: Vec<u8>,
    /// Sectors whose last write was not flushed, and how many of these writes did not make it.
    pub cached: usize,
    pub lost: usize,
}

impl Disk {
    /// Shows a disk of this content as the file `at`.
    ///
    /// # Errors
    /// When this process may not serve file systems, in words.
    pub fn new(at: &Path, image: Vec<u8>) -> Result<Self, String> {
        File::create(at).map_err(|fault| fault.to_string())?;
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = device.map_err(|fault| format!("/dev/fuse: {fault}"))?;
        // A file system may be one file: its root is mounted on a file then.
        let options = format!("fd={},rootmode=100600,user_id=0,group_id=0", device.as_raw_fd());
        mount(Some("jobsd-test"), at, Some("fuse"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some(options.as_str()))
            .map_err(|errno| format!("cannot mount a FUSE file system: {errno}"))?;
        let content = Arc::new(Mutex::new(Content { kept: image.clone(), shown: image, cached: Vec::new() }));
        let served = Arc::clone(&content);
        std::thread::spawn(move || serve(device, &served));
        Ok(Self { at: at.to_owned(), content })
    }

    /// What the disk would hold if its power were cut now: of what its cache holds, each sector of each write has made it or
    /// not, by chance.
    pub fn cut(&self, chance: &mut Chance) -> Cut {
        let content = self.content.lock().expect("the server does not panic");
        let mut cut = Cut { image: content.kept.clone(), cached: 0, lost: 0 };
        for (offset, bytes) in &content.cached {
            // Most writes make it whole or not at all; some are torn.
            let fate = chance.below(3);
            for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                let from = offset + number * SECTOR_BYTES;
                cut.cached += 1;
                match fate {
                    0 => cut.lost += 1,
                    1 if chance.one_in(2) => cut.lost += 1,
                    _ => cut.image[from..from + sector.len()].copy_from_slice(sector),
                }
            }
        }
        cut
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The server ends when nobody has the file open any more.
        if let Err(errno) = umount2(&self.at, MntFlags::MNT_DETACH) {
            println!("{}: {errno}", self.at.display());
        }
    }
}

impl Content {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.shown[offset..offset + bytes.len()].copy_from_slice(bytes);
        self.cached.push((offset, bytes.to_vec()));
    }

    fn flush(&mut self) {
        for (offset, bytes) in self.cached.drain(..) {
            self.kept[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
    }
}

/// Operations, by their number in `linux/fuse.h`.
mod operation {
    pub const FORGET: u32 = 2;
    pub const GETATTR: u32 = 3;
    pub const OPEN: u32 = 14;
    pub const READ: u32 = 15;
    pub const WRITE: u32 = 16;
    pub const STATFS: u32 = 17;
    pub const RELEASE: u32 = 18;
    pub const FSYNC: u32 = 20;
    pub const FLUSH: u32 = 25;
    pub const INIT: u32 = 26;
    pub const INTERRUPT: u32 = 36;
    pub const BATCH_FORGET: u32 = 42;
}

/// Bytes before what a request is about: of `fuse_in_header`, and of `fuse_read_in` and `fuse_write_in`.
const HEAD: usize = 40;
const PLACE: usize = 40;

/// Answers until the file system is gone.
fn serve(mut device: File, content: &Mutex<Content>) {
    let mut request = vec![0; REQUEST_BYTES];
    loop {
        let length = match device.read(&mut request) {
            Ok(length) => length,
            Err(fault) => match fault.raw_os_error().map(Errno::from_raw) {
                // A request was taken back while it was read.
                Some(Errno::ENOENT | Errno::EINTR) => continue,
                // Unmounted.
                _ => return,
            },
        };
        let number = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().expect("four bytes"));
        let (operation, unique) = (number(4), &request[8..16]);
        let answer = match operation {
            operation::FORGET | operation::BATCH_FORGET | operation::INTERRUPT => continue,
            _ => answer(operation, &request[HEAD..length], content),
        };
        let (errno, body) = match answer {
            Ok(body) => (0, body),
            Err(errno) => (-(errno as i32), Vec::new()),
        };
        let mut message = u32::try_from(16 + body.len()).expect("short").to_ne_bytes().to_vec();
        message.extend(errno.to_ne_bytes());
        message.extend(unique);
        message.extend(body);
        if let Err(fault) = device.write_all(&message) {
            println!("an answer to the kernel was not taken: {fault}");
        }
    }
}

fn answer(operation: u32, body: &[u8], content: &Mutex<Content>) -> Result<Vec<u8>, Errno> {
    let mut content = content.lock().expect("nobody panics with it");
    match operation {
        operation::INIT => Ok(init()),
        operation::GETATTR => Ok(attributes(content.shown.len() as u64)),
        // No page cache (FOPEN_DIRECT_IO): what is written arrives here at once.
        operation::OPEN => Ok(words(&[0, 0, 1, 0])),
        operation::READ => {
            let (offset, length) = place(body);
            let end = (offset + length).min(content.shown.len());
            Ok(content.shown[offset.min(end)..end].to_vec())
        }
        operation::WRITE => {
            let (offset, length) = place(body);
            let bytes = &body[PLACE..PLACE + length];
            if offset + length > content.shown.len() {
                return Err(Errno::ENOSPC);
            }
            content.write(offset, bytes);
            Ok(words(&[u32::try_from(length).expect("it came as one"), 0]))
        }
        operation::FSYNC => {
            content.flush();
            Ok(Vec::new())
        }
        operation::FLUSH | operation::RELEASE => Ok(Vec::new()),
        operation::STATFS => Ok(vec![0; 80]),
        _ => Err(Errno::ENOSYS),
    }
}

/// `fuse_init_out`: version 7.31, no read-ahead, [`WRITE_BYTES`] at once (FUSE_BIG_WRITES, FUSE_MAX_PAGES).
fn init() -> Vec<u8> {
    const FLAGS: u32 = 1 << 5 | 1 << 22;
    let mut out = words(&[7, 31, 0, FLAGS, 0, WRITE_BYTES, 1]);
    out.extend(u16::try_from(WRITE_BYTES / 4096).expect("few").to_ne_bytes());
    out.resize(64, 0);
    out
}

/// `fuse_attr_out` of a file with mode 0600.
fn attributes(bytes: u64) -> Vec<u8> {
    let mut out = vec![0; 16];
    for number in [1, bytes, bytes / 512, 0, 0, 0] {
        out.extend(u64::to_ne_bytes(number));
    }
    out.extend(words(&[0, 0, 0, libc::S_IFREG | 0o600, 1, 0, 0, 0, 4096, 0]));
    out
}

/// From where on, and how much, a request reads or writes.
fn place(body: &[u8]) -> (usize, usize) {
    let offset = u64::from_ne_bytes(body[8..16].try_into().expect("eight bytes"));
    let length = u32::from_ne_bytes(body[16..20].try_into().expect("four bytes"));
    (usize::try_from(offset).expect("within the disk"), length as usize)
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}
