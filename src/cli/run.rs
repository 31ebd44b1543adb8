//! `jobctl run`

use super::logs::{self, Follow};
use super::moment::{seconds, span};
use super::session::Session;
use super::target::job_path;
use super::{Exit, Failure, complete, ending, list};
use crate::api::client::ClientError;
use crate::api::types::{Run, Triggered};

#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    jobs: Chosen,
    /// Wait for the end, and exit as the run did; of several, as the first that did not succeed
    #[arg(short, long)]
    wait: bool,
    /// Print what it prints while it runs, wait for the end, and exit as the run did
    #[arg(short, long, conflicts_with = "tag")]
    follow: bool,
}

/// Which jobs are meant.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Chosen {
    /// The jobs
    #[arg(value_name = "JOB", add = complete::job())]
    jobs: Vec<String>,
    /// Every job that carries this tag and is not disabled
    #[arg(long, value_name = "TAG", add = complete::tag())]
    tag: Option<String>,
}

/// Starts jobs.
pub async fn run(session: &mut Session, args: RunArgs) -> Result<Exit, Failure> {
    let jobs = match (args.jobs.tag, args.jobs.jobs) {
        (Some(tag), _) => tagged(session, &tag).await?,
        (None, jobs) => match &jobs[..] {
            [job] => return one(session, job, args.wait, args.follow).await,
            _ if args.follow => return Err(Failure::usage("--follow shows one run: name one job")),
            _ => jobs,
        },
    };
    several(session, &jobs, args.wait).await
}

async fn one(session: &mut Session, job: &str, wait: bool, follow: bool) -> Result<Exit, Failure> {
    let (answer, triggered) = trigger(session, job).await?;
    if !(wait || follow) {
        if session.is_json() {
            session.json(&answer)?;
        } else {
            session.terminal.line(&triggered.run)?;
        }
        return Ok(Exit::Done);
    }
    accompany(session, follow, &triggered).await
}

async fn trigger(session: &mut Session, job: &str) -> Result<(bytes::Bytes, Triggered), Failure> {
    let path = format!("{}/runs", job_path(job));
    let answer = session.client().await?.post_bytes(&path, &()).await?;
    let triggered = serde_json::from_slice(&answer)
        .map_err(|fault| ClientError::NotUnderstood { request: format!("POST {path}"), reason: fault.to_string() })?;
    Ok((answer, triggered))
}

/// The jobs that carry a tag, without those that are disabled: these are named one by one by who means them.
async fn tagged(session: &mut Session, tag: &str) -> Result<Vec<String>, Failure> {
    let all = list::all(session).await?;
    let jobs: Vec<_> = all.into_iter().filter(|job| job.tags.iter().any(|other| other == tag)).collect();
    if jobs.is_empty() {
        return Err(Failure::new(Exit::NotFound, format!("no job carries the tag {tag}"))
            .hint("`jobctl list -o json` shows all tags"));
    }
    let (enabled, disabled): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.enabled);
    for job in disabled {
        session.terminal.say(format!("{} is disabled and not started", job.name));
    }
    Ok(enabled.into_iter().map(|job| job.name).collect())
}

/// Starts all that can be, and tells of the others; exits as the first of these, or else as the first run that did not succeed.
async fn several(session: &mut Session, jobs: &[String], wait: bool) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    let mut started = Vec::new();
    for job in jobs {
        match trigger(session, job).await {
            Ok((_, triggered)) => {
                if !session.is_json() {
                    session.terminal.line(&triggered.run)?;
                }
                started.push(triggered);
            }
            Err(Failure::PipeClosed) => return Err(Failure::PipeClosed),
            Err(Failure::Told(told)) if told.exit == Exit::NoDaemon => return Err(Failure::Told(told)),
            Err(Failure::Told(told)) => {
                session.terminal.flush()?;
                session.terminal.tell(&told);
                exit = exit.or(told.exit);
            }
        }
    }
    if !wait {
        if session.is_json() {
            session.json(&serde_json::to_vec(&started).expect("the wire types are plain data"))?;
        }
        return Ok(exit);
    }
    session.terminal.flush()?;
    tokio::select! {
        ended = all_to_the_end(session, &started) => Ok(exit.or(ended?)),
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "the runs go on")
            .hint("`jobctl list --running` shows them, `jobctl cancel JOB/NUMBER` stops one")),
    }
}

async fn all_to_the_end(session: &mut Session, started: &[Triggered]) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    let mut runs = Vec::new();
    for triggered in started {
        let run = ending::for_end(session, &triggered.job, triggered.number).await?;
        session.terminal.say(summary(&run));
        exit = exit.or(Exit::of_run(&run));
        runs.push(run);
    }
    if session.is_json() {
        session.json(&serde_json::to_vec(&runs).expect("the wire types are plain data"))?;
    }
    Ok(exit)
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
