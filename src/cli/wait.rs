//! `jobctl wait`

use super::session::Session;
use super::target::{Target, job_path};
use super::{Exit, Failure, complete, ending, run_verb};
use crate::api::types::{JobDetail, Run};

#[derive(Clone, Debug, clap::Args)]
pub struct WaitArgs {
    /// Runs, as in `backup/42`, or jobs: all their runs that are live now
    #[arg(value_name = "JOB[/NUMBER]", required = true, add = complete::target())]
    targets: Vec<Target>,
}

/// Waits until runs are over, and exits as the first of them that did not succeed.
pub async fn run(session: &mut Session, args: WaitArgs) -> Result<Exit, Failure> {
    tokio::select! {
        done = wait(session, &args.targets) => done,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
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

async fn live(session: &mut Session, job: &str) -> Result<Vec<u64>, Failure> {
    let detail: JobDetail = session.client().await?.get(&job_path(job)).await?;
    let numbers = detail.job.live.iter().filter_map(|live| live.run.rsplit_once('/')?.1.parse().ok()).collect();
    if detail.job.live.is_empty() {
        session.terminal.say(format!("{job} has no live run"));
    }
    Ok(numbers)
}
