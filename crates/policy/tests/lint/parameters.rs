//! Constraints on query parameters.

use latchkey_policy::lint::Code;
use serde_json::{Value, json};

use super::conditions::second;
use super::{Case, found, not_found};

fn query(name: &str, value: &str) -> Value {
    second(json!({"path": "/metadata/instance", "queryParameters": {name: value}}))
}

pub(crate) fn cases() -> Vec<Case> {
    let at = |name: &str| -> &'static str {
        match name {
            "api-version" => "/rules/privileges/1/queryParameters/api-version",
            "incarnation" => "/rules/privileges/1/queryParameters/incarnation",
            "a/b" => "/rules/privileges/1/queryParameters/a~1b",
            _ => "/rules/privileges/1/queryParameters/x",
        }
    };
    let pair = |one: &str, other: &str| {
        second(json!({"path": "/metadata/instance", "queryParameters": {one: "1", other: "2"}}))
    };
    let uuid = "2d8e2a4c-5d3a-4b3d-9c7b-000000000001";
    vec![
        found(Code::VolatileValue, at("x"), query("x", uuid)),
        found(Code::VolatileValue, at("a/b"), query("a/b", "1764000000")),
        found(
            Code::VolatileValue,
            at("incarnation"),
            query("incarnation", "1"),
        ),
        found(
            Code::VolatileValue,
            at("x"),
            query("x", "2026-11-23T10:00:00Z"),
        ),
        not_found(Code::VolatileValue, query("client_id", uuid)),
        not_found(
            Code::VolatileValue,
            query("resource", "https://management.azure.com/"),
        ),
        not_found(Code::VolatileValue, query("api-version", "2018-02-01")),
        not_found(Code::VolatileValue, query("format", "json")),
        found(
            Code::FixedApiVersion,
            at("api-version"),
            query("api-version", "2018-02-01"),
        ),
        not_found(Code::FixedApiVersion, query("version", "1")),
        found(
            Code::SimilarParameters,
            "/rules/privileges/1/queryParameters/api_version",
            pair("api-version", "api_version"),
        ),
        not_found(Code::SimilarParameters, pair("object_id", "client_id")),
        found(
            Code::NeverMatchesOnDeployed,
            at("x"),
            query("x", "https%3A%2F%2Fvault"),
        ),
        not_found(
            Code::NeverMatchesOnDeployed,
            query("resource", "https://Vault/"),
        ),
    ]
}
