//! Everything in the fuzzers' corpora once more: what they found stays found.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a claim that does not hold ends the test"
)]

use std::path::Path;

use proptest::prelude::*;

#[path = "../../../fuzz/src/claims.rs"]
mod claims;

/// Puts every file of a corpus to a claim.
fn replay(corpus: &str, claim: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut count = 0;
    for entry in std::fs::read_dir(folder.join(corpus)).unwrap() {
        claim(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 5, "{corpus}: {count}");
}

#[test]
fn canonical_form_is_stable_over_the_corpus() {
    replay("canonical_request", claims::canonical_request);
}

#[test]
fn documents_of_the_corpus_are_kept_by_formatting_or_refused_with_places() {
    replay("profile_document", claims::profile_document);
}

#[test]
fn records_of_the_corpus_are_written_as_they_are_read() {
    replay("log_record", claims::log_record);
}

/// A whole document, to be spoilt.
const DOCUMENT: &str = r#"{"defaultAccess": "Deny", "mode": "Audit", "id": "\u00e9", "rules": {
    "privileges": [{"name": "p", "path": "/m", "queryParameters": {"a": "1"}}],
    "roles": [{"name": "r", "privileges": ["p"]}],
    "identities": [{"name": "i", "userName": "a", "uid": 10}],
    "roleAssignments": [{"role": "r", "identities": ["i"]}]}}"#;

/// What one slip of a finger puts into a document.
fn slip() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "\\",
        "\\u",
        "\\ud800",
        "0",
        "-",
        ".",
        "e9",
        "null",
        "true",
        "'",
        "//",
        "/**/",
        " ",
        "\t",
        "\u{b}",
        "\u{a0}",
        "\u{feff}",
        "\0",
        "é",
        "\"id\": 1,",
    ])
}

proptest! {
    #[test]
    fn spoilt_document_is_refused_with_places_or_means_what_serde_reads(
        slips in prop::collection::vec((0..DOCUMENT.len(), 0..3_usize, slip()), 1..4)
    ) {
        let mut bytes = DOCUMENT.as_bytes().to_vec();
        for (at, removed, added) in slips {
            let at = at.min(bytes.len());
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, added.bytes());
        }
        claims::profile_document(&bytes);
    }

    #[test]
    fn pieces_of_json_are_refused_with_places_or_mean_what_serde_reads(
        pieces in prop::collection::vec(slip(), 0..40)
    ) {
        claims::profile_document(pieces.concat().as_bytes());
    }
}
