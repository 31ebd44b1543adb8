//! `jobctl simulate`

mod fleet;
mod plan;
mod week;

use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use serde::Serialize;

use super::moment::span;
use super::offline;
use super::session::{Format, Session};
use super::table::{Column, Give, Table};
use super::{Exit, Failure};
use crate::api::types::Time;
use crate::clock::Timestamp;
use crate::daemon::config::Flags;
pub use fleet::Fleet;
use plan::{Event, Fate, OF_A_JOB, Plan};
use week::{Week, busiest};

#[derive(Clone, Debug, clap::Args)]
pub struct SimulateArgs {
    /// Simulate the jobs of this directory, which nobody runs yet [default: the daemon's]
    #[arg(long, env = "JOBSD_JOBS_DIR", value_name = "DIR", hide_env_values = true)]
    jobs_dir: Option<PathBuf>,
    /// Read calendars from this directory [default: calendars.d beside the jobs directory]
    #[arg(long, env = "JOBSD_CALENDARS_DIR", value_name = "DIR", hide_env_values = true)]
    calendars_dir: Option<PathBuf>,
    /// From this time on (exclusive) [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Up to this time [default: a week later]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// In which zone times are shown [default: the machine's]
    #[arg(long, visible_alias = "tz", value_name = "ZONE")]
    timezone: Option<String>,
    /// How long a job runs of which no history is known
    #[arg(long, value_name = "DURATION", value_parser = assumed)]
    assume: Option<Duration>,
    /// Rows of the timeline; JSON has all
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
}

fn assumed(text: &str) -> Result<Duration, String> {
    crate::units::parse_duration(text).map_err(|fault| fault.message)
}

/// Minutes listed among the busiest.
const BUSIEST: usize = 5;

/// Names listed of the jobs that start in one minute.
const NAMED: usize = 6;

/// Days simulated unless said.
const DAYS: i64 = 7;

#[derive(Serialize)]
struct Simulation<'a> {
    from: Time,
    to: Time,
    jobs: usize,
    starts: usize,
    overlaps: usize,
    excluded: usize,
    occurrences: Vec<Shown<'a>>,
    busiest: Vec<Busy<'a>>,
    /// Starts by day of the week, from Monday, and hour.
    week: [[u32; 24]; 7],
    faulty: Vec<FaultyFile>,
    /// Jobs with more occurrences than are simulated.
    cut: Vec<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    job: &'a str,
    at: Time,
    local: String,
    start: Time,
    fate: &'static str,
    ends: Option<Time>,
    note: Option<String>,
}

#[derive(Serialize)]
struct Busy<'a> {
    minute: Time,
    starts: usize,
    jobs: Vec<&'a str>,
}

#[derive(Serialize)]
struct FaultyFile {
    path: String,
    summary: String,
}

/// Shows what a fleet would do. Exits with 1 when a file is faulty.
pub async fn run(session: &mut Session, args: SimulateArgs) -> Result<Exit, Failure> {
    let zone = offline::named_zone(args.timezone.as_deref())?.unwrap_or_else(offline::machine_zone);
    session.terminal.zone = offline::shown(zone);
    let from = offline::instant(args.from.as_deref(), session.terminal.now(), session.terminal.zone)?;
    let to = match &args.to {
        Some(text) => offline::instant(Some(text), from, session.terminal.zone)?,
        None => from + TimeDelta::days(DAYS),
    };
    if to <= from {
        return Err(Failure::usage("--to is not later than --from"));
    }
    let flags = Flags { jobs_dir: args.jobs_dir, calendars_dir: args.calendars_dir, ..Flags::default() };
    let fleet = Fleet::read(&session.places_of_daemon(flags).await)?;
    let durations = fleet.durations(session).await;
    if durations.is_none() && args.assume.is_none() {
        session.terminal.say("no daemon answers: overlaps cannot be told without typical durations (see --assume)");
    }
    let plan = Plan::new(&fleet, &durations.unwrap_or_default(), args.assume, from, to);
    for name in &plan.cut {
        session.terminal.say(format!("{name}: only its first {OF_A_JOB} occurrences are simulated"));
    }
    match session.format {
        Format::Json => json(session, &fleet, &plan, from, to)?,
        Format::Table => show(session, &fleet, &plan, from, to, args.limit)?,
    }
    Ok(if fleet.faults.is_empty() { Exit::Done } else { Exit::Failure })
}

fn json(session: &mut Session, fleet: &Fleet, plan: &Plan, from: Timestamp, to: Timestamp) -> Result<(), Failure> {
    let zone = session.terminal.zone;
    let of = |fate: fn(&Fate) -> bool| plan.events.iter().filter(|event| fate(&event.fate)).count();
    let simulation = Simulation {
        from: Time(from),
        to: Time(to),
        jobs: fleet.jobs.len(),
        starts: of(Fate::starts),
        overlaps: of(|fate| matches!(fate, Fate::Overlaps { .. })),
        excluded: of(|fate| matches!(fate, Fate::Excluded { .. })),
        occurrences: plan.events.iter().map(|event| shown(event, zone)).collect(),
        busiest: busiest(&plan.events, BUSIEST)
            .into_iter()
            .map(|(minute, jobs)| Busy { minute: Time(minute), starts: jobs.len(), jobs })
            .collect(),
        week: Week::of(&plan.events, zone).starts,
        faulty: fleet
            .faults
            .iter()
            .map(|fault| FaultyFile { path: fault.path.display().to_string(), summary: fault.summary.clone() })
            .collect(),
        cut: plan.cut.iter().map(ToString::to_string).collect(),
    };
    session.json(&serde_json::to_vec(&simulation).expect("plain data"))?;
    Ok(())
}

fn shown(event: &Event, zone: super::Zone) -> Shown<'_> {
    let local = match event.zone {
        Some(own) => offline::local(own, event.at),
        None => zone.local(event.at).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false),
    };
    Shown {
        job: event.job.as_str(),
        at: Time(event.at),
        local,
        start: Time(event.start),
        fate: event.fate.name(),
        ends: ends(&event.fate).map(Time),
        note: note(event, zone),
    }
}

const fn ends(fate: &Fate) -> Option<Timestamp> {
    match fate {
        Fate::Runs { until } | Fate::Replaces { until } => *until,
        Fate::Waits { until, .. } => Some(*until),
        Fate::Overlaps { .. } | Fate::Excluded { .. } => None,
    }
}

/// What is out of the ordinary about an occurrence.
fn note(event: &Event, zone: super::Zone) -> Option<String> {
    let fate = match &event.fate {
        Fate::Runs { .. } => None,
        Fate::Waits { from, .. } => Some(format!("waits for an earlier run until {}", zone.full(*from))),
        Fate::Replaces { .. } => Some("stops the run that is live, and takes its place".to_owned()),
        Fate::Overlaps { until } => Some(format!("does not run: an earlier run is live until {}", zone.full(*until))),
        Fate::Excluded { cause } => Some(format!("does not run: {cause}")),
    };
    let notes: Vec<String> = event.note.clone().into_iter().chain(fate).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

fn show(
    session: &mut Session,
    fleet: &Fleet,
    plan: &Plan,
    from: Timestamp,
    to: Timestamp,
    limit: usize,
) -> Result<(), Failure> {
    let zone = session.terminal.zone;
    let timeline = timeline(&plan.events, limit, session);
    let terminal = &mut session.terminal;
    let count = |wanted: fn(&Event) -> bool| plan.events.iter().filter(|event| wanted(event)).count();
    terminal.line(format!("{} to {}", zone.exact(from), zone.exact(to)))?;
    terminal.line(format!(
        "{}: {}, {} that do not run, {} excluded, {} moved or doubled by the clock or a calendar",
        super::counted(fleet.jobs.len(), "job"),
        super::counted(count(|event| event.fate.starts()), "start"),
        super::counted(count(|event| matches!(event.fate, Fate::Overlaps { .. })), "overlap"),
        count(|event| matches!(event.fate, Fate::Excluded { .. })),
        count(|event| event.note.is_some()),
    ))?;
    for fault in &fleet.faults {
        terminal.line(format!("faulty: {}: {}", fault.path.display(), fault.summary))?;
    }
    if !plan.events.is_empty() {
        terminal.line("")?;
        terminal.data(timeline)?;
    }
    if plan.events.len() > limit {
        terminal.line(format!("and {} more; --limit shows more, -o json all", plan.events.len() - limit))?;
    }
    let busiest = busiest(&plan.events, BUSIEST);
    if !busiest.is_empty() {
        terminal.line("\nstarts in one minute")?;
    }
    for (minute, jobs) in busiest {
        let more = jobs.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let named = jobs[..jobs.len().min(NAMED)].join(", ");
        terminal.line(format!("{}  {:>4}  {named}{more}", zone.full(minute), jobs.len()))?;
    }
    terminal.line("\nstarts by hour of the week")?;
    for line in Week::of(&plan.events, zone).lines() {
        terminal.line(line)?;
    }
    Ok(())
}

fn timeline(events: &[Event], limit: usize, session: &Session) -> String {
    let zone = session.terminal.zone;
    let mut table = Table::new(&[
        Column { heading: "STARTS", give: Give::Stay },
        Column { heading: "JOB", give: Give::Cut(12) },
        Column { heading: "TOGETHER", give: Give::Leave(8, 3) },
        Column { heading: "TAKES", give: Give::Leave(8, 2) },
        Column { heading: "NOTE", give: Give::Leave(12, 1) },
    ]);
    let mut running: Vec<Timestamp> = Vec::new();
    for event in events.iter().take(limit) {
        running.retain(|&end| end > event.start);
        let takes = ends(&event.fate).filter(|_| event.fate.starts());
        if event.fate.starts() {
            running.push(takes.unwrap_or(event.start + TimeDelta::seconds(1)));
        }
        let together = if event.fate.starts() { running.len().to_string() } else { String::new() };
        let takes = takes.and_then(|until| (until - event.start).to_std().ok()).map(span);
        table.row([
            zone.full(event.start).into(),
            event.job.as_str().into(),
            together.into(),
            takes.unwrap_or_default().into(),
            note(event, zone).unwrap_or_default().into(),
        ]);
    }
    table.render(session.terminal.width, session.terminal.colour)
}
