//! Waiting for a run's end, through restarts of the daemon.

use std::time::Duration;

use super::Failure;
use super::session::Session;
use super::target::run_path;
use crate::api::client::{Client, ClientError};
use crate::api::types::{Run, RunState};

/// Seconds that one request waits at the daemon.
const WAIT_SECONDS: u64 = 30;

/// How long a daemon may be away before the wait is given up. A run goes on without its daemon, and a restart or an upgrade
/// takes seconds.
const AWAY_LIMIT: Duration = Duration::from_secs(60);

/// Connections lost one after the other, without an answer between them, before the daemon is held to be ill.
pub const LOSSES_LIMIT: u32 = 5;

/// Pause between two tries to reach a daemon that is away.
const RETRY: Duration = Duration::from_millis(100);

/// Returns the run when it is over.
///
/// # Errors
/// When there is no such run, or the daemon stays away.
pub async fn for_end(session: &mut Session, job: &str, number: u64) -> Result<Run, Failure> {
    let path = format!("{}?wait={WAIT_SECONDS}", run_path(job, number));
    let mut losses = 0;
    loop {
        let asked = session.client().await?.get::<Run>(&path).await;
        match asked {
            Ok(run) if run.entry.state == RunState::Finished => return Ok(run),
            Ok(_) => losses = 0,
            Err(fault) if Failure::is_lost_connection(&fault) && losses < LOSSES_LIMIT => {
                losses += 1;
                reconnect(session, fault).await?;
            }
            Err(fault) => return Err(fault.into()),
        }
    }
}

/// Waits until a daemon answers again.
///
/// # Errors
/// When none does in time: then `cause`, why the old connection broke.
pub async fn reconnect(session: &mut Session, cause: ClientError) -> Result<(), Failure> {
    let Some(socket) = session.disconnect() else { return Err(cause.into()) };
    tokio::time::sleep(RETRY).await;
    if Client::connect(&socket).await.is_ok() {
        return Ok(());
    }
    session.terminal.say("the daemon is away; the run goes on, waiting for the daemon to come back");
    let back = tokio::time::timeout(AWAY_LIMIT, async {
        while Client::connect(&socket).await.is_err() {
            tokio::time::sleep(RETRY).await;
        }
    });
    back.await.map_err(|_| cause.into())
}
