//! The spread of starts: stable for a job and an occurrence, whatever restarts.

use chrono::TimeDelta;

use super::hash::stable_hash;
use crate::clock::Timestamp;

/// How much later than `at` a job starts: below `jitter` and below the time to the `next` occurrence, in whole
/// milliseconds, chosen by the job's name hash and the instant.
pub(super) fn delay(name_hash: u64, at: Timestamp, jitter: TimeDelta, next: Option<Timestamp>) -> TimeDelta {
    let room = next.map_or(jitter, |next| jitter.min(next - at)).num_milliseconds();
    let Ok(room @ 1..) = u64::try_from(room) else { return TimeDelta::zero() };
    let hash = stable_hash(&[&name_hash.to_le_bytes(), &at.timestamp_millis().to_le_bytes()]);
    // The high half of a product spreads evenly without the bias of a remainder.
    let millis = (u128::from(hash) * u128::from(room)) >> 64;
    TimeDelta::milliseconds(i64::try_from(millis).expect("it is below room, which came from an i64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_below_both_bounds_and_spreads() {
        let at = |seconds| Timestamp::from_timestamp(seconds, 0).unwrap();
        let minute = TimeDelta::minutes(1);
        let delays: Vec<i64> = (0..1000).map(|i| delay(7, at(i * 3600), minute, None).num_milliseconds()).collect();
        assert!(delays.iter().all(|delay| (0..60_000).contains(delay)));
        let mean = delays.iter().sum::<i64>() / 1000;
        assert!((27_000..33_000).contains(&mean), "{mean}");
        for i in 0..1000 {
            let next = at(i + 1);
            assert!(at(i) + delay(7, at(i), minute, Some(next)) < next);
        }
        assert_eq!(delay(7, at(0), TimeDelta::zero(), None), TimeDelta::zero());
    }
}
