//! The daemon's own event loop in a simulated world: store, machine, supervisor, clock, clients and job files, all driven by
//! one seed. What must hold is in [`checks`].
//!
//! ```text
//! cargo test --test sim                                  a hundred seeds
//! SIM_SEEDS=100000 SIM_FROM=5000 cargo test --test sim   as many as wanted, on all cores
//! SIM_SECONDS=120 SIM_FROM=5000 cargo test --test sim    as many as fit this time
//! SIM_SEED=42 cargo test --test sim -- --nocapture       one, with a trace
//! SIM_JOB=job-3 SIM_SEED=42 cargo test …                 what concerns this job
//! ```

mod ad_hoc;
mod agenda;
mod checks;
mod clients;
mod clocks;
mod counts;
mod faults;
mod files;
mod host;
mod jobs;
mod life;
mod plan;
mod rng;
mod store;
mod trace;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use counts::Counts;

/// Seeds without a word about how many.
const SEEDS: u64 = 100;

/// So many seeds live through every kind of fault.
const ENOUGH_SEEDS: u64 = 100;

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn seeds() {
    if let Some(seed) = from_env("SIM_SEED") {
        return tell(1, seed, &life::live(seed, true));
    }
    let from = from_env("SIM_FROM").unwrap_or(0);
    let seconds = from_env("SIM_SECONDS");
    let most = from_env("SIM_SEEDS").unwrap_or(if seconds.is_some() { u64::MAX - from } else { SEEDS });
    let (counts, count, failed) = live_all(from, most, seconds.map(Duration::from_secs));
    tell(count, from, &counts);
    assert!(
        failed.is_empty(),
        "{} of {count} seeds fail: {failed:?}\n\
         SIM_SEED={} cargo test --test sim -- --nocapture replays the first with a trace",
        failed.len(),
        failed[0],
    );
    if count >= ENOUGH_SEEDS {
        for (what, times) in counts.all() {
            assert!(times > 0, "{count} seeds, and no {what}: nothing was tried");
        }
    }
}

/// Lives through the seeds on all cores, and says how many they were. After the first failure, and when the time is over,
/// those under way are finished, and no other is begun.
#[expect(clippy::disallowed_methods, reason = "how long the test takes is real time")]
fn live_all(from: u64, count: u64, time: Option<Duration>) -> (Counts, u64, Vec<u64>) {
    let begun = Instant::now();
    let next = AtomicU64::new(from);
    let sum = Mutex::new((Counts::default(), Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let failed_already = !sum.lock().expect("no panic while it is held").1.is_empty();
                    if failed_already || time.is_some_and(|time| begun.elapsed() >= time) {
                        return;
                    }
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + count {
                        return;
                    }
                    let lived = std::panic::catch_unwind(|| life::live(seed, false));
                    let mut sum = sum.lock().expect("no panic while it is held");
                    match lived {
                        Ok(counts) => sum.0.add(&counts),
                        Err(_) => sum.1.push(seed),
                    }
                }
            });
        }
    });
    let (counts, mut failed) = sum.into_inner().expect("no panic while it is held");
    failed.sort_unstable();
    (counts, next.into_inner().min(from + count) - from, failed)
}

fn tell(count: u64, from: u64, counts: &Counts) {
    println!("{count} seeds from {from}:");
    for (what, times) in counts.all() {
        println!("{times:>12} {what}");
    }
}
