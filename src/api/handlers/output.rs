//! Output: what a run printed, or prints.

use std::io;
use std::path::PathBuf;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::SecondsFormat;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::runs::{find, is_over, wait_until};
use crate::api::error::ApiError;
use crate::api::extract::{QueryOf, RunParam};
use crate::api::state::Api;
use crate::api::stream::Received;
use crate::api::types::{ErrorCode, OutputChunk, OutputLine, OutputMark, Stream, Time};
use crate::causes::chain;
use crate::output::{self, Filter, Output, Piece};
use crate::run::{AttemptId, Run, RunId};
use crate::spec::OutputTo;
use crate::supervisor;

/// Batches on their way to one client, of at most 256 KiB each. While the client does not read, no more is read from
/// the disk.
const BATCHES_IN_FLIGHT: usize = 2;

/// Query of `GET …/output`.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputParams {
    /// How it is written; `raw` unless said.
    #[serde(default)]
    format: Form,
    /// Go on until the run is over.
    #[serde(default)]
    follow: bool,
    /// What was printed there alone.
    stream: Option<Stream>,
    /// What this attempt printed alone. Otherwise all attempts, in order.
    attempt: Option<u32>,
    /// The last so many lines, of the newest attempt unless one is named.
    tail: Option<u64>,
    /// What follows this place, `ATTEMPT:OFFSET`; for a client that goes on.
    after: Option<String>,
    /// What was printed at this time or later.
    since: Option<Time>,
    /// What was printed before this time.
    until: Option<Time>,
}

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

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    attempt: u32,
    offset: u64,
}

/// `GET /v1/jobs/{job}/runs/{number}/output`
pub async fn output(
    State(api): State<Api>,
    RunParam(id): RunParam,
    QueryOf(params): QueryOf<OutputParams>,
) -> Result<Response, ApiError> {
    let run = find(&api, &id).await?;
    let filter = filter(&params)?;
    let start = start(&api, &run, &params, filter).await?;
    let (sender, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
    let kind = match params.format {
        Form::Raw => "application/octet-stream",
        Form::Json => "application/x-ndjson",
    };
    let feed =
        Feed { api, id, form: params.format, follow: params.follow, only: params.attempt, filter, client: sender };
    tokio::spawn(feed.run(run, start));
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(kind))];
    Ok((headers, Body::from_stream(Received(receiver))).into_response())
}

fn filter(params: &OutputParams) -> Result<Filter, ApiError> {
    let stream = match params.stream {
        None => None,
        Some(Stream::Stdout) => Some(output::Stream::Stdout),
        Some(Stream::Stderr) => Some(output::Stream::Stderr),
        Some(Stream::Other) => {
            return Err(ApiError::new(ErrorCode::BadRequest, "a stream is stdout or stderr"));
        }
    };
    Ok(Filter { stream, since: params.since.map(|at| at.0), until: params.until.map(|at| at.0) })
}

async fn start(api: &Api, run: &Run, params: &OutputParams, filter: Filter) -> Result<Place, ApiError> {
    if let Some(text) = &params.after {
        return parse_place(text);
    }
    let newest = run.attempts.last().map_or(1, |attempt| attempt.number);
    let attempt = match params.attempt {
        Some(attempt) if attempt == 0 || (attempt > newest && (is_over(run) || !params.follow)) => {
            return Err(ApiError::new(ErrorCode::NoSuchAttempt, format!("{} has no attempt {attempt}", run.id))
                .hint(format!("it has {}, counted from 1", run.attempts.len())));
        }
        Some(attempt) => attempt,
        None if params.tail.is_some() => newest,
        None => 1,
    };
    refuse_when_gone(api, run, attempt).await?;
    let offset = match params.tail {
        None => 0,
        Some(lines) => {
            let output = Output::new(&directory(api, &run.id, attempt));
            read(move || output.last_lines(lines, filter)).await?
        }
    };
    Ok(Place { attempt, offset })
}

fn parse_place(text: &str) -> Result<Place, ApiError> {
    let place = text.split_once(':').and_then(|(attempt, offset)| {
        Some(Place { attempt: attempt.parse().ok().filter(|&attempt| attempt > 0)?, offset: offset.parse().ok()? })
    });
    place.ok_or_else(|| {
        ApiError::new(ErrorCode::BadRequest, format!("after: {text:?} is no place in an output"))
            .hint("places are written ATTEMPT:OFFSET, as in 1:4096")
    })
}

/// An attempt that printed something of which nothing is here is told from one that printed nothing.
async fn refuse_when_gone(api: &Api, run: &Run, attempt: u32) -> Result<(), ApiError> {
    if let Some(at) = run.output_removed_at {
        let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        return Err(ApiError::new(ErrorCode::NoOutput, format!("the output of {} was removed at {at}", run.id))
            .hint("[retention] output in the job file and [output] total in jobsd.toml say how much of it is kept"));
    }
    if let Some(error) = elsewhere(api, run, attempt) {
        return Err(error);
    }
    let ended = run.attempts.iter().find(|known| known.number == attempt).and_then(|known| known.end.as_ref());
    let printed = ended.is_some_and(|(end, _)| end.output.bytes > 0);
    if printed && !tokio::fs::try_exists(directory(api, &run.id, attempt)).await.unwrap_or(true) {
        return Err(ApiError::new(ErrorCode::NoOutput, format!("the output of {} is gone", run.id))
            .hint("somebody deleted it from the state directory"));
    }
    Ok(())
}

/// Where the output of an attempt is, when it is not here: as its end tells, or, while it runs, as its job says now.
fn elsewhere(api: &Api, run: &Run, attempt: u32) -> Option<ApiError> {
    let ended = run.attempts.iter().find(|known| known.number == attempt).and_then(|known| known.end.as_ref());
    let snapshot = api.handle().snapshot();
    let spec = snapshot.jobs.get(&run.id.job).and_then(|job| job.spec.as_ref());
    let (to, bytes) = match ended {
        Some((end, _)) => (end.output.to, end.output.bytes),
        None => (spec.filter(|spec| spec.revision == run.revision)?.output.to, 1),
    };
    let error = |message: String| ApiError::new(ErrorCode::NoOutput, message);
    let id = &run.id;
    match to {
        OutputTo::Files => None,
        // Nothing printed is nothing to look for.
        OutputTo::Journal | OutputTo::Syslog | OutputTo::Null if bytes == 0 => None,
        OutputTo::Journal => {
            Some(error(format!("the output of {id} went to the journal")).hint(format!("`journalctl JOBSD_RUN={id}`")))
        }
        OutputTo::Syslog => Some(
            error(format!("the output of {id} went to syslog"))
                .hint(format!("its lines are tagged {}[{}]", id.job, id.number)),
        ),
        OutputTo::Null => {
            Some(error(format!("the output of {id} was not kept")).hint("its job says [output] to = \"null\""))
        }
    }
}

fn directory(api: &Api, run: &RunId, attempt: u32) -> PathBuf {
    let runs = api.handle().about().state_dir.join("runs");
    supervisor::attempt_dir(&runs, &AttemptId { run: run.clone(), attempt })
}

async fn read<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, output::ReadError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(fault)) => Err(ApiError::internal("the output cannot be read", &fault)),
        Err(fault) => Err(ApiError::internal("the output cannot be read", &fault)),
    }
}

/// Sends output to one client, attempt after attempt.
struct Feed {
    api: Api,
    id: RunId,
    form: Form,
    follow: bool,
    only: Option<u32>,
    filter: Filter,
    client: mpsc::Sender<io::Result<Bytes>>,
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
    async fn run(self, run: Run, start: Place) {
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
            if self.follow {
                let attempt = place.attempt;
                run = wait_until(&self.api, &self.id, |run| is_over(run) || has_begun(run, attempt)).await?;
            }
            if run.attempts.iter().any(|known| known.number == place.attempt) {
                let position = self.attempt(&run, place).await?;
                self.end(place.attempt, position).await?;
            }
            if self.follow {
                run = find(&self.api, &self.id).await?;
            }
            let more = if self.follow { !is_over(&run) } else { false };
            let known = run.attempts.last().is_some_and(|newest| newest.number > place.attempt);
            if self.only.is_some() || !(known || more) {
                return Ok(());
            }
            place = Place { attempt: place.attempt + 1, offset: 0 };
        }
    }

    /// Sends one attempt's output, and returns the offset after it.
    async fn attempt(&self, run: &Run, place: Place) -> Result<u64, Stopped> {
        let directory = directory(&self.api, &self.id, place.attempt);
        if !self.follow || has_ended(run, place.attempt) {
            return self.what_is_there(directory, place).await;
        }
        let watcher = self.api.watcher().map_err(|fault| ApiError::internal("output cannot be followed", &fault))?;
        let (api, id, attempt) = (self.api.clone(), self.id.clone(), place.attempt);
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
            self.send(place.attempt, &pieces).await?;
        }
        Ok(position)
    }

    /// Sends what an attempt has printed so far.
    async fn what_is_there(&self, directory: PathBuf, place: Place) -> Result<u64, Stopped> {
        /// Bytes read at once, about.
        const BATCH_BYTES: usize = 256 << 10;
        let mut pieces = Output::new(&directory).read(place.offset, self.filter);
        loop {
            let (rest, batch) = read(move || {
                let mut batch = Vec::new();
                let mut bytes = 0;
                while bytes < BATCH_BYTES
                    && let Some(piece) = pieces.next().transpose()?
                {
                    if let Piece::Printed(chunk) = &piece {
                        bytes += chunk.bytes.len();
                    }
                    batch.push(piece);
                }
                Ok((pieces, batch))
            })
            .await?;
            if batch.is_empty() {
                return Ok(rest.position());
            }
            self.send(place.attempt, &batch).await?;
            pieces = rest;
        }
    }

    async fn send(&self, attempt: u32, pieces: &[Piece]) -> Result<(), Stopped> {
        let mut bytes = Vec::new();
        for piece in pieces {
            match self.form {
                Form::Raw => {
                    if let Piece::Printed(chunk) = piece {
                        bytes.extend_from_slice(&chunk.bytes);
                    }
                }
                Form::Json => write_line(&mut bytes, &line(attempt, piece)),
            }
        }
        self.deliver(bytes).await
    }

    async fn end(&self, attempt: u32, offset: u64) -> Result<(), Stopped> {
        match self.form {
            Form::Raw => Ok(()),
            Form::Json => {
                let mut bytes = Vec::new();
                let mark = OutputMark { attempt, mark: "end".to_owned(), offset, bytes: 0 };
                write_line(&mut bytes, &OutputLine::Mark(mark));
                self.deliver(bytes).await
            }
        }
    }

    async fn deliver(&self, bytes: Vec<u8>) -> Result<(), Stopped> {
        if bytes.is_empty() {
            return Ok(());
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

fn line(attempt: u32, piece: &Piece) -> OutputLine {
    match piece {
        Piece::Printed(chunk) => {
            let stream = match chunk.stream {
                output::Stream::Stdout => Stream::Stdout,
                output::Stream::Stderr => Stream::Stderr,
            };
            OutputLine::Chunk(OutputChunk::new(Time(chunk.at), stream, attempt, chunk.offset, &chunk.bytes))
        }
        Piece::Missing { offset, bytes, why } => {
            OutputLine::Mark(OutputMark { attempt, mark: why.name().to_owned(), offset: *offset, bytes: *bytes })
        }
    }
}

fn write_line(bytes: &mut Vec<u8>, line: &OutputLine) {
    match serde_json::to_writer(&mut *bytes, line) {
        Ok(()) => bytes.push(b'\n'),
        Err(fault) => tracing::error!(cause = %chain(&fault), "a piece of output cannot be written as JSON"),
    }
}
