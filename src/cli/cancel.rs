//! `jobctl cancel`

use super::session::Session;
use super::target::{Target, job_path, run_path};
use super::{Exit, Failure, complete};
use crate::api::types::Cancelled;

#[derive(Clone, Debug, clap::Args)]
pub struct CancelArgs {
    /// Runs, as in `backup/42`, or jobs, whose live runs are all stopped
    #[arg(value_name = "JOB[/NUMBER]", required = true, add = complete::target())]
    targets: Vec<Target>,
}

/// Stops runs, and takes queued ones out of the queue.
pub async fn run(session: &mut Session, args: CancelArgs) -> Result<Exit, Failure> {
    let mut all = Cancelled { cancelled: Vec::new() };
    for target in &args.targets {
        let path = match target {
            Target::Job(job) => job_path(job),
            Target::Run { job, number } => run_path(job, *number),
        };
        let answer: Cancelled = session.client().await?.post(&format!("{path}/cancel"), &()).await?;
        if !session.is_json() {
            for run in &answer.cancelled {
                session.terminal.line(format!("{run} is being cancelled"))?;
            }
        }
        all.cancelled.extend(answer.cancelled);
    }
    if session.is_json() {
        session.json(&serde_json::to_vec(&all).expect("the wire types are plain data"))?;
    }
    Ok(Exit::Done)
}
