//! `jobctl show`

mod isolation;
mod process;
mod usage;

use super::moment::{relative, seconds, span};
use super::session::Session;
use super::style::Tone;
use super::table::{Cell, Column, Give, Table};
use super::target::{Target, job_path, run_path};
use super::terminal::Terminal;
use super::{Exit, Failure, complete};
use crate::api::types::{
    Attempt, CommandLine, Definition, Job, JobDetail, JobState, NotifyTarget, Outcome, Run, Rung, Time,
};
use crate::units::{format_duration, format_size};

#[derive(Clone, Debug, clap::Args)]
pub struct ShowArgs {
    /// A job, as in `backup`, or a run, as in `backup/42`
    #[arg(value_name = "JOB[/NUMBER]", add = complete::target())]
    target: Target,
    /// Tell in words what the job can and cannot do: as whom it runs, files, network, processes, limits
    #[arg(long)]
    isolation: bool,
}

/// Shows a job or a run.
pub async fn run(session: &mut Session, args: ShowArgs) -> Result<Exit, Failure> {
    let path = match &args.target {
        Target::Job(job) => job_path(job),
        Target::Run { job, number } => run_path(job, *number),
    };
    if args.isolation {
        let Target::Job(_) = &args.target else {
            return Err(Failure::usage("--isolation is about a job, not about one of its runs"));
        };
        let job: JobDetail = session.client().await?.get(&path).await?;
        return isolation::show(&job, session);
    }
    if session.is_json() {
        let answer = session.client().await?.get_bytes(&path).await?;
        session.json(&answer)?;
        return Ok(Exit::Done);
    }
    let client = session.client().await?;
    match &args.target {
        Target::Job(_) => {
            let job: JobDetail = client.get(&path).await?;
            show_job(&job, &mut session.terminal)?;
        }
        Target::Run { .. } => {
            let run: Run = client.get(&path).await?;
            show_run(&run, &mut session.terminal)?;
        }
    }
    Ok(Exit::Done)
}

/// Lines of a name and a value; those without a value are left out.
struct Facts<'a> {
    terminal: &'a mut Terminal,
    failed: std::io::Result<()>,
}

/// Room for the longest name.
const NAME_WIDTH: usize = 14;

impl<'a> Facts<'a> {
    fn of(terminal: &'a mut Terminal) -> Self {
        Self { terminal, failed: Ok(()) }
    }

    fn say(&mut self, name: &str, value: impl Into<Option<String>>) {
        self.toned(name, value, Tone::Plain);
    }

    fn toned(&mut self, name: &str, value: impl Into<Option<String>>, tone: Tone) {
        let Some(value) = value.into().filter(|_| self.failed.is_ok()) else { return };
        let colour = self.terminal.colour;
        let mut lines = value.lines().map(|line| tone.paint(&printable(line), colour));
        let first = lines.next().unwrap_or_default();
        let name = Tone::Faint.paint(&format!("{name:NAME_WIDTH$}"), colour);
        self.failed = self.terminal.line(format!("{name}  {first}").trim_end());
        for line in lines {
            self.failed = std::mem::replace(&mut self.failed, Ok(()))
                .and_then(|()| self.terminal.line(format!("{:NAME_WIDTH$}  {line}", "")));
        }
    }

    fn time(&mut self, name: &str, at: Option<Time>) {
        self.say(name, at.map(|at| moment(at, self.terminal)));
    }
}

/// Control characters of texts from files could move the cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn moment(at: Time, terminal: &Terminal) -> String {
    format!("{} ({})", terminal.zone.exact(at.0), relative(at.0, terminal.now()))
}

fn show_job(detail: &JobDetail, terminal: &mut Terminal) -> Result<(), Failure> {
    let job = &detail.job;
    let mut facts = Facts::of(terminal);
    facts.toned("job", job.name.clone(), Tone::Strong);
    facts.say("description", job.description.clone());
    facts.toned("state", job.state.to_string(), Tone::of_job(job.state));
    facts.say("paused", paused(job, facts.terminal));
    facts.time("removed", job.removed_at);
    facts.say("live", some_joined(job.live.iter().map(|run| format!("{} {}", run.run, run.state))));
    facts.time("next", job.next_start.or(job.next));
    facts.say("last", last(job, facts.terminal));
    facts.toned(
        "overdue",
        job.overdue_since
            .map(|since| format!("no success since {}", moment(job.last_success.unwrap_or(since), facts.terminal))),
        Tone::Bad,
    );
    facts.say("last skip", skipped(job, facts.terminal));
    facts.say(
        "counts",
        format!(
            "{} succeeded, {} unsuccessful, {} skipped",
            job.totals.succeeded, job.totals.unsuccessful, job.totals.skipped
        ),
    );
    facts.say("tags", some_joined(job.tags.iter().cloned()));
    facts.say("owner", job.owner.clone());
    facts.time("first seen", Some(detail.first_seen));
    if let Some(definition) = &detail.definition {
        show_definition(definition, &mut facts);
        if let Some(process) = &definition.process {
            process::show(process, &job.name, &mut facts);
        }
    }
    if let Some(fault) = &job.fault {
        let kept = if job.state == JobState::Faulty { "no revision" } else { "the last good revision" };
        facts.toned("faulty file", format!("{} ({kept} is in force)", fault.path), Tone::Bad);
    }
    if let Some(warning) = &detail.warning {
        facts.toned("warning", format!("{} names what this machine does not have", warning.path), Tone::Odd);
    }
    facts.failed?;
    for fault in job.fault.iter().chain(&detail.warning) {
        terminal.line("")?;
        for line in fault.report.lines() {
            terminal.line(printable(line))?;
        }
    }
    Ok(())
}

fn paused(job: &Job, terminal: &Terminal) -> Option<String> {
    job.paused.as_ref().map(|pause| {
        let until = match pause.until {
            Some(until) => format!("until {}", moment(until, terminal)),
            None => "until it is resumed".to_owned(),
        };
        format!("since {}, {until}, by uid {}", moment(pause.since, terminal), pause.uid)
    })
}

fn last(job: &Job, terminal: &Terminal) -> Option<String> {
    job.last.as_ref().map(|last| {
        let took = last.duration_seconds.map(|length| format!(" after {}", span(seconds(length)))).unwrap_or_default();
        format!("{} {}{took}, {}", last.run, last.outcome, moment(last.ended_at, terminal))
    })
}

fn skipped(job: &Job, terminal: &Terminal) -> Option<String> {
    job.last_skip.as_ref().map(|skip| match skip.count {
        1 => format!("{}: {}", skip.reason, moment(skip.first, terminal)),
        count => format!("{}: {count} occurrences, last {}", skip.reason, moment(skip.last, terminal)),
    })
}

fn show_definition(definition: &Definition, facts: &mut Facts<'_>) {
    let length = |length: f64| format_duration(seconds(length));
    facts.say("revision", definition.revision.get(..12).unwrap_or(&definition.revision).to_owned());
    facts.say("command", command(&definition.command));
    facts.say("schedule", Some(definition.schedule.join("\n")).filter(|lines| !lines.is_empty()));
    facts.say("environment", some_joined(definition.environment.iter().cloned()));
    facts.say("directory", definition.working_directory.clone());
    facts.say("user", definition.user.clone());
    facts.say("group", definition.group.clone());
    facts.say("timeout", definition.timeout_seconds.map(length));
    let grace = length(definition.stop_grace_seconds);
    facts.say("stop", format!("{}, then SIGKILL after {grace}", definition.stop_signal));
    let concurrent = match definition.max_concurrent {
        1 => String::new(),
        runs => format!(", {runs} at once"),
    };
    facts.say("overlap", format!("{}{concurrent}", definition.overlap));
    let window = definition.catch_up_window_seconds.map(|window| format!(", up to {}", length(window)));
    facts.say("catch up", format!("{}{}", definition.catch_up, window.unwrap_or_default()));
    let retry = &definition.retry;
    facts.say(
        "retry",
        (retry.attempts > 1).then(|| {
            let (delay, most) = (length(retry.delay_seconds), length(retry.max_delay_seconds));
            format!("{} attempts, {} delay from {delay} to {most}", retry.attempts, retry.backoff)
        }),
    );
    let codes = definition.success_exit_codes.iter().map(u8::to_string);
    facts.say("success codes", some_joined(codes).filter(|codes| codes != "0"));
    let (runs, age) = (definition.keep_runs, length(definition.keep_age_seconds));
    facts
        .say("alert after", definition.alert_after_seconds.map(|limit| format!("{} without a success", length(limit))));
    facts.say("notify", notify(definition));
    facts.say("output", output(definition));
    facts.say("keeps", format!("{runs} runs, {age}, {} of their output", format_size(definition.keep_output_bytes)));
}

fn output(definition: &Definition) -> String {
    let to = match definition.output_to.as_str() {
        "files" => format!("{} of each attempt", format_size(definition.output_limit_bytes)),
        "null" => "not kept".to_owned(),
        to => format!("to the {to}"),
    };
    let rate = definition.output_rate_limit.as_ref().map(|rate| format!(", at most {rate}"));
    let times = if definition.output_timestamps { ", shown with times" } else { "" };
    to + &rate.unwrap_or_default() + times
}

/// The targets, one a line.
fn notify(definition: &Definition) -> Option<String> {
    let line = |one: &NotifyTarget| {
        let whose = if one.from_defaults { " (from [defaults])" } else { "" };
        format!("{}: {}{whose}", one.on, one.target)
    };
    let mut lines: Vec<String> = definition.notify.iter().map(line).collect();
    if !lines.is_empty() {
        lines.push(format!("at most {} an hour of each", definition.notify_per_hour));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn command(command: &CommandLine) -> Option<String> {
    match (&command.argv, &command.line) {
        (Some(argv), _) => Some(argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")),
        (None, line) => line.clone(),
    }
}

/// A word as a shell would read it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn some_joined(words: impl Iterator<Item = String>) -> Option<String> {
    let joined = words.collect::<Vec<_>>().join(", ");
    (!joined.is_empty()).then_some(joined)
}

fn show_run(run: &Run, terminal: &mut Terminal) -> Result<(), Failure> {
    let entry = &run.entry;
    let mut facts = Facts::of(terminal);
    facts.toned("run", entry.run.clone(), Tone::Strong);
    facts.toned("state", entry.state.to_string(), Tone::of_run(entry.state));
    facts.toned(
        "outcome",
        entry.outcome.map(|outcome| outcome.to_string()),
        entry.outcome.map_or(Tone::Plain, Tone::of_outcome),
    );
    facts.say("because", entry.explanation.clone().or_else(|| entry.reason.clone()));
    facts.say(
        "trigger",
        entry.trigger.map(|trigger| match entry.uid {
            Some(uid) => format!("{trigger}, by uid {uid}"),
            None => trigger.to_string(),
        }),
    );
    facts.time("scheduled", entry.scheduled_at);
    facts.say("note", entry.note.clone());
    facts.time("created", Some(entry.created_at));
    facts.time("started", entry.started_at);
    facts.time("ended", entry.ended_at);
    facts.say("took", entry.duration_seconds.map(|length| span(seconds(length))));
    facts.say("process", run.pid.map(|pid| pid.to_string()));
    facts.time("SIGKILL", run.kill_at);
    facts.time("next attempt", run.next_attempt_at);
    facts.time("output removed", run.output_removed_at);
    facts.say("revision", run.revision.get(..12).unwrap_or(&run.revision).to_owned());
    if let Some(attempt) = run.attempt_records.last() {
        usage::show(attempt, &mut facts);
    }
    facts.failed?;
    if !run.attempt_records.is_empty() {
        let table = attempts(&run.attempt_records, terminal);
        terminal.line("")?;
        terminal.data(table)?;
    }
    Ok(())
}

fn attempts(attempts: &[Attempt], terminal: &Terminal) -> String {
    let mut table = Table::new(&[
        Column { heading: "ATTEMPT", give: Give::Stay },
        Column { heading: "OUTCOME", give: Give::Stay },
        Column { heading: "STARTED", give: Give::Leave(19, 1) },
        Column { heading: "TOOK", give: Give::Stay },
        Column { heading: "CPU", give: Give::Leave(6, 3) },
        Column { heading: "MEMORY", give: Give::Leave(9, 4) },
        Column { heading: "OUTPUT", give: Give::Leave(9, 5) },
        Column { heading: "DETAIL", give: Give::Leave(12, 2) },
    ]);
    for attempt in attempts {
        let cpu = attempt.cpu_user_seconds.zip(attempt.cpu_system_seconds).map(|(user, system)| user + system);
        table.row([
            Cell::new(attempt.attempt.to_string()),
            outcome(attempt.outcome),
            attempt.started_at.map(|at| terminal.zone.full(at.0)).unwrap_or_default().into(),
            attempt.duration_seconds.map(|length| span(seconds(length))).unwrap_or_default().into(),
            cpu.map(|cpu| span(seconds(cpu))).unwrap_or_default().into(),
            usage::peak_memory(attempt).unwrap_or_default().into(),
            attempt.output.as_ref().map(|output| format_size(output.bytes)).unwrap_or_default().into(),
            detail(attempt).into(),
        ]);
    }
    table.render(terminal.width, terminal.colour)
}

fn outcome(outcome: Option<Outcome>) -> Cell {
    outcome.map_or_else(|| "not ended".into(), |outcome| Cell::new(outcome.name()).tone(Tone::of_outcome(outcome)))
}

fn detail(attempt: &Attempt) -> String {
    let mut details = Vec::new();
    details.extend(attempt.setup_failure.as_ref().map(|failure| failure.message.clone()));
    details.extend(attempt.exit_code.map(|code| match &attempt.exit_meaning {
        Some(meaning) => format!("exit code {code} ({meaning})"),
        None => format!("exit code {code}"),
    }));
    details.extend(attempt.signal.map(|signal| match &attempt.signal_name {
        Some(name) => name.clone(),
        None => format!("signal {signal}"),
    }));
    details.extend(attempt.core_dumped.filter(|&dumped| dumped).map(|_| "core dumped".to_owned()));
    details.extend(attempt.stop_rung.filter(|&rung| rung == Rung::Kill).map(|_| "killed after its grace".to_owned()));
    if let Some(output) = &attempt.output {
        details.extend((output.cut_bytes > 0).then(|| format!("{} of output cut", format_size(output.cut_bytes))));
        details.extend((output.lost_bytes > 0).then(|| format!("{} of output lost", format_size(output.lost_bytes))));
        let limited = format_size(output.limited_bytes);
        details.extend((output.limited_bytes > 0).then(|| format!("{limited} of output over its rate limit")));
    }
    details.join(", ")
}
