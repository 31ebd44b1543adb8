//! [`Feed`]: output on its way to one client.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::super::runs::{find, is_over, wait_until};
use super::{Place, absent, directory, next_run, read};
use crate::api::error::ApiError;
use crate::api::state::Api;
use crate::api::types::{ErrorCode, OutputChunk, OutputLine, OutputMark, Stream, Time};
use crate::api::view::View;
use crate::causes::chain;
use crate::output::{self, Filter, Output, Pattern, Piece, Sieve, Stamp};
use crate::run::{Run, RunId};
use crate::spec::JobName;

/// How output is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The bytes as they were printed, both streams in order of arrival.
    #[default]
    Raw,
    /// A line of JSON for each piece ([`OutputLine`]).
    Json,
}

impl Form {
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Raw => "application/octet-stream",
            Self::Json => "application/x-ndjson",
        }
    }
}

/// How far a feed goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// To the end of the run.
    Run,
    /// From run to run of the job.
    Job,
}

/// Sends output to one client, attempt after attempt.
pub(super) struct Feed {
    pub api: Api,
    pub view: View,
    pub form: Form,
    pub timestamps: bool,
    pub follow: bool,
    pub scope: Scope,
    pub only: Option<u32>,
    pub filter: Filter,
    pub pattern: Option<Pattern>,
    pub client: mpsc::Sender<io::Result<Bytes>>,
}

/// Why a feed stopped before its end.
enum Stopped {
    /// The client went away, and needs no answer.
    ClientGone,
    /// Something failed; the client sees the answer break off.
    Failed(ApiError),
}

impl From<ApiError> for Stopped {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl Feed {
    pub async fn run(self, run: Run, start: Place) {
        let stopped = tokio::select! {
            fed = self.feed(run, start) => fed.err(),
            () = self.client.closed() => Some(Stopped::ClientGone),
            // An answer that ended in good order would look like the end of the output.
            () = self.api.stopping().cancelled() => {
                Some(Stopped::Failed(ApiError::new(ErrorCode::GoingDown, "the daemon is going down")))
            }
        };
        if let Some(Stopped::Failed(error)) = stopped {
            // A client that is gone sees nothing break off.
            self.client.send(Err(io::Error::other(error.message))).await.ok();
        }
    }

    async fn feed(&self, mut run: Run, mut place: Place) -> Result<(), Stopped> {
        loop {
            let id = run.id.clone();
            match self.feed_run(run, place).await {
                // A queued run that became a skip is no run any more.
                Err(Stopped::Failed(error)) if self.scope == Scope::Job && error.code == ErrorCode::NoSuchRun => {}
                fed => fed?,
            }
            if self.scope == Scope::Run {
                return Ok(());
            }
            let Some(next) = next_run(&self.api, &id.job, id.number).await? else { return Ok(()) };
            run = next;
            place = Place { attempt: 1, offset: 0 };
            if absent(&self.api, &run, place.attempt).await.is_some() {
                // Its end is waited for, and nothing shown.
                place.attempt = u32::MAX;
            }
        }
    }

    async fn feed_run(&self, mut run: Run, mut place: Place) -> Result<(), Stopped> {
        let id = run.id.clone();
        loop {
            if self.follow {
                let attempt = place.attempt;
                run = wait_until(&self.api, &id, |run| is_over(run) || has_begun(run, attempt)).await?;
            }
            if run.attempts.iter().any(|known| known.number == place.attempt) {
                let position = self.attempt(&run, place).await?;
                self.end(&id, place.attempt, position).await?;
            }
            if self.follow {
                run = find(&self.api, &id).await?;
            }
            let more = if self.follow { !is_over(&run) } else { false };
            let known = run.attempts.last().is_some_and(|newest| newest.number > place.attempt);
            if self.only.is_some() || !(known || more) {
                return Ok(());
            }
            place = Place { attempt: place.attempt.saturating_add(1), offset: 0 };
        }
    }

    /// Sends one attempt's output, and returns the offset after it.
    async fn attempt(&self, run: &Run, place: Place) -> Result<u64, Stopped> {
        let directory = directory(&self.api, &run.id, place.attempt);
        let mut letter = Letter::new(self, &run.id, place.attempt);
        let position = if !self.follow || has_ended(run, place.attempt) {
            self.what_is_there(&run.id.job, directory, place, &mut letter).await?
        } else {
            self.what_comes(run, directory, place, &mut letter).await?
        };
        self.deliver(&run.id.job, letter.finish()).await?;
        Ok(position)
    }

    /// Sends what an attempt has printed so far.
    async fn what_is_there(
        &self,
        job: &JobName,
        directory: PathBuf,
        place: Place,
        letter: &mut Letter,
    ) -> Result<u64, Stopped> {
        let mut pieces = Output::new(&directory).read(place.offset, self.filter);
        loop {
            let (rest, batch) = read(move || pieces.batch().map(|batch| (pieces, batch))).await?;
            if batch.is_empty() {
                return Ok(rest.position());
            }
            self.deliver(job, letter.write(batch)).await?;
            pieces = rest;
        }
    }

    /// Sends what an attempt prints, to its end.
    async fn what_comes(
        &self,
        run: &Run,
        directory: PathBuf,
        place: Place,
        letter: &mut Letter,
    ) -> Result<u64, Stopped> {
        let watcher = self.api.watcher().map_err(|fault| ApiError::internal("output cannot be followed", &fault))?;
        let (api, id, attempt) = (self.api.clone(), run.id.clone(), place.attempt);
        let ended = async move {
            if let Err(fault) = wait_until(&api, &id, |run| has_ended(run, attempt)).await {
                tracing::warn!(run = %id, cause = fault.message, "the end of an attempt cannot be waited for");
                // What is not known to be the end is none: the client goes away, or the server stops.
                std::future::pending::<()>().await;
            }
        };
        let internal = |fault: &output::ReadError| ApiError::internal("the output cannot be followed", fault);
        let mut follow =
            watcher.follow(&directory, place.offset, self.filter, ended).map_err(|fault| internal(&fault))?;
        let mut position = place.offset;
        while let Some(pieces) = follow.next().await.map_err(|fault| internal(&fault))? {
            position = pieces.last().map_or(position, Piece::end);
            self.deliver(&run.id.job, letter.write(pieces)).await?;
        }
        Ok(position)
    }

    async fn end(&self, run: &RunId, attempt: u32, offset: u64) -> Result<(), Stopped> {
        match self.form {
            Form::Raw => Ok(()),
            Form::Json => {
                let mut bytes = Vec::new();
                let mark = OutputMark { run: run.number, attempt, mark: "end".to_owned(), offset, bytes: 0 };
                write_line(&mut bytes, &OutputLine::Mark(mark));
                self.deliver(&run.job, bytes).await
            }
        }
    }

    async fn deliver(&self, job: &JobName, bytes: Vec<u8>) -> Result<(), Stopped> {
        if bytes.is_empty() {
            return Ok(());
        }
        // Who follows for days may have lost the right to.
        if !self.view.sees(&self.api, job) {
            return Err(ApiError::new(ErrorCode::Forbidden, "the right to see this output was taken away").into());
        }
        self.client.send(Ok(bytes.into())).await.map_err(|_| Stopped::ClientGone)
    }
}

/// Whether the program of an attempt was executed, so that its directory exists.
fn has_begun(run: &Run, attempt: u32) -> bool {
    run.attempts.iter().any(|known| known.number == attempt && (known.started_at.is_some() || known.end.is_some()))
}

/// Whether an attempt prints nothing any more.
fn has_ended(run: &Run, attempt: u32) -> bool {
    is_over(run) || run.attempts.iter().any(|known| known.number == attempt && known.end.is_some())
}

/// Writes the pieces of one attempt in the form that the client wants.
struct Letter {
    number: u64,
    attempt: u32,
    form: Form,
    sieve: Option<Sieve>,
    stamp: Option<Stamp>,
}

impl Letter {
    fn new(feed: &Feed, run: &RunId, attempt: u32) -> Self {
        let sieve = feed.pattern.clone().map(Sieve::new);
        Self { number: run.number, attempt, form: feed.form, sieve, stamp: feed.timestamps.then(Stamp::default) }
    }

    fn write(&mut self, pieces: Vec<Piece>) -> Vec<u8> {
        let pieces = match &mut self.sieve {
            None => pieces,
            Some(sieve) => {
                let mut found = Vec::new();
                pieces.into_iter().for_each(|piece| sieve.push(piece, &mut found));
                found
            }
        };
        self.put(&pieces)
    }

    /// What is left at the attempt's end.
    fn finish(&mut self) -> Vec<u8> {
        let mut found = Vec::new();
        if let Some(sieve) = &mut self.sieve {
            sieve.finish(&mut found);
        }
        self.put(&found)
    }

    fn put(&mut self, pieces: &[Piece]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for piece in pieces {
            match (self.form, piece) {
                (Form::Raw, Piece::Missing { .. }) => {
                    // The bytes as they were printed know no lines; those with a time in front do.
                    bytes.extend_from_slice(self.stamp.as_mut().map_or(b"".as_slice(), Stamp::break_line));
                }
                (Form::Raw, Piece::Printed(chunk)) => match &mut self.stamp {
                    None => bytes.extend_from_slice(&chunk.bytes),
                    Some(stamp) => {
                        bytes.extend(stamp.stamp(chunk.stream, &chunk.bytes, &format!("{} ", Time(chunk.at))));
                    }
                },
                (Form::Json, piece) => write_line(&mut bytes, &self.line(piece)),
            }
        }
        bytes
    }

    fn line(&self, piece: &Piece) -> OutputLine {
        let (run, attempt) = (self.number, self.attempt);
        match piece {
            Piece::Printed(chunk) => {
                let stream = match chunk.stream {
                    output::Stream::Stdout => Stream::Stdout,
                    output::Stream::Stderr => Stream::Stderr,
                };
                OutputLine::Chunk(OutputChunk::new(Time(chunk.at), stream, run, attempt, chunk.offset, &chunk.bytes))
            }
            Piece::Missing { offset, bytes, why } => {
                let mark = why.name().to_owned();
                OutputLine::Mark(OutputMark { run, attempt, mark, offset: *offset, bytes: *bytes })
            }
        }
    }
}

fn write_line(bytes: &mut Vec<u8>, line: &OutputLine) {
    match serde_json::to_writer(&mut *bytes, line) {
        Ok(()) => bytes.push(b'\n'),
        Err(fault) => tracing::error!(cause = %chain(&fault), "a piece of output cannot be written as JSON"),
    }
}
