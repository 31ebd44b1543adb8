//! Every request has an id: in the answer's header `X-Request-Id`, and in each line that the daemon logs about it.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::caller::Caller;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of an id that a client brings along; a longer one is not taken.
const ID_LIMIT: usize = 64;

/// Gives the request its id: the client's own, if that is one, or the next of this process.
pub async fn identify(request: Request, next: Next) -> Response {
    let id = brought_along(request.headers()).unwrap_or_else(fresh);
    let uid = request.extensions().get::<Caller>().map(|caller| caller.uid);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", request = id, uid);
    let mut answer = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| tracing::debug!(%method, path, status = answer.status().as_u16(), "answered"));
    // Checked to be printable ASCII.
    answer.headers_mut().extend(HeaderValue::try_from(id).ok().map(|id| (HEADER, id)));
    answer
}

fn brought_along(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(HEADER)?.to_str().ok()?;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.:".contains(letter);
    (!id.is_empty() && id.len() <= ID_LIMIT && id.chars().all(fits)).then(|| id.to_owned())
}

fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_id_is_taken_when_it_is_harmless() {
        let of = |text: &'static str| brought_along(&HeaderMap::from_iter([(HEADER, HeaderValue::from_static(text))]));
        assert_eq!(of("deploy-7.a:b_c").as_deref(), Some("deploy-7.a:b_c"));
        for bad in ["", "a b", "x\"y", "0123456789012345678901234567890123456789012345678901234567890123456789"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
