//! Calendar expressions of systemd, said as cron expressions.

use crate::schedule::Zone;

/// The same times, said our way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronForm {
    /// Five fields, six with seconds, seven with seconds and years.
    pub expression: String,
    /// The zone, when the expression names one.
    pub zone: Option<Zone>,
}

/// Why an expression cannot be said as cron.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// It is none.
    #[error("{0:?} is no calendar expression of systemd")]
    NotUnderstood(String),
    /// Days counted from a month's end, apart from the last.
    #[error("{0:?} counts days from the end of a month, which cron expressions can say of the last day alone")]
    FromTheEnd(String),
    /// Parts of a second.
    #[error("{0:?} names parts of a second; schedules have whole seconds")]
    Fraction(String),
}

const SHORTHANDS: [(&str, &str); 11] = [
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
    ("semi-annually", "*-01,07-01 00:00:00"),
    ("bi-annually", "*-01,07-01 00:00:00"),
];

const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Says an expression of `OnCalendar=` ([systemd.time(7)], CALENDAR EVENTS) as a cron expression.
///
/// [systemd.time(7)]: https://man7.org/linux/man-pages/man7/systemd.time.7.html
///
/// # Errors
/// When it is none, or cron expressions have no words for it.
///
/// ```
/// use jobsd::migrate::systemd::to_cron;
/// assert_eq!(to_cron("Mon..Fri 09:30").unwrap().expression, "30 9 * * 1-5");
/// ```
pub fn to_cron(text: &str) -> Result<CronForm, CalendarError> {
    let bad = || CalendarError::NotUnderstood(text.to_owned());
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let zone = match words.as_slice() {
        [_, .., last] => Zone::parse(last).ok().filter(|_| weekdays(last).is_none()),
        [] | [_] => None,
    };
    if zone.is_some() {
        words.pop();
    }
    if let [word] = words.as_slice()
        && let Some((_, long)) = SHORTHANDS.iter().find(|(short, _)| short.eq_ignore_ascii_case(word))
    {
        return Ok(CronForm { zone, ..to_cron(long)? });
    }
    if words.is_empty() {
        return Err(bad());
    }
    let mut rest = words.into_iter().peekable();
    let weekday = rest.next_if(|word| weekdays(word).is_some()).and_then(weekdays);
    let date = rest.next_if(|word| !word.contains(':')).unwrap_or("*-*-*");
    let time = rest.next_if(|word| word.contains(':')).unwrap_or("00:00:00");
    if rest.next().is_some() {
        return Err(bad());
    }
    let date = Date::parse(date, text)?;
    let (hour, minute, second) = self::time(time, text)?;
    let weekday = match weekday {
        None => "*".to_owned(),
        // systemd wants both; cron, without the +, either.
        Some(days) if date.day != "*" => format!("+{days}"),
        Some(days) => days,
    };
    let Date { year, month, day } = date;
    let core = format!("{minute} {hour} {day} {month} {weekday}");
    let expression = match (second.as_str(), year.as_str()) {
        ("0", "*") => core,
        (_, "*") => format!("{second} {core}"),
        _ => format!("{second} {core} {year}"),
    };
    Ok(CronForm { expression, zone })
}

struct Date {
    year: String,
    month: String,
    day: String,
}

impl Date {
    fn parse(word: &str, whole: &str) -> Result<Self, CalendarError> {
        let bad = || CalendarError::NotUnderstood(whole.to_owned());
        let (front, day) = match word.split_once('~') {
            Some((front, "1" | "01")) => (front, "L".to_owned()),
            Some(_) => return Err(CalendarError::FromTheEnd(whole.to_owned())),
            None => {
                let (front, day) = word.rsplit_once('-').ok_or_else(bad)?;
                (front, component(day, 1, 31).ok_or_else(bad)?)
            }
        };
        let (year, month) = front.split_once('-').unwrap_or(("*", front));
        let year = component(year, 1970, 2199).ok_or_else(bad)?;
        Ok(Self { year, month: component(month, 1, 12).ok_or_else(bad)?, day })
    }
}

fn time(word: &str, whole: &str) -> Result<(String, String, String), CalendarError> {
    let bad = || CalendarError::NotUnderstood(whole.to_owned());
    let mut parts = word.split(':');
    let (hour, minute) = (parts.next().ok_or_else(bad)?, parts.next().ok_or_else(bad)?);
    let second = parts.next().unwrap_or("0");
    if parts.next().is_some() {
        return Err(bad());
    }
    let second = second.split_once('.').map_or(Ok(second), |(whole_second, fraction)| {
        let whole_seconds = fraction.chars().all(|c| c == '0');
        whole_seconds.then_some(whole_second).ok_or_else(|| CalendarError::Fraction(whole.to_owned()))
    })?;
    let read = |text: &str, high| component(text, 0, high).ok_or_else(bad);
    Ok((read(hour, 23)?, read(minute, 59)?, read(second, 59)?))
}

/// One component: a list of `*`, numbers, ranges with `..`, each with a step after `/`.
fn component(text: &str, low: u32, high: u32) -> Option<String> {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u32>().ok()).flatten().filter(|value| (low..=high).contains(value))
    };
    let item = |item: &str| {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u32>().ok().filter(|&step| step > 0)?)),
            None => (item, None),
        };
        let step_text = step.map(|step| format!("/{step}")).unwrap_or_default();
        if range == "*" {
            return Some(format!("*{step_text}"));
        }
        if let Some((first, last)) = range.split_once("..") {
            return Some(format!("{}-{}{step_text}", number(first)?, number(last)?));
        }
        // A step after a number runs on to the end.
        let first = number(range)?;
        Some(if step.is_some() { format!("{first}-{high}{step_text}") } else { first.to_string() })
    };
    Some(text.split(',').map(item).collect::<Option<Vec<_>>>()?.join(","))
}

/// `Mon..Fri`, `Sat,Sun`, as cron writes them.
fn weekdays(word: &str) -> Option<String> {
    let day = |name: &str| {
        let short = name.to_lowercase();
        let full = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
        WEEKDAYS.iter().zip(full).position(|(known, full)| short == *known || short == full)
    };
    let item = |item: &str| match item.split_once("..").or_else(|| item.split_once('-')) {
        None => day(item).map(|day| day.to_string()),
        Some((first, last)) => {
            let (first, last) = (day(first)?, day(last)?);
            // Sunday ends a week here, and begins one in cron.
            let last = if last == 0 { 7 } else { last };
            (first <= last).then(|| format!("{first}-{last}"))
        }
    };
    Some(word.trim_end_matches(',').split(',').map(item).collect::<Option<Vec<_>>>()?.join(","))
}
