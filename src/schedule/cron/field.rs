//! [`Field`]: one field of an expression, read as cronie reads it, with what OCPS adds.

use super::days::DayTerm;
use super::unit::{Unit, Values};
use crate::schedule::ParseError;
use crate::schedule::hash::stable_hash;

/// What a field says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Plain values.
    pub values: Values,
    /// Days told by their place in the month.
    pub terms: Vec<DayTerm>,
    /// Whether it begins with `*`, or is a `?`: cronie's rules turn on that.
    pub star: bool,
}

/// Reads the fields of one expression for one job.
#[derive(Clone, Copy)]
pub(super) struct FieldParser<'a> {
    /// The whole expression; spans count in it.
    pub text: &'a str,
    /// Whose name `H` and `~` choose by.
    pub job_name: &'a str,
}

/// A part of the expression.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Part<'a> {
    fn fault(self, message: impl Into<String>) -> ParseError {
        ParseError::new(self.start..self.start + self.text.len(), message)
    }

    /// The parts before and after the first `separator`.
    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        let after_start = self.start + before.len() + separator.len_utf8();
        Some((Self { text: before, ..self }, Self { text: after, start: after_start }))
    }
}

impl<'a> FieldParser<'a> {
    /// Reads the field `unit` in `text[start..][..length]`.
    pub fn parse(self, unit: Unit, start: usize, length: usize) -> Result<Field, ParseError> {
        let whole = Part { text: &self.text[start..start + length], start };
        let mut field =
            Field { values: Values::empty(unit), terms: Vec::new(), star: whole.text.starts_with(['*', '?']) };
        let mut item_start = start;
        for (index, item) in whole.text.split(',').enumerate() {
            let item = Part { text: item, start: item_start };
            self.item(unit, item, index, &mut field)?;
            item_start += item.text.len() + 1;
        }
        if whole.text.contains(',') && field.terms.iter().any(|term| matches!(term, DayTerm::NearestWeekday(_))) {
            return Err(whole
                .fault("W stands for one day and cannot be part of a list")
                .hint("write one [[schedule]] for each such day"));
        }
        Ok(field)
    }

    /// Reads one item of the field's list.
    fn item(self, unit: Unit, item: Part<'a>, index: usize, field: &mut Field) -> Result<(), ParseError> {
        if item.text.is_empty() {
            return Err(item.fault(format!("the {} field has an empty item in its list", unit.name())));
        }
        if item.text == "?" {
            return question_mark(unit, item, field);
        }
        if let Some(term) = day_term(unit, item)? {
            field.terms.push(term);
            return Ok(());
        }
        if let Some(rest) = item.text.strip_prefix('H') {
            return self.hashed(unit, Part { text: rest, start: item.start + 1 }, index, field);
        }
        if let Some((low, high)) = item.split_once('~') {
            return self.random(unit, item, (low, high), index, field);
        }
        range(unit, item, field)
    }

    /// `low~high`, either of them optional: one value, chosen by the job's name. cronie chooses at random when it reads
    /// the table; here a restart must change nothing.
    fn random(
        self,
        unit: Unit,
        item: Part<'a>,
        (low, high): (Part<'a>, Part<'a>),
        index: usize,
        field: &mut Field,
    ) -> Result<(), ParseError> {
        if unit == Unit::Year {
            return Err(item.fault("~ cannot choose a year"));
        }
        let low = if low.text.is_empty() { unit.bounds().0 } else { number(unit, low)? };
        let high = if high.text.is_empty() { unit.greatest() } else { number(unit, high)? };
        if low > high {
            return Err(item.fault(format!("the range {:?} ends before it begins", item.text)));
        }
        field.values.insert(low + self.choice(unit, index, high - low + 1));
        Ok(())
    }

    /// `H`, `H/step`, `H(low-high)`, `H(low-high)/step`, as Jenkins has them: a value, or a first value, chosen by the
    /// job's name, so that a fleet of jobs spreads.
    fn hashed(self, unit: Unit, rest: Part<'a>, index: usize, field: &mut Field) -> Result<(), ParseError> {
        if unit == Unit::Year {
            return Err(rest.fault("H cannot choose a year"));
        }
        let (bounds, step) = match rest.split_once('/') {
            Some((bounds, step)) => (bounds, Some(parse_step(step)?)),
            None => (rest, None),
        };
        let (low, high) = if bounds.text.is_empty() {
            // Every month has a 28th: a hash must not choose a day that some months lack.
            (unit.bounds().0, if unit == Unit::DayOfMonth { 28 } else { unit.greatest() })
        } else {
            hash_bounds(unit, bounds)?
        };
        let size = high - low + 1;
        let spread = step.map_or(size, |step| step.min(size));
        let first = low + self.choice(unit, index, spread);
        match step {
            Some(step) => (first..=high).step_by(step as usize).for_each(|value| field.values.insert(value)),
            None => field.values.insert(first),
        }
        Ok(())
    }

    /// A number below `count`, for one item of one field of one job.
    fn choice(self, unit: Unit, index: usize, count: u32) -> u32 {
        let index = index as u64;
        let hash = stable_hash(&[self.job_name.as_bytes(), unit.name().as_bytes(), &index.to_le_bytes()]);
        (hash % u64::from(count)) as u32
    }
}

/// `?` in a day field is `*` (OCPS 1.4, section 4.2).
fn question_mark(unit: Unit, item: Part<'_>, field: &mut Field) -> Result<(), ParseError> {
    if !unit.is_day() {
        let fault = format!("? is for the two day fields, not for the {} field", unit.name());
        return Err(item.fault(fault).hint("write *"));
    }
    field.values = Values::full(unit);
    Ok(())
}

/// `*`, `a`, `a-b`, and the first and last with `/step`.
fn range(unit: Unit, item: Part<'_>, field: &mut Field) -> Result<(), ParseError> {
    let (body, step) = match item.split_once('/') {
        Some((body, step)) => (body, Some(parse_step(step)?)),
        None => (item, None),
    };
    let (low, high) = if body.text == "*" {
        (unit.bounds().0, unit.greatest())
    } else if let Some((low, high)) = body.split_once('-') {
        upward(unit, body, number(unit, low)?, number(unit, high)?)?
    } else {
        let value = number(unit, body)?;
        if let Some(step) = step {
            let hint = format!("write {}-{}/{step}", body.text, unit.greatest());
            return Err(item.fault("a step needs * or a range before it").hint(hint));
        }
        (value, value)
    };
    (low..=high).step_by(step.unwrap_or(1) as usize).for_each(|value| field.values.insert(value));
    Ok(())
}

/// Checks that a range runs upward. Like cronie's, a range of week days may end with Sunday written as 0 or SUN
/// (`get_range` in its src/entry.c, since d037042). Any other downward range is taken there and selects nothing, without
/// a word; crontab(5) and OCPS 1.0, section 6.2, forbid it.
fn upward(unit: Unit, range: Part<'_>, low: u32, high: u32) -> Result<(u32, u32), ParseError> {
    if low <= high {
        return Ok((low, high));
    }
    if unit == Unit::DayOfWeek && high == 0 {
        return Ok((low, 7));
    }
    let (low_text, high_text) = range.text.split_once('-').unwrap_or((range.text, ""));
    let (first, last) = match unit {
        Unit::DayOfWeek => (1, 7),
        Unit::Second | Unit::Minute | Unit::Hour | Unit::DayOfMonth | Unit::Month | Unit::Year => unit.bounds(),
    };
    let upper = if low == last { low_text.to_owned() } else { format!("{low_text}-{last}") };
    let lower = if high == first { high_text.to_owned() } else { format!("{first}-{high_text}") };
    Err(range
        .fault(format!("the range {:?} ends before it begins", range.text))
        .hint(format!("write the two parts: {upper},{lower}")))
}

/// The inside of `H(low-high)`.
fn hash_bounds(unit: Unit, bounds: Part<'_>) -> Result<(u32, u32), ParseError> {
    let expected = "after H comes nothing, /step, or a range as in H(0-29)";
    let inner = bounds.text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let inner = inner.ok_or_else(|| bounds.fault(expected))?;
    let inner = Part { text: inner, start: bounds.start + 1 };
    let (low, high) = inner.split_once('-').ok_or_else(|| bounds.fault(expected))?;
    let (low, high) = (number(unit, low)?, number(unit, high)?);
    if low > high {
        return Err(inner.fault(format!("the range {:?} ends before it begins", inner.text)));
    }
    Ok((low, high))
}

/// The days that no list of numbers can name, where `item` is one.
fn day_term(unit: Unit, item: Part<'_>) -> Result<Option<DayTerm>, ParseError> {
    match unit {
        Unit::DayOfMonth => day_of_month_term(item),
        Unit::DayOfWeek => day_of_week_term(item),
        Unit::Second | Unit::Minute | Unit::Hour | Unit::Month | Unit::Year => Ok(None),
    }
}

fn day_of_month_term(item: Part<'_>) -> Result<Option<DayTerm>, ParseError> {
    match item.text {
        "L" => return Ok(Some(DayTerm::Last)),
        "LW" => return Ok(Some(DayTerm::LastWeekday)),
        "l" | "w" | "lw" | "Lw" | "lW" => {
            return Err(item.fault("L and W are written in capitals").hint(item.text.to_uppercase()));
        }
        _ => {}
    }
    let Some(day) = item.text.strip_suffix('W') else { return Ok(None) };
    if day.is_empty() || !day.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(item.fault("W comes after one day of the month, as in 15W, or after L"));
    }
    Ok(Some(DayTerm::NearestWeekday(number(Unit::DayOfMonth, Part { text: day, ..item })?)))
}

fn day_of_week_term(item: Part<'_>) -> Result<Option<DayTerm>, ParseError> {
    let weekday = |part: Part<'_>| Ok::<_, ParseError>(number(Unit::DayOfWeek, part)? % 7);
    if let Some((day, nth)) = item.split_once('#') {
        let day = weekday(day)?;
        return match nth.text {
            "L" => Ok(Some(DayTerm::LastOf(day))),
            "1" | "2" | "3" | "4" | "5" => Ok(Some(DayTerm::NthOf(day, u32::from(nth.text.as_bytes()[0] - b'0')))),
            _ => Err(nth.fault("after # comes 1 to 5 or L, as in FRI#2 or FRI#L")),
        };
    }
    if item.text == "L" {
        let fault = "L alone does not say which day of the week";
        return Err(item.fault(fault).hint("write 5L or FRI#L for the last Friday of the month"));
    }
    match item.text.strip_suffix('L') {
        Some(day) => Ok(Some(DayTerm::LastOf(weekday(Part { text: day, ..item })?))),
        None => Ok(None),
    }
}

/// A number or a name inside the unit's bounds.
fn number(unit: Unit, part: Part<'_>) -> Result<u32, ParseError> {
    let (least, greatest) = unit.bounds();
    if part.text.is_empty() {
        return Err(part.fault(format!("a {} is missing here", unit.name())));
    }
    if let Some(value) = unit.number_of(part.text) {
        return Ok(value);
    }
    if !part.text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(no_number(unit, part));
    }
    match part.text.parse::<u32>() {
        Ok(value) if (least..=greatest).contains(&value) => Ok(value),
        Ok(_) | Err(_) => {
            Err(part.fault(format!("{} is no {}: {least} to {greatest} are allowed", part.text, unit.name())))
        }
    }
}

fn no_number(unit: Unit, part: Part<'_>) -> ParseError {
    let (least, greatest) = unit.bounds();
    let names = match unit.names() {
        [first, .., last] => format!(", or {first} to {last}"),
        _ => String::new(),
    };
    let fault = part.fault(format!(
        "{:?} is not understood in the {} field: {least} to {greatest}{names} are allowed",
        part.text,
        unit.name()
    ));
    match unit.short_name(part.text) {
        Some(short) => fault.hint(format!("write {short}")),
        None => fault,
    }
}

/// The number after a slash.
fn parse_step(step: Part<'_>) -> Result<u32, ParseError> {
    let digits = !step.text.is_empty() && step.text.bytes().all(|byte| byte.is_ascii_digit());
    match step.text.parse::<u32>() {
        Ok(0) => Err(step.fault("a step of 0 never moves on; the least is 1")),
        Ok(value) if digits => Ok(value),
        Ok(_) | Err(_) => Err(step.fault("after / comes a whole number, as in */15")),
    }
}
