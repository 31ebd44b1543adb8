//! [`Canned`]: a daemon that answers what it was told to; [`Screen`]: a terminal that remembers.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use serde::Serialize;
use tempfile::TempDir;

use crate::api::testing::at;
use crate::api::types::{ErrorBody, ErrorCode, ErrorDetail};
use crate::cli::{Terminal, Zone};

/// A request that came, as `POST /v1/pause {"all":true}`.
type Requests = Arc<Mutex<Vec<String>>>;

/// What it answers to each method and path.
type Answers = Arc<Mutex<Vec<(String, StatusCode, Vec<u8>)>>>;

/// A daemon that answers what it was told to.
pub struct Canned {
    directory: TempDir,
    answers: Answers,
    requests: Requests,
}

impl Canned {
    /// A daemon without answers.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = tokio::net::UnixListener::bind(directory.path().join("sock")).unwrap();
        let canned = Self { directory, answers: Arc::default(), requests: Requests::default() };
        let (answers, requests) = (Arc::clone(&canned.answers), Arc::clone(&canned.requests));
        let answer = move |method: Method, uri: Uri, body: Bytes| async move {
            let asked = format!("{method} {uri}");
            let body = std::str::from_utf8(&body).unwrap().trim_start_matches("null").to_owned();
            requests.lock().unwrap().push(format!("{asked} {body}").trim_end().to_owned());
            let answers = answers.lock().unwrap();
            let found = answers.iter().find(|(request, ..)| *request == asked);
            let (status, bytes) = found.map_or_else(
                || (StatusCode::IM_A_TEAPOT, format!("no answer for {asked}").into_bytes()),
                |(_, status, bytes)| (*status, bytes.clone()),
            );
            (status, bytes)
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        canned
    }

    /// Answers a request, as `GET /v1/jobs`, with a value.
    pub fn answers(self, request: &str, value: &impl Serialize) -> Self {
        self.says(request, serde_json::to_vec(value).unwrap())
    }

    /// Answers a request with bytes.
    pub fn says(self, request: &str, bytes: Vec<u8>) -> Self {
        self.answers.lock().unwrap().push((request.to_owned(), StatusCode::OK, bytes));
        self
    }

    /// Refuses a request.
    pub fn refuses(self, request: &str, code: ErrorCode, message: &str, hint: Option<&str>) -> Self {
        let (code_name, hint) = (code.name().to_owned(), hint.map(str::to_owned));
        let body = ErrorBody { error: ErrorDetail { code: code_name, message: message.to_owned(), hint, file: None } };
        let status = StatusCode::from_u16(code.status()).unwrap();
        self.answers.lock().unwrap().push((request.to_owned(), status, serde_json::to_vec(&body).unwrap()));
        self
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("sock")
    }

    /// The requests that came.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// A terminal that remembers. It is noon in UTC, 21 November 2026, and the person sits in Berlin.
#[derive(Clone, Default)]
pub struct Screen {
    out: Sink,
    talk: Sink,
}

impl Screen {
    pub fn terminal(&self, width: Option<usize>) -> Terminal {
        let zone = Zone::Named(chrono_tz::Europe::Berlin);
        let clock = || at("2026-11-21T12:00:00Z");
        Terminal::new(Box::new(self.out.clone()), Box::new(self.talk.clone()), width, clock, zone)
    }

    pub fn out(&self) -> String {
        String::from_utf8(self.out_bytes()).unwrap()
    }

    pub fn out_bytes(&self) -> Vec<u8> {
        self.out.0.lock().unwrap().clone()
    }

    pub fn talk(&self) -> String {
        String::from_utf8(self.talk.0.lock().unwrap().clone()).unwrap()
    }

    pub fn talk_lossy(&self) -> String {
        String::from_utf8_lossy(&self.talk.0.lock().unwrap()).into_owned()
    }

    pub fn talk_sink(&self) -> Box<dyn Write> {
        Box::new(self.talk.clone())
    }
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
