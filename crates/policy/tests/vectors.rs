//! The deployed agent's own answers, put to our whole pipeline: parser, request, rules, decision.
//!
//! Every case is answered alike, except those in `testdata/authorization_differences.json`,
//! where each has our answer and the reason. A difference that is not listed fails, and so
//! does a listed one that is none. Entries under `foreseen` speak about cases that are not
//! in the file: absent ones are skipped.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is the test's"
)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use latchkey_policy::case::{self, Answer, CaseError, RequestLine};
use serde::Deserialize;
use serde_json::value::RawValue;

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
    vectors: Vec<Box<RawValue>>,
}

/// What a case has beside the fields of a request line.
#[derive(Deserialize)]
struct Expected {
    id: String,
    verdict: Verdict,
}

struct Vector {
    id: String,
    verdict: Verdict,
    line: RequestLine,
}

fn vectors() -> Vec<Vector> {
    let file: VectorFile = serde_json::from_str(VECTORS).unwrap();
    let texts = file.vectors.iter().map(|vector| vector.get());
    texts
        .map(|text| {
            let Expected { id, verdict } = serde_json::from_str(text).unwrap();
            let line = RequestLine::read(text.as_bytes()).unwrap();
            Vector { id, verdict, line }
        })
        .collect()
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

/// What cannot be judged is refused: after a refused document nothing is in force, in Enforce.
fn verdict(answer: &Result<Answer, CaseError>) -> Verdict {
    match answer.as_ref().map(|answer| answer.verdict) {
        Ok(case::Verdict::Allow) => Verdict::Allow,
        Ok(case::Verdict::Audit) => Verdict::Audit,
        Ok(case::Verdict::Deny | case::Verdict::Error) | Err(_) => Verdict::Refuse,
    }
}

/// Returns what is wrong with our answer to a case: listed ones must differ, and as
/// written; foreseen ones may turn out to be no difference.
fn complaint(vector: &Vector, known: &DifferenceFile) -> Option<String> {
    let answer = vector.line.answer(Timestamp::UNIX_EPOCH);
    let ours = verdict(&answer);
    let listed = known.differences.get(&vector.id);
    if ours == vector.verdict {
        return listed.map(|_| "is listed as a difference and is none".to_owned());
    }
    let both = format!("theirs {:?}, ours {ours:?} by {answer:?}", vector.verdict);
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
    let vectors = vectors();
    let known: DifferenceFile = serde_json::from_str(DIFFERENCES).unwrap();
    let complaints: Vec<_> = vectors
        .iter()
        .filter_map(|vector| Some(format!("{}: {}", vector.id, complaint(vector, &known)?)))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(vectors.len() >= 180, "the vector file lost cases");
}

#[test]
fn every_listed_difference_has_its_case_and_its_argument() {
    let vectors = vectors();
    let known: DifferenceFile = serde_json::from_str(DIFFERENCES).unwrap();
    for id in known.differences.keys() {
        assert!(
            vectors.iter().any(|vector| vector.id == *id),
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
