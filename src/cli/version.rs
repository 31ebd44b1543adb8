//! `jobctl version`

use serde::Serialize;

use super::session::Session;
use super::{Exit, Failure};
use crate::api::types::Version;
use crate::schedule;

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
    /// The release of the IANA time zone database that it carries.
    tz_database: &'static str,
}

/// Shows the versions of both sides. That no daemon answers is no failure.
pub async fn run(session: &mut Session, _: VersionArgs) -> Result<Exit, Failure> {
    let client = Client { version: env!("CARGO_PKG_VERSION"), tz_database: schedule::Zone::database_version() };
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
    session.terminal.line(format!("jobctl {} (time zones {})", client.version, client.tz_database))?;
    if let (Some(daemon), Some(place)) = (daemon, place) {
        let Version { version, api, pid, tz_database, .. } = daemon;
        session.terminal.line(format!(
            "jobsd {version} (API {api}, time zones {tz_database}, process {pid}, {})",
            place.display()
        ))?;
    }
    Ok(Exit::Done)
}
