//! [`Client`]: one connection to the daemon's API, for `jobctl`. It uses what `curl --unix-socket` could use.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, ETAG, HOST, HeaderName, IF_MATCH, IF_NONE_MATCH};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::types::{ErrorBody, ErrorDetail};

/// A connection. Requests go one after the other.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    sender: SendRequest<Full<Bytes>>,
}

/// What must be so of a file for a change of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// There is none.
    Absent,
    /// There is one.
    Present,
    /// It has this entity tag, in its quotes.
    Match(String),
}

impl Precondition {
    fn header(&self) -> (HeaderName, &str) {
        match self {
            Self::Absent => (IF_NONE_MATCH, "*"),
            Self::Present => (IF_MATCH, "*"),
            Self::Match(tag) => (IF_MATCH, tag),
        }
    }
}

/// Why a request has no answer that could be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens, or the caller may not connect.
    #[error("cannot connect to {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the daemon broke")]
    Lost(#[source] hyper::Error),
    /// The daemon ended an answer that has no end of its own: it goes down.
    #[error("the daemon ended its answer")]
    Ended,
    /// The daemon refused.
    #[error("{}", detail.message)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        detail: ErrorDetail,
    },
    /// What answered is no jobsd, or a much newer one.
    #[error("the answer to {request} is not understood: {reason}")]
    NotUnderstood {
        /// Method and path.
        request: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl Client {
    /// Connects to the daemon that listens on `socket`.
    ///
    /// # Errors
    /// When nobody listens there, or the caller may not connect.
    pub async fn connect(socket: &Path) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Connect { path: socket.to_owned(), source };
        let stream = UnixStream::connect(socket).await.map_err(failed)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(ClientError::Lost)?;
        tokio::spawn(async move {
            // Its errors reach the request that was under way.
            connection.await.ok();
        });
        Ok(Self { socket: socket.to_owned(), sender })
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The answer to a GET, as `T`.
    ///
    /// # Errors
    /// When there is none, or it is a refusal.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ClientError> {
        let bytes = self.get_bytes(path).await?;
        read(Method::GET, path, &bytes)
    }

    /// The answer to a GET, as the daemon wrote it.
    ///
    /// # Errors
    /// When there is none, or it is a refusal.
    pub async fn get_bytes(&mut self, path: &str) -> Result<Bytes, ClientError> {
        let answer = self.request(Method::GET, path, Bytes::new()).await?;
        whole(answer).await
    }

    /// The answer to a POST, as the daemon wrote it.
    ///
    /// # Errors
    /// When there is none, or it is a refusal.
    pub async fn post_bytes(&mut self, path: &str, body: &impl Serialize) -> Result<Bytes, ClientError> {
        let body = serde_json::to_vec(body).expect("the wire types are plain data");
        let answer = self.request(Method::POST, path, body.into()).await?;
        whole(answer).await
    }

    /// The answer to a POST, as `T`.
    ///
    /// # Errors
    /// When there is none, or it is a refusal.
    pub async fn post<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let bytes = self.post_bytes(path, body).await?;
        read(Method::POST, path, &bytes)
    }

    /// The answer to a GET, piece by piece.
    ///
    /// # Errors
    /// When there is none, or it is a refusal.
    pub async fn stream(&mut self, path: &str) -> Result<Streaming, ClientError> {
        Ok(Streaming(self.request(Method::GET, path, Bytes::new()).await?.into_body()))
    }

    /// The answer to a GET as it is, with its entity tag.
    ///
    /// # Errors
    /// When there is none, or it is a refusal, or has no tag.
    pub async fn get_tagged(&mut self, path: &str) -> Result<(Bytes, String), ClientError> {
        let answer = self.request(Method::GET, path, Bytes::new()).await?;
        let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let tag = tag.ok_or_else(|| ClientError::NotUnderstood {
            request: format!("GET {path}"),
            reason: "it has no entity tag".to_owned(),
        })?;
        Ok((whole(answer).await?, tag))
    }

    /// The answer to a PUT of a text of this media type, as the daemon wrote it.
    ///
    /// # Errors
    /// When there is none, or it is a refusal.
    pub async fn put(
        &mut self,
        path: &str,
        kind: &'static str,
        text: Bytes,
        condition: &Precondition,
    ) -> Result<Bytes, ClientError> {
        let (name, value) = condition.header();
        let headers = [(CONTENT_TYPE, kind), (name, value)];
        whole(self.request_with(Method::PUT, path, text, &headers).await?).await
    }

    /// The answer to a DELETE, as the daemon wrote it.
    ///
    /// # Errors
    /// When there is none, or it is a refusal.
    pub async fn delete(&mut self, path: &str, condition: &Precondition) -> Result<Bytes, ClientError> {
        let headers = [condition.header()];
        whole(self.request_with(Method::DELETE, path, Bytes::new(), &headers).await?).await
    }

    async fn request(&mut self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        self.request_with(method, path, body, &[(CONTENT_TYPE, "application/json")]).await
    }

    async fn request_with(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: &[(HeaderName, &str)],
    ) -> Result<Response<Incoming>, ClientError> {
        self.sender.ready().await.map_err(ClientError::Lost)?;
        let mut request = Request::builder().method(&method).uri(path).header(HOST, "jobsd");
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(Full::new(body)).expect("paths are percent-encoded, and tags came in a header");
        let answer = self.sender.send_request(request).await.map_err(ClientError::Lost)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(refusal(method, path, answer).await)
    }
}

async fn refusal(method: Method, path: &str, answer: Response<Incoming>) -> ClientError {
    let status = answer.status();
    let body = match whole(answer).await {
        Ok(body) => body,
        Err(fault) => return fault,
    };
    match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(ErrorBody { error }) => ClientError::Refused { status: status.as_u16(), detail: error },
        Err(_) => ClientError::NotUnderstood { request: format!("{method} {path}"), reason: status_text(status) },
    }
}

fn status_text(status: StatusCode) -> String {
    format!("it has the status {status} and no error that jobsd would write")
}

async fn whole(answer: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = answer.into_body().collect().await.map_err(ClientError::Lost)?;
    Ok(body.to_bytes())
}

fn read<T: DeserializeOwned>(method: Method, path: &str, bytes: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(bytes)
        .map_err(|fault| ClientError::NotUnderstood { request: format!("{method} {path}"), reason: fault.to_string() })
}

/// A body as it comes.
#[derive(Debug)]
pub struct Streaming(Incoming);

impl Streaming {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// When the connection breaks before the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match self.0.frame().await {
                None => return Ok(None),
                Some(Err(fault)) => return Err(ClientError::Lost(fault)),
                Some(Ok(frame)) => {
                    // Trailers are of no interest.
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

/// Writes a text so that it is one segment of a path, or one value of a query.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_one_segment() {
        for (text, segment) in [("backup", "backup"), ("a b/../c?d=e&f", "a%20b%2F..%2Fc%3Fd%3De%26f"), ("ä", "%C3%A4")]
        {
            assert_eq!(encode(text), segment);
        }
    }
}
