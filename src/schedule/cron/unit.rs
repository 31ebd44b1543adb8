//! [`Unit`] and [`Values`]: the fields of an expression, and sets of their values.

/// One field of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedule) enum Unit {
    Second,
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
    Year,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Unit {
    /// As messages call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
            Self::Year => "year",
        }
    }

    /// The smallest and the greatest value that may be written.
    pub const fn bounds(self) -> (u32, u32) {
        match self {
            Self::Second | Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            // 0 and 7 are both Sunday; sets hold 0 only.
            Self::DayOfWeek => (0, 7),
            // OCPS 1.2, section 4.2.
            Self::Year => (1970, 2199),
        }
    }

    /// The greatest value that a set holds.
    pub const fn greatest(self) -> u32 {
        match self {
            Self::DayOfWeek => 6,
            Self::Second | Self::Minute | Self::Hour | Self::DayOfMonth | Self::Month | Self::Year => self.bounds().1,
        }
    }

    /// The number that a name stands for: three letters, in either case.
    pub fn number_of(self, name: &str) -> Option<u32> {
        let index = self.names().iter().position(|known| known.eq_ignore_ascii_case(name))?;
        Some(index as u32 + self.bounds().0)
    }

    /// The three-letter name of which `text` is a longer form, as in `Monday`.
    pub fn short_name(self, text: &str) -> Option<&'static str> {
        let start = text.get(..3)?;
        self.names().iter().find(|name| name.eq_ignore_ascii_case(start)).copied()
    }

    /// The names of its values, from the smallest on; empty for plain numbers.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTHS,
            Self::DayOfWeek => &WEEKDAYS,
            Self::Second | Self::Minute | Self::Hour | Self::DayOfMonth | Self::Year => &[],
        }
    }

    /// Whether it tells days.
    pub const fn is_day(self) -> bool {
        matches!(self, Self::DayOfMonth | Self::DayOfWeek)
    }
}

/// A set of values of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedule) struct Values {
    unit: Unit,
    bits: [u64; 4],
}

impl Values {
    /// What they are values of.
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// No value.
    pub const fn empty(unit: Unit) -> Self {
        Self { unit, bits: [0; 4] }
    }

    /// Every value.
    pub fn full(unit: Unit) -> Self {
        let mut values = Self::empty(unit);
        (unit.bounds().0..=unit.greatest()).for_each(|value| values.insert(value));
        values
    }

    /// One value.
    pub fn only(unit: Unit, value: u32) -> Self {
        let mut values = Self::empty(unit);
        values.insert(value);
        values
    }

    /// Adds a value inside the unit's bounds.
    pub fn insert(&mut self, value: u32) {
        let value = if self.unit == Unit::DayOfWeek && value == 7 { 0 } else { value };
        let index = value - self.unit.bounds().0;
        self.bits[(index / 64) as usize] |= 1 << (index % 64);
    }

    /// Whether it holds a value.
    pub fn contains(&self, value: u32) -> bool {
        let Some(index) = value.checked_sub(self.unit.bounds().0) else { return false };
        self.bits.get((index / 64) as usize).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// All values, smallest first.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (self.unit.bounds().0..=self.unit.greatest()).filter(|&value| self.contains(value))
    }

    /// How many values.
    pub fn len(&self) -> u32 {
        self.bits.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it holds all.
    pub fn is_full(&self) -> bool {
        self.len() == self.unit.greatest() - self.unit.bounds().0 + 1
    }

    /// The values that both sets hold.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut bits = self.bits;
        bits.iter_mut().zip(other.bits).for_each(|(word, other)| *word &= other);
        Self { unit: self.unit, bits }
    }

    /// First, last and step, when the values are evenly spaced and at least three.
    pub fn progression(&self) -> Option<(u32, u32, u32)> {
        let values: Vec<u32> = self.iter().collect();
        let (&[first, second, ..], &last) = (values.as_slice(), values.last()?) else { return None };
        let step = second - first;
        (values.len() > 2 && values.windows(2).all(|pair| pair[1] - pair[0] == step)).then_some((first, last, step))
    }
}
