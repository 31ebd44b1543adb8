//! `jobctl schema`

use super::session::Session;
use super::{Exit, Failure};

/// JSON Schema (2020-12) of a job file, as a file of the repository. The test keeps its keys those that are read.
pub const JOB_SCHEMA: &str = include_str!("schema/job.json");

#[derive(Clone, Debug, clap::Args)]
pub struct SchemaArgs {}

/// Prints the schema, for editors.
pub fn run(session: &mut Session, _: SchemaArgs) -> Result<Exit, Failure> {
    session.terminal.data(JOB_SCHEMA)?;
    Ok(Exit::Done)
}
