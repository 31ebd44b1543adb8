//! [`Session`]: a terminal, and the daemon behind it.

use std::io;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::Failure;
use super::terminal::Terminal;
use crate::api::client::{Client, ClientError};
use crate::api::types::{Config, Version};
use crate::daemon::config::Flags;

/// How data is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables and sentences, for people
    #[default]
    Table,
    /// JSON with the fields of the API, for programs
    Json,
}

/// What a verb works with.
pub struct Session {
    /// Where it writes.
    pub terminal: Terminal,
    /// How.
    pub format: Format,
    sockets: Vec<PathBuf>,
    client: Option<Client>,
}

impl Session {
    /// A session with the first daemon that answers on one of `sockets`. Nothing is connected until it is needed.
    pub fn new(terminal: Terminal, format: Format, sockets: Vec<PathBuf>) -> Self {
        Self { terminal, format, sockets, client: None }
    }

    /// Whether data is wanted as JSON.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// The daemon.
    ///
    /// # Errors
    /// When none answers.
    pub async fn client(&mut self) -> Result<&mut Client, Failure> {
        let client = match self.client.take() {
            Some(client) => client,
            None => self.connect().await?,
        };
        Ok(self.client.insert(client))
    }

    /// Whether there is a socket to try.
    pub fn has_socket(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// Where a verb that reads or writes job files works: where `flags` say, otherwise where the daemon that answers does. They
    /// stay as they are, which means the usual places, when none answers.
    pub async fn places_of_daemon(&mut self, flags: Flags) -> Flags {
        if flags.jobs_dir.is_some() || flags.config.is_some() {
            return flags;
        }
        let Ok(client) = self.client().await else { return flags };
        let (Ok(daemon), Ok(version)) =
            (client.get::<Config>("/v1/config").await, client.get::<Version>("/v1/version").await)
        else {
            return flags;
        };
        // What is closed to us counts for the daemon alone.
        let config = daemon.config.map(PathBuf::from).filter(|path| std::fs::File::open(path).is_ok());
        Flags {
            config,
            jobs_dir: Some(daemon.jobs_dir.into()),
            state_dir: Some(daemon.state_dir.into()),
            // Its files belong to root or to it, not to us.
            trust_owners: vec![version.uid],
            ..flags
        }
    }

    /// Forgets a connection that broke, so that the next use makes a new one, to the same daemon's socket.
    pub fn disconnect(&mut self) -> Option<PathBuf> {
        let socket = self.client.take()?.socket().to_owned();
        self.sockets = vec![socket.clone()];
        Some(socket)
    }

    async fn connect(&self) -> Result<Client, Failure> {
        let mut tried = Vec::new();
        for socket in &self.sockets {
            match Client::connect(socket).await {
                Ok(client) => return Ok(client),
                Err(ClientError::Connect { path, source }) => tried.push((path, source)),
                Err(other) => return Err(other.into()),
            }
        }
        Err(Failure::no_daemon(&tried))
    }

    /// Shows an answer as the daemon wrote it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn json(&mut self, answer: &[u8]) -> io::Result<()> {
        self.terminal.data(answer)?;
        self.terminal.data("\n")
    }

    /// Shows values as an array, one a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn json_array(&mut self, values: &[Box<RawValue>]) -> io::Result<()> {
        if values.is_empty() {
            return self.terminal.line("[]");
        }
        let lines: Vec<&str> = values.iter().map(|value| value.get()).collect();
        self.terminal.line(format!("[\n{}\n]", lines.join(",\n")))
    }
}

/// Reads a part of an answer that was kept as the daemon wrote it.
///
/// # Errors
/// When a daemon of another version says what is not understood.
pub fn read<'a, T: Deserialize<'a>>(request: &str, value: &'a RawValue) -> Result<T, Failure> {
    serde_json::from_str(value.get())
        .map_err(|fault| ClientError::NotUnderstood { request: request.to_owned(), reason: fault.to_string() }.into())
}
