//! [`Stamp`]: how a file is known again without reading it.

use std::time::Duration;

use nix::sys::stat::FileStat;
use nix::time::{ClockId, clock_gettime};

/// Identity and times of a file. Owner and mode are in it by way of the change time, which every `chown` and `chmod`
/// sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// Whether the file was left alone long enough before it was read.
    settled: bool,
}

/// The clock by which the kernel stamps files, at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick(Duration);

/// The kernel stamps files by a clock that moves with its timer, every 1 to 10 ms; two changes within one step have one
/// stamp. A file that changed less than this before it was read is therefore read again the next time. Networked file
/// systems stamp by another machine's clock: theirs is only trusted when it looks old.
const SETTLING: Duration = Duration::from_millis(100);

impl Stamp {
    pub fn of(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
            settled: false,
        }
    }

    /// The stamp of a file that was read after `tick`.
    pub fn seen(self, tick: Tick) -> Self {
        let (seconds, nanoseconds) = self.changed;
        let changed = u64::try_from(seconds).unwrap_or(0);
        let changed = Duration::new(changed, u32::try_from(nanoseconds).unwrap_or(0));
        Self { settled: changed.saturating_add(SETTLING) < tick.0, ..self }
    }

    /// Whether a file that had this stamp when it was read, and has `now`, is still the same.
    pub fn is_still(self, now: Self) -> bool {
        self.settled && Self { settled: false, ..self } == now
    }
}

impl Tick {
    /// Reads the clock. Without one, nothing ever looks old, and every file is read every time.
    pub fn read() -> Self {
        Self(clock_gettime(ClockId::CLOCK_REALTIME_COARSE).map_or(Duration::ZERO, Duration::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_still_only_when_old_and_equal() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stat = nix::sys::stat::stat(file.path()).unwrap();
        let stamp = Stamp::of(&stat);
        assert!(!stamp.is_still(stamp), "never seen at a time");
        assert!(!stamp.seen(Tick::read()).is_still(stamp), "just written");
        let later = Tick(Tick::read().0 + Duration::from_secs(1));
        assert!(stamp.seen(later).is_still(stamp));
        let mut changed = stat;
        changed.st_ctime_nsec += 1;
        assert!(!stamp.seen(later).is_still(Stamp::of(&changed)));
    }
}
