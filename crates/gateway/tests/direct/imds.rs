//! The emulated instance metadata service keeps the real one's rules.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use latchkey_protocol::{EndpointKind, Mode};
use serde_json::Value;

use crate::host::{Ask, Host};

const TOKEN: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01";

async fn get(target: &str) -> (u16, Value) {
    let host = Host::new(Mode::Disabled);
    let answer = host.ask(&Ask::imds(&format!("GET {target}"))).await;
    (
        answer.status,
        serde_json::from_str(&answer.body).unwrap_or(Value::String(answer.body)),
    )
}

#[tokio::test]
async fn request_without_the_metadata_header_is_a_bad_request() {
    let host = Host::new(Mode::Disabled);
    for target in [
        "/metadata/versions",
        "/metadata/instance?api-version=2021-02-01",
    ] {
        let bare = Ask::new(EndpointKind::Imds, &format!("GET {target}"));
        let answer = host.ask(&bare).await;
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.json()["error"],
            "Bad request. Required metadata header not specified"
        );
        assert_eq!(
            host.ask(&bare.clone().with("metadata", "True "))
                .await
                .status,
            200
        );
        assert_eq!(host.ask(&bare.with("metadata", "false")).await.status, 400);
    }
    let probe = host
        .ask(&Ask::new(
            EndpointKind::Imds,
            &format!("GET {TOKEN}&resource=x"),
        ))
        .await;
    assert_eq!(
        (probe.status, &probe.json()["error"]),
        (400, &"invalid_request".into())
    );
}

#[tokio::test]
async fn forwarded_and_doubled_requests_are_bad_requests_whatever_the_mode() {
    let host = Host::new(Mode::Disabled);
    let ask = Ask::imds("GET /metadata/versions");
    assert_eq!(
        host.ask(&ask.with("X-Forwarded-For", "1.2.3.4"))
            .await
            .status,
        400
    );
    let (status, error) =
        get("/metadata/instance?api-version=2021-02-01&API-Version=2021-02-01").await;
    assert_eq!(
        (status, &error["error"]),
        (400, &"Bad request. Duplicate query parameters".into())
    );
}

#[tokio::test]
async fn version_that_is_absent_or_unknown_is_answered_with_the_newest() {
    for target in [
        "/metadata/instance",
        "/metadata/instance?api-version=1999-01-01",
    ] {
        let (status, error) = get(target).await;
        assert_eq!(status, 400);
        assert_eq!(
            error["newest-versions"].as_array().unwrap().len(),
            3,
            "{error}"
        );
    }
    let (status, versions) = get("/metadata/versions").await;
    assert_eq!(status, 200);
    assert!(
        versions["apiVersions"]
            .as_array()
            .unwrap()
            .contains(&"2021-08-01".into())
    );
}

#[tokio::test]
async fn parts_of_the_instance_are_answered_as_json_or_text() {
    let instance = "/metadata/instance";
    let query = "api-version=2021-08-01";
    let (status, whole) = get(&format!("{instance}?{query}&extended=true")).await;
    assert_eq!(
        (status, &whole["compute"]["vmSize"]),
        (200, &"Standard_B1s".into())
    );
    assert_eq!(whole["extended"]["compute"]["ppsType"], "None");
    let (_, compute) = get(&format!("{instance}/compute?{query}&format=json")).await;
    assert_eq!(compute, whole["compute"]);
    let text = async |path: &str| get(&format!("{instance}/{path}?{query}&format=text")).await;
    assert_eq!(text("compute/location").await, (200, "westeurope".into()));
    assert_eq!(
        text("network/interface/0/ipv4").await,
        (200, "ipAddress/\nsubnet/".into())
    );
    assert_eq!(
        get(&format!("{instance}/compute/nothing?{query}")).await.0,
        404
    );
    assert_eq!(
        get(&format!("{instance}/compute/name?{query}&format=json"))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn tokens_are_for_the_machine_and_the_resource_and_verify() {
    let host = Host::new(Mode::Disabled);
    let resource = "https://Management.example/";
    let ask = Ask::imds(&format!(
        "GET {TOKEN}&resource=https%3A%2F%2FManagement.example%2F"
    ));
    let answer = host.ask(&ask).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.json();
    assert_eq!(
        (&token["resource"], &token["token_type"]),
        (&resource.into(), &"Bearer".into())
    );
    let keys = host.gateway.emulator().issuer().key_set();
    let key = DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[resource]);
    validation.validate_exp = false;
    let claims = decode::<Value>(token["access_token"].as_str().unwrap(), &key, &validation)
        .unwrap()
        .claims;
    assert_eq!(claims["appid"], token["client_id"]);
    assert_eq!(
        claims["exp"].to_string(),
        token["expires_on"].as_str().unwrap()
    );
    assert!(
        claims["xms_mirid"]
            .as_str()
            .unwrap()
            .contains("/resourceGroups/shop/")
    );
}

#[tokio::test]
async fn token_for_nobody_or_nothing_is_an_invalid_request() {
    let own = "00000000-0000-0000-0000-000000000004";
    let other = "00000000-0000-0000-0000-000000000009";
    assert_eq!(
        get(&format!("{TOKEN}&resource=r&client_id={own}")).await.0,
        200
    );
    for query in [
        "",
        "&resource=",
        &format!("&resource=r&client_id={other}"),
        "&resource=r&msi_res_id=/x",
    ] {
        let (status, error) = get(&format!("{TOKEN}{query}")).await;
        assert_eq!(
            (status, &error["error"]),
            (400, &"invalid_request".into()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn what_the_service_does_not_have_is_not_found() {
    for target in [
        "/",
        "/metadata",
        "/metadata/none",
        "/latest/meta-data/",
        "/metadata/identity/none?api-version=2018-02-01",
    ] {
        let (status, error) = get(target).await;
        assert_eq!(
            (status, &error["error"]),
            (404, &"Not found".into()),
            "{target}"
        );
    }
    let host = Host::new(Mode::Disabled);
    let post = host.ask(&Ask::imds("POST /metadata/versions")).await;
    assert_eq!(
        (post.status, post.header("allow")),
        (405, Some("GET, HEAD"))
    );
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let host = Host::new(Mode::Disabled);
    let answer = host.ask(&Ask::imds("HEAD /metadata/versions")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(answer.header("content-length").is_some());
}
