//! What the deployed agent sends to its host, byte for byte as it was recorded, and what the gateway makes of it.
//!
//! `testdata/proxy_e2e_expectations.json` says for every trace, and every request of it, what is
//! expected; what the gateway does not simply accept has its argument there.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_protocol::{EndpointKind, Mode, Reason};
use latchkey_record::observation::SignatureFinding;
use serde::Deserialize;

use crate::host::{ADDRESS, Host, MemoryStore, machine, rules};

/// The key that the traces are signed with, as it was issued.
const ISSUED: &str = r#"{
    "authorizationScheme": "Azure-HMAC-SHA256",
    "guid": "9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11",
    "incarnationId": 1,
    "issued": "2026-01-02T03:04:05Z",
    "key": "4A404E635266556A586E3272357538782F413F4428472B4B6250645367566B59"
}"#;

#[derive(Deserialize)]
struct Traces {
    vectors: Vec<Trace>,
}

#[derive(Deserialize)]
struct Trace {
    id: String,
    destination: EndpointKind,
    host_receives: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectations {
    #[serde(rename = "description")]
    _description: String,
    traces: BTreeMap<String, Vec<Expectation>>,
}

/// What the gateway finds of one request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    signature: SignatureFinding,
    /// Why it is refused; accepted without.
    reason: Option<Reason>,
    /// The argument for everything but a valid signature that is accepted.
    why: Option<String>,
    /// How the bytes that are cut out of the recording are made up for.
    cut: Option<String>,
}

impl Expectation {
    fn is_plain(&self) -> bool {
        self.signature == SignatureFinding::Valid && self.reason.is_none()
    }
}

/// The bytes of an escaped text, and whether some of them are made up for.
fn bytes(text: &str) -> (Vec<u8>, bool) {
    let Some((before, rest)) = text.split_once("...[") else {
        return (unescape(text), false);
    };
    let (count, after) = rest.split_once(" bytes in all]...").unwrap();
    let (mut bytes, after) = (unescape(before), unescape(after));
    let filler = *bytes.last().unwrap();
    bytes.resize(count.parse::<usize>().unwrap() - after.len(), filler);
    bytes.extend(after);
    (bytes, true)
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' => b'\\',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => panic!("no escape: {}", char::from(other)),
        });
    }
    bytes
}

#[tokio::test]
async fn every_trace_of_the_deployed_agent_is_accepted_or_refused_for_the_listed_reason() {
    let traces: Traces =
        serde_json::from_str(include_str!("../../testdata/proxy_e2e.json")).unwrap();
    let expectations: Expectations =
        serde_json::from_str(include_str!("../../testdata/proxy_e2e_expectations.json")).unwrap();
    let mut wrong = Vec::new();
    let mut expected = expectations.traces;
    for trace in traces.vectors {
        match expected.remove(&trace.id) {
            None => wrong.push(format!("{}: no expectation", trace.id)),
            Some(expected) => wrong.extend(check(&trace, &expected).await),
        }
    }
    wrong.extend(expected.keys().map(|id| format!("{id}: no such trace")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Sends what the host received to the gateway, and returns what is not as expected.
async fn check(trace: &Trace, expected: &[Expectation]) -> Vec<String> {
    let id = &trace.id;
    if trace.host_receives.len() != expected.len() {
        return vec![format!("{id}: {} requests", trace.host_receives.len())];
    }
    let store = Arc::new(MemoryStore::holding("web", ISSUED));
    let mut host = Host::with(machine(rules(Mode::Enforce), 1), store);
    let mut wrong = Vec::new();
    for (text, expected) in trace.host_receives.iter().zip(expected) {
        let (bytes, is_cut) = bytes(text);
        if is_cut != expected.cut.is_some() || expected.is_plain() != expected.why.is_none() {
            wrong.push(format!(
                "{id}: `why` or `cut` is missing or too many: {expected:?}"
            ));
        }
        let answer = host.ask_from(ADDRESS, trace.destination, &bytes).await;
        let seen = host.observation();
        let found = (seen.signature, seen.reason, seen.accepted);
        if found
            != (
                expected.signature,
                expected.reason,
                expected.reason.is_none(),
            )
        {
            wrong.push(format!("{id}: {found:?}, {answer:?}"));
        }
        let status = seen.reason.map(Reason::status);
        if status.is_some_and(|status| status != answer.status || status != seen.status) {
            wrong.push(format!("{id}: {answer:?}"));
        }
    }
    wrong
}
