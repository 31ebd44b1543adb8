//! The one place where the daemon reads clocks, and what it knows of the present boot.

use std::io;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, SubsecRound};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::clock::{BootId, Monotonic, Now, Timestamp};
use crate::schedule::Boot;

/// Reads both clocks. The wall clock is cut to microseconds, which is what the store keeps.
pub fn now() -> Now {
    let read = |clock| clock_gettime(clock).map(Duration::from).expect("the kernel has this clock");
    let since_epoch = read(ClockId::CLOCK_REALTIME);
    let micros = i64::try_from(since_epoch.as_micros()).expect("microseconds of this age fit");
    let wall = DateTime::from_timestamp_micros(micros).expect("the present is in range");
    Now { wall, monotonic: Monotonic::from_duration(read(ClockId::CLOCK_MONOTONIC)) }
}

/// The present boot as it was first seen, kept in `<state_dir>/boot.json`.
///
/// The instant at which a boot began follows from two clocks and drifts when the wall clock is corrected. Schedules that
/// count from it would fire again at every restart of the daemon, so the first reading of each boot is kept.
///
/// # Errors
/// When the kernel's boot id cannot be read or the file not be written.
pub fn boot(state_dir: &Path) -> io::Result<Boot> {
    let id = BootId::new(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?);
    let path = state_dir.join("boot.json");
    let known = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<BootFile>(&bytes).ok());
    if let Some(known) = known.filter(|known| known.id == id) {
        return Ok(Boot { id, at: known.at, seen_at: known.seen_at });
    }
    let uptime = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).expect("the kernel has this clock");
    let seen_at = now().wall.trunc_subsecs(6);
    let at = (seen_at - uptime).trunc_subsecs(6);
    let bytes = serde_json::to_vec(&BootFile { id: id.clone(), at, seen_at }).expect("plain data");
    let fresh = path.with_extension("json.new");
    std::fs::write(&fresh, bytes)?;
    std::fs::rename(&fresh, &path)?;
    Ok(Boot { id, at, seen_at })
}

#[derive(Serialize, Deserialize)]
struct BootFile {
    id: BootId,
    at: Timestamp,
    seen_at: Timestamp,
}
