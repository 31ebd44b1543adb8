//! Values of single keys: what a text, a list or a table in a job file means, checked by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use toml::de::DeValue;

use super::findings::{Findings, Problem, Said};
use super::limits::{ARGUMENT_LIMIT, DURATION_LIMIT, TAGS_LIMIT, VARIABLES_LIMIT, WORD_LIMIT};
use super::suggest::closest;
use super::tree::Field;
use crate::units;

const DURATION: &str = "expected a duration in quotes, as in \"90s\", \"15m\" or \"1h 30m\"";
const SIZE: &str = "expected a size in quotes, as in \"512KiB\" or \"16MiB\"";

/// A length of time, zero included.
pub(crate) fn duration(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Duration> {
    field.parsed(findings, DURATION, |text| parse_duration(text, &field.path))
}

/// A length of time above zero.
pub(crate) fn positive_duration(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Duration> {
    field.parsed(findings, DURATION, |text| parse_positive_duration(text, &field.path))
}

/// A length of time above zero, or `"none"` for no bound, which takes a bound of `[defaults]` away.
pub(crate) fn duration_or_none(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Option<Duration>> {
    let expected = "expected a duration in quotes, as in \"90s\" or \"1h 30m\", or \"none\"";
    field.parsed(findings, expected, |text| match text {
        "none" => Ok(None),
        text => parse_positive_duration(text, &field.path).map(Some),
    })
}

pub(crate) fn parse_duration(text: &str, path: &str) -> Result<Duration, Problem> {
    let duration = units::parse_duration(text).map_err(|fault| unit_problem(&fault.message))?;
    if duration > DURATION_LIMIT {
        let most = units::format_duration(DURATION_LIMIT);
        return Err(Problem::new(format!("`{path}` is too long")).expected(format!("expected at most {most}")));
    }
    Ok(duration)
}

fn parse_positive_duration(text: &str, path: &str) -> Result<Duration, Problem> {
    let duration = parse_duration(text, path)?;
    if duration.is_zero() {
        return Err(Problem::new(format!("`{path}` cannot be zero")));
    }
    Ok(duration)
}

/// A number of bytes between two bounds (inclusive).
pub(crate) fn size(field: &Field<'_, '_>, findings: &mut Findings, least: u64, most: u64) -> Option<u64> {
    field.parsed(findings, SIZE, |text| {
        let size = units::parse_size(text).map_err(|fault| unit_problem(&fault.message))?;
        if (least..=most).contains(&size) {
            return Ok(size);
        }
        let (least, most) = (units::format_size(least), units::format_size(most));
        Err(Problem::new(format!("`{}` is out of range", field.path)).expected(format!("expected {least} to {most}")))
    })
}

/// What the units say, split into what is wrong and what was expected.
fn unit_problem(message: &str) -> Problem {
    match message.rsplit_once("; ") {
        Some((message, expected)) => Problem::new(message).expected(expected),
        None => Problem::new(message),
    }
}

/// One of several words.
pub(crate) fn choice<T: Copy>(field: &Field<'_, '_>, findings: &mut Findings, choices: &[(&str, T)]) -> Option<T> {
    let words = choices.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let expected = format!("expected one of {words}");
    field.parsed(findings, &expected, |text| match choices.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(*value),
        None => Err(Problem::new(format!("`{}` cannot be {text:?}", field.path))
            .expected(expected.as_str())
            .meant(closest(text, choices.iter().map(|(word, _)| *word)))),
    })
}

/// A signal's name, with or without `SIG`.
pub(crate) fn signal(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Signal> {
    let expected = "expected a signal's name, as in \"TERM\" or \"SIGINT\"";
    field.parsed(findings, expected, |text| {
        let upper = text.to_uppercase();
        let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        name.parse().map_err(|_| {
            let meant = closest(&name, Signal::iterator().map(Signal::as_str));
            Problem::new(format!("{text:?} is no signal")).expected(expected).meant(meant)
        })
    })
}

/// One line for people, of at most `limit` characters.
pub(crate) fn line(field: &Field<'_, '_>, findings: &mut Findings, limit: usize) -> Option<String> {
    field.parsed(findings, "expected a text in quotes", |text| {
        if text.chars().any(char::is_control) {
            return Err(Problem::new(format!("`{}` must be one line without control characters", field.path)));
        }
        if text.chars().count() > limit {
            return Err(Problem::new(format!("`{}` is too long", field.path))
                .expected(format!("expected at most {limit} characters")));
        }
        Ok(text.to_owned())
    })
}

/// The name or number of a user or a group.
pub(crate) fn account(field: &Field<'_, '_>, findings: &mut Findings) -> Option<String> {
    if let DeValue::Integer(_) = field.value {
        return field.number(findings, 0, u32::MAX - 1).map(|number| number.to_string());
    }
    field.parsed(findings, "expected a name or a number", |text| {
        let unfit = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '/' | ',');
        if text.is_empty() || text.chars().count() > WORD_LIMIT || text.contains(unfit) {
            return Err(Problem::new(format!("{text:?} cannot be the name of a user or a group")));
        }
        Ok(text.to_owned())
    })
}

/// An absolute path.
pub(crate) fn absolute_path(field: &Field<'_, '_>, findings: &mut Findings) -> Option<PathBuf> {
    field.parsed(findings, "expected an absolute path in quotes", |text| {
        if !text.starts_with('/') || text.contains('\0') {
            return Err(Problem::new(format!("`{}` must be an absolute path", field.path))
                .expected("expected a path that begins with '/'; '~' and variables are not expanded"));
        }
        Ok(PathBuf::from(text))
    })
}

/// Program and arguments: a list of texts, the first of them not empty.
pub(crate) fn argv(field: &Field<'_, '_>, findings: &mut Findings) -> Option<Vec<String>> {
    let Some(elements) = field.elements() else {
        field.wrong_kind(findings, "expected a list, as in [\"program\", \"argument\"]");
        return None;
    };
    let arguments = elements.iter().map(|element| argument(element, findings)).collect::<Vec<_>>();
    let arguments = arguments.into_iter().collect::<Option<Vec<_>>>()?;
    match arguments.first().map(String::as_str) {
        None | Some("") => {
            let problem = Problem::new(format!("`{}` names no program", field.path))
                .expected("expected the program first, then its arguments");
            findings.add(field.span.clone(), problem);
            None
        }
        Some(_) => Some(arguments),
    }
}

/// A text that can be handed to a program.
pub(crate) fn argument(field: &Field<'_, '_>, findings: &mut Findings) -> Option<String> {
    field.parsed(findings, "expected a text in quotes", |text| {
        check_argument(text.len(), text.contains('\0'), &field.path)?;
        Ok(text.to_owned())
    })
}

fn check_argument(length: usize, has_nul: bool, path: &str) -> Result<(), Problem> {
    if has_nul {
        return Err(Problem::new(format!("`{path}` contains a NUL character, which no program can be given")));
    }
    if length >= ARGUMENT_LIMIT {
        let expected = format!("expected less than {ARGUMENT_LIMIT} bytes, the kernel's limit");
        return Err(Problem::new(format!("`{path}` is too long")).expected(expected));
    }
    Ok(())
}

/// Variables. No value ever shows: all are hidden first, whatever they are.
pub(crate) fn environment(field: &Field<'_, '_>, findings: &mut Findings) -> Option<BTreeMap<String, Said<String>>> {
    let Some(table) = field.value.as_table() else {
        findings.hide(field.span.clone());
        field.wrong_kind(findings, "expected a table of NAME = \"value\"");
        return None;
    };
    if table.len() > VARIABLES_LIMIT {
        let problem = Problem::new(format!("`environment` has more than {VARIABLES_LIMIT} variables"));
        findings.add(field.span.clone(), problem);
    }
    for (_, value) in table.iter() {
        findings.hide(value.span());
    }
    let mut variables = BTreeMap::new();
    for (name, value) in table.iter() {
        if let Some(problem) = name_problem(name.get_ref()) {
            findings.add(name.span(), problem);
        }
        let path = format!("environment.{}", name.get_ref());
        let variable = Field { path, value: value.get_ref(), span: value.span() };
        let text = variable.parsed(findings, "expected a text; put the value in quotes", |text| {
            check_argument(text.len() + name.get_ref().len() + 1, text.contains('\0'), &variable.path)?;
            Ok(text.to_owned())
        });
        if let Some(text) = text {
            let said = Said { value: text, span: findings.span(variable.span) };
            variables.insert(name.get_ref().to_string(), said);
        }
    }
    Some(variables)
}

fn name_problem(name: &str) -> Option<Problem> {
    let expected = "expected a name without '=', white space and control characters";
    if name.is_empty() || name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
        return Some(Problem::new(format!("{name:?} cannot be the name of a variable")).expected(expected));
    }
    if name.starts_with("JOBSD_") {
        let problem = Problem::new(format!("the variable {name} belongs to jobsd"));
        return Some(problem.expected("names that begin with JOBSD_ tell a run about itself"));
    }
    None
}

/// Words to select by.
pub(crate) fn tags(field: &Field<'_, '_>, findings: &mut Findings) -> Option<BTreeSet<String>> {
    let expected = "expected a list of words, as in [\"database\", \"nightly\"]";
    let Some(elements) = field.elements() else {
        field.wrong_kind(findings, expected);
        return None;
    };
    if elements.len() > TAGS_LIMIT {
        findings.add(field.span.clone(), Problem::new(format!("`{}` has more than {TAGS_LIMIT} tags", field.path)));
    }
    let tag = |element: &Field<'_, '_>, findings: &mut Findings| {
        element.parsed(findings, "expected a word in quotes", |text| {
            let unfit = |c: char| c.is_whitespace() || c.is_control() || c == ',';
            if text.is_empty() || text.chars().count() > WORD_LIMIT || text.contains(unfit) {
                let expected = format!("expected 1 to {WORD_LIMIT} characters without white space and commas");
                return Err(Problem::new(format!("{text:?} cannot be a tag")).expected(expected));
            }
            Ok(text.to_owned())
        })
    };
    Some(elements.iter().filter_map(|element| tag(element, findings)).collect())
}

/// Codes and ranges of codes: `[0, 3, "10-19"]`.
pub(crate) fn exit_codes(field: &Field<'_, '_>, findings: &mut Findings) -> Option<BTreeSet<u8>> {
    const EXPECTED: &str = "expected codes from 0 to 255 and ranges, as in [0, 3, \"10-19\"]";
    let elements = field.elements().filter(|elements| !elements.is_empty());
    let Some(elements) = elements else {
        match field.value {
            DeValue::Array(_) => {
                let problem = Problem::new(format!("`{}` is empty, so nothing would be a success", field.path));
                findings.add(field.span.clone(), problem.expected(EXPECTED));
            }
            _ => field.wrong_kind(findings, EXPECTED),
        }
        return None;
    };
    let mut codes = BTreeSet::new();
    for element in &elements {
        match element.value {
            DeValue::Integer(_) => {
                let code = element.number(findings, 0, u8::MAX.into());
                codes.extend(code.and_then(|code| u8::try_from(code).ok()));
            }
            _ => codes.extend(element.parsed(findings, EXPECTED, code_range).into_iter().flatten()),
        }
    }
    Some(codes)
}

fn code_range(text: &str) -> Result<std::ops::RangeInclusive<u8>, Problem> {
    let ends = text.split_once('-').and_then(|(first, last)| {
        let end = |digits: &str| digits.trim().parse::<u8>().ok();
        end(first).zip(end(last))
    });
    match ends {
        Some((first, last)) if first <= last => Ok(first..=last),
        _ => Err(Problem::new(format!("{text:?} is no range of exit codes"))
            .expected("expected FIRST-LAST, as in \"2-5\", each from 0 to 255")),
    }
}

/// True or false.
pub(crate) fn flag(field: &Field<'_, '_>, findings: &mut Findings) -> Option<bool> {
    let flag = field.value.as_bool();
    if flag.is_none() {
        field.wrong_kind(findings, "expected true or false, without quotes");
    }
    flag
}

/// A whole number above zero.
pub(crate) fn count(field: &Field<'_, '_>, findings: &mut Findings, most: u32) -> Option<NonZeroU32> {
    field.number(findings, 1, most).and_then(NonZeroU32::new)
}
