//! [`Segments`]: the stretches of time during which a zone's offset stays the same.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// No schedule has occurrences from here on: 2100-01-01T00:00:00Z. The zone data ends with 2099.
pub(super) const HORIZON: i64 = 4_102_444_800;

/// Far before and after every instant in use, and far enough from overflow for sums with offsets.
const LONG_AGO: i64 = i64::MIN / 4;
const FAR_FUTURE: i64 = i64::MAX / 4;

/// The distance of probes for changes of the offset. The shortest stretch since 1970 is just under seven days
/// (America/Noronha, October 2000); a test compares with finer probes.
const PROBE_SECONDS: i64 = 3 * 86_400;

/// One stretch. All numbers are seconds since 1970, `start` in UTC, the marks in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its first instant.
    pub start: i64,
    /// Local time minus UTC.
    pub offset: i64,
    /// Local times before this one were already shown in an earlier segment. When it lies before the segment's first
    /// local time, the times between are a gap.
    pub fresh: i64,
    /// Local times from this one on are shown again in a later segment.
    pub repeated: i64,
}

impl Segment {
    /// The first local time.
    pub const fn first_local(&self) -> i64 {
        self.start + self.offset
    }
}

/// All segments of a zone between 1970 and [`HORIZON`], without holes.
#[derive(Debug)]
pub(super) struct Segments(Box<[Segment]>);

impl Segments {
    /// Finds them by probing: the zone database gives no list.
    pub fn of(zone: Tz) -> Self {
        let mut bounds = vec![(LONG_AGO, offset_at(zone, 0))];
        let (mut probe, mut before) = (0, offset_at(zone, 0));
        while probe < HORIZON {
            let next = probe + PROBE_SECONDS;
            let after = offset_at(zone, next);
            if before != after {
                bounds.push((first_with_other_offset(zone, probe, next, before), after));
            }
            (probe, before) = (next, after);
        }
        Self(with_marks(&bounds))
    }

    /// The index of the segment that holds an instant.
    pub fn index_at(&self, instant: i64) -> usize {
        self.0.partition_point(|segment| segment.start <= instant).saturating_sub(1)
    }

    /// A segment, or `None` behind the last one.
    pub fn get(&self, index: usize) -> Option<&Segment> {
        self.0.get(index)
    }

    /// The instant at which a segment is over.
    pub fn end(&self, index: usize) -> i64 {
        self.0.get(index + 1).map_or(FAR_FUTURE, |next| next.start)
    }

    /// From the instant `at` on, all local times before `until` are excluded: the first later instant that may not be.
    pub fn resume(&self, at: i64, until: i64) -> i64 {
        let mut index = self.index_at(at);
        let local = at + self.0[index].offset;
        while let Some(segment) = self.get(index) {
            let resume = (until - segment.offset).max(segment.start);
            if resume < self.end(index) {
                return resume.max(at + 1);
            }
            // The clock goes back to before the excluded times.
            if let Some(next) = self.get(index + 1).filter(|next| next.first_local() < local) {
                return next.start;
            }
            index += 1;
        }
        HORIZON
    }

    /// The offset at an instant.
    pub fn offset_at(&self, instant: i64) -> i64 {
        self.0[self.index_at(instant)].offset
    }
}

/// Adds to each `(start, offset)` what the other segments say about its local times.
fn with_marks(bounds: &[(i64, i64)]) -> Box<[Segment]> {
    let mut segments: Vec<Segment> = bounds
        .iter()
        .map(|&(start, offset)| Segment { start, offset, fresh: LONG_AGO, repeated: FAR_FUTURE })
        .collect();
    let mut shown = LONG_AGO;
    for index in 1..segments.len() {
        shown = shown.max(segments[index].start + segments[index - 1].offset);
        segments[index].fresh = shown;
    }
    let mut to_come = FAR_FUTURE;
    for index in (1..segments.len()).rev() {
        to_come = to_come.min(segments[index].first_local());
        segments[index - 1].repeated = to_come;
    }
    segments.into()
}

/// The first second in `(low, high]` at which the offset is not `offset`.
fn first_with_other_offset(zone: Tz, mut low: i64, mut high: i64, offset: i64) -> i64 {
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset_at(zone, middle) == offset {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

fn offset_at(zone: Tz, instant: i64) -> i64 {
    let utc = DateTime::from_timestamp(instant, 0).expect("probes lie between 1970 and 2100").naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finer_probes_find_nothing_more() {
        // The zones with the shortest segments since 1970, and the four with the oddest rules.
        for zone in [
            Tz::America__Noronha,
            Tz::America__Recife,
            Tz::America__Argentina__Tucuman,
            Tz::Africa__El_Aaiun,
            Tz::Africa__Casablanca,
            Tz::Africa__Cairo,
            Tz::Pacific__Apia,
            Tz::Antarctica__Troll,
        ] {
            let segments = Segments::of(zone);
            let mut index = 0;
            for instant in (0..HORIZON).step_by(6 * 3600) {
                while segments.end(index) <= instant {
                    index += 1;
                }
                assert_eq!(segments.0[index].offset, offset_at(zone, instant), "{zone} at {instant}");
            }
        }
    }

    #[test]
    fn marks_tell_gap_and_overlap() {
        let segments = Segments::of(Tz::Europe__Berlin);
        // 2026-03-29T01:00:00Z: 02:00 to 03:00 does not exist.
        let summer = segments.0[segments.index_at(1_774_746_000)];
        assert_eq!(summer.start, 1_774_746_000);
        assert_eq!(summer.first_local() - summer.fresh, 3600);
        // 2026-10-25T01:00:00Z: 02:00 to 03:00 is shown twice.
        let winter = segments.0[segments.index_at(1_792_890_000)];
        assert_eq!(winter.start, 1_792_890_000);
        assert_eq!(winter.fresh - winter.first_local(), 3600);
        assert_eq!(summer.repeated, winter.first_local());
    }
}
