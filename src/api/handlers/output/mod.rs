//! Output: what a run printed, or prints; of a job, what its runs do.

mod feed;

use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use serde::Deserialize;
use tokio::sync::{broadcast, mpsc};

use super::read_store;
use super::runs::{HISTORY_SCAN_LIMIT, find, is_over, known};
use crate::api::error::ApiError;
use crate::api::extract::{JobParam, QueryOf, RunParam};
use crate::api::state::Api;
use crate::api::stream::Received;
use crate::api::types::{ErrorCode, Stream, Time};
use crate::api::view::View;
use crate::output::{self, Filter, Output, Pattern};
use crate::run::{AttemptId, Run, RunId};
use crate::scheduler::Announcement;
use crate::spec::{JobName, OutputTo};
use crate::store::{HistoryEntry, HistoryQuery};
use crate::supervisor;
use feed::{Feed, Form, Scope};

/// Batches on their way to one client, of at most 256 KiB each. While the client does not read, no more is read from
/// the disk.
const BATCHES_IN_FLIGHT: usize = 2;

/// Query of `GET …/runs/{number}/output`.
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
    /// Lines that match this regular expression ([`Pattern`]) alone.
    grep: Option<String>,
    /// The time in front of every line, in UTC; with `format=raw`.
    #[serde(default)]
    timestamps: bool,
}

/// Query of `GET /v1/jobs/{job}/output`: that of a run's output, and which run. Following goes on with the job's next runs.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobOutputParams {
    // The same fields again: serde cannot flatten and refuse unknown ones at once.
    /// How it is written; `raw` unless said.
    #[serde(default)]
    format: Form,
    /// Go on, from run to run.
    #[serde(default)]
    follow: bool,
    /// What was printed there alone.
    stream: Option<Stream>,
    /// What this attempt printed alone. Otherwise all attempts, in order.
    attempt: Option<u32>,
    /// The last so many lines, of the newest attempt unless one is named.
    tail: Option<u64>,
    /// What follows this place, `NUMBER:ATTEMPT:OFFSET`; for a client that goes on.
    after: Option<String>,
    /// What was printed at this time or later.
    since: Option<Time>,
    /// What was printed before this time.
    until: Option<Time>,
    /// Lines that match this regular expression ([`Pattern`]) alone.
    grep: Option<String>,
    /// The time in front of every line, in UTC; with `format=raw`.
    #[serde(default)]
    timestamps: bool,
    /// How many runs before the newest one that began; 0 unless said.
    #[serde(default)]
    previous: u64,
}

impl JobOutputParams {
    fn split(self) -> (OutputParams, u64) {
        let Self { format, follow, stream, attempt, tail, after, since, until, grep, timestamps, previous } = self;
        (OutputParams { format, follow, stream, attempt, tail, after, since, until, grep, timestamps }, previous)
    }
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) struct Place {
    attempt: u32,
    offset: u64,
}

/// `GET /v1/jobs/{job}/runs/{number}/output`
pub async fn output(
    State(api): State<Api>,
    view: View,
    RunParam(id): RunParam,
    QueryOf(params): QueryOf<OutputParams>,
) -> Result<Response, ApiError> {
    let run = find(&api, &id).await?;
    let after = params.after.as_deref().map(parse_place).transpose()?;
    answer(api, view, run, &params, after, Scope::Run).await
}

/// `GET /v1/jobs/{job}/output`
pub async fn of_job(
    State(api): State<Api>,
    view: View,
    JobParam(job): JobParam,
    QueryOf(params): QueryOf<JobOutputParams>,
) -> Result<Response, ApiError> {
    known(&api, &job)?;
    let (params, previous) = params.split();
    let (run, after) = match &params.after {
        Some(text) => {
            let (number, place) = parse_place_of_job(text)?;
            (find(&api, &RunId { job, number }).await?, Some(place))
        }
        None => (newest(&api, &job, previous, params.follow).await?, None),
    };
    let scope = if params.follow { Scope::Job } else { Scope::Run };
    answer(api, view, run, &params, after, scope).await
}

async fn answer(
    api: Api,
    view: View,
    run: Run,
    params: &OutputParams,
    after: Option<Place>,
    scope: Scope,
) -> Result<Response, ApiError> {
    let (filter, pattern) = params.check()?;
    let start = match after {
        Some(place) => place,
        None => start(&api, &run, params, filter, pattern.as_ref(), scope).await?,
    };
    let (sender, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
    let feed = Feed {
        api,
        view,
        form: params.format,
        timestamps: params.timestamps,
        follow: params.follow,
        scope,
        only: params.attempt,
        filter,
        pattern,
        client: sender,
    };
    tokio::spawn(feed.run(run, start));
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(params.format.media_type()))];
    Ok((headers, Body::from_stream(Received(receiver))).into_response())
}

impl OutputParams {
    /// What is wanted, as far as the query alone says.
    pub(in crate::api) fn check(&self) -> Result<(Filter, Option<Pattern>), ApiError> {
        let filter = filter(self)?;
        let pattern = self.grep.as_deref().map(parse_pattern).transpose()?;
        if self.timestamps && self.format != Form::Raw {
            return Err(ApiError::new(ErrorCode::BadRequest, "timestamps goes with format=raw")
                .hint("each line of JSON has its time"));
        }
        Ok((filter, pattern))
    }
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

fn parse_pattern(text: &str) -> Result<Pattern, ApiError> {
    Pattern::new(text).map_err(|fault| {
        ApiError::new(ErrorCode::BadRequest, format!("grep: {fault}"))
            .hint("patterns are those of Perl without back-references and look-around; (?i) ignores case")
    })
}

async fn start(
    api: &Api,
    run: &Run,
    params: &OutputParams,
    filter: Filter,
    pattern: Option<&Pattern>,
    scope: Scope,
) -> Result<Place, ApiError> {
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
    match (absent(api, run, attempt).await, scope) {
        (None, _) => {}
        // The next run may have some.
        (Some(_), Scope::Job) => return Ok(Place { attempt: newest + 1, offset: 0 }),
        (Some(error), Scope::Run) => return Err(error),
    }
    let output = Output::new(&directory(api, &run.id, attempt));
    let offset = match (params.tail, pattern.cloned()) {
        (None, _) => 0,
        (Some(lines), None) => read(move || output.last_lines(lines, filter)).await?,
        (Some(lines), Some(pattern)) => read(move || output.last_matches(lines, filter, &pattern)).await?,
    };
    Ok(Place { attempt, offset })
}

/// The newest run that began, or the one so many before it; waits for the first when it is to be followed.
async fn newest(api: &Api, job: &JobName, previous: u64, follow: bool) -> Result<Run, ApiError> {
    let wanted = usize::try_from(previous).unwrap_or(usize::MAX);
    if let Some(run) = pick(api, job, move |runs| runs.nth(wanted)).await? {
        return Ok(run);
    }
    if previous == 0
        && follow
        && let Some(run) = next_run(api, job, 0).await?
    {
        return Ok(run);
    }
    let error = match previous {
        0 => ApiError::new(ErrorCode::NoSuchRun, format!("{job} has not run yet")),
        _ => {
            let runs = if previous == 1 { "a run".to_owned() } else { format!("{previous} runs") };
            ApiError::new(ErrorCode::NoSuchRun, format!("{job} has no record of {runs} before its newest"))
        }
    };
    Err(error.hint(format!("`jobctl history {job}` shows its records, `jobctl run {job}` starts it now")))
}

/// The first run after `number` that began, once there is one; `None` when there will be none: the job is removed, as an
/// ad-hoc job is when it is done.
async fn next_run(api: &Api, job: &JobName, number: u64) -> Result<Option<Run>, ApiError> {
    // Subscribed before the look, so that one that begins between the two is heard.
    let mut announcements = api.handle().subscribe();
    loop {
        let first = move |runs: &mut dyn Iterator<Item = Run>| runs.take_while(|run| run.id.number > number).last();
        if let Some(run) = pick(api, job, first).await? {
            return Ok(Some(run));
        }
        loop {
            if !may_run(api, job) {
                return Ok(None);
            }
            let Ok(heard) = tokio::time::timeout(LOOK_AGAIN, announcements.recv()).await else { continue };
            match heard {
                Ok(Announcement::Run(run))
                    if run.id.job == *job && run.id.number > number && !run.attempts.is_empty() =>
                {
                    break;
                }
                Ok(Announcement::Run(_) | Announcement::Skip(_) | Announcement::Job(_) | Announcement::Delivery(_)) => {
                }
                Err(broadcast::error::RecvError::Lagged(_)) => break,
                Err(broadcast::error::RecvError::Closed) => {
                    return Err(ApiError::new(ErrorCode::GoingDown, "the daemon is going down"));
                }
            }
        }
    }
}

/// The snapshot may be a commit behind what was announced, so that the end of a job is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

fn may_run(api: &Api, job: &JobName) -> bool {
    api.handle().snapshot().jobs.get(job).is_some_and(|job| !job.is_removed() || !job.live.is_empty())
}

/// Chooses among the runs of a job that began, newest first, as far as one request looks.
async fn pick(
    api: &Api,
    job: &JobName,
    choose: impl FnOnce(&mut dyn Iterator<Item = Run>) -> Option<Run> + Send + 'static,
) -> Result<Option<Run>, ApiError> {
    /// Records read at once.
    const PAGE: usize = 100;
    let job = job.clone();
    read_store(api, move |store| {
        let (mut before, mut looked_at, mut failed) = (None, 0, None);
        let mut page = Vec::new().into_iter();
        let mut runs = std::iter::from_fn(|| {
            loop {
                match page.next() {
                    Some(HistoryEntry::Run(run)) if !run.attempts.is_empty() => return Some(run),
                    Some(HistoryEntry::Run(_) | HistoryEntry::Skip(_)) => {}
                    None if looked_at >= HISTORY_SCAN_LIMIT => return None,
                    None => {
                        let query = HistoryQuery { before, ..HistoryQuery::default() };
                        match store.query(&job, &query, PAGE) {
                            Ok(found) if found.is_empty() => return None,
                            Ok(found) => {
                                before = found.last().map(HistoryEntry::key);
                                looked_at += found.len();
                                page = found.into_iter();
                            }
                            Err(fault) => {
                                failed = Some(fault);
                                return None;
                            }
                        }
                    }
                }
            }
        });
        let chosen = choose(&mut runs);
        failed.map_or(Ok(chosen), Err)
    })
    .await
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

pub(in crate::api) fn parse_place_of_job(text: &str) -> Result<(u64, Place), ApiError> {
    let parts = text.split_once(':').and_then(|(number, place)| Some((number.parse().ok()?, place)));
    let (number, place) = parts.ok_or_else(|| {
        ApiError::new(ErrorCode::BadRequest, format!("after: {text:?} is no place in a job's output"))
            .hint("places are written NUMBER:ATTEMPT:OFFSET, as in 42:1:4096")
    })?;
    Ok((number, parse_place(place)?))
}

/// Why nothing of an attempt is here, when it printed something.
async fn absent(api: &Api, run: &Run, attempt: u32) -> Option<ApiError> {
    if let Some(at) = run.output_removed_at {
        let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        return Some(
            ApiError::new(ErrorCode::NoOutput, format!("the output of {} was removed at {at}", run.id))
                .hint("[retention] output in the job file and [output] total in jobsd.toml say how much of it is kept"),
        );
    }
    if let Some(error) = elsewhere(api, run, attempt) {
        return Some(error);
    }
    let ended = run.attempts.iter().find(|known| known.number == attempt).and_then(|known| known.end.as_ref());
    let printed = ended.is_some_and(|(end, _)| end.output.bytes > 0);
    if printed && !tokio::fs::try_exists(directory(api, &run.id, attempt)).await.unwrap_or(true) {
        return Some(
            ApiError::new(ErrorCode::NoOutput, format!("the output of {} is gone", run.id))
                .hint("somebody deleted it from the state directory"),
        );
    }
    None
}

/// Where the output of an attempt is, when it is not here: as its end tells, or, while it runs, as its job says now.
fn elsewhere(api: &Api, run: &Run, attempt: u32) -> Option<ApiError> {
    let ended = run.attempts.iter().find(|known| known.number == attempt).and_then(|known| known.end.as_ref());
    let snapshot = api.handle().snapshot();
    let spec = snapshot.jobs.get(&run.id.job).and_then(|job| job.spec.as_ref());
    let (to, silent, lost) = match ended {
        Some((end, _)) => {
            let output = &end.output;
            (output.to, output.bytes == 0, output.lost_bytes > 0 && output.lost_bytes == output.bytes)
        }
        None => (spec.filter(|spec| spec.revision == run.revision)?.output.to, false, false),
    };
    let id = &run.id;
    let (where_to, hint) = match to {
        OutputTo::Files => return None,
        OutputTo::Journal if lost => ("was lost: the journal took none of it", keep("systemd-journald")),
        OutputTo::Syslog if lost => ("was lost: syslog took none of it", keep("what listens at /dev/log")),
        OutputTo::Journal => ("went to the journal", format!("`journalctl JOBSD_RUN={id}`")),
        OutputTo::Syslog => ("went to syslog", format!("its lines are tagged {}[{}]", id.job, id.number)),
        OutputTo::Null => ("was not kept", "its job says [output] to = \"null\"".to_owned()),
    };
    // Where nothing was printed there is nothing to look for.
    (!silent).then(|| ApiError::new(ErrorCode::NoOutput, format!("the output of {id} {where_to}")).hint(hint))
}

/// What to do when a service that was to take the output did not.
fn keep(service: &str) -> String {
    format!("see whether {service} runs; [output] to = \"files\" keeps the output here")
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
