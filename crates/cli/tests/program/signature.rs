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

/// Signs a request as far as it goes; returns exit code, reason and path with parameters.
fn asked(text: &str) -> (i32, Option<String>, Option<String>) {
    let arguments = [
        "signature",
        "--request",
        "-",
        "--key-hex",
        "4A40",
        "--format",
        "json",
    ];
    let ran = latchkey(&arguments, text);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    let reason = answer[0]["code"].as_str().or(answer["ambiguous"].as_str());
    let signed = answer["string_to_sign_hex"]
        .as_str()
        .map(|digits| String::from_utf8(hex::decode(digits).unwrap()).unwrap());
    (ran.code, reason.map(str::to_owned), signed)
}

#[test]
fn absolute_target_without_a_path_keeps_its_query() {
    for (url, line) in [
        ("http://h?a=1", "/\na=1"),
        ("http://h", "/\n"),
        ("http://h/m?b=/", "/m\nb=/"),
        ("/m?a=http://h/x", "/m\na=http://h/x"),
    ] {
        let (code, _, signed) = asked(&format!(r#"{{"method":"GET","url":"{url}"}}"#));
        assert_eq!((code, signed), (0, Some(format!("GET\n\n{line}"))), "{url}");
    }
}

#[test]
fn what_the_agent_would_refuse_is_refused_with_its_reason() {
    let url = |method: &str, url: &str| format!(r#"{{"method":"{method}","url":"{url}"}}"#);
    let headers = |headers: &str| format!(r#"{{"method":"GET","url":"/m","headers":[{headers}]}}"#);
    for (text, reason) in [
        (url("GET", "m?a=1"), "malformed_target"),
        (url("GET", ""), "malformed_target"),
        (url("GET", "*"), "malformed_target"),
        (url("GET", "https://h/m"), "absolute_form"),
        (url("GET", "HTTP://h/m"), "absolute_form"),
        (url("get", "/m"), "method_not_allowed"),
        (
            headers(r#"["content-length","3"],["transfer-encoding","chunked"]"#),
            "conflicting_framing",
        ),
        (
            headers(r#"["accept","a"],["accept","b"]"#),
            "repeated_header",
        ),
        (headers(r#"["host","a"],["host","b"]"#), "repeated_header"),
    ] {
        let (code, found, _) = asked(&text);
        assert_eq!((code, found.as_deref()), (2, Some(reason)), "{text}");
    }
    assert_eq!(asked(&url("OPTIONS", "*")).0, 0);
}

#[test]
fn mistake_in_a_request_is_shown_where_it_stands_and_that_of_a_key_beside_its_name() {
    let request = "{\"method\":\"GET\",\n\"url\":\"/\",\n  \"body_hex\":\"a\"}";
    let ran = latchkey(&["signature", "--request", "-", "--key-hex", "00"], request);
    assert_eq!(ran.code, 3, "{ran:?}");
    for says in [":3:3", "`body_hex` holds pairs", "^^^"] {
        assert!(ran.err.contains(says), "{says}: {}", ran.err);
    }
    let ran = latchkey(
        &["signature", "--request", "-", "--key-hex", "0"],
        r#"{"method":"GET","url":"/"}"#,
    );
    assert!(ran.err.contains("--key-hex: the key"), "{}", ran.err);
}
