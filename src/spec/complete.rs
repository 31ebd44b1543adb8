//! From what a file says to a [`JobSpec`]: defaults, and what keys mean together.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::conditions::Named;
use super::file::{JobFile, OverlapWord, RetryTable, Words};
use super::findings::{Findings, Problem, Said};
use super::limits::{ARGUMENTS_LIMIT, START_DEADLINE_LEAST};
use super::schedules::ScheduleLine;
use super::{
    Account, Authority, Backoff, CatchUp, CatchUpPolicy, Command, Environment, Identity, JobName, JobSpec, Overlap,
    ReadContext, Retention, Retry, Revision, Source, StopPolicy,
};
use crate::schedule::{Entry, ScheduleSet, SetError, Zone};
use crate::units;

const STOP_GRACE: Duration = Duration::from_secs(10);
const MAX_CONCURRENT: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
const RETRY_DELAY: Duration = Duration::from_secs(10);
const RETRY_MAX_DELAY: Duration = Duration::from_secs(600);

/// Completes a file whose values are good. Nothing comes back only when a fault was noted, now or before.
pub(super) fn complete(
    name: &JobName,
    source: &Source,
    file: JobFile,
    context: &ReadContext,
    findings: &mut Findings,
) -> Option<JobSpec> {
    let identity = identity(file.user.as_ref(), file.group.as_ref(), &context.authority, findings);
    let process = file.process.complete(&context.authority, &context.machine, findings);
    check_working_directory(file.working_directory.as_ref(), &process, findings);
    let overlap = overlap(file.overlap.as_ref(), file.max_concurrent.as_ref(), findings);
    let catch_up =
        catch_up(file.catch_up.as_ref(), file.catch_up_window.as_ref(), file.catch_up_spread.as_ref(), findings);
    let retry = retry(&file.retry, findings);
    let output = file.output.complete(findings);
    let command = command(file.command, file.shell, findings);
    let lines = value(file.schedule).unwrap_or_default();
    let spans = lines.iter().map(|line| line.span.clone()).collect::<Vec<_>>();
    let entries = entries(lines, file.timezone, file.calendar, context, findings);
    check_deadline(file.start_deadline.as_ref(), &entries, findings);
    let calendars = entries.iter().flat_map(Entry::calendars_used).map(|calendar| calendar.fingerprint()).collect();
    let schedules = schedules(name, entries, &spans, findings);
    let environment = Environment(file.environment.into_iter().map(|(name, said)| (name, said.value)).collect());
    let command = command?;
    check_size(&command, &environment, findings);
    Some(JobSpec {
        name: name.clone(),
        revision: Revision::of(name, source).with_calendars(&calendars),
        description: value(file.description),
        command,
        schedules,
        environment,
        working_directory: value(file.working_directory),
        identity,
        process,
        timeout: value(file.timeout).flatten(),
        stop: StopPolicy {
            signal: value(file.stop_signal).unwrap_or(Signal::SIGTERM),
            grace: value(file.stop_grace).unwrap_or(STOP_GRACE),
        },
        overlap,
        catch_up,
        start_deadline: value(file.start_deadline).flatten(),
        retry,
        success_exit_codes: value(file.success_exit_codes).unwrap_or_else(|| BTreeSet::from([0])),
        enabled: value(file.enabled).unwrap_or(true),
        tags: value(file.tags).unwrap_or_default(),
        owner: value(file.owner),
        output,
        retention: Retention {
            runs: value(file.retention_runs).unwrap_or(Retention::default().runs),
            age: value(file.retention_age).unwrap_or(Retention::default().age),
            output_bytes: value(file.retention_output).unwrap_or(Retention::default().output_bytes),
        },
        alert_after: value(file.alert_after).flatten(),
        notify: file.notify.complete(),
    })
}

/// What `[defaults]` mean together. Keys that fit some jobs only, as `max_concurrent`, are no fault here.
pub(super) fn check_defaults(file: JobFile, context: &ReadContext, findings: &mut Findings) {
    identity(file.user.as_ref(), file.group.as_ref(), &context.authority, findings);
    check_delays(&file.retry, findings);
    file.process.complete(&context.authority, &context.machine, findings);
}

/// A directory that the job's own isolation hides from it cannot be entered.
fn check_working_directory(said: Option<&Said<PathBuf>>, process: &super::ProcessSpec, findings: &mut Findings) {
    let Some(said) = said.filter(|_| !process.create_working_directory) else { return };
    if let Some(cover) = process.isolation.cover_of(&said.value) {
        let place = said.value.display();
        let problem = Problem::new(format!(
            "`working_directory`: {place} is not there for the job, whose isolation empties {}",
            cover.display()
        ));
        let hint = match process.isolation.hidden.iter().any(|hidden| hidden == cover) {
            true => "take it out of isolation.hidden, or choose another directory".to_owned(),
            false => format!(
                "isolation.bind = [\"{place}:{place}\"] gives it back, create_working_directory = true makes an empty one"
            ),
        };
        findings.add_at(said.span.clone(), problem.hint(hint));
    }
}

fn value<T>(said: Option<Said<T>>) -> Option<T> {
    said.map(|said| said.value)
}

fn command(
    command: Option<Said<Option<Words>>>,
    shell: Option<Said<Vec<String>>>,
    findings: &mut Findings,
) -> Option<Command> {
    let Some(command) = command else {
        let problem = Problem::new("`command` is missing")
            .hint("add command = [\"program\", \"argument\"], or command = \"a line for the shell\"");
        findings.add_at(None, problem);
        return None;
    };
    match command.value? {
        words @ Words::Line(_) => Some(words.with_shell(value(shell))),
        words @ Words::List(_) => {
            if let Some(Said { span: Some(span), .. }) = shell {
                let problem = Problem::new("`shell` has no effect: `command` is a list, executed as it is");
                findings.add(span, problem.hint("write `command` as a string, or leave `shell` out"));
            }
            Some(words.with_shell(None))
        }
    }
}

/// Where neither schedule nor job nor `[defaults]` name a zone, it is the machine's. Empty when a calendar cannot be used.
pub(super) fn entries(
    lines: Vec<ScheduleLine>,
    zone: Option<Said<Zone>>,
    of_job: Option<Said<Vec<Named>>>,
    context: &ReadContext,
    findings: &mut Findings,
) -> Vec<Entry> {
    let zone = value(zone).unwrap_or(context.timezone);
    let of_job = value(of_job).unwrap_or_default();
    let entry =
        |line: ScheduleLine| line.conditions.clone().onto(line.entry(zone), &of_job, &context.calendars, findings);
    let entries: Vec<Option<Entry>> = lines.into_iter().map(entry).collect();
    entries.into_iter().collect::<Option<_>>().unwrap_or_default()
}

fn schedules(name: &JobName, entries: Vec<Entry>, spans: &[Range<usize>], findings: &mut Findings) -> ScheduleSet {
    ScheduleSet::new(entries, name.as_str()).unwrap_or_else(|fault| {
        let span = match fault {
            SetError::NeverFires { entry, .. } | SetError::Contradiction { entry, .. } => {
                spans.get(entry).and_then(|span| findings.span(span.clone()))
            }
            SetError::TooMany(_) => None,
        };
        findings.add_at(span, Problem::new(fault.to_string()));
        ScheduleSet::default()
    })
}

/// A deadline that counts from the start that jitter gives needs no more than to leave a busy machine some time.
fn check_deadline(deadline: Option<&Said<Option<Duration>>>, entries: &[Entry], findings: &mut Findings) {
    let Some(Said { value: Some(deadline), span: Some(span) }) = deadline else { return };
    if entries.is_empty() {
        findings.add(span.clone(), Problem::new("`start_deadline` has no effect without a schedule"));
    } else if *deadline < START_DEADLINE_LEAST {
        let problem = Problem::new("`start_deadline` is too short for any start");
        let least = units::format_duration(START_DEADLINE_LEAST);
        findings.add(span.clone(), problem.expected(format!("expected at least {least}")));
    }
}

/// As whom the job runs. An ordinary user's daemon runs everything as that user, which then needs no saying.
fn identity(
    user: Option<&Said<String>>,
    group: Option<&Said<String>>,
    authority: &Authority,
    findings: &mut Findings,
) -> Identity {
    let account = match authority {
        Authority::Anybody => {
            let name = |said: Option<&Said<String>>| said.map(|said| said.value.clone());
            return Identity { user: name(user), group: name(group) };
        }
        Authority::Only(account) => account,
    };
    let Account { uid, user: own_user, gid, group: own_group } = account;
    for (key, said, name, number) in [("user", user, own_user, uid), ("group", group, own_group, gid)] {
        if let Some(said) = said
            && said.value != *name
            && said.value != number.to_string()
        {
            let message = format!("`{key}` cannot be {:?}: this jobsd runs as {own_user}, not as root", said.value);
            let problem = Problem::new(message).expected(format!("expected {name:?}, or nothing"));
            findings
                .add_at(said.span.clone(), problem.hint("only a jobsd that runs as root starts jobs as somebody else"));
        }
    }
    Identity::default()
}

fn overlap(
    word: Option<&Said<Option<OverlapWord>>>,
    most: Option<&Said<NonZeroU32>>,
    findings: &mut Findings,
) -> Overlap {
    let chosen = word.map_or(Some(OverlapWord::Skip), |said| said.value);
    if chosen.is_some_and(|chosen| chosen != OverlapWord::Allow)
        && let Some(Said { span: Some(span), .. }) = most
    {
        let problem = Problem::new("`max_concurrent` has no effect without overlap = \"allow\"");
        findings.add(span.clone(), problem);
    }
    match chosen.unwrap_or(OverlapWord::Skip) {
        OverlapWord::Skip => Overlap::Skip,
        OverlapWord::Allow => Overlap::Allow { max_concurrent: most.map_or(MAX_CONCURRENT, |said| said.value) },
        OverlapWord::Queue => Overlap::Queue,
        OverlapWord::Replace => Overlap::Replace,
    }
}

fn catch_up(
    policy: Option<&Said<Option<CatchUpPolicy>>>,
    window: Option<&Said<Option<Duration>>>,
    spread: Option<&Said<Duration>>,
    findings: &mut Findings,
) -> CatchUp {
    let policy = policy.and_then(|said| said.value).unwrap_or(CatchUpPolicy::Latest);
    let spans = [
        ("catch_up_window", window.and_then(|said| said.span.clone())),
        ("catch_up_spread", spread.and_then(|said| said.span.clone())),
    ];
    for (key, span) in spans {
        if policy == CatchUpPolicy::None
            && let Some(span) = span
        {
            findings.add(span, Problem::new(format!("`{key}` has no effect with catch_up = \"none\"")));
        }
    }
    CatchUp { policy, window: window.and_then(|said| said.value), spread: spread.map(|said| said.value) }
}

fn retry(table: &RetryTable, findings: &mut Findings) -> Retry {
    let RetryTable { said, attempts, backoff, delay, max_delay, on_lost } = table;
    if let (Some(Said { span: Some(span), .. }), None) = (said, attempts) {
        let problem = Problem::new("[retry] without `attempts` repeats nothing");
        findings.add(span.clone(), problem.hint("add attempts = 3, the first included"));
    }
    check_delays(table, findings);
    let (delay, max_delay) = match (delay, max_delay) {
        (None, None) => (RETRY_DELAY, RETRY_MAX_DELAY),
        (Some(delay), None) => (delay.value, RETRY_MAX_DELAY.max(delay.value)),
        (None, Some(most)) => (RETRY_DELAY.min(most.value), most.value),
        // Of a job's word and one from [defaults], the job's decides.
        (Some(delay), Some(most)) if most.is_own() => (delay.value.min(most.value), most.value),
        (Some(delay), Some(most)) => (delay.value, most.value.max(delay.value)),
    };
    Retry {
        attempts: attempts.as_ref().and_then(|said| said.value).unwrap_or(NonZeroU32::MIN),
        backoff: backoff.as_ref().map_or(Backoff::Exponential, |said| said.value),
        delay,
        max_delay,
        on_lost: on_lost.as_ref().is_some_and(|said| said.value),
    }
}

fn check_delays(table: &RetryTable, findings: &mut Findings) {
    if let (Some(delay), Some(Said { value: most, span: Some(span) })) = (&table.delay, &table.max_delay)
        && delay.is_own()
        && *most < delay.value
    {
        let problem = Problem::new("`retry.max_delay` is shorter than `retry.delay`")
            .expected(format!("expected at least {}", units::format_duration(delay.value)));
        findings.add(span.clone(), problem);
    }
}

/// What execve is given must be below the kernel's limit, whatever combination of file and defaults it comes from.
fn check_size(command: &Command, environment: &Environment, findings: &mut Findings) {
    /// Each string comes with a pointer to it.
    const POINTER: usize = size_of::<usize>();
    let arguments: usize = command.argv().iter().map(|argument| argument.len() + 1 + POINTER).sum();
    let variables: usize = environment.0.iter().map(|(name, value)| name.len() + value.len() + 2 + POINTER).sum();
    if arguments + variables > ARGUMENTS_LIMIT {
        let limit = units::format_size(ARGUMENTS_LIMIT as u64);
        let problem = Problem::new("`command` and `environment` are too large to be given to a program");
        findings.add_at(None, problem.expected(format!("expected at most {limit} together")));
    }
}
