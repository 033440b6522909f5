//! What must hold for any bytes; a claim that does not hold panics.
//!
//! The fuzz targets put new bytes to these functions, and a test of `latchkey-policy` the
//! corpora, so that what a fuzzer once found stays checked by every run of the tests.

use latchkey_policy::RuleSet;
use latchkey_policy::document::{Document, Form, format, read, read_bytes};
use latchkey_protocol::authorization::AuthorizationItem;
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::target::CanonicalTarget;
use latchkey_protocol::{Endpoint, EndpointTable, Mode, Reason, Request};
use latchkey_record::AuditRecord;

/// A request is read or refused, and its canonical form is its own canonical form.
pub(crate) fn canonical_request(bytes: &[u8]) {
    let Ok(Parsed::Complete(head, length)) = parse(bytes) else {
        return;
    };
    assert!(length <= bytes.len(), "a head ends within the bytes");
    if let Ok(target) = CanonicalTarget::parse(&head.target) {
        assert_stable(&target);
    }
    let table = EndpointTable::azure(Mode::Enforce);
    let read = |endpoint: &Endpoint| Request::read((*head).clone(), endpoint).is_ok();
    let readings: Vec<bool> = table.as_slice().iter().map(read).collect();
    assert_eq!(readings.len(), table.as_slice().len());
}

fn assert_stable(target: &CanonicalTarget) {
    let rendered = rendered(target);
    match CanonicalTarget::parse(&rendered) {
        Ok(again) => assert_eq!(again, *target, "{rendered}"),
        // Names and values that differ in spelling alone collide once they are spelt alike.
        Err(Reason::CollidingParameters) => {}
        Err(reason) => panic!("{rendered}: {reason}"),
    }
}

/// Writes a canonical target as a target, with everything escaped that is not plain.
fn rendered(target: &CanonicalTarget) -> String {
    let path = match target.path() {
        "*" => "*".to_owned(),
        path => path.split('/').map(escaped).collect::<Vec<_>>().join("/"),
    };
    let slash = if target.has_trailing_slash() && path != "/" {
        "/"
    } else {
        ""
    };
    let parameters = target.parameters().iter();
    let query: Vec<String> = parameters
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
        .collect();
    format!("{path}{slash}?{}", query.join("&"))
}

fn escaped(text: &str) -> String {
    let bytes = text.bytes();
    bytes
        .map(|byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// A document is read or refused with places; one that is read compiles, and formatting keeps it.
pub(crate) fn profile_document(bytes: &[u8]) {
    for form in [
        None,
        Some(Form::Item),
        Some(Form::Local),
        Some(Form::Rules),
        Some(Form::Version),
    ] {
        match read_bytes(bytes, form) {
            Ok(document) => assert_formats(&document),
            Err(invalid) => {
                assert!(!invalid.problems().is_empty());
                for problem in invalid.problems() {
                    assert!(problem.place.offset <= bytes.len(), "{problem}");
                    assert!(problem.place.line >= 1 && problem.place.column >= 1);
                }
            }
        }
    }
    // What is not the reader's to refuse is the compiler's, and neither may fall over it.
    if let Ok(item) = serde_json::from_slice::<AuthorizationItem>(bytes) {
        let compiled = RuleSet::compile(&item).is_ok();
        if let Ok(document) = read_bytes(bytes, Some(Form::Item)) {
            assert_eq!(document.item, item, "both readers agree");
            assert!(compiled);
        }
    }
}

fn assert_formats(document: &Document) {
    assert!(RuleSet::compile(&document.item).is_ok());
    let text = format(document);
    match read(&text, Some(document.form)) {
        Ok(again) => {
            assert_eq!(again, *document, "{text}");
            assert_eq!(format(&again), text);
        }
        Err(invalid) => panic!("{invalid}\n{text}"),
    }
}

/// A line is an audit record or none; a record is written as it is read.
pub(crate) fn log_record(bytes: &[u8]) {
    let Ok(record) = serde_json::from_slice::<AuditRecord>(bytes) else {
        return;
    };
    let written = serde_json::to_string(&record);
    let again = written.and_then(|text| serde_json::from_str::<AuditRecord>(&text));
    assert_eq!(again.ok(), Some(record));
}
