//! Runs: history, one run, trigger, cancel.

use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use tokio::sync::broadcast;

use super::read_store;
use crate::api::access::Reach;
use crate::api::caller::Caller;
use crate::api::convert;
use crate::api::error::ApiError;
use crate::api::extract::{JobParam, QueryOf, RunParam};
use crate::api::state::Api;
use crate::api::types::{self, Cancelled, Entry, ErrorCode, HistoryPage, Outcome, Runs, Time, Triggered};
use crate::api::view::View;
use crate::clock::Timestamp;
use crate::run::{Run, RunId, RunState};
use crate::scheduler::{Announcement, Answer, Command};
use crate::spec::JobName;
use crate::store::{HistoryEntry, HistoryKey, HistoryQuery, ReadError, Reader, RecentPlace};

/// Records in one answer at most; `next` leads on.
pub const HISTORY_PAGE_LIMIT: usize = 1000;

/// Records in one answer when `limit` is not given.
pub const HISTORY_PAGE: usize = 100;

/// Records that one request looks at while it searches for the wanted outcomes. Reached before the page is full, the
/// answer is what was found, and `next` leads on.
pub const HISTORY_SCAN_LIMIT: usize = 20_000;

/// Seconds that a request may wait for the end of a run. A client asks again.
pub const WAIT_LIMIT_SECONDS: u64 = 60;

/// Query of `GET /v1/jobs/{job}/runs`.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryParams {
    /// At most so many records; [`HISTORY_PAGE`] unless said.
    limit: Option<usize>,
    /// Those older than this place: a run's number, or the `next` of an earlier answer.
    before: Option<String>,
    /// Those with one of these outcomes, with commas between.
    outcome: Option<String>,
    /// Those at this time or later: a run's end, or its creation while it is live; a skip's last record.
    since: Option<Time>,
    /// Those at this time or earlier.
    until: Option<Time>,
}

impl HistoryParams {
    /// Where to begin, and with which outcomes.
    pub(in crate::api) fn check(&self) -> Result<(Option<HistoryKey>, Option<Vec<Outcome>>), ApiError> {
        let before = self.before.as_deref().map(parse_place).transpose()?;
        Ok((before, self.outcome.as_deref().map(parse_outcomes).transpose()?))
    }
}

/// `GET /v1/jobs/{job}/runs`
pub async fn history(
    State(api): State<Api>,
    JobParam(job): JobParam,
    QueryOf(query): QueryOf<HistoryParams>,
) -> Result<Json<HistoryPage>, ApiError> {
    known(&api, &job)?;
    let limit = query.limit.unwrap_or(HISTORY_PAGE).clamp(1, HISTORY_PAGE_LIMIT);
    let (before, outcomes) = query.check()?;
    let (since, until) = (query.since.map(|since| since.0), query.until.map(|until| until.0));
    let page = read_store(&api, move |store| {
        let mut search = Search { entries: Vec::new(), place: before, looked_at: 0 };
        loop {
            let wanted = limit - search.entries.len();
            let query = HistoryQuery { before: search.place, since, until };
            let found = store.query(&job, &query, wanted)?;
            let end = found.len() < wanted;
            search.take(&found, outcomes.as_deref());
            if end {
                return Ok(HistoryPage { entries: search.entries, next: None });
            }
            if search.entries.len() == limit || search.looked_at >= HISTORY_SCAN_LIMIT {
                return Ok(HistoryPage { entries: search.entries, next: search.place.map(write_place) });
            }
        }
    });
    Ok(Json(page.await?))
}

struct Search {
    entries: Vec<Entry>,
    place: Option<HistoryKey>,
    looked_at: usize,
}

impl Search {
    fn take(&mut self, found: &[HistoryEntry], outcomes: Option<&[Outcome]>) {
        self.looked_at += found.len();
        self.place = found.last().map(HistoryEntry::key).or(self.place);
        let wanted = |entry: &Entry| {
            outcomes.is_none_or(|wanted| entry.outcome.is_some_and(|outcome| wanted.contains(&outcome)))
        };
        self.entries.extend(found.iter().map(convert::history_entry).filter(wanted));
    }
}

pub(in crate::api) fn write_place(place: HistoryKey) -> String {
    match place {
        HistoryKey { number, skip_index: 0 } => number.to_string(),
        HistoryKey { number, skip_index } => format!("{number}.{skip_index}"),
    }
}

pub(in crate::api) fn parse_place(text: &str) -> Result<HistoryKey, ApiError> {
    let (number, skip_index) = text.split_once('.').unwrap_or((text, "0"));
    match (number.parse(), skip_index.parse()) {
        (Ok(number), Ok(skip_index)) => Ok(HistoryKey { number, skip_index }),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => {
            Err(ApiError::new(ErrorCode::BadRequest, format!("before: {text:?} is no place in a history"))
                .hint("give a run's number, or `next` of an earlier answer"))
        }
    }
}

fn parse_outcomes(text: &str) -> Result<Vec<Outcome>, ApiError> {
    let one = |word: &str| {
        Outcome::from_name(word).ok_or_else(|| {
            let known: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
            ApiError::new(ErrorCode::BadRequest, format!("{word:?} is no outcome"))
                .hint(format!("outcomes are {}", known.join(", ")))
        })
    };
    text.split(',').map(one).collect()
}

/// Query of `GET /v1/runs`.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecentQuery {
    /// At most so many finished runs and skips; [`HISTORY_PAGE`] unless said. Live runs are all shown.
    limit: Option<usize>,
    /// Those older than this place, the `next` of an earlier answer; without the live runs.
    before: Option<String>,
}

/// `GET /v1/runs`
pub async fn recent(
    State(api): State<Api>,
    view: View,
    QueryOf(query): QueryOf<RecentQuery>,
) -> Result<Json<Runs>, ApiError> {
    let limit = query.limit.unwrap_or(HISTORY_PAGE).min(HISTORY_PAGE_LIMIT);
    let before = query.before.as_deref().map(parse_recent_place).transpose()?;
    let live = match &before {
        Some(_) => Vec::new(),
        None => view.snapshot(&api).live.values().map(|run| convert::entry_of_run(run)).collect(),
    };
    let seen = match view.reach(&api) {
        Reach::All => None,
        Reach::Own | Reach::None => Some(view.snapshot(&api)),
    };
    let sees = move |job: &JobName| seen.as_ref().is_none_or(|seen| seen.jobs.contains_key(job));
    let (recent, next) = read_store(&api, move |store| recent_of(store, before, limit, sees)).await?;
    let next = next.map(|place| write_recent_place(&place));
    Ok(Json(Runs { live, recent: recent.iter().map(convert::history_entry).collect(), next }))
}

/// The newest records of the jobs that `sees` admits, and the place of the last one looked at when there may be more.
fn recent_of(
    store: &Reader,
    mut before: Option<RecentPlace>,
    limit: usize,
    sees: impl Fn(&JobName) -> bool,
) -> Result<(Vec<HistoryEntry>, Option<RecentPlace>), ReadError> {
    let (mut found, mut looked_at) = (Vec::new(), 0);
    loop {
        // One more than wanted tells whether there are more.
        let wanted = limit - found.len();
        let mut page = store.recent(before.as_ref(), wanted + 1)?;
        let more = page.len() > wanted;
        page.truncate(wanted);
        looked_at += page.len();
        before = page.last().map(RecentPlace::of).or(before);
        found.extend(page.into_iter().filter(|entry| sees(entry.job())));
        if !more {
            return Ok((found, None));
        }
        if found.len() == limit || looked_at >= HISTORY_SCAN_LIMIT {
            return Ok((found, before));
        }
    }
}

/// `MICROSECONDS:JOB:PLACE`; a job's name has no colon.
fn write_recent_place(place: &RecentPlace) -> String {
    format!("{}:{}:{}", place.at.timestamp_micros(), place.job, write_place(place.place))
}

fn parse_recent_place(text: &str) -> Result<RecentPlace, ApiError> {
    let parts: Vec<&str> = text.split(':').collect();
    if let [at, job, place] = parts[..]
        && let Some(at) = at.parse().ok().and_then(Timestamp::from_timestamp_micros)
        && let Ok(job) = JobName::new(job)
    {
        return Ok(RecentPlace { at, job, place: parse_place(place)? });
    }
    Err(ApiError::new(ErrorCode::BadRequest, format!("before: {text:?} is no place among the records of all jobs"))
        .hint("give `next` of an earlier answer"))
}

/// Query of `GET /v1/jobs/{job}/runs/{number}`.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunQuery {
    /// Answer when the run is over, or after so many seconds, at most [`WAIT_LIMIT_SECONDS`]. At once unless said.
    wait: Option<u64>,
}

/// `GET /v1/jobs/{job}/runs/{number}`
pub async fn show(
    State(api): State<Api>,
    RunParam(id): RunParam,
    QueryOf(query): QueryOf<RunQuery>,
) -> Result<Json<types::Run>, ApiError> {
    let run = match query.wait {
        None => find(&api, &id).await?,
        Some(seconds) => {
            let limit = Duration::from_secs(seconds.min(WAIT_LIMIT_SECONDS));
            tokio::select! {
                ended = wait_for_end(&api, &id) => ended?,
                () = tokio::time::sleep(limit) => find(&api, &id).await?,
                () = api.stopping().cancelled() => find(&api, &id).await?,
            }
        }
    };
    Ok(Json(convert::run(&run)))
}

/// The run when it is over: at once, or with the announcement of its end.
async fn wait_for_end(api: &Api, id: &RunId) -> Result<Run, ApiError> {
    wait_until(api, id, is_over).await
}

/// The run when it is as wanted: at once, or with the announcement of it.
pub(super) async fn wait_until(api: &Api, id: &RunId, wanted: impl Fn(&Run) -> bool) -> Result<Run, ApiError> {
    // Subscribed before the look, so that a change between the two is heard.
    let mut announcements = api.handle().subscribe();
    loop {
        let run = find(api, id).await?;
        if wanted(&run) {
            return Ok(run);
        }
        loop {
            match announcements.recv().await {
                Ok(Announcement::Run(run)) if run.id == *id && wanted(&run) => return Ok(Run::clone(&run)),
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

pub(super) fn is_over(run: &Run) -> bool {
    matches!(run.state, RunState::Finished { .. })
}

/// A run as it is in the store. The snapshot may be a commit behind what was announced.
pub(super) async fn find(api: &Api, id: &RunId) -> Result<Run, ApiError> {
    known(api, &id.job)?;
    let wanted = id.clone();
    let run = read_store(api, move |store| store.run(&wanted)).await?;
    run.ok_or_else(|| ApiError::no_such_run(&id.job, id.number))
}

/// Refuses a job that nobody knows.
pub(super) fn known(api: &Api, job: &JobName) -> Result<(), ApiError> {
    let snapshot = api.handle().snapshot();
    match snapshot.jobs.contains_key(job) {
        true => Ok(()),
        false => Err(ApiError::no_such_job(job.as_str(), &snapshot)),
    }
}

/// `POST /v1/jobs/{job}/runs`
pub async fn trigger(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JobParam(job): JobParam,
) -> Result<impl IntoResponse, ApiError> {
    known(&api, &job)?;
    match api.handle().command(Command::Trigger { job, uid: caller.uid }).await? {
        Answer::Triggered(id) => {
            tracing::info!(job = %id.job, run = %id, "started by hand");
            let place = format!("/v1/jobs/{}/runs/{}", id.job, id.number);
            let body = Triggered { run: id.to_string(), job: id.job.to_string(), number: id.number };
            Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(body)))
        }
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/jobs/{job}/runs/{number}/cancel`
pub async fn cancel(State(api): State<Api>, RunParam(run): RunParam) -> Result<impl IntoResponse, ApiError> {
    // Tells a run that is over from one that never was.
    find(&api, &run).await?;
    cancelled(api.handle().command(Command::Cancel { run }).await?)
}

/// `POST /v1/jobs/{job}/cancel`
pub async fn cancel_all(State(api): State<Api>, JobParam(job): JobParam) -> Result<impl IntoResponse, ApiError> {
    known(&api, &job)?;
    cancelled(api.handle().command(Command::CancelAll { job }).await?)
}

fn cancelled(answer: Answer) -> Result<(StatusCode, Json<Cancelled>), ApiError> {
    match answer {
        Answer::Cancelled(runs) => {
            let cancelled = runs.iter().map(ToString::to_string).collect();
            Ok((StatusCode::ACCEPTED, Json(Cancelled { cancelled })))
        }
        Answer::Withdrawn(job) => Ok((StatusCode::ACCEPTED, Json(Cancelled { cancelled: vec![job.to_string()] }))),
        other => Err(unexpected(&other)),
    }
}

/// An answer that does not belong to its command: an error of ours.
pub(super) fn unexpected(answer: &Answer) -> ApiError {
    tracing::error!(?answer, "the scheduler's answer does not belong to the command");
    ApiError::new(ErrorCode::Internal, "the daemon gave an answer that does not belong to the request")
        .hint("the daemon's log says more")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_among_all_jobs_are_read_as_they_are_written() {
        for text in ["1793536496789012:backup:42", "-1:a.b-c_d:0.7"] {
            assert_eq!(write_recent_place(&parse_recent_place(text).unwrap()), text);
        }
        for text in ["", "42", "1:backup", "x:backup:1", "1:Backup:1", "1:backup:x", "1:a:1:1"] {
            assert!(parse_recent_place(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn places_are_read_as_they_are_written() {
        for (text, number, skip_index) in [("42", 42, 0), ("42.3", 42, 3), ("0.1", 0, 1)] {
            let place = parse_place(text).unwrap();
            assert_eq!((place.number, place.skip_index), (number, skip_index));
            assert_eq!(write_place(place), text);
        }
        for text in ["", "x", "42.", "4.2.1", "-1"] {
            assert!(parse_place(text).is_err(), "{text:?}");
        }
    }
}
