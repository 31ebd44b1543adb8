//! `jobctl wait`

use std::time::Duration;

use super::session::Session;
use super::target::{Target, job_path};
use super::{Exit, Failure, complete, ending, run_verb};
use crate::api::types::{JobDetail, Run};
use crate::units::{self, format_duration};

/// How often a job that is to run later is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// As timeout(1) exits.
const TIMED_OUT: u8 = 124;

#[derive(Clone, Debug, clap::Args)]
pub struct WaitArgs {
    /// Runs, as in `backup/42`, or jobs: all their runs that are live now, and the one to come of an `exec`
    #[arg(value_name = "JOB[/NUMBER]", required = true, add = complete::target())]
    targets: Vec<Target>,
    /// Give up after so long, and exit with 124
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    timeout: Option<Duration>,
}

/// Waits until runs are over, and exits as the first of them that did not succeed.
pub async fn run(session: &mut Session, args: WaitArgs) -> Result<Exit, Failure> {
    tokio::select! {
        done = wait(session, &args.targets) => done,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        limit = over(args.timeout) => {
            let text = format!("not all of these runs were over after {}", format_duration(limit));
            Err(Failure::new(Exit::Run(TIMED_OUT), text).hint("they go on: `jobctl list --running` shows them"))
        }
    }
}

/// Comes when the time is over, with how long it was.
async fn over(limit: Option<Duration>) -> Duration {
    match limit {
        Some(limit) => {
            tokio::time::sleep(limit).await;
            limit
        }
        None => std::future::pending().await,
    }
}

async fn wait(session: &mut Session, targets: &[Target]) -> Result<Exit, Failure> {
    let mut runs: Vec<(String, u64)> = Vec::new();
    for target in targets {
        match target {
            Target::Run { job, number } => runs.push((job.clone(), *number)),
            Target::Job(job) => runs.extend(live(session, job).await?.into_iter().map(|number| (job.clone(), number))),
        }
    }
    let mut ended: Vec<Run> = Vec::new();
    for (job, number) in runs {
        let run = ending::for_end(session, &job, number).await?;
        if !session.is_json() {
            session.terminal.line(run_verb::summary(&run))?;
            session.terminal.flush()?;
        }
        ended.push(run);
    }
    if session.is_json() {
        session.json(&serde_json::to_vec(&ended).expect("the wire types are plain data"))?;
    }
    let unsuccessful = ended.iter().map(Exit::of_run).find(|exit| exit.code() != Exit::Done.code());
    Ok(unsuccessful.unwrap_or(Exit::Done))
}

/// The live runs of a job; of an ad-hoc job that is to run later, its run when it is there.
async fn live(session: &mut Session, job: &str) -> Result<Vec<u64>, Failure> {
    let mut was_to_come = false;
    loop {
        let job = session.client().await?.get::<JobDetail>(&job_path(job)).await?.job;
        let number = |run: &str| run.rsplit_once('/')?.1.parse().ok();
        if !job.live.is_empty() {
            return Ok(job.live.iter().filter_map(|live| number(&live.run)).collect());
        }
        if job.ad_hoc_uid.is_none() || job.next.is_none() {
            // It came and went between two looks.
            let run = job.last.filter(|_| was_to_come).and_then(|last| number(&last.run));
            if run.is_none() {
                session.terminal.say(format!("{} has no live run", job.name));
            }
            return Ok(run.into_iter().collect());
        }
        was_to_come = true;
        tokio::time::sleep(LOOK).await;
    }
}
