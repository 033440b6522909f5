//! The deployed agent's own answers, put to our whole pipeline: parser, request, rules, decision.
//!
//! Every case is answered alike, except those in `testdata/authorization_differences.json`,
//! where each has our answer and the reason. A difference that is not listed fails, and so
//! does a listed one that is none. Entries under `foreseen` speak about cases that are not
//! in the file: absent ones are skipped.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken vector file ends the test"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_policy::{Decision, EndpointPolicy, KeyState, RuleSet, decide};
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::{
    Attributes, Caller, Elevation, Endpoint, EndpointTable, Mode, Reason, Request,
};
use serde::Deserialize;

const VECTORS: &str = include_str!("../testdata/authorization.json");
const DIFFERENCES: &str = include_str!("../testdata/authorization_differences.json");

/// What a caller notices: an answer from the host, with or without a remark in the
/// audit trail, or a refusal of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    #[serde(alias = "deny", alias = "bad-request", alias = "profile-rejected")]
    Refuse,
    Audit,
    Allow,
}

#[derive(Deserialize)]
struct VectorFile {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    destination: String,
    method: String,
    url: String,
    profile: Option<AuthorizationItem>,
    /// The profile as text, where its JSON is what the case is about.
    profile_text: Option<String>,
    claims: VectorClaims,
    verdict: Verdict,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VectorClaims {
    user_name: String,
    user_groups: Vec<String>,
    process_full_path: String,
    run_as_elevated: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DifferenceFile {
    #[serde(rename = "description")]
    _description: String,
    differences: BTreeMap<String, Difference>,
    foreseen: BTreeMap<String, Difference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// The row or section of the wire specification that argues for our answer.
    spec: String,
    ours: Verdict,
    #[serde(default)]
    looser: bool,
    why: String,
}

/// Maps the deployed agent's claims to what we would know of the same process.
fn caller(claims: &VectorClaims) -> Caller {
    let user_name = Some(claims.user_name.clone()).filter(|name| name != "undefined");
    let executable = Some(claims.process_full_path.clone())
        .filter(|path| !path.is_empty() && !path.ends_with(" (deleted)"));
    let elevation = if claims.run_as_elevated {
        Elevation::Root
    } else {
        Elevation::Unprivileged
    };
    let attributes = Attributes {
        user_name,
        group_names: claims.user_groups.clone(),
        executable,
        ..Attributes::default()
    };
    Caller {
        elevation,
        attributes: Ok(attributes),
    }
}

/// Returns what is in force; after a refused document nothing is, in Enforce.
fn policy(vector: &Vector, endpoint: &Endpoint) -> EndpointPolicy {
    let item = match &vector.profile_text {
        Some(text) => serde_json::from_str(text).map(Some),
        None => Ok(vector.profile.clone()),
    };
    let rules = match item {
        Ok(None) => Some(RuleSet::default_rules(Mode::Enforce)),
        Ok(Some(item)) => RuleSet::compile(&item).ok(),
        Err(_) => None,
    };
    match rules {
        Some(rules) => EndpointPolicy::in_force(endpoint.kind, Arc::new(rules)),
        None => EndpointPolicy::pending(endpoint.kind, Mode::Enforce),
    }
}

/// Answers a case, or says why no decision was reached.
fn answer(vector: &Vector) -> Result<Decision, Reason> {
    let table = EndpointTable::azure(Mode::Enforce);
    let endpoint = table
        .as_slice()
        .iter()
        .find(|endpoint| endpoint.name == vector.destination)
        .ok_or(Reason::UnknownEndpoint)?;
    let head = format!(
        "{} {} HTTP/1.1\r\nHost: {}:{}\r\n\r\n",
        vector.method, vector.url, endpoint.addresses[0], endpoint.port
    );
    let request = match parse(head.as_bytes())? {
        Parsed::Complete(head, _) => Request::read(*head, endpoint)?,
        Parsed::Partial => panic!("{}: the head is whole", vector.id),
    };
    Ok(decide(
        request,
        &caller(&vector.claims),
        &policy(vector, endpoint),
        KeyState::Held,
    ))
}

fn verdict(answer: &Result<Decision, Reason>) -> Verdict {
    match answer {
        Ok(Decision::Permitted(permit)) if permit.would_refuse().is_none() => Verdict::Allow,
        Ok(Decision::Permitted(_)) => Verdict::Audit,
        Ok(Decision::Refused(_)) | Err(_) => Verdict::Refuse,
    }
}

fn reason(answer: &Result<Decision, Reason>) -> Option<Reason> {
    match answer {
        Ok(Decision::Permitted(permit)) => permit.would_refuse(),
        Ok(Decision::Refused(refusal)) => Some(refusal.reason),
        Err(reason) => Some(*reason),
    }
}

/// Returns what is wrong with our answer to a case: listed ones must differ, and as
/// written; foreseen ones may turn out to be no difference.
fn complaint(vector: &Vector, known: &DifferenceFile) -> Option<String> {
    let answer = answer(vector);
    let ours = verdict(&answer);
    let listed = known.differences.get(&vector.id);
    if ours == vector.verdict {
        return listed.map(|_| "is listed as a difference and is none".to_owned());
    }
    let both = format!(
        "theirs {:?}, ours {ours:?} by {:?}",
        vector.verdict,
        reason(&answer)
    );
    match listed.or_else(|| known.foreseen.get(&vector.id)) {
        None => Some(format!("differs and is not listed: {both}")),
        Some(entry) if entry.ours != ours => Some(format!("listed with {:?}: {both}", entry.ours)),
        Some(entry) if entry.looser != (ours > vector.verdict) => {
            Some(format!("listed with looser = {}: {both}", entry.looser))
        }
        Some(_) => None,
    }
}

#[test]
fn deployed_agent_is_answered_alike_except_for_the_listed_differences() {
    let file: VectorFile = serde_json::from_str(VECTORS).unwrap();
    let known: DifferenceFile = serde_json::from_str(DIFFERENCES).unwrap();
    let complaints: Vec<_> = file
        .vectors
        .iter()
        .filter_map(|vector| Some(format!("{}: {}", vector.id, complaint(vector, &known)?)))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(file.vectors.len() >= 180, "the vector file lost cases");
}

#[test]
fn every_listed_difference_has_its_case_and_its_argument() {
    let file: VectorFile = serde_json::from_str(VECTORS).unwrap();
    let known: DifferenceFile = serde_json::from_str(DIFFERENCES).unwrap();
    for id in known.differences.keys() {
        assert!(
            file.vectors.iter().any(|vector| vector.id == *id),
            "{id} has no case"
        );
        assert!(!known.foreseen.contains_key(id), "{id} is listed twice");
    }
    for (id, entry) in known.differences.iter().chain(&known.foreseen) {
        assert!(
            entry.spec.starts_with('W') || entry.spec.starts_with("section "),
            "{id}"
        );
        assert!(entry.why.ends_with('.') && entry.why.len() > 30, "{id}");
    }
}
