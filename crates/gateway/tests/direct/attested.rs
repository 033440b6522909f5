//! The attested document verifies under the host's own authority, and under no other.

use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_gateway::emulator::attested::Attestor;
use latchkey_protocol::Mode;
use serde_json::{Value, json};

use crate::host::{Answer, Ask, Host, machine, rules};

const DOCUMENT: &str = "/metadata/attested/document?api-version=2021-02-01";

fn host() -> Host {
    let attestor = Attestor::generate().unwrap();
    Host::serving(
        machine(rules(Mode::Disabled), 1),
        Arc::default(),
        |emulator| emulator.attesting(attestor),
    )
}

async fn ask(host: &Host, target: &str) -> Answer {
    host.ask(&Ask::imds(&format!("GET {target}"))).await
}

fn authority(host: &Host) -> String {
    let attestor = host.gateway.emulator().attestor().unwrap();
    attestor.authority_pem().unwrap()
}

/// Verifies a document with the `openssl` program; returns what was signed.
fn verify(document: &Value, authority: &str) -> Option<Value> {
    let folder = tempfile::tempdir().unwrap();
    let (message, roots) = (folder.path().join("message"), folder.path().join("ca.pem"));
    let signature = document["signature"].as_str().unwrap();
    std::fs::write(&message, STANDARD.decode(signature).unwrap()).unwrap();
    std::fs::write(&roots, authority).unwrap();
    let output = Command::new("openssl")
        .args(["cms", "-verify", "-inform", "DER", "-purpose", "any", "-in"])
        .arg(&message)
        .arg("-CAfile")
        .arg(&roots)
        .output()
        .unwrap();
    let content = || serde_json::from_slice(&output.stdout).unwrap();
    output.status.success().then(content)
}

#[tokio::test]
async fn document_verifies_and_says_who_the_machine_is() {
    let host = host();
    let answer = ask(&host, &format!("{DOCUMENT}&nonce=1234567890")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let document = answer.json();
    assert_eq!(document["encoding"], "pkcs7");
    let content = verify(&document, &authority(&host)).unwrap();
    assert_eq!(content["nonce"], "1234567890");
    assert_eq!(content["vmId"], "00000000-0000-0000-0000-000000000001");
    assert_eq!(
        content["subscriptionId"],
        "00000000-0000-0000-0000-000000000002"
    );
    assert_eq!(
        content["timeStamp"],
        json!({ "createdOn": "01/06/26 07:08:09 -0000", "expiresOn": "01/06/26 13:08:09 -0000" })
    );
}

#[tokio::test]
async fn document_of_another_host_does_not_verify() {
    let document = ask(&host(), DOCUMENT).await.json();
    assert_eq!(verify(&document, &authority(&host())), None);
}

#[tokio::test]
async fn nonce_that_is_not_given_is_the_time() {
    let host = host();
    let document = ask(&host, DOCUMENT).await.json();
    let content = verify(&document, &authority(&host)).unwrap();
    assert_eq!(content["nonce"], "20260106-070809");
}

#[tokio::test]
async fn long_nonce_is_a_bad_request() {
    let host = host();
    let nonce = |length: usize| format!("{DOCUMENT}&nonce={}", "a".repeat(length));
    assert_eq!(ask(&host, &nonce(32)).await.status, 200);
    assert_eq!(ask(&host, &nonce(33)).await.status, 400);
}

#[tokio::test]
async fn document_needs_a_version_and_a_host_that_signs() {
    let unversioned = ask(&host(), "/metadata/attested/document").await;
    assert_eq!(unversioned.status, 400);
    assert_eq!(ask(&Host::new(Mode::Disabled), DOCUMENT).await.status, 404);
}
