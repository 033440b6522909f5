//! Single lines: a record, a row of an export or a hand-written request is read alike by all who read it.

use jiff::Timestamp;
use latchkey_policy::case::{self, Answer, RequestLine};
use latchkey_policy::learn::read::{Line, Unread, read_line, read_row};
use latchkey_policy::simulate::{Profiles, Question, Recorded, Simulator};
use latchkey_policy::{EndpointPolicy, KeyState, explain};
use latchkey_protocol::{Caller, Request};
use latchkey_record::AuditRecord;
use latchkey_record::audit::AUDIT_VERSION;
use serde_json::{Map, Value};

/// An audit record is written as it is read, and both who learn from it and who judge it anew read it.
pub(crate) fn audit_record(text: &[u8]) {
    let Ok(record) = serde_json::from_slice::<AuditRecord>(text) else {
        return;
    };
    let Ok(written) = serde_json::to_string(&record) else {
        panic!("a record cannot be written");
    };
    let again = serde_json::from_str::<AuditRecord>(&written);
    assert_eq!(again.ok().as_ref(), Some(&record));
    assert_learned(&record, &written);
    if let Ok(recorded) = Recorded::try_from(record.clone()) {
        let question = &recorded.question;
        assert_eq!(
            Some(question.method.as_bytes()),
            record.method.as_deref().map(str::as_bytes)
        );
        assert_eq!(
            Some(&*question.target),
            record.target.as_deref().map(str::as_bytes)
        );
        assert_eq!(Some(question.endpoint), record.kind);
    }
}

/// Those who learn find in a record what stands there, or name what it lacks.
fn assert_learned(record: &AuditRecord, written: &str) {
    let line = read_line(written.as_bytes());
    let is_whole = record.method.is_some() && record.target.is_some() && record.caller.is_some();
    let Line::Sample(sample, _) = &line else {
        let why = match (record.version, record.kind) {
            (AUDIT_VERSION, None) => Unread::UnknownEndpoint,
            (AUDIT_VERSION, Some(_)) if !is_whole => Unread::Incomplete,
            (AUDIT_VERSION, Some(_)) => panic!("{written}: {line:?}"),
            _ => Unread::UnknownVersion,
        };
        assert_eq!(line, Line::Unread(why), "{written}");
        return;
    };
    assert!(is_whole && record.version == AUDIT_VERSION);
    assert_eq!(Some(&*sample.method), record.method.as_deref());
    assert_eq!(Some(&*sample.target), record.target.as_deref());
    assert_eq!(
        (Some(sample.endpoint), sample.status),
        (record.kind, record.status)
    );
    assert_eq!((sample.time, sample.count), (Some(record.time), 1));
    // An empty cell of an export is none.
    if sample.method.is_empty() || sample.target.is_empty() {
        return;
    }
    if let Ok(row) = serde_json::from_str::<Map<String, Value>>(written) {
        assert_eq!(read_row(row), line, "{written}");
    }
}

/// A row says the same as JSON and as comma-separated values, which have texts alone.
pub(crate) fn row(text: &[u8]) {
    let Ok(row) = serde_json::from_slice::<Map<String, Value>>(text) else {
        return;
    };
    let line = read_row(row.clone());
    let is_flat = |(name, value): (&String, &Value)| {
        name.starts_with("caller") || !(value.is_object() || value.is_array())
    };
    let is_record = matches!(line, Line::Sample(..) | Line::Caller(_));
    if !is_record || !row.iter().all(is_flat) {
        return;
    }
    let texts = row.into_iter().map(|(name, value)| (name, cell(value)));
    assert_eq!(read_row(texts.collect()), line);
}

fn cell(value: Value) -> Value {
    match value {
        Value::Null => Value::from(""),
        Value::String(_) => value,
        other => Value::from(other.to_string()),
    }
}

/// A request that somebody wrote down is answered or named, the same however its JSON is written, and
/// as an explanation and a simulation answer it.
pub(crate) fn request_line(text: &[u8]) {
    let Ok(line) = RequestLine::read(text) else {
        return;
    };
    let now = Timestamp::UNIX_EPOCH;
    let answer = line.answer(now).map_err(|error| error.to_string());
    // A value that is skipped need not be one that JSON values can hold.
    if let Ok(value) = serde_json::from_slice::<Value>(text) {
        match RequestLine::read(value.to_string().as_bytes()) {
            Ok(again) => assert_eq!(again.answer(now).map_err(|error| error.to_string()), answer),
            Err(error) => panic!("{error}: {value}"),
        }
    }
    if let Ok(answer) = answer {
        assert_judged(&line, &answer, line.time.unwrap_or(now));
    }
}

fn assert_judged(line: &RequestLine, answer: &Answer, now: Timestamp) {
    let (Ok(endpoint), Ok(caller), Ok(target), Ok(item)) = (
        line.endpoint(),
        line.caller(),
        line.target_bytes(),
        line.item(),
    ) else {
        panic!("{line:?} is answered but not read");
    };
    let request = case::request(&endpoint, &line.method, &target);
    match (request, case::policy(&endpoint, item.as_ref())) {
        (Ok(request), Ok(policy)) => assert_explained(answer, &request, &caller, &policy, now),
        (Err(reason), Ok(_)) => assert_eq!(answer, &Answer::malformed(reason)),
        (_, Err(invalid)) => panic!("{invalid}"),
    }
    let Some(item) = item else {
        return;
    };
    let mut profiles = Profiles::default();
    assert!(profiles.insert(endpoint.kind, &item).is_ok());
    let mut simulator = Simulator::new(profiles, Profiles::default());
    let question = Question {
        endpoint: endpoint.kind,
        method: line.method.clone(),
        target,
        caller,
        objection: None,
    };
    // The second time the caller is known.
    for _ in 0..2 {
        let judged = simulator.judge(&question, now);
        assert_eq!(judged.candidate.as_ref(), Some(answer));
    }
}

fn assert_explained(
    answer: &Answer,
    request: &Request,
    caller: &Caller,
    policy: &EndpointPolicy,
    now: Timestamp,
) {
    let explanation = explain(request, caller, policy, KeyState::Held, now);
    assert_eq!(explanation.verdict.to_string(), answer.verdict.as_str());
    assert_eq!(explanation.reason, answer.reason);
    assert_eq!(
        explanation.rule,
        answer.rule.as_ref().map(ToString::to_string)
    );
}
