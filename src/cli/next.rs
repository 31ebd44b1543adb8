//! `jobctl next`

use serde::{Deserialize, Serialize};

use super::moment::relative;
use super::session::Session;
use super::table::{Cell, Column, Give, Table};
use super::target::job_path;
use super::terminal::Terminal;
use super::{Exit, Failure, complete, list};
use crate::api::types::{Occurrences, Time};

#[derive(Clone, Debug, clap::Args)]
pub struct NextArgs {
    /// The job; without one, the next occurrence of every job, the earliest first
    #[arg(add = complete::job())]
    job: Option<String>,
    /// How many
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
}

/// Shows when jobs run next.
pub async fn run(session: &mut Session, args: NextArgs) -> Result<Exit, Failure> {
    match &args.job {
        Some(job) => of_one(session, job, args.count).await,
        None => of_all(session, args.count).await,
    }
}

async fn of_one(session: &mut Session, job: &str, count: u32) -> Result<Exit, Failure> {
    let path = format!("{}/next?count={count}", job_path(job));
    if session.is_json() {
        let answer = session.client().await?.get_bytes(&path).await?;
        session.json(&answer)?;
        return Ok(Exit::Done);
    }
    let answer: Occurrences = session.client().await?.get(&path).await?;
    if answer.occurrences.is_empty() {
        session.terminal.say(format!("{job} has no occurrence to come; `jobctl why {job}` says why"));
        return Ok(Exit::Done);
    }
    let table = occurrences(&answer, &session.terminal);
    session.terminal.data(table)?;
    Ok(Exit::Done)
}

fn occurrences(answer: &Occurrences, terminal: &Terminal) -> String {
    let mut table = Table::new(&[
        Column { heading: "AT", give: Give::Stay },
        Column { heading: "IN", give: Give::Stay },
        Column { heading: "STARTS", give: Give::Leave(19, 2) },
        Column { heading: "SCHEDULED FOR", give: Give::Leave(19, 3) },
        Column { heading: "NOTE", give: Give::Leave(12, 1) },
    ]);
    for occurrence in &answer.occurrences {
        let starts = (occurrence.start != occurrence.at).then(|| terminal.zone.full(occurrence.start.0));
        let nominal = occurrence.note.as_ref().map(|_| occurrence.nominal.replace('T', " "));
        table.row([
            terminal.zone.exact(occurrence.at.0).into(),
            relative(occurrence.at.0, terminal.now()).trim_start_matches("in ").into(),
            starts.unwrap_or_default().into(),
            nominal.unwrap_or_default().into(),
            occurrence.note.as_deref().unwrap_or_default().into(),
        ]);
    }
    table.render(terminal.width, terminal.colour)
}

/// The next occurrence of one job, with the names that it has in the list of jobs.
#[derive(Debug, Serialize, Deserialize)]
struct Upcoming {
    name: String,
    next: Time,
    next_start: Option<Time>,
    description: Option<String>,
}

async fn of_all(session: &mut Session, count: u32) -> Result<Exit, Failure> {
    let jobs = list::all(session).await?.into_iter();
    let mut upcoming: Vec<Upcoming> = jobs
        .filter_map(|job| {
            let (next, next_start) = (job.next?, job.next_start);
            Some(Upcoming { name: job.name, next, next_start, description: job.description })
        })
        .collect();
    upcoming.sort_by(|left, right| (left.next, &left.name).cmp(&(right.next, &right.name)));
    upcoming.truncate(count as usize);
    if session.is_json() {
        session.json(&serde_json::to_vec(&upcoming).expect("the wire types are plain data"))?;
        return Ok(Exit::Done);
    }
    if upcoming.is_empty() {
        session.terminal.say("no job has an occurrence to come");
        return Ok(Exit::Done);
    }
    let table = upcoming_table(&upcoming, &session.terminal);
    session.terminal.data(table)?;
    Ok(Exit::Done)
}

fn upcoming_table(upcoming: &[Upcoming], terminal: &Terminal) -> String {
    let mut table = Table::new(&[
        Column { heading: "AT", give: Give::Stay },
        Column { heading: "IN", give: Give::Stay },
        Column { heading: "NAME", give: Give::Cut(12) },
        Column { heading: "DESCRIPTION", give: Give::Leave(12, 1) },
    ]);
    for one in upcoming {
        table.row([
            terminal.zone.full(one.next.0).into(),
            relative(one.next.0, terminal.now()).trim_start_matches("in ").into(),
            Cell::new(&one.name),
            one.description.as_deref().unwrap_or_default().into(),
        ]);
    }
    table.render(terminal.width, terminal.colour)
}
