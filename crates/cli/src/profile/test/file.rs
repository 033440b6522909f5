//! The form of a file of tests, and its cases put to the profile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use latchkey_policy::case::schema::CallerDocument;
use latchkey_policy::case::{self, Answer, CallerClaims, Verdict};
use latchkey_policy::{self as policy, EndpointPolicy};
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::{Endpoint, EndpointKind, Reason};
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_saphyr::{Location, Spanned, UserMessageFormatter};

use crate::problem::Problem;

/// A file of tests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::profile) struct TestFile {
    /// The profile that is tested, as a path from the folder of this file.
    profile: PathBuf,
    /// The endpoint that the cases ask.
    endpoint: EndpointKind,
    /// The time to judge by; by default now.
    #[serde(default)]
    #[schemars(schema_with = "latchkey_protocol::authorization::schema::moment")]
    now: Option<Timestamp>,
    /// Callers that cases name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, CallerDocument>")]
    callers: BTreeMap<String, Spanned<Value>>,
    /// The cases.
    #[schemars(with = "Vec<TestCase>", length(min = 1))]
    tests: Vec<Spanned<TestCase>>,
}

/// A request, and what the rules say to it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["allow"], "not": {"required": ["reason"]}},
    {"required": ["deny"]},
]))]
struct TestCase {
    /// What the case is about; shown if it fails.
    #[serde(default)]
    comment: Option<String>,
    /// The rules grant this.
    #[serde(default)]
    allow: Option<TestRequest>,
    /// The rules refuse this; in Audit it is let through all the same.
    #[serde(default)]
    deny: Option<TestRequest>,
    /// Why it is refused; needed where that is decided before any rule, as for a malformed target.
    #[serde(default)]
    #[schemars(schema_with = "reasons")]
    reason: Option<Reason>,
}

/// A request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TestRequest {
    /// The method.
    #[serde(default = "get")]
    method: String,
    /// Path and query, as they stand in the request.
    target: String,
    /// The name of a caller, or one in place.
    #[schemars(schema_with = "named_or_in_place")]
    caller: Spanned<Value>,
}

fn named_or_in_place(generator: &mut SchemaGenerator) -> Schema {
    let in_place = generator.subschema_for::<CallerDocument>();
    json_schema!({"anyOf": [{"type": "string"}, in_place]})
}

fn reasons(_: &mut SchemaGenerator) -> Schema {
    let words = Reason::ALL
        .iter()
        .map(|reason| Value::from(reason.as_str()));
    let words: Vec<_> = words.chain([Value::Null]).collect();
    json_schema!({"enum": words})
}

fn get() -> String {
    "GET".to_owned()
}

/// What a case expects of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Expected {
    Allow,
    Deny,
}

impl Expected {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    const fn holds(self, verdict: Verdict) -> bool {
        matches!(
            (self, verdict),
            (Self::Allow, Verdict::Allow) | (Self::Deny, Verdict::Deny | Verdict::Audit)
        )
    }
}

/// What became of a case.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) line: u64,
    pub(super) comment: Option<String>,
    pub(super) expected: Expected,
    pub(super) answer: Answer,
    /// Why, for people.
    pub(super) tree: String,
    pub(super) holds: bool,
}

impl TestFile {
    /// Reads a file.
    pub(super) fn read(text: &str) -> Result<Self, Box<Problem>> {
        serde_saphyr::from_str(text).map_err(|error| {
            let message = error
                .without_snippet()
                .render_with_formatter(&UserMessageFormatter);
            let found = Problem::error("malformed_tests", message);
            Box::new(match error.location() {
                Some(location) => at(found, text, &location),
                None => found,
            })
        })
    }

    /// Returns the profile's path from the folder of this file.
    pub(super) fn profile(&self) -> &Path {
        &self.profile
    }

    /// Puts every case to the profile.
    pub(super) fn run(
        &self,
        text: &str,
        item: &AuthorizationItem,
    ) -> Result<Vec<Outcome>, Vec<Problem>> {
        let unusable = |error: String| vec![Problem::error("malformed_tests", error)];
        let endpoint =
            case::endpoint(self.endpoint.as_str()).map_err(|error| unusable(error.to_string()))?;
        let in_force =
            case::policy(&endpoint, Some(item)).map_err(|error| unusable(error.to_string()))?;
        if self.tests.is_empty() {
            let found = Problem::error("malformed_tests", "there are no cases to hold");
            return Err(vec![found.at_first(text, "tests:")]);
        }
        let (mut outcomes, mut problems) = (Vec::new(), Vec::new());
        for test in &self.tests {
            match self.case(test, &endpoint, &in_force) {
                Ok(outcome) => outcomes.push(outcome),
                Err((message, location)) => {
                    let found = Problem::error("malformed_tests", message);
                    problems.push(at(found, text, &location));
                }
            }
        }
        if problems.is_empty() {
            Ok(outcomes)
        } else {
            Err(problems)
        }
    }

    fn case(
        &self,
        test: &Spanned<TestCase>,
        endpoint: &Endpoint,
        in_force: &EndpointPolicy,
    ) -> Result<Outcome, (String, Location)> {
        let reason = test.value.reason;
        let (expected, request) = match (&test.value.allow, &test.value.deny) {
            (Some(_), None) if reason.is_some() => {
                let message = "`reason` says why a request is refused: use it with `deny`";
                return Err((message.to_owned(), test.referenced));
            }
            (Some(request), None) => (Expected::Allow, request),
            (None, Some(request)) => (Expected::Deny, request),
            (Some(_), Some(_)) | (None, None) => {
                let message = "a case has either `allow` or `deny`".to_owned();
                return Err((message, test.referenced));
            }
        };
        let caller = self.caller(&request.caller)?;
        let caller = caller
            .caller()
            .map_err(|error| (error.to_string(), request.caller.referenced))?;
        let now = self.now.unwrap_or_else(Timestamp::now);
        let read = case::request(endpoint, &request.method, request.target.as_bytes());
        let is_request = read.is_ok();
        let (answer, tree) = match read {
            Ok(request) => {
                let tree = policy::explain(&request, &caller, in_force, case::KEY, now).tree();
                (Answer::to(request, &caller, in_force, now), tree)
            }
            Err(reason) => {
                let tree = format!(
                    "DENY {reason}: {}\n└─ the rules were not asked: say `reason: {reason}` if that is meant",
                    reason.title()
                );
                (Answer::malformed(reason), tree)
            }
        };
        let is_expected = match reason {
            Some(reason) => answer.reason == Some(reason),
            // A slip of the pen is no proof of what the rules refuse.
            None => is_request,
        };
        Ok(Outcome {
            line: test.referenced.line(),
            comment: test.value.comment.clone(),
            expected,
            holds: expected.holds(answer.verdict) && is_expected,
            answer,
            tree,
        })
    }

    /// Reads a caller, or the one that is named.
    fn caller(&self, caller: &Spanned<Value>) -> Result<CallerClaims, (String, Location)> {
        let found = match caller.value.as_str() {
            None => caller,
            Some(name) => self.callers.get(name).ok_or_else(|| {
                let message = format!("there is no caller `{name}`: name it under `callers`");
                (message, caller.referenced)
            })?,
        };
        CallerClaims::strict(&found.value).map_err(|error| (error.to_string(), found.referenced))
    }
}

fn at(found: Problem, text: &str, location: &Location) -> Problem {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    found.at(text, number(location.line()), number(location.column()))
}
