//! The deployed agent's signatures, from the program itself.

use serde_json::Value;

use crate::ran::{Ran, latchkey, written};

const VECTORS: &str = include_str!("../../../protocol/testdata/signing.json");

/// Requests that two readers could take for two, so that the agent signs none of them: how it
/// would be signed is shown, and refused.
const AMBIGUOUS: &[(&str, &str)] = &[
    ("s011", "repeated_parameter"),
    ("s015", "colliding_parameters"),
    ("s016", "colliding_parameters"),
    ("s017", "colliding_parameters"),
    ("s018", "nameless_parameter"),
    ("s022", "repeated_parameter"),
    ("s025", "semicolon_in_query"),
    ("s036", "repeated_header"),
    ("s037", "repeated_header"),
    ("s063", "repeated_header"),
];

/// Requests that cannot be signed at all.
const REFUSED: &[(&str, &str)] = &[
    ("s030", "malformed_target"),
    ("s050", "invalid_key"),
    ("s062", "non_ascii_header"),
    ("s071", "malformed_target"),
    ("s072", "malformed_target"),
];

fn sign(vector: &Value, format: &str) -> Ran {
    let file = written(&vector.to_string());
    let key = vector["key_hex"].as_str().unwrap();
    let request = file.path().to_str().unwrap();
    latchkey(
        &[
            "signature",
            "--request",
            request,
            "--key-hex",
            key,
            "--format",
            format,
        ],
        "",
    )
}

fn listed<'a>(list: &'a [(&str, &str)], vector: &Value) -> Option<&'a str> {
    let found = list.iter().find(|(id, _)| vector["id"] == *id);
    found.map(|(_, reason)| *reason)
}

/// Returns what is wrong with the program's answer.
fn complaint(vector: &Value) -> Option<String> {
    let ran = sign(vector, "json");
    let answer: Value = match serde_json::from_str(&ran.out) {
        Ok(answer) => answer,
        Err(_) => return Some(format!("no JSON: {ran:?}")),
    };
    if let Some(reason) = listed(REFUSED, vector) {
        let is_refused = ran.code == 2 && answer[0]["code"] == reason;
        return (!is_refused).then(|| format!("not refused by {reason}: {ran:?}"));
    }
    for field in ["string_to_sign_hex", "signature", "authorization"] {
        if answer[field] != vector[field] {
            return Some(format!("{field}: {ran:?}"));
        }
    }
    let expected = listed(AMBIGUOUS, vector);
    let is_right = answer["ambiguous"].as_str() == expected
        && ran.code == if expected.is_some() { 2 } else { 0 };
    (!is_right).then(|| format!("ambiguity is not {expected:?}: {ran:?}"))
}

#[test]
fn every_vector_is_signed_or_refused_with_its_reason() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 52, "the vector file lost cases");
    let complaints: Vec<_> = vectors
        .iter()
        .filter_map(|vector| Some(format!("{}: {}", vector["id"], complaint(vector)?)))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn key_is_never_written() {
    let key = "4A404E635266556A586E3272357538782F413F4428472B4B6250645367566B5";
    let request = written(r#"{"method":"GET","url":"/a"}"#);
    let path = request.path().to_str().unwrap();
    for key in [key, "zz-secret"] {
        for format in ["text", "json"] {
            let ran = latchkey(
                &[
                    "signature",
                    "--request",
                    path,
                    "--key-hex",
                    key,
                    "--format",
                    format,
                ],
                "",
            );
            assert_eq!(ran.code, 2, "{ran:?}");
            assert!(!ran.out.contains(key) && !ran.err.contains(key), "{ran:?}");
        }
    }
}

#[test]
fn key_may_come_from_a_file_and_the_request_from_standard_input() {
    let key = written("4A40\n");
    let path = key.path().to_str().unwrap();
    let ran = latchkey(
        &["signature", "--request", "-", "--key-file", path],
        r#"{"method":"GET","url":"/a?b=1"}"#,
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.starts_with("string to sign: GET\\n\\n/a\\nb=1\n"),
        "{ran:?}"
    );
}

#[test]
fn request_that_is_none_is_an_invalid_document() {
    for text in [
        "{",
        "[]",
        r#"{"method":"G T","url":"/"}"#,
        r#"{"method":"GET","url":"/","headers":[["a b","c"]]}"#,
    ] {
        let ran = latchkey(&["signature", "--request", "-", "--key-hex", "00"], text);
        assert_eq!(ran.code, 3, "{text}: {ran:?}");
    }
}
