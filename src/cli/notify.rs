//! `jobctl notify`

use super::session::Session;
use super::style::Tone;
use super::target::job_path;
use super::{Exit, Failure, complete};
use crate::api::client::ClientError;
use crate::api::types::{NotifyTestRequest, NotifyTested, Outcome};
use crate::spec::NoticeEvent;

#[derive(Clone, Debug, clap::Args)]
pub struct NotifyArgs {
    #[command(subcommand)]
    verb: NotifyVerb,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum NotifyVerb {
    /// Send a test message to the targets of a job, and tell what the programs say that deliver it
    Test(TestArgs),
}

#[derive(Clone, Debug, clap::Args)]
pub struct TestArgs {
    /// The job
    #[arg(value_name = "JOB", add = complete::job())]
    job: String,
    /// Only the targets of this event; otherwise each target that the job has
    #[arg(long, value_name = "EVENT")]
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(NoticeEvent::ALL.map(NoticeEvent::key)))]
    event: Option<String>,
}

/// Sends test messages; exits with 1 when one of them was not delivered.
pub async fn run(session: &mut Session, args: NotifyArgs) -> Result<Exit, Failure> {
    let NotifyVerb::Test(TestArgs { job, event }) = args.verb;
    let path = format!("{}/notify/test", job_path(&job));
    let body = NotifyTestRequest { event };
    let answer = session.client().await?.post_bytes(&path, &body).await?;
    let tested: NotifyTested = serde_json::from_slice(&answer)
        .map_err(|fault| ClientError::NotUnderstood { request: format!("POST {path}"), reason: fault.to_string() })?;
    if session.is_json() {
        session.json(&answer)?;
    } else {
        show(session, &tested)?;
    }
    let failed = tested.deliveries.iter().any(|one| one.delivery.outcome != Outcome::Succeeded);
    Ok(if failed || tested.pending > 0 { Exit::Failure } else { Exit::Done })
}

fn show(session: &mut Session, tested: &NotifyTested) -> Result<(), Failure> {
    let colour = session.terminal.colour;
    for one in &tested.deliveries {
        let delivery = &one.delivery;
        let word = Tone::of_outcome(delivery.outcome).paint(delivery.outcome.name(), colour);
        let why = delivery.explanation.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        session.terminal.line(format!("on_{}  {}  {word}{why}", delivery.on, delivery.target))?;
        for line in one.said.lines() {
            let plain: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            session.terminal.line(format!("    {plain}"))?;
        }
    }
    if tested.pending > 0 {
        session.terminal.line(format!("{} not delivered yet: `jobctl health` tells of them", tested.pending))?;
    }
    Ok(())
}
