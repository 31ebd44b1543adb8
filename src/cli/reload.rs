//! `jobctl reload`

use super::session::{Format, Session};
use super::style::Tone;
use super::{Exit, Failure};
use crate::api::client::ClientError;
use crate::api::types::{ReloadRequest, Reloaded};

#[derive(Clone, Debug, clap::Args)]
pub struct ReloadArgs {
    /// Take the directory as it is, even when more than half of the jobs are gone
    #[arg(long)]
    force: bool,
}

/// Has configuration and jobs directory read, and shows what changed. Faulty files make it fail, good ones are taken over all the
/// same.
pub async fn run(session: &mut Session, args: ReloadArgs) -> Result<Exit, Failure> {
    let answer = session.client().await?.post_bytes("/v1/reload", &ReloadRequest { force: args.force }).await?;
    let reloaded: Reloaded = serde_json::from_slice(&answer).map_err(|fault| ClientError::NotUnderstood {
        request: "POST /v1/reload".to_owned(),
        reason: fault.to_string(),
    })?;
    match session.format {
        Format::Json => session.json(&answer)?,
        Format::Table => show(session, &reloaded)?,
    }
    if let Some(fault) = &reloaded.config_fault {
        session.terminal.flush()?;
        let failure =
            Failure::new(Exit::Failure, "the configuration is not taken over: what it said before is in force");
        return Err(failure.causes([fault.clone()]).hint("`jobctl check --config FILE` shows what is wrong"));
    }
    Ok(if reloaded.faulty.is_empty() { Exit::Done } else { Exit::Failure })
}

fn show(session: &mut Session, reloaded: &Reloaded) -> Result<(), Failure> {
    let colour = session.terminal.colour;
    for (word, tone, jobs) in [
        ("added", Tone::Good, &reloaded.added),
        ("changed", Tone::Active, &reloaded.changed),
        ("removed", Tone::Odd, &reloaded.removed),
        ("faulty", Tone::Bad, &reloaded.faulty),
    ] {
        for job in jobs {
            session.terminal.line(format!("{}  {job}", tone.paint(&format!("{word:9}"), colour)))?;
        }
    }
    session.terminal.line(format!("{:9}  {} jobs", "unchanged", reloaded.unchanged))?;
    if let Some(first) = reloaded.faulty.first() {
        session.terminal.flush()?;
        session.terminal.say(format!("faulty files change nothing; `jobctl show {first}` says what is wrong"));
    }
    Ok(())
}
