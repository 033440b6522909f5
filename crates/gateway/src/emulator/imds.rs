//! The instance metadata service: versions, instance, identity token, with the service's own request rules.
//!
//! Refuses what the real one refuses: no `Metadata: true`, forwarded requests, repeated
//! query names, an API version that is absent or not known.

use http::header::{ALLOW, HeaderValue};
use http::{Method, StatusCode};
use jiff::Timestamp;
use latchkey_protocol::RequestHead;
use latchkey_protocol::target::canonical_path;
use serde_json::{Value, json};

use super::instance;
use super::query::{Query, QueryError};
use super::token::TokenIssuer;
use crate::answer::{self, Answer};
use crate::facts::Facts;
use crate::machine::Machine;

/// The API versions that are answered, oldest first; one document serves all.
const VERSIONS: [&str; 32] = [
    "2017-03-01",
    "2017-04-02",
    "2017-08-01",
    "2017-10-01",
    "2017-12-01",
    "2018-02-01",
    "2018-04-02",
    "2018-10-01",
    "2019-02-01",
    "2019-03-11",
    "2019-04-30",
    "2019-06-01",
    "2019-06-04",
    "2019-08-01",
    "2019-08-15",
    "2019-11-01",
    "2020-06-01",
    "2020-07-15",
    "2020-09-01",
    "2020-10-01",
    "2020-12-01",
    "2021-01-01",
    "2021-02-01",
    "2021-03-01",
    "2021-05-01",
    "2021-08-01",
    "2021-10-01",
    "2021-11-01",
    "2021-11-15",
    "2021-12-13",
    "2023-07-01",
    "2023-11-15",
];
/// How many versions an error names.
const NEWEST: usize = 3;

/// Answers a request of a machine.
pub(super) fn answer(
    machine: &Machine,
    head: &RequestHead,
    issuer: &TokenIssuer,
    now: Timestamp,
) -> Answer {
    let (raw_path, raw_query) = head.path_and_query();
    let Ok((path, _)) = canonical_path(raw_path) else {
        return bad_request("Invalid path");
    };
    let mut segments = path.split('/').skip(1);
    let (Some("metadata"), Some(service)) = (segments.next(), segments.next()) else {
        return error(StatusCode::NOT_FOUND, "Not found");
    };
    let is_identity = service == "identity";
    if let Err(refusal) = check_head(head) {
        return refusal.answer(is_identity);
    }
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return method_error();
    }
    let query = match Query::parse(raw_query) {
        Ok(query) => query,
        Err(QueryError::Repeated) => {
            return Refusal("Duplicate query parameters").answer(is_identity);
        }
        Err(QueryError::NotText) => return Refusal("Invalid query").answer(is_identity),
    };
    let rest: Vec<_> = segments.collect();
    match (service, rest.as_slice()) {
        ("versions", []) => answer::json(StatusCode::OK, &json!({ "apiVersions": VERSIONS })),
        ("instance", below) => checked(&query, || instance_answer(&machine.facts, below, &query)),
        ("identity", ["oauth2", "token"]) => {
            checked(&query, || token_answer(&machine.facts, &query, issuer, now))
        }
        _ => error(StatusCode::NOT_FOUND, "Not found"),
    }
}

/// Why the service refuses a request before it looks at what is asked.
struct Refusal(&'static str);

impl Refusal {
    /// Returns the error in the form of the service that was asked.
    fn answer(&self, is_identity: bool) -> Answer {
        if is_identity {
            identity_error(self.0)
        } else {
            bad_request(self.0)
        }
    }
}

fn check_head(head: &RequestHead) -> Result<(), Refusal> {
    let is_true = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"true");
    if !head.headers.get("metadata").is_some_and(is_true) {
        return Err(Refusal("Required metadata header not specified"));
    }
    if head.headers.contains_key("x-forwarded-for") {
        return Err(Refusal(
            "Requests may not be forwarded: X-Forwarded-For is present",
        ));
    }
    Ok(())
}

/// Answers only under a version that the service knows, and only to a method that it has.
fn checked(query: &Query, answer: impl FnOnce() -> Answer) -> Answer {
    match query.value("api-version") {
        Some(version) if VERSIONS.contains(&version) => answer(),
        Some(_) => version_error("api-version is invalid"),
        None => version_error("api-version was not specified in the request"),
    }
}

fn instance_answer(facts: &Facts, below: &[&str], query: &Query) -> Answer {
    let document = instance::document(facts, query.says("extended", "true"));
    let Some(value) = instance::descend(&document, below.iter().copied()) else {
        return error(StatusCode::NOT_FOUND, "Not found");
    };
    let is_leaf = !matches!(value, Value::Object(_) | Value::Array(_));
    match query.value("format") {
        Some(format) if format.eq_ignore_ascii_case("text") => text(value),
        Some(format) if format.eq_ignore_ascii_case("json") && is_leaf => {
            bad_request("format=json is not available for a single value: use format=text")
        }
        None if is_leaf => text(value),
        None => answer::json(StatusCode::OK, value),
        Some(format) if format.eq_ignore_ascii_case("json") => answer::json(StatusCode::OK, value),
        Some(_) => bad_request("Requested format is not known"),
    }
}

fn text(value: &Value) -> Answer {
    answer::with_body(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        instance::as_text(value),
    )
}

fn token_answer(facts: &Facts, query: &Query, issuer: &TokenIssuer, now: Timestamp) -> Answer {
    let Some(resource) = query
        .value("resource")
        .filter(|resource| !resource.is_empty())
    else {
        return identity_error("Required query variable 'resource' is missing");
    };
    let Some(identity) = &facts.identity else {
        return identity_error("Identity not found");
    };
    let own = [
        ("client_id", identity.client_id.to_string()),
        ("object_id", identity.object_id.to_string()),
        ("principal_id", identity.object_id.to_string()),
        ("msi_res_id", facts.resource_id()),
        ("mi_res_id", facts.resource_id()),
    ];
    if own
        .iter()
        .any(|(name, own)| query.value(name).is_some() && !query.says(name, own))
    {
        return identity_error("Identity not found");
    }
    match issuer.issue(identity, &facts.resource_id(), resource, now) {
        Ok(token) => answer::json(StatusCode::OK, &token),
        Err(failure) => {
            let failure: &dyn std::error::Error = &failure;
            tracing::error!(error = failure, "token cannot be signed");
            error(StatusCode::INTERNAL_SERVER_ERROR, "Internal error")
        }
    }
}

/// Returns the answer to a method that the service does not have.
fn method_error() -> Answer {
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

fn error(status: StatusCode, message: &str) -> Answer {
    answer::json(status, &json!({ "error": message }))
}

fn bad_request(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, &format!("Bad request. {message}"))
}

fn identity_error(message: &str) -> Answer {
    let body = json!({ "error": "invalid_request", "error_description": message });
    answer::json(StatusCode::BAD_REQUEST, &body)
}

fn version_error(message: &str) -> Answer {
    let newest: Vec<_> = VERSIONS.iter().rev().take(NEWEST).collect();
    let error = format!("Bad request. {message}. For more information refer to aka.ms/azureimds");
    let body = json!({ "error": error, "newest-versions": newest });
    answer::json(StatusCode::BAD_REQUEST, &body)
}
