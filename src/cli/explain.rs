//! `jobctl explain`

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::moment::span;
use super::offline::{self, Offline};
use super::session::Session;
use super::simulate::Fleet;
use super::target::job_path;
use super::{Exit, Failure, complete};
use crate::api::client::encode;
use crate::api::types::{Explanation, ScheduleExplanation, Time};
use crate::daemon::config::Flags;
use crate::spec::JobName;

#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// A job, all of whose schedules are explained with their keys, or a schedule in its short form: "30 2 * * *",
    /// "@daily", "every 15m", "at 2026-12-24 18:00". What could be the name of a job is taken for one; a schedule needs
    /// no daemon
    #[arg(value_name = "JOB|EXPR", required = true, add = complete::job())]
    what: Vec<String>,
    /// Explain jobs of this directory, without a daemon
    #[arg(long, value_name = "DIR")]
    jobs_dir: Option<PathBuf>,
    /// Read their calendars from this directory [default: calendars.d beside the jobs directory]
    #[arg(long, value_name = "DIR", requires = "jobs_dir")]
    calendars_dir: Option<PathBuf>,
    /// The zone by whose clock an expression runs, and in which times are shown [default: the machine's]
    #[arg(long, visible_alias = "tz", value_name = "ZONE")]
    timezone: Option<String>,
    /// As of this time [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// The name by which H and ~ of an expression choose their times
    #[arg(long, value_name = "NAME", default_value = "job")]
    job_name: String,
}

impl ExplainArgs {
    /// Whether no daemon is asked.
    pub(super) fn is_offline(&self) -> bool {
        self.jobs_dir.is_some() || self.what.iter().all(|what| JobName::new(what).is_err())
    }
}

/// What is told of one argument.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Told {
    Expression(Box<ScheduleExplanation>),
    Job(Explanation),
}

/// Explains jobs and schedules.
pub async fn run(session: &mut Session, args: &ExplainArgs) -> Result<Exit, Failure> {
    if let Some(zone) = offline::named_zone(args.timezone.as_deref())? {
        session.terminal.zone = offline::shown(zone);
    }
    let fleet = match &args.jobs_dir {
        Some(directory) => {
            let flags = Flags {
                jobs_dir: Some(directory.clone()),
                calendars_dir: args.calendars_dir.clone(),
                ..Flags::default()
            };
            Some(Fleet::read(&flags)?)
        }
        None => None,
    };
    let mut told = Vec::new();
    for what in &args.what {
        told.push(match (JobName::new(what), &fleet) {
            (Err(_), _) => Told::Expression(Box::new(of_expression(session, what, args)?)),
            (Ok(name), Some(fleet)) => Told::Job(of_directory(session, &name, fleet, args)?),
            (Ok(name), None) => Told::Job(of_daemon(session, &name, args).await?),
        });
    }
    if session.is_json() {
        let json = match told.as_slice() {
            [only] => serde_json::to_vec(only),
            several => serde_json::to_vec(several),
        };
        session.json(&json.expect("plain data"))?;
        return Ok(Exit::Done);
    }
    for (index, one) in told.iter().enumerate() {
        if index > 0 {
            session.terminal.line("")?;
        }
        show(session, one)?;
    }
    Ok(Exit::Done)
}

fn of_expression(session: &mut Session, text: &str, args: &ExplainArgs) -> Result<ScheduleExplanation, Failure> {
    let offline = Offline::read(text, &args.job_name, args.timezone.as_deref())?;
    session.terminal.zone = offline::shown(offline.zone);
    let from = offline::instant(args.from.as_deref(), session.terminal.now(), session.terminal.zone)?;
    offline.explain(text.trim(), &args.job_name, from)
}

fn of_directory(session: &Session, name: &JobName, fleet: &Fleet, args: &ExplainArgs) -> Result<Explanation, Failure> {
    let from = offline::instant(args.from.as_deref(), session.terminal.now(), session.terminal.zone)?;
    let entries = fleet.schedules(name)?;
    let schedules = entries.iter().map(|entry| offline::explain(entry, entry.rule.expression(), name.as_str(), from));
    Ok(Explanation { job: name.to_string(), schedules: schedules.collect::<Result<_, _>>()? })
}

async fn of_daemon(session: &mut Session, name: &JobName, args: &ExplainArgs) -> Result<Explanation, Failure> {
    let mut path = format!("{}/explanation", job_path(name.as_str()));
    if let Some(text) = &args.from {
        let from = offline::instant(Some(text), session.terminal.now(), session.terminal.zone)?;
        path = format!("{path}?from={}", encode(&Time(from).to_string()));
    }
    Ok(session.client().await?.get(&path).await?)
}

fn show(session: &mut Session, told: &Told) -> Result<(), Failure> {
    match told {
        Told::Expression(explanation) => {
            let expression = explanation.expression.as_deref().unwrap_or_default();
            schedule(session, expression, explanation)
        }
        Told::Job(Explanation { job, schedules }) => {
            if schedules.is_empty() {
                session.terminal.line(format!("{job}: no schedule; it runs by hand alone"))?;
            }
            for (index, one) in schedules.iter().enumerate() {
                if index > 0 {
                    session.terminal.line("")?;
                }
                let expression = one.expression.as_deref().map(|text| format!(", {text}")).unwrap_or_default();
                let heading = match schedules.len() {
                    1 => format!("{job}{expression}"),
                    all => format!("{job}, schedule {} of {all}{expression}", index + 1),
                };
                schedule(session, &heading, one)?;
            }
            Ok(())
        }
    }
}

fn schedule(session: &mut Session, heading: &str, explanation: &ScheduleExplanation) -> Result<(), Failure> {
    let zone = session.terminal.zone;
    let terminal = &mut session.terminal;
    terminal.line(format!("{heading}: {}", explanation.description))?;
    terminal.line(format!("zone     {}", explanation.timezone))?;
    for key in &explanation.keys {
        terminal.line(format!("key      {} = {}", key.key, key.value))?;
    }
    terminal.line(format!("class    {}: {}", explanation.class, explanation.class_meaning))?;
    terminal.line(format!("often    {}", frequency(explanation)))?;
    for one in &explanation.next {
        let note = one.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
        terminal.line(format!("next     {}{note}", zone.exact(one.at.0)))?;
    }
    if explanation.clock_changes.is_empty() {
        terminal.line("clock    no change of the zone's clock is known for the next three years")?;
    }
    for change in &explanation.clock_changes {
        terminal.line(format!("clock    {}: {}; effect: {}", zone.exact(change.at.0), change.change, change.effect))?;
    }
    for warning in &explanation.warnings {
        terminal.line(format!("warning  {warning}"))?;
    }
    Ok(())
}

fn frequency(explanation: &ScheduleExplanation) -> String {
    let gap = |seconds: Option<i64>| seconds.map(|gap| span(Duration::from_secs(gap.unsigned_abs())));
    let times = match explanation.per_year {
        0 => return "not within a year".to_owned(),
        1 => return "once within a year".to_owned(),
        many @ 2..=1000 => format!("{many} times within a year"),
        many => format!("{many} times within a year, {} a day", (many + 182) / 365),
    };
    match (gap(explanation.shortest_gap_seconds), gap(explanation.longest_gap_seconds)) {
        (Some(shortest), Some(longest)) if shortest == longest => format!("{times}, {shortest} apart"),
        (Some(shortest), Some(longest)) => format!("{times}, {shortest} to {longest} apart"),
        _ => times,
    }
}
