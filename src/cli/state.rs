//! `jobctl state`

use std::path::PathBuf;

use super::session::{Format, Session};
use super::{Exit, Failure};
use crate::api::client::ClientError;
use crate::api::types::{Acknowledged, Compacted, ExportRequest, Exported};

#[derive(Clone, Debug, clap::Args)]
pub struct StateArgs {
    #[command(subcommand)]
    verb: StateVerb,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum StateVerb {
    /// Take a backup now, beside those that the daemon takes once a day
    Backup,
    /// Write all jobs, runs and skips into a new file, as JSON lines
    Export {
        /// The file, which the daemon makes; it must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Rewrite the database without holes; the daemon does so when it is mostly holes
    Compact,
    /// Have seen what was found wrong with the state: health tells it no more
    Acknowledge,
}

/// Looks after the state of a running daemon. What needs it stopped is `jobsd state`.
pub async fn run(session: &mut Session, args: StateArgs) -> Result<Exit, Failure> {
    match args.verb {
        StateVerb::Backup => {
            let exported: Exported = ask(session, "/v1/state/backup", &()).await?;
            show_export(session, &exported)?;
        }
        StateVerb::Export { file } => {
            let path = std::path::absolute(&file)?;
            let path = path.to_str().ok_or_else(|| std::io::Error::other("the file's name is no UTF-8"))?.to_owned();
            let exported: Exported = ask(session, "/v1/state/export", &ExportRequest { path }).await?;
            show_export(session, &exported)?;
        }
        StateVerb::Compact => {
            let sizes: Compacted = ask(session, "/v1/state/compact", &()).await?;
            if session.format == Format::Table {
                let (before, after) = (size(sizes.before_bytes), size(sizes.after_bytes));
                session.terminal.line(format!("compacted from {before} to {after}"))?;
            }
        }
        StateVerb::Acknowledge => {
            let seen: Acknowledged = ask(session, "/v1/state/acknowledge", &()).await?;
            if session.format == Format::Table {
                for notice in &seen.notices {
                    session.terminal.line(notice)?;
                }
                session.terminal.say(format!("{} notices acknowledged", seen.notices.len()));
            }
        }
    }
    Ok(Exit::Done)
}

/// Asks the daemon; with `-o json` the answer is shown as it came.
async fn ask<T: serde::de::DeserializeOwned>(
    session: &mut Session,
    path: &str,
    body: &impl serde::Serialize,
) -> Result<T, Failure> {
    let answer = session.client().await?.post_bytes(path, body).await?;
    let understood = serde_json::from_slice(&answer)
        .map_err(|fault| ClientError::NotUnderstood { request: format!("POST {path}"), reason: fault.to_string() })?;
    if session.format == Format::Json {
        session.json(&answer)?;
    }
    Ok(understood)
}

fn show_export(session: &mut Session, exported: &Exported) -> Result<(), Failure> {
    if session.format == Format::Table {
        session.terminal.line(format!("{}: {} records", exported.path, exported.records))?;
    }
    Ok(())
}

fn size(bytes: u64) -> String {
    crate::units::format_size(bytes)
}
