//! From wall-clock times to instants: what happens to a local time that a zone leaves out or shows twice.

use super::segments::{HORIZON, Segment, Segments};

/// What happens to local times that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapRule {
    /// They happen once, right after the gap.
    Run,
    /// They do not happen.
    Skip,
}

/// What happens to local times that exist twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlapRule {
    /// They happen at the first pass.
    First,
    /// They happen at the second pass.
    Second,
    /// They happen at both.
    Both,
}

impl GapRule {
    /// Its word in a job file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Skip => "skip",
        }
    }
}

impl OverlapRule {
    /// Its word in a job file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Both => "both",
        }
    }
}

/// What a schedule says about changes of its zone's offset. What it does not say follows from its class: a fixed time
/// of day happens once (`Run`, `First`), an interval follows elapsed time (`Skip`, `Both`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dst {
    /// Local times that do not exist.
    pub gap: Option<GapRule>,
    /// Local times that exist twice.
    pub overlap: Option<OverlapRule>,
}

impl Dst {
    /// The rules in force.
    pub(super) fn resolve(self, interval: bool) -> DstRules {
        let (gap, overlap) =
            if interval { (GapRule::Skip, OverlapRule::Both) } else { (GapRule::Run, OverlapRule::First) };
        DstRules { gap: self.gap.unwrap_or(gap), overlap: self.overlap.unwrap_or(overlap) }
    }
}

/// [`Dst`] with nothing left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DstRules {
    pub gap: GapRule,
    pub overlap: OverlapRule,
}

/// An instant that a wall-clock rule gave. Both numbers are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub at: i64,
    /// The local time that the rule names.
    pub local: i64,
    pub shift: Option<WallShift>,
}

/// How `at` differs from a local time that exists once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WallShift {
    Gap,
    FirstPass,
    SecondPass,
}

/// The first instant after `after` at which a rule of local times happens in a zone. `next_local(t)` gives the rule's
/// first local time at or after `t`.
///
/// Segment by segment: inside one, local times and instants run side by side, so a rule is asked only about the wall
/// clock. Local times of a gap belong to the segment that follows it, and land on its first instant.
pub(super) fn next_hit(
    segments: &Segments,
    rules: DstRules,
    after: i64,
    mut next_local: impl FnMut(i64) -> Option<i64>,
) -> Option<Hit> {
    let after = after.max(-1);
    let mut index = segments.index_at(after + 1);
    while let Some(segment) = segments.get(index) {
        let from = segment.start.max(after + 1);
        let end = segments.end(index) + segment.offset;
        let end = if rules.overlap == OverlapRule::Second { end.min(segment.repeated) } else { end };
        let local = next_local(first_local(segment, from, rules));
        if let Some(local) = local.filter(|&local| local < end) {
            return Some(hit(segment, local)).filter(|hit| hit.at < HORIZON);
        }
        index = next_index(segments, index, local)?;
    }
    None
}

/// The earliest local time that may happen in `segment` at or after the instant `from`.
fn first_local(segment: &Segment, from: i64, rules: DstRules) -> i64 {
    let at_its_start = from == segment.start;
    let gap_before = segment.fresh < segment.first_local();
    if at_its_start && gap_before && rules.gap == GapRule::Run {
        return segment.fresh;
    }
    match rules.overlap {
        OverlapRule::First => (from + segment.offset).max(segment.fresh),
        OverlapRule::Second | OverlapRule::Both => from + segment.offset,
    }
}

fn hit(segment: &Segment, local: i64) -> Hit {
    if local < segment.first_local() {
        return Hit { at: segment.start, local, shift: Some(WallShift::Gap) };
    }
    let shift = if local < segment.fresh {
        Some(WallShift::SecondPass)
    } else if local >= segment.repeated {
        Some(WallShift::FirstPass)
    } else {
        None
    };
    Hit { at: local - segment.offset, local, shift }
}

/// The next segment worth asking when the rule's next local time, if any, lies behind the segment `index`.
fn next_index(segments: &Segments, index: usize, local: Option<i64>) -> Option<usize> {
    /// More than local time and UTC ever differ.
    const MARGIN_SECONDS: i64 = 2 * 86_400;
    let (this, next) = (segments.get(index)?, segments.get(index + 1)?);
    if next.offset < this.offset {
        // It shows local times again that lie before `local`.
        return Some(index + 1);
    }
    Some(segments.index_at(local? - MARGIN_SECONDS).max(index + 1))
}
