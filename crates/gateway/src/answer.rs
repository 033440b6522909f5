//! Answers with a whole body: the few forms that the channel and the emulators use.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// An answer with its whole body.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Returns an answer with a body of this type.
pub(crate) fn with_body(status: StatusCode, media: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media));
    answer
}

/// Returns a JSON answer; a value that has no JSON form is an internal error.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => with_body(status, "application/json; charset=utf-8", body),
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Returns an XML answer.
pub(crate) fn xml(status: StatusCode, body: String) -> Answer {
    with_body(status, "text/xml; charset=utf-8", body)
}

/// Returns an answer without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
