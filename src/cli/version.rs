//! `jobctl version`

use serde::Serialize;

use super::session::Session;
use super::{Exit, Failure};
use crate::api::types::Version;

#[derive(Clone, Debug, clap::Args)]
pub struct VersionArgs {}

#[derive(Serialize)]
struct Versions {
    client: Client,
    daemon: Option<Version>,
}

#[derive(Serialize)]
struct Client {
    version: &'static str,
}

/// Shows the versions of both sides. That no daemon answers is no failure.
pub async fn run(session: &mut Session, _: VersionArgs) -> Result<Exit, Failure> {
    let client = Client { version: env!("CARGO_PKG_VERSION") };
    let (daemon, place) = match session.client().await {
        Ok(client) => (Some(client.get::<Version>("/v1/version").await?), Some(client.socket().to_owned())),
        Err(Failure::Told(told)) => {
            session.terminal.say(told.message);
            (None, None)
        }
        Err(Failure::PipeClosed) => return Err(Failure::PipeClosed),
    };
    if session.is_json() {
        session.json(&serde_json::to_vec(&Versions { client, daemon }).expect("plain data"))?;
        return Ok(Exit::Done);
    }
    session.terminal.line(format!("jobctl {}", client.version))?;
    if let (Some(daemon), Some(place)) = (daemon, place) {
        let Version { version, api, pid, .. } = daemon;
        session.terminal.line(format!("jobsd {version} (API {api}, process {pid}, {})", place.display()))?;
    }
    Ok(Exit::Done)
}
