//! The `HostGAPlugin`: versions, health, the extensions' goal state as JSON, status and logs that are taken.
//!
//! It fetches nothing for its guests: an extension artifact is not found there.

mod vm_settings;

use std::error::Error;

use http::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use http::{Method, StatusCode};
use latchkey_protocol::RequestHead;
use latchkey_protocol::target::canonical_path;
use serde_json::json;

use super::goal_state::Present;
use crate::answer::{self, Answer};

/// The one version of the interface.
const VERSION: &str = "2015-09-01";
const CONTAINER: &str = "x-ms-containerid";
const CONFIGURATION: &str = "x-ms-host-config-name";
const CORRELATION: &str = "x-ms-client-correlationid";

/// Answers a request of a machine; says whether the body is to be kept.
pub(super) fn answer(present: &Present<'_>, head: &RequestHead) -> (Answer, bool) {
    let Ok((path, _)) = canonical_path(head.path_and_query().0) else {
        return (not_found(), false);
    };
    let is_taken = match (&head.method, path.as_str()) {
        (&Method::GET | &Method::HEAD, "/versions") => {
            return (answer::json(StatusCode::OK, &[VERSION]), false);
        }
        (&Method::GET | &Method::HEAD, "/health") => return (answer::empty(StatusCode::OK), false),
        (&Method::GET | &Method::HEAD, "/vmsettings") => false,
        (&Method::PUT | &Method::POST, "/status" | "/vmagentlog") => true,
        _ => return (not_found(), false),
    };
    if !is_present(present, &head.headers) {
        return (gone(), false);
    }
    if is_taken {
        return (answer::empty(StatusCode::OK), true);
    }
    (settings(present, &head.headers), false)
}

/// Returns whether what a client says about its machine still holds. A client that holds an old
/// goal state is told so, and fetches the new one.
fn is_present(present: &Present<'_>, headers: &HeaderMap) -> bool {
    let container = present.names.container.to_string();
    let says = |name: &str, own: &str| match headers.get(name) {
        Some(value) => value.as_bytes().eq_ignore_ascii_case(own.as_bytes()),
        None => true,
    };
    says(CONTAINER, &container) && says(CONFIGURATION, &present.names.configuration)
}

fn settings(present: &Present<'_>, headers: &HeaderMap) -> Answer {
    let etag = present.incarnation.etag().to_string();
    let known = headers.get_all(IF_NONE_MATCH).iter();
    let is_known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| is_tag(known.trim(), &etag));
    let mut answer = if is_known {
        answer::empty(StatusCode::NOT_MODIFIED)
    } else {
        match vm_settings::document(present) {
            Ok(document) => answer::json(StatusCode::OK, &document),
            Err(failure) => {
                let failure: &dyn Error = &failure;
                tracing::error!(error = failure, "goal state cannot be told");
                return error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
            }
        }
    };
    if let Ok(etag) = HeaderValue::try_from(etag) {
        answer.headers_mut().insert(ETAG, etag);
    }
    if let Some(correlation) = headers.get(CORRELATION) {
        answer
            .headers_mut()
            .insert(CORRELATION, correlation.clone());
    }
    answer
}

/// Returns whether a client's entity tag is this one. The agents send it back as it came, without
/// the quotes that others add.
fn is_tag(known: &str, etag: &str) -> bool {
    let opaque = known.strip_prefix("W/").unwrap_or(known);
    let opaque = opaque
        .strip_prefix('"')
        .and_then(|opaque| opaque.strip_suffix('"'))
        .unwrap_or(opaque);
    known == "*" || opaque == etag
}

fn not_found() -> Answer {
    error(StatusCode::NOT_FOUND, "ResourceNotFound")
}

fn gone() -> Answer {
    error(StatusCode::GONE, "ResourceNotAvailable")
}

fn error(status: StatusCode, code: &str) -> Answer {
    let message = match status {
        StatusCode::GONE => {
            "The resource requested is no longer available. Please refresh your cache."
        }
        StatusCode::NOT_FOUND => "The resource requested is not available.",
        _ => "The server encountered an internal error. Please retry the request.",
    };
    answer::json(
        status,
        &json!({ "errorCode": code, "message": message, "details": "" }),
    )
}
