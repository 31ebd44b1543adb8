//! The daemon's own event loop in a simulated world: store, machine, supervisor, clock, clients and job files, all driven by
//! one seed. What must hold is in [`checks`].
//!
//! ```text
//! cargo test --test sim                                  a hundred seeds
//! SIM_SEEDS=100000 SIM_FROM=5000 cargo test --test sim   as many as wanted, on all cores
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
    let count = from_env("SIM_SEEDS").unwrap_or(SEEDS);
    let (counts, failed) = live_all(from, count);
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

/// Lives through the seeds on all cores. After the first failure those under way are finished, and no other is begun.
fn live_all(from: u64, count: u64) -> (Counts, Vec<u64>) {
    let next = AtomicU64::new(from);
    let sum = Mutex::new((Counts::default(), Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let failed_already = !sum.lock().expect("no panic while it is held").1.is_empty();
                    if seed >= from + count || failed_already {
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
    (counts, failed)
}

fn tell(count: u64, from: u64, counts: &Counts) {
    println!("{count} seeds from {from}:");
    for (what, times) in counts.all() {
        println!("{times:>12} {what}");
    }
}
