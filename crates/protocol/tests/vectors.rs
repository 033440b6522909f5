//! Runs the vectors that a deployed implementation produced.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of a test may panic"
)]

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use latchkey_protocol::endpoint::EndpointKind;
use latchkey_protocol::key::{KeyId, SigningKey};
use latchkey_protocol::signature::Signable;
use latchkey_protocol::status::SecureChannel;
use serde_json::Value;

/// Differences on purpose: id, weak point of the deployed agent, why.
const STATUS_DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "k16",
        "W16",
        "an unknown mode is refused, not taken for disabled",
    ),
    (
        "k17",
        "W16",
        "an unknown mode is refused, not taken for disabled",
    ),
    (
        "k18",
        "W18",
        "a disabled channel is disabled, whatever its rules say",
    ),
    (
        "k23",
        "W16",
        "an unknown version is refused, not read as 1.0",
    ),
    (
        "k24",
        "W16",
        "an unknown version is refused, not taken for disabled",
    ),
];

fn vectors(text: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(text).unwrap();
    document["vectors"].as_array().unwrap().clone()
}

/// Header values of the vectors hold one character per byte.
fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect()
}

fn headers(vector: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in vector["headers"].as_array().unwrap() {
        let name: HeaderName = line[0].as_str().unwrap().parse().unwrap();
        headers.append(
            name,
            HeaderValue::from_bytes(&latin1(line[1].as_str().unwrap())).unwrap(),
        );
    }
    headers
}

/// The scheme covers path and query alone; an absolute target loses scheme and authority.
fn origin_form(url: &str) -> String {
    match url.strip_prefix("http://") {
        None => url.split('#').next().unwrap().to_owned(),
        Some(rest) => rest
            .find('/')
            .map_or_else(|| "/".to_owned(), |at| rest[at..].to_owned()),
    }
}

fn check_signing(vector: &Value) -> Result<(), String> {
    let text = |name: &str| vector[name].as_str().unwrap_or_default();
    let expect = text("expect");
    if expect.contains("rejected by parser") {
        let bytes = [
            b"GET ",
            &*hex::decode(text("url_hex")).unwrap(),
            b" HTTP/1.1\r\nHost: h\r\n\r\n",
        ]
        .concat();
        return match latchkey_protocol::head::parse(&bytes) {
            Err(_) => Ok(()),
            Ok(_) => Err("the target is accepted".to_owned()),
        };
    }
    let headers = headers(vector);
    let method: Method = text("method").parse().unwrap();
    let target = origin_form(text("url"));
    let body = hex::decode(text("body_hex")).unwrap();
    let request = Signable {
        method: &method,
        target: &target,
        headers: &headers,
        body: &body,
    };
    let mut signed = Vec::new();
    let written = request.write_to(|piece| signed.extend_from_slice(piece));
    if expect.contains("canonicalization aborts") {
        return if written.is_err() {
            Ok(())
        } else {
            Err("it can be signed".to_owned())
        };
    }
    written.map_err(|error| error.to_string())?;
    if hex::encode(&signed) != text("string_to_sign_hex") {
        return Err(format!("string to sign: {}", signed.escape_ascii()));
    }
    let key = SigningKey::from_hex(KeyId::parse(text("key_guid")).unwrap(), text("key_hex"));
    if expect.contains("signing fails") {
        return if key.is_err() {
            Ok(())
        } else {
            Err("the key is accepted".to_owned())
        };
    }
    let key = key.map_err(|error| error.to_string())?;
    let authorization = key.sign(&request).map_err(|error| error.to_string())?;
    if hex::encode(authorization.mac) != text("signature") {
        return Err(format!("signature: {}", hex::encode(authorization.mac)));
    }
    if authorization.header_value() != text("authorization") {
        return Err("authorization header".to_owned());
    }
    key.verify(&request, &authorization.mac)
        .map_err(|error| error.to_string())
}

#[test]
fn signing_vectors_hold_byte_for_byte() {
    let mut failures = Vec::new();
    for vector in vectors(include_str!("../testdata/signing.json")) {
        if let Err(failure) = check_signing(&vector) {
            failures.push(format!(
                "{} {}: {failure}",
                vector["id"], vector["description"]
            ));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

fn check_status(vector: &Value) -> Result<(), String> {
    let status = SecureChannel::parse(vector["response_text"].as_str().unwrap().as_bytes());
    if vector.get("parse_error").is_some() || vector["valid"] == false {
        return if status.is_err() {
            Ok(())
        } else {
            Err("it is accepted".to_owned())
        };
    }
    let status = status.map_err(|error| error.to_string())?;
    for (prefix, kind) in [
        ("imds", EndpointKind::Imds),
        ("wireserver", EndpointKind::WireServer),
        ("hostga", EndpointKind::HostGa),
    ] {
        let endpoint = status.endpoint(kind);
        let mode = endpoint.mode.as_str().to_ascii_lowercase();
        if mode != vector[format!("{prefix}_mode")].as_str().unwrap() {
            return Err(format!("{prefix}: mode {mode}"));
        }
        let id = endpoint.item.as_ref().map_or("", |item| &item.id);
        if id != vector[format!("{prefix}_rule_id")].as_str().unwrap() {
            return Err(format!("{prefix}: rule id {id}"));
        }
    }
    if status.state != vector["state"].as_str().unwrap() {
        return Err(format!("state {:?}", status.state));
    }
    Ok(())
}

#[test]
fn status_vectors_hold_but_for_the_listed_differences() {
    let mut failures = Vec::new();
    for vector in vectors(include_str!("../testdata/key_status.json")) {
        let id = vector["id"].as_str().unwrap();
        let differs = STATUS_DIFFERENCES.iter().any(|(listed, ..)| *listed == id);
        match (check_status(&vector), differs) {
            (Ok(()), false) | (Err(_), true) => {}
            (Ok(()), true) => failures.push(format!("{id} is listed as a difference and is none")),
            (Err(failure), false) => failures.push(format!("{id}: {failure}")),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
