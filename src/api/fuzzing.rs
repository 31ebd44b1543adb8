//! What the fuzz target does with the text of a request. It lies here so that an ordinary test replays its corpus.

use axum::http::Uri;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::events::Hub;
use super::extract::{body_of, query_of};
use super::handlers::{events, explanation, jobs, output, runs, statistics};
use super::types::{
    ExecRequest, ExportRequest, PauseRequest, PauseSelectionRequest, ReloadRequest, ResumeSelectionRequest,
    ShutdownRequest,
};
use crate::clock::Timestamp;
use crate::spec::JobName;

/// Reads a text as every body, every query and every part of a path that handlers take.
///
/// # Panics
/// When a promise is broken: an error without words, or a request that reads as something else when it is written.
pub fn request(text: &str) {
    body::<ReloadRequest>(text);
    body::<ShutdownRequest>(text);
    body::<PauseRequest>(text);
    body::<PauseSelectionRequest>(text);
    body::<ResumeSelectionRequest>(text);
    body::<ExportRequest>(text);
    body::<ExecRequest>(text);
    if let Ok(uri) = Uri::builder().path_and_query(format!("/?{text}")).build() {
        query(&uri);
    }
    if let Ok(place) = said(runs::parse_place(text)) {
        assert_eq!(said(runs::parse_place(&runs::write_place(place))), Ok(place));
    }
    drop(said(output::parse_place_of_job(text)));
    if let Ok(name) = JobName::new(text) {
        assert_eq!(name.as_str(), text);
    }
    assert_eq!(
        Hub::new(Timestamp::UNIX_EPOCH).place(text),
        (text == "0-0").then(|| Hub::new(Timestamp::UNIX_EPOCH).end())
    );
}

fn body<T: Serialize + DeserializeOwned + Default>(text: &str) {
    let write = |request: &T| serde_json::to_vec(request).expect("a request has text keys");
    let Ok(written) = said(body_of::<T>(text.as_bytes())).map(|request| write(&request)) else { return };
    assert_eq!(said(body_of::<T>(&written)).map(|again| write(&again)), Ok(written));
}

fn query(uri: &Uri) {
    if let Ok(query) = said(query_of(uri)) {
        drop(said(jobs::Filter::of(&query)));
    }
    drop(said(query_of::<jobs::NextQuery>(uri)));
    if let Ok(query) = said(query_of::<runs::HistoryParams>(uri)) {
        drop(said(query.check()));
    }
    drop(said(query_of::<runs::RecentQuery>(uri)));
    drop(said(query_of::<runs::RunQuery>(uri)));
    drop(said(query_of::<statistics::StatisticsQuery>(uri)));
    drop(said(query_of::<events::EventsQuery>(uri)));
    drop(said(query_of::<explanation::ExplanationQuery>(uri)));
    if let Ok(query) = said(query_of::<output::OutputParams>(uri)) {
        drop(said(query.check()));
    }
}

/// An error says what is wrong.
fn said<T>(read: Result<T, ApiError>) -> Result<T, ApiError> {
    read.inspect_err(|fault| assert!(!fault.message.is_empty()))
}

#[cfg(test)]
mod tests {
    use crate::corpus::replay_text;

    #[test]
    fn the_corpus_breaks_nothing() {
        replay_text("api_request", 15, super::request);
    }
}
