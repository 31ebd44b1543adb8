//! `jobctl resume`

use super::pause::Selection;
use super::session::Session;
use super::target::job_path;
use super::{Exit, Failure};
use crate::api::types::{ResumeSelectionRequest, Resumed};

#[derive(Clone, Debug, clap::Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    jobs: Selection,
}

/// Ends pauses.
pub async fn run(session: &mut Session, args: ResumeArgs) -> Result<Exit, Failure> {
    let resumed = resume(session, args.jobs).await?;
    if session.is_json() {
        session.json(&serde_json::to_vec(&resumed).expect("the wire types are plain data"))?;
        return Ok(Exit::Done);
    }
    for job in &resumed.resumed {
        session.terminal.line(format!("{job} is resumed"))?;
    }
    if resumed.resumed.is_empty() {
        session.terminal.say("nothing was paused");
    }
    Ok(Exit::Done)
}

async fn resume(session: &mut Session, jobs: Selection) -> Result<Resumed, Failure> {
    let client = session.client().await?;
    if jobs.all || jobs.tag.is_some() {
        let request = ResumeSelectionRequest { tag: jobs.tag, all: jobs.all };
        return Ok(client.post("/v1/resume", &request).await?);
    }
    let mut resumed = Resumed { resumed: Vec::new() };
    for job in &jobs.jobs {
        let answer: Resumed = client.post(&format!("{}/resume", job_path(job)), &()).await?;
        resumed.resumed.extend(answer.resumed);
    }
    Ok(resumed)
}
