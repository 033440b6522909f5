//! A refusal as a response: problem details (RFC 9457) with the reason's code, nothing else.
//!
//! The code and the title stand there twice, the second time as an OAuth 2.0 error (RFC 6749 5.2):
//! that is what token clients show their users. Without it they say that nobody answers.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;
use latchkey_protocol::Reason;
use latchkey_protocol::head::ALLOWED_METHODS;
use latchkey_protocol::reason::REASON_HEADER;

/// How long a refused client should wait before it asks again, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// Returns the response that refuses a request for `reason`.
#[must_use]
pub fn problem(reason: Reason) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::json!({
        "type": format!("urn:latchkey:reason:{reason}"),
        "title": reason.title(),
        "status": status.as_u16(),
        "reason": reason,
        "error": reason,
        "error_description": reason.title(),
    });
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(REASON_HEADER, HeaderValue::from_static(reason.as_str()));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn refusal_carries_its_code_in_header_and_body() {
        let response = problem(Reason::KeyPending);
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["latchkey-reason"], "key_pending");
        assert!(response.headers().contains_key(RETRY_AFTER));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&body["reason"], &body["status"]),
            (&"key_pending".into(), &429.into())
        );
    }

    #[tokio::test]
    async fn token_clients_find_the_reason_where_they_look_for_it() {
        let response = problem(Reason::CallerNotAssigned);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"], "caller_not_assigned");
        assert_eq!(body["error_description"], body["title"]);
    }

    #[test]
    fn no_forbidden_request_is_answered_with_the_word_for_no_service_at_all() {
        // Token clients take a 403 that says `unreachable` for a proxy where no service is.
        let mut forbidden = Reason::ALL.iter().filter(|reason| reason.status() == 403);
        assert!(forbidden.all(|reason| !reason.title().contains("unreachable")));
    }

    #[test]
    fn method_refusal_lists_the_methods() {
        assert_eq!(
            problem(Reason::MethodNotAllowed).headers()[ALLOW],
            ALLOWED_METHODS
        );
    }
}
