//! `jobctl shutdown`

use std::time::Duration;

use super::session::{Format, Session};
use super::{Exit, Failure};
use crate::api::client::{Client, ClientError};
use crate::api::types::{ShutdownMode, ShutdownRequest, ShuttingDown};

#[derive(Clone, Debug, clap::Args)]
pub struct ShutdownArgs {
    /// Stop every live run first, and wait until they have ended
    #[arg(long, conflicts_with = "drain")]
    stop_runs: bool,
    /// Start nothing new, and wait until every live run has ended by itself
    #[arg(long)]
    drain: bool,
    /// Return at once, without waiting until the daemon is gone
    #[arg(long)]
    no_wait: bool,
}

/// How often to look whether the daemon is gone.
const LOOK: Duration = Duration::from_millis(50);

/// Has the daemon go down, and waits until it is gone.
pub async fn run(session: &mut Session, args: ShutdownArgs) -> Result<Exit, Failure> {
    let mode = match (args.stop_runs, args.drain) {
        (true, _) => ShutdownMode::StopRuns,
        (false, true) => ShutdownMode::Drain,
        (false, false) => ShutdownMode::LeaveRuns,
    };
    let client = session.client().await?;
    let socket = client.socket().to_owned();
    let answer = client.post_bytes("/v1/shutdown", &ShutdownRequest { mode }).await?;
    let down: ShuttingDown = serde_json::from_slice(&answer).map_err(|fault| ClientError::NotUnderstood {
        request: "POST /v1/shutdown".to_owned(),
        reason: fault.to_string(),
    })?;
    if session.format == Format::Json {
        session.json(&answer)?;
        session.terminal.flush()?;
    }
    say_what_follows(session, &down);
    if args.no_wait {
        return Ok(Exit::Done);
    }
    session.disconnect();
    tokio::select! {
        () = gone(&socket) => {
            session.terminal.say("the daemon is down");
            Ok(Exit::Done)
        }
        _ = tokio::signal::ctrl_c() => {
            session.terminal.say("the daemon still goes down");
            Ok(Exit::Interrupted)
        }
    }
}

fn say_what_follows(session: &mut Session, down: &ShuttingDown) {
    if down.live.is_empty() {
        return;
    }
    let runs = down.live.join(", ");
    session.terminal.say(match down.mode {
        ShutdownMode::LeaveRuns => format!("these runs go on under the supervisor: {runs}"),
        ShutdownMode::Drain => format!("waiting for the end of these runs: {runs}"),
        ShutdownMode::StopRuns => format!("stopping these runs: {runs}"),
    });
}

async fn gone(socket: &std::path::Path) {
    while Client::connect(socket).await.is_ok() {
        tokio::time::sleep(LOOK).await;
    }
}
