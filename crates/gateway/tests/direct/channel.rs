//! The secure channel: latching, idempotence, refusal, rotation by incarnation, restart.

use std::sync::Arc;

use jiff::SignedDuration;
use latchkey_gateway::MachineTable;
use latchkey_protocol::latch::{KEY_PATH, KEY_REQUEST_BODY, attestation_path};
use latchkey_protocol::status::SecureChannel;
use latchkey_protocol::{Elevation, EndpointKind, Mode, SigningKey};
use serde_json::Value;

use crate::host::{Ask, Host, machine, rules, state};

const VERSIONS: &str = "GET /metadata/versions";

#[tokio::test]
async fn key_is_latched_by_its_attestation_and_announced_after() {
    for channel in [rules(Mode::Enforce), state()] {
        let host = Host::with(machine(channel, 7), Arc::default());
        let before = host.status().await;
        assert_eq!(
            (&before["keyGuid"], before.get("keyIncarnationId")),
            (&Value::Null, None)
        );
        let issued = host.acquire().await;
        assert_eq!((issued.incarnation, issued.key.len()), (Some(7), 32));
        assert_eq!(
            host.status().await["keyGuid"],
            Value::Null,
            "not before the attestation"
        );
        let unattested = Ask::imds(VERSIONS).signed(&issued.key, Elevation::Root, host.now());
        assert_eq!(host.ask(&unattested).await.reason(), "unknown_key");
        for _ in 0..2 {
            assert_eq!(
                host.attest(&issued.key).await.status,
                200,
                "attesting again changes nothing"
            );
        }
        let after = host.status().await;
        assert_eq!(after["keyGuid"], issued.key.id().as_str());
        assert_eq!(after["keyIncarnationId"], 7);
        let read = SecureChannel::parse(after.to_string().as_bytes()).unwrap();
        assert!(read.is_enabled() && read.imds.mode == Mode::Enforce);
    }
}

#[tokio::test]
async fn latched_key_is_not_replaced_by_an_unsigned_caller() {
    let host = Host::new(Mode::Enforce);
    let late = host.acquire().await;
    let key = host.latch().await;
    let refused = host
        .ask(&Ask::wire(&format!("POST {KEY_PATH}")).body(KEY_REQUEST_BODY))
        .await;
    assert_eq!((refused.status, refused.reason()), (403, "key_latched"));
    assert_eq!(
        host.attest(&late.key).await.reason(),
        "unknown_key",
        "issued before, attested too late"
    );
    assert_eq!(host.status().await["keyGuid"], key.id().as_str());
}

#[tokio::test]
async fn attestation_needs_the_key_itself_and_its_own_path() {
    let host = Host::new(Mode::Enforce);
    let (issued, other) = (host.acquire().await, host.acquire().await);
    let forged = SigningKey::from_hex(issued.key.id().clone(), &"AB".repeat(32)).unwrap();
    assert_eq!(host.attest(&forged).await.reason(), "signature_mismatch");
    let path = format!("POST {}", attestation_path(issued.key.id()));
    let unsigned = host.ask(&Ask::wire(&path).body("")).await;
    assert_eq!(
        (unsigned.status, unsigned.reason()),
        (401, "signature_missing")
    );
    let ask = |key: &SigningKey, at| Ask::wire(&path).body("").signed(key, Elevation::Root, at);
    assert_eq!(
        host.ask(&ask(&other.key, host.now())).await.reason(),
        "unknown_key"
    );
    let stale = host.now() - SignedDuration::from_secs(301);
    assert_eq!(
        host.ask(&ask(&issued.key, stale)).await.reason(),
        "clock_skew"
    );
    assert_eq!(host.status().await["keyGuid"], Value::Null);
}

#[tokio::test]
async fn raised_incarnation_lets_one_new_key_in_and_the_old_one_works_until_then() {
    let host = Host::new(Mode::Enforce);
    let old = host.latch().await;
    let raised = machine(rules(Mode::Enforce), 2);
    host.gateway
        .set_machines(MachineTable::new(vec![raised]).unwrap());
    assert_eq!(host.status().await["keyGuid"], Value::Null);
    let ask = |key: &SigningKey| Ask::imds(VERSIONS).signed(key, Elevation::Root, host.now());
    assert_eq!(
        host.ask(&ask(&old)).await.status,
        200,
        "until the new key is attested"
    );
    let new = host.latch().await;
    assert_ne!(new.id(), old.id());
    assert_eq!(host.ask(&ask(&new)).await.status, 200);
    assert_eq!(
        host.ask(&ask(&old)).await.status,
        200,
        "requests on their way"
    );
    let status = host.status().await;
    assert_eq!(
        (&status["keyGuid"], &status["keyIncarnationId"]),
        (&new.id().as_str().into(), &2.into())
    );
    let refused = host
        .ask(&Ask::wire(&format!("POST {KEY_PATH}")).body(KEY_REQUEST_BODY))
        .await;
    assert_eq!(refused.reason(), "key_latched");
}

#[tokio::test]
async fn latched_key_survives_a_restart_and_the_replaced_one_does_not() {
    let host = Host::new(Mode::Enforce);
    let old = host.latch().await;
    let raised = || machine(rules(Mode::Enforce), 2);
    host.gateway
        .set_machines(MachineTable::new(vec![raised()]).unwrap());
    let new = host.latch().await;
    let again = Host::with(raised(), Arc::clone(&host.store));
    assert_eq!(again.status().await["keyGuid"], new.id().as_str());
    let ask = |key: &SigningKey| Ask::imds(VERSIONS).signed(key, Elevation::Root, again.now());
    assert_eq!(again.ask(&ask(&new)).await.status, 200);
    assert_eq!(again.ask(&ask(&old)).await.reason(), "unknown_key");
}

#[tokio::test]
async fn other_calls_below_the_channel_are_refused_and_other_endpoints_have_none() {
    let host = Host::new(Mode::Disabled);
    for line in [
        "GET /secure-channel/key",
        "DELETE /secure-channel/key",
        "GET /Secure-Channel/Status",
        "POST /secure-channel/reset",
        "POST /./secure-channel/key",
        "POST //secure-channel/key",
    ] {
        let answer = host.ask(&Ask::wire(line)).await;
        assert_eq!(
            (answer.status, answer.reason()),
            (404, "unknown_channel_call"),
            "{line}"
        );
    }
    let elsewhere = Ask::new(EndpointKind::HostGa, "GET /secure-channel/status");
    assert_eq!(host.ask(&elsewhere).await.status, 404);
    let no_scheme =
        Ask::wire(&format!("POST {KEY_PATH}")).body(r#"{"authorizationScheme":"Other"}"#);
    assert_eq!(host.ask(&no_scheme).await.reason(), "unknown_scheme");
}
