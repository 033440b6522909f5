//! Everything in the fuzzers' corpora once more: what they found stays found.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a claim that does not hold, or cannot be put, ends the test"
)]

use std::path::Path;

use proptest::prelude::*;

#[expect(
    unreachable_pub,
    reason = "the fuzz targets share these functions as a library"
)]
#[path = "../../../fuzz/src/lib.rs"]
mod claims;

/// How many files a corpus has, so that nothing is replayed in vain or for too long.
const FILES: std::ops::Range<usize> = 20..300;

/// How large all files of a corpus are together, in bytes.
const MAX_BYTES: usize = 300_000;

/// Puts every file of a corpus to a claim.
fn replay(corpus: &str, claim: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut sizes = Vec::new();
    for entry in std::fs::read_dir(folder.join(corpus)).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let held = std::panic::catch_unwind(|| claim(&bytes));
        assert!(held.is_ok(), "{}", path.display());
        sizes.push(bytes.len());
    }
    assert!(
        FILES.contains(&sizes.len()),
        "{corpus}: {} files",
        sizes.len()
    );
    let bytes: usize = sizes.iter().sum();
    assert!(bytes <= MAX_BYTES, "{corpus}: {bytes} bytes");
}

#[test]
fn requests_of_the_corpus_mean_one_thing_however_they_are_spelt() {
    replay("canonical_request", claims::canonical_request);
}

#[test]
fn documents_of_the_corpus_are_kept_and_answer_or_are_refused_with_places() {
    replay("profile_document", claims::profile_document);
}

#[test]
fn logs_of_the_corpus_are_counted_line_by_line_and_learned_from() {
    replay("log_record", claims::log_record);
}

/// A whole document, to be spoilt.
const DOCUMENT: &str = r#"{"defaultAccess": "Deny", "mode": "Audit", "id": "\u00e9", "rules": {
    "privileges": [{"name": "p", "path": "/m", "queryParameters": {"a": "1"}}],
    "roles": [{"name": "r", "privileges": ["p"]}],
    "identities": [{"name": "i", "userName": "a", "uid": 10}],
    "roleAssignments": [{"role": "r", "identities": ["i"]}]}}"#;

/// A log of the deployed agent and a row of an export, to be spoilt.
const LOG: &str = r#"2026-11-23T10:45:58.054 [TRACE]   12[7] - Got request from 127.0.0.1:1 for GET /a?b=1
12[7] - Use lookup value:169.254.169.254:80.
12[7] - {"userName": "a", "processFullPath": "/usr/bin/python3", "processCmdLine": "python3 /opt/a.py"}
12[7] - Http connection finished with status code: 200 OK.
12[7] - {"method": "GET", "url": "/a", "ip": "169.254.169.254", "port": 80, "userName": "a", "processFullPath": "/b"}
{"url_s": "/a", "method_s": "PUT", "ip_s": "168.63.129.16", "port_d": 80.0, "userName_s": "r", "processFullPath_s": "/b"}"#;

/// A text with slips of the finger: where, how much is lost, and what comes instead.
fn spoilt(text: &str, slips: Vec<(usize, usize, &str)>) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, removed, added) in slips {
        let at = at.min(bytes.len());
        let end = (at + removed).min(bytes.len());
        bytes.splice(at..end, added.bytes());
    }
    bytes
}

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
        "\n",
        "13[7] - ",
    ])
}

proptest! {
    #[test]
    fn spoilt_document_is_refused_with_places_or_means_what_serde_reads(
        slips in prop::collection::vec((0..DOCUMENT.len(), 0..3_usize, slip()), 1..4)
    ) {
        claims::profile_document(&spoilt(DOCUMENT, slips));
    }

    #[test]
    fn spoilt_log_is_counted_line_by_line(
        slips in prop::collection::vec((0..LOG.len(), 0..12_usize, slip()), 1..6)
    ) {
        claims::log_record(&spoilt(LOG, slips));
    }

    #[test]
    fn pieces_of_json_are_refused_with_places_or_mean_what_serde_reads(
        pieces in prop::collection::vec(slip(), 0..40)
    ) {
        claims::profile_document(pieces.concat().as_bytes());
    }
}
