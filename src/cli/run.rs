//! `jobctl run`

use super::logs::{self, Follow};
use super::moment::{seconds, span};
use super::session::Session;
use super::target::job_path;
use super::{Exit, Failure, complete, ending};
use crate::api::client::ClientError;
use crate::api::types::{Run, Triggered};

#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// The job
    #[arg(add = complete::job())]
    job: String,
    /// Wait for the end, and exit as the run did
    #[arg(short, long)]
    wait: bool,
    /// Print what it prints while it runs, wait for the end, and exit as the run did
    #[arg(short, long)]
    follow: bool,
}

/// Starts a job.
pub async fn run(session: &mut Session, args: RunArgs) -> Result<Exit, Failure> {
    let path = format!("{}/runs", job_path(&args.job));
    let answer = session.client().await?.post_bytes(&path, &()).await?;
    let triggered: Triggered = serde_json::from_slice(&answer)
        .map_err(|fault| ClientError::NotUnderstood { request: format!("POST {path}"), reason: fault.to_string() })?;
    if !(args.wait || args.follow) {
        if session.is_json() {
            session.json(&answer)?;
        } else {
            session.terminal.line(&triggered.run)?;
        }
        return Ok(Exit::Done);
    }
    accompany(session, args.follow, &triggered).await
}

/// Tells a run's name, waits for its end, and gives the code to exit with.
pub(super) async fn accompany(session: &mut Session, follow: bool, triggered: &Triggered) -> Result<Exit, Failure> {
    announce(session, follow, triggered)?;
    tokio::select! {
        exit = to_the_end(session, follow, triggered) => exit,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, format!("{} goes on", triggered.run))
            .hint(format!("`jobctl cancel {0}` stops it, `jobctl logs -f {0}` shows what it prints", triggered.run))),
    }
}

/// The run's name: data for a script that waits, talk beside a run's own output.
fn announce(session: &mut Session, follow: bool, triggered: &Triggered) -> Result<(), Failure> {
    if follow || session.is_json() {
        session.terminal.say(&triggered.run);
    } else {
        session.terminal.line(&triggered.run)?;
        session.terminal.flush()?;
    }
    Ok(())
}

async fn to_the_end(session: &mut Session, follow: bool, triggered: &Triggered) -> Result<Exit, Failure> {
    if follow {
        match logs::follow(session, Follow::whole(&triggered.job, triggered.number)).await {
            Ok(_) => {}
            // The run is there; its output went elsewhere, and how it ends is told all the same.
            Err(Failure::Told(told)) if told.exit == Exit::NotFound => session.terminal.say(told.message),
            Err(failure) => return Err(failure),
        }
    }
    let run = ending::for_end(session, &triggered.job, triggered.number).await?;
    if session.is_json() && !follow {
        session.json(&serde_json::to_vec(&run).expect("the wire types are plain data"))?;
    }
    session.terminal.flush()?;
    session.terminal.say(summary(&run));
    Ok(Exit::of_run(&run))
}

pub(super) fn summary(run: &Run) -> String {
    let entry = &run.entry;
    let name = entry.run.as_deref().unwrap_or_default();
    let outcome = entry.outcome.map(|outcome| outcome.to_string()).unwrap_or_default();
    let took = entry.duration_seconds.map(|length| format!(" after {}", span(seconds(length)))).unwrap_or_default();
    let why = entry.explanation.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{name} {outcome}{took}{why}")
}
