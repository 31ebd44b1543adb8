//! `jobctl pause`

use super::moment::{parse_until, relative};
use super::session::Session;
use super::target::job_path;
use super::{Exit, Failure, complete};
use crate::api::types::{PauseRequest, PauseSelectionRequest, Paused, Time};

#[derive(Clone, Debug, clap::Args)]
pub struct PauseArgs {
    #[command(flatten)]
    pub(super) jobs: Selection,
    /// When the pause ends by itself: a duration (`2h`), a time (`18:00`), a date (`2026-12-24`, `2026-12-24 08:00`) in
    /// the local zone, or RFC 3339
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Which jobs are meant.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Selection {
    /// The jobs
    #[arg(value_name = "JOB", add = complete::job())]
    pub(super) jobs: Vec<String>,
    /// Every job that carries this tag
    #[arg(long, value_name = "TAG", add = complete::tag())]
    pub(super) tag: Option<String>,
    /// Every job
    #[arg(long)]
    pub(super) all: bool,
}

/// Suspends the schedule of jobs.
pub async fn run(session: &mut Session, args: PauseArgs) -> Result<Exit, Failure> {
    let now = session.terminal.now();
    let until = args.until.as_deref().map(|text| parse_until(text, now, session.terminal.zone));
    let until = until.transpose().map_err(Failure::usage)?.map(Time);
    let paused = pause(session, args.jobs, until).await?;
    if session.is_json() {
        session.json(&serde_json::to_vec(&paused).expect("the wire types are plain data"))?;
        return Ok(Exit::Done);
    }
    let until = match until {
        Some(until) => format!("until {} ({})", session.terminal.zone.exact(until.0), relative(until.0, now)),
        None => "until it is resumed".to_owned(),
    };
    for job in &paused.paused {
        session.terminal.line(format!("{job} is paused {until}"))?;
    }
    if paused.paused.is_empty() {
        session.terminal.say("there is no job to pause");
    }
    Ok(Exit::Done)
}

async fn pause(session: &mut Session, jobs: Selection, until: Option<Time>) -> Result<Paused, Failure> {
    let client = session.client().await?;
    if jobs.all || jobs.tag.is_some() {
        let request = PauseSelectionRequest { tag: jobs.tag, all: jobs.all, until };
        return Ok(client.post("/v1/pause", &request).await?);
    }
    let mut paused = Paused { paused: Vec::new(), until };
    for job in &jobs.jobs {
        let answer: Paused = client.post(&format!("{}/pause", job_path(job)), &PauseRequest { until }).await?;
        paused.paused.extend(answer.paused);
    }
    Ok(paused)
}
