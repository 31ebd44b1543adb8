//! `jobctl next`

use serde::Serialize;

use super::moment::{relative, span};
use super::offline::{self, Offline};
use super::session::Session;
use super::table::{Column, Give, Table};
use super::target::job_path;
use super::terminal::Terminal;
use super::{Exit, Failure, complete, list};
use crate::api::convert;
use crate::api::types::{Occurrence, Occurrences, Time};

#[derive(Clone, Debug, clap::Args)]
pub struct NextArgs {
    /// The jobs; all of them unless said
    #[arg(value_name = "JOB", conflicts_with = "cron", add = complete::job())]
    jobs: Vec<String>,
    /// Ask a schedule instead of a job, without a daemon: a cron expression, "every 15m" or any other short form
    #[arg(long, value_name = "EXPR")]
    cron: Option<String>,
    /// The zone of --cron, and in which times are shown [default: the machine's]
    #[arg(long, visible_alias = "tz", value_name = "ZONE")]
    timezone: Option<String>,
    /// Occurrences after this time (exclusive): RFC 3339, "2026-03-29 02:00", "18:00" [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// How many: of each job that is named, otherwise in all
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// The name by which H and ~ in --cron choose their times
    #[arg(long, value_name = "NAME", requires = "cron", default_value = "job")]
    job_name: String,
}

impl NextArgs {
    /// Whether no daemon is asked.
    pub(super) const fn is_offline(&self) -> bool {
        self.cron.is_some()
    }
}

/// An occurrence of a job or of an expression, as `-o json` shows it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<&'a str>,
    at: Time,
    local: String,
    nominal: &'a str,
    start: Time,
    note: Option<String>,
}

/// Shows when jobs run next.
pub async fn run(session: &mut Session, args: NextArgs) -> Result<Exit, Failure> {
    if let Some(zone) = offline::named_zone(args.timezone.as_deref())? {
        session.terminal.zone = offline::shown(zone);
    }
    match &args.cron {
        Some(expression) => of_expression(session, expression, &args),
        None => of_jobs(session, &args).await,
    }
}

fn of_expression(session: &mut Session, expression: &str, args: &NextArgs) -> Result<Exit, Failure> {
    let offline = Offline::read(expression, &args.job_name, args.timezone.as_deref())?;
    session.terminal.zone = offline::shown(offline.zone);
    let from = offline::instant(args.from.as_deref(), session.terminal.now(), session.terminal.zone)?;
    let all: Vec<Occurrence> =
        offline.after(from).take(args.count as usize).map(|occurrence| convert::occurrence(&occurrence)).collect();
    show(session, &[(None, all)], args)?;
    Ok(Exit::Done)
}

async fn of_jobs(session: &mut Session, args: &NextArgs) -> Result<Exit, Failure> {
    let from = match &args.from {
        Some(text) => {
            let from = offline::instant(Some(text), session.terminal.now(), session.terminal.zone)?;
            format!("&after={}", crate::api::client::encode(&Time(from).to_string()))
        }
        None => String::new(),
    };
    let jobs = match args.jobs.is_empty() {
        true => candidates(session, args).await?,
        false => args.jobs.clone(),
    };
    let mut all = Vec::new();
    for job in &jobs {
        let path = format!("{}/next?count={}{from}", job_path(job), args.count);
        let answer: Occurrences = session.client().await?.get(&path).await?;
        all.push((Some(answer.job), answer.occurrences));
    }
    show(session, &all, args)?;
    Ok(Exit::Done)
}

/// The jobs that the next occurrences of all can be of: as many as are asked for, the earliest first. After another time than
/// now each may be one.
async fn candidates(session: &mut Session, args: &NextArgs) -> Result<Vec<String>, Failure> {
    let jobs = list::all(session).await?;
    if args.from.is_some() {
        return Ok(jobs.into_iter().map(|job| job.name).collect());
    }
    let mut upcoming: Vec<_> = jobs.into_iter().filter_map(|job| Some((job.next?, job.name))).collect();
    upcoming.sort_unstable();
    upcoming.truncate(args.count as usize);
    Ok(upcoming.into_iter().map(|(_, name)| name).collect())
}

/// Occurrences, each with the job that it belongs to where there is one.
type OfJobs = [(Option<String>, Vec<Occurrence>)];

fn show(session: &mut Session, all: &OfJobs, args: &NextArgs) -> Result<(), Failure> {
    let mut rows: Vec<(Option<&str>, &Occurrence)> =
        all.iter().flat_map(|(job, of_job)| of_job.iter().map(|one| (job.as_deref(), one))).collect();
    rows.sort_by_key(|(job, one)| (one.at, *job));
    let of_all = args.jobs.is_empty() && args.cron.is_none();
    if of_all {
        rows.truncate(args.count as usize);
    }
    if session.is_json() {
        let zone = args.timezone.is_some().then_some(session.terminal.zone);
        let shown: Vec<Shown<'_>> = rows.iter().map(|(job, one)| json(*job, one, zone)).collect();
        session.json(&serde_json::to_vec(&shown).expect("plain data"))?;
        return Ok(());
    }
    if rows.is_empty() {
        let hint = match all {
            [(Some(job), _)] if !of_all => format!("{job} has no occurrence to come; `jobctl why {job}` says why"),
            _ if of_all => "no job has an occurrence to come".to_owned(),
            _ => "no occurrence is to come".to_owned(),
        };
        session.terminal.say(hint);
        return Ok(());
    }
    let table = table(&rows, of_all || all.len() > 1, &session.terminal);
    session.terminal.data(table)?;
    Ok(())
}

fn json<'a>(job: Option<&'a str>, one: &'a Occurrence, zone: Option<super::Zone>) -> Shown<'a> {
    let jitter = (one.start.0 - one.at.0).to_std().ok().filter(|jitter| !jitter.is_zero());
    let jitter = jitter.map(|jitter| format!("starts {} later, spread by its jitter", span(jitter)));
    let note: Vec<String> = one.note.clone().into_iter().chain(jitter).collect();
    Shown {
        job,
        at: one.at,
        local: zone.map_or_else(
            || one.local.clone(),
            |zone| zone.local(one.at.0).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false),
        ),
        nominal: &one.nominal,
        start: one.start,
        note: (!note.is_empty()).then(|| note.join("; ")),
    }
}

fn table(rows: &[(Option<&str>, &Occurrence)], named: bool, terminal: &Terminal) -> String {
    let mut table = Table::new(&[
        Column { heading: "AT", give: Give::Stay },
        Column { heading: "IN", give: Give::Stay },
        Column { heading: "JOB", give: Give::Cut(12) },
        Column { heading: "STARTS", give: Give::Leave(19, 2) },
        Column { heading: "SCHEDULED FOR", give: Give::Leave(19, 3) },
        Column { heading: "NOTE", give: Give::Leave(12, 1) },
    ]);
    for (job, occurrence) in rows {
        let starts = (occurrence.start != occurrence.at).then(|| terminal.zone.full(occurrence.start.0));
        let nominal = occurrence.note.as_ref().map(|_| occurrence.nominal.replace('T', " "));
        table.row([
            terminal.zone.exact(occurrence.at.0).into(),
            relative(occurrence.start.0, terminal.now()).trim_start_matches("in ").into(),
            job.filter(|_| named).unwrap_or_default().into(),
            starts.unwrap_or_default().into(),
            nominal.unwrap_or_default().into(),
            occurrence.note.as_deref().unwrap_or_default().into(),
        ]);
    }
    table.render(terminal.width, terminal.colour)
}
