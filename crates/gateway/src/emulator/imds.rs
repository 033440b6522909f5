//! The instance metadata service: its request rules, its rates, and the way to what is asked.
//!
//! Refuses what the real one refuses: no `Metadata: true`, forwarded requests, repeated
//! query names, an API version that is absent or not known.

use std::collections::HashSet;
use std::sync::Arc;

use http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use jiff::Timestamp;
use latchkey_protocol::RequestHead;
use latchkey_protocol::target::canonical_path;
use serde_json::{Value, json};

use super::api_version::{self, ALL};
use super::attested::{self, Attestor};
use super::query::{Query, QueryError};
use super::scheduled_events::EventBook;
use super::throttle::{Buckets, Subject, TooMany};
use super::token::TokenIssuer;
use super::{instance, load_balancer, managed_identity};
use crate::answer::{self, Answer};
use crate::facts::Facts;
use crate::machine::{Machine, MachineId};

/// The service with what it remembers of machines.
#[derive(Debug)]
pub(super) struct Imds {
    pub(super) issuer: Arc<TokenIssuer>,
    /// Who signs attested documents; without, there are none.
    pub(super) attestor: Option<Attestor>,
    events: EventBook,
    buckets: Buckets,
}

/// A request of a machine.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) machine: &'a Machine,
    pub(super) head: &'a RequestHead,
    pub(super) body: &'a [u8],
    pub(super) now: Timestamp,
}

impl Imds {
    /// Makes a service that remembers nothing yet.
    pub(super) fn new(issuer: Arc<TokenIssuer>) -> Self {
        Self {
            issuer,
            attestor: None,
            events: EventBook::default(),
            buckets: Buckets::default(),
        }
    }

    /// Forgets all machines but these.
    pub(super) fn keep(&self, machines: &HashSet<&MachineId>) {
        self.events.keep(machines);
        self.buckets.keep(machines);
    }

    /// Answers a request of a machine.
    pub(super) fn answer(&self, asked: Asked<'_>) -> Answer {
        let (raw_path, raw_query) = asked.head.path_and_query();
        let Ok((path, _)) = canonical_path(raw_path) else {
            return bad_request("Invalid path");
        };
        let mut segments = path.split('/').skip(1);
        let (Some("metadata"), Some(service)) = (segments.next(), segments.next()) else {
            return error(StatusCode::NOT_FOUND, "Not found");
        };
        let subject = match service {
            "identity" => Subject::Identity,
            _ => Subject::General,
        };
        if let Err(message) = check_head(asked.head) {
            return refusal(subject, message);
        }
        if let Err(too_many) = self.buckets.admit(asked.machine, subject, asked.now) {
            return throttled(subject, too_many);
        }
        if let Some(answer) = check_method(service, &asked.head.method) {
            return answer;
        }
        match Query::parse(raw_query) {
            Ok(query) => {
                let below: Vec<_> = segments.collect();
                self.route(asked, service, &below, &query)
            }
            Err(QueryError::Repeated) => refusal(subject, "Duplicate query parameters"),
            Err(QueryError::NotText) => refusal(subject, "Invalid query"),
        }
    }

    fn route(&self, asked: Asked<'_>, service: &str, below: &[&str], query: &Query) -> Answer {
        let (facts, now) = (&asked.machine.facts, asked.now);
        if let ("attested", ["document"], Some(attestor)) = (service, below, &self.attestor) {
            return api_version::ATTESTED
                .checked(query, |_| attested::answer(facts, query, attestor, now));
        }
        match (service, below) {
            ("versions", []) => answer::json(StatusCode::OK, &json!({ "apiVersions": ALL })),
            ("instance", below) => api_version::INSTANCE.checked(query, |version| {
                instance_answer(facts, version, below, query)
            }),
            ("identity", ["oauth2", "token"]) => api_version::IDENTITY.checked(query, |_| {
                managed_identity::token(&facts.identities, query, &self.issuer, now)
            }),
            ("identity", ["info"]) => {
                api_version::IDENTITY.checked(query, |_| managed_identity::info(&facts.identities))
            }
            ("scheduledevents", []) => {
                api_version::EVENTS.checked(query, |version| self.events.answer(asked, version))
            }
            ("loadbalancer", []) => api_version::LOAD_BALANCER.checked(query, |_| {
                load_balancer::rules(facts.load_balancer.as_ref())
            }),
            _ => error(StatusCode::NOT_FOUND, "Not found"),
        }
    }
}

fn check_head(head: &RequestHead) -> Result<(), &'static str> {
    let is_true = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"true");
    if !head.headers.get("metadata").is_some_and(is_true) {
        return Err("Required metadata header not specified");
    }
    if head.headers.contains_key("x-forwarded-for") {
        return Err("Requests may not be forwarded: X-Forwarded-For is present");
    }
    Ok(())
}

/// Returns the answer to a method that a service does not have.
fn check_method(service: &str, method: &Method) -> Option<Answer> {
    let takes_posts = service == "scheduledevents";
    let allowed = match *method {
        Method::GET | Method::HEAD => return None,
        Method::POST if takes_posts => return None,
        _ if takes_posts => "GET, HEAD, POST",
        _ => "GET, HEAD",
    };
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    Some(answer)
}

fn instance_answer(facts: &Facts, version: &str, below: &[&str], query: &Query) -> Answer {
    let mut document = instance::document(facts, version);
    if query.says("extended", "true") {
        instance::extend(&mut document);
    }
    let Some(value) = instance::descend(&document, below.iter().copied()) else {
        return error(StatusCode::NOT_FOUND, "Not found");
    };
    let is_leaf = !matches!(value, Value::Object(_) | Value::Array(_));
    match query.value("format") {
        Some(format) if format.eq_ignore_ascii_case("text") => text(value),
        Some(format) if !format.eq_ignore_ascii_case("json") => {
            bad_request("Requested format is not known: use format=json or format=text")
        }
        _ if is_leaf => bad_request("A single value has no JSON form: use format=text"),
        _ => answer::json(StatusCode::OK, value),
    }
}

fn text(value: &Value) -> Answer {
    answer::with_body(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        instance::as_text(value),
    )
}

fn throttled(subject: Subject, too_many: TooMany) -> Answer {
    let body = match subject {
        Subject::General => json!({ "error": "Too many requests" }),
        Subject::Identity => json!({
            "error": "invalid_request",
            "error_description": "Temporarily throttled, too many requests",
        }),
    };
    let mut answer = answer::json(StatusCode::TOO_MANY_REQUESTS, &body);
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(too_many.retry_after_seconds));
    answer
}

/// Returns a refusal in the form of the service that was asked.
fn refusal(subject: Subject, message: &str) -> Answer {
    match subject {
        Subject::General => bad_request(message),
        Subject::Identity => managed_identity::refusal(message),
    }
}

fn error(status: StatusCode, message: &str) -> Answer {
    answer::json(status, &json!({ "error": message }))
}

fn bad_request(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, &format!("Bad request. {message}"))
}
