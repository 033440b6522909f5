//! The emulated identity endpoint: whose token a request gets, and what it says to any other.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use latchkey_gateway::facts::Identity;
use latchkey_protocol::{EndpointKind, Mode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::host::{Answer, Ask, Host};

const TOKEN: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01";

async fn token(host: &Host, query: &str) -> Answer {
    host.ask(&Ask::imds(&format!("GET {TOKEN}{query}"))).await
}

fn claims(host: &Host, answer: &Answer, resource: &str) -> Value {
    let keys = host.gateway.emulator().issuer().key_set();
    let key = DecodingKey::from_jwk(keys.keys.first().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[resource]);
    validation.validate_exp = false;
    let issued = answer.json();
    let token = issued.get("access_token").and_then(Value::as_str);
    decode::<Value>(token.unwrap(), &key, &validation)
        .unwrap()
        .claims
}

fn assigned(number: u128) -> Identity {
    Identity {
        client_id: Uuid::from_u128(number),
        object_id: Uuid::from_u128(0x100 + number),
        resource_id: format!("/subscriptions/2/userAssignedIdentities/{number}"),
    }
}

fn refused(message: &str) -> Value {
    json!({ "error": "invalid_request", "error_description": message })
}

#[tokio::test]
async fn token_is_for_the_machine_and_the_resource_and_verifies() {
    let host = Host::new(Mode::Disabled);
    let answer = token(&host, "&resource=https%3A%2F%2FManagement.example%2F").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let issued = answer.json();
    assert_eq!(
        (&issued["resource"], &issued["token_type"]),
        (&"https://Management.example/".into(), &"Bearer".into())
    );
    let claims = claims(&host, &answer, "https://Management.example/");
    assert_eq!(claims["appid"], issued["client_id"]);
    assert_eq!(
        claims["exp"].to_string(),
        issued["expires_on"].as_str().unwrap()
    );
    assert!(
        claims["xms_mirid"]
            .as_str()
            .unwrap()
            .contains("/resourceGroups/shop/")
    );
}

#[tokio::test]
async fn every_identity_gets_tokens_of_its_own() {
    let host = Host::telling(|facts| {
        facts.identities.user_assigned = vec![assigned(0xD), assigned(0xE)];
    });
    let own = host.gateway.machines().as_slice()[0]
        .facts
        .identities
        .clone();
    let own = own.system.unwrap();
    let (second, third) = (assigned(0xD), assigned(0xE));
    for (query, identity) in [
        (String::new(), &own),
        (format!("&client_id={}", own.client_id), &own),
        (format!("&client_id={}", second.client_id), &second),
        (format!("&object_id={}", third.object_id), &third),
        (format!("&msi_res_id={}", third.resource_id), &third),
        (format!("&mi_res_id={}", second.resource_id), &second),
        (
            format!("&bypass_cache=true&client_id={}", third.client_id),
            &third,
        ),
    ] {
        let answer = token(&host, &format!("&resource=r{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let claims = claims(&host, &answer, "r");
        assert_eq!(claims["appid"], identity.client_id.to_string(), "{query}");
        assert_eq!(claims["oid"], identity.object_id.to_string(), "{query}");
        assert_eq!(claims["xms_mirid"], identity.resource_id, "{query}");
        assert_eq!(answer.json()["client_id"], identity.client_id.to_string());
    }
}

#[tokio::test]
async fn one_of_several_assigned_identities_must_be_named() {
    let host = Host::telling(|facts| {
        facts.identities.system = None;
        facts.identities.user_assigned = vec![assigned(1), assigned(2)];
    });
    let answer = token(&host, "&resource=r").await;
    let message = "Multiple user assigned identities exist, please specify the clientId / \
                   resourceId of the identity in the token request";
    assert_eq!((answer.status, answer.json()), (400, refused(message)));
    let only = Host::telling(|facts| {
        facts.identities.system = None;
        facts.identities.user_assigned = vec![assigned(2)];
    });
    assert_eq!(token(&only, "&resource=r").await.status, 200);
}

#[tokio::test]
async fn token_for_nobody_or_nothing_is_an_invalid_request() {
    let host = Host::new(Mode::Disabled);
    let other = Uuid::from_u128(9);
    let (missing, unknown) = (
        "Required query variable 'resource' is missing",
        "Identity not found",
    );
    for (query, message) in [
        (String::new(), missing),
        ("&resource=".to_owned(), missing),
        (format!("&resource=r&client_id={other}"), unknown),
        ("&resource=r&msi_res_id=/x".to_owned(), unknown),
    ] {
        let answer = token(&host, &query).await;
        assert_eq!(
            (answer.status, answer.json()),
            (400, refused(message)),
            "{query}"
        );
    }
    let nobody = Host::telling(|facts| facts.identities.system = None);
    let answer = token(&nobody, "&resource=r").await;
    assert_eq!((answer.status, answer.json()), (400, refused(unknown)));
}

#[tokio::test]
async fn probe_without_the_metadata_header_gets_the_services_own_refusal() {
    let host = Host::new(Mode::Disabled);
    let bare = Ask::new(EndpointKind::Imds, &format!("GET {TOKEN}&resource=x"));
    let answer = host.ask(&bare).await;
    let message = "Required metadata header not specified";
    assert_eq!((answer.status, answer.json()), (400, refused(message)));
}

#[tokio::test]
async fn tenant_is_told_to_a_machine_without_identity_too() {
    let host = Host::telling(|facts| facts.identities.system = None);
    let ask = Ask::imds("GET /metadata/identity/info?api-version=2018-02-01");
    let answer = host.ask(&ask).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "tenantId": Uuid::from_u128(3) }))
    );
}
