//! `jobctl delete`

use std::io::{self, IsTerminal};

use super::job_file;
use super::session::Session;
use super::target::job_path;
use super::{Exit, Failure, complete};
use crate::api::client::ClientError;
use crate::api::types::JobDeleted;

#[derive(Clone, Debug, clap::Args)]
pub struct DeleteArgs {
    /// The job
    #[arg(value_name = "JOB", add = complete::job())]
    job: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Deletes a job's file. What it was when it was asked about is what is deleted.
pub async fn run(session: &mut Session, args: DeleteArgs) -> Result<Exit, Failure> {
    let job = &args.job;
    if !args.yes && !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("nobody can be asked whether to delete {job}"))
            .hint(format!("`jobctl delete --yes {job}` does not ask")));
    }
    let seen = job_file::fetch(session, job).await?;
    if !args.yes && !session.terminal.ask(&format!("delete the job {job}? [y/N] "), false)? {
        session.terminal.say("nothing was changed");
        return Ok(Exit::Done);
    }
    // Whoever was asked may have thought for longer than the daemon keeps a silent connection.
    session.disconnect();
    let path = job_path(job);
    let answer = session.client().await?.delete(&path, &seen.condition).await?;
    if session.is_json() {
        session.json(&answer)?;
        return Ok(Exit::Done);
    }
    let deleted: JobDeleted = serde_json::from_slice(&answer)
        .map_err(|fault| ClientError::NotUnderstood { request: format!("DELETE {path}"), reason: fault.to_string() })?;
    session.terminal.line(format!("{job} deleted"))?;
    session.terminal.flush()?;
    for run in &deleted.live {
        session.terminal.say(format!("{run} goes on to its end; `jobctl cancel {run}` stops it"));
    }
    session.terminal.say(format!("`jobctl history {job}` shows its records as long as they are kept"));
    Ok(Exit::Done)
}
