//! What is answered and what is refused, by mode, signature and source.

use jiff::SignedDuration;
use latchkey_gateway::MachineTable;
use latchkey_protocol::{Elevation, EndpointKind, KeyId, Mode, Reason, SigningKey};
use latchkey_record::observation::SignatureFinding;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::host::{Ask, Host, machine, rules};

const INSTANCE: &str = "GET /metadata/instance?api-version=2021-02-01";
const GOAL_STATE: &str = "GET /machine?comp=goalstate";

#[tokio::test]
async fn unsigned_request_is_refused_in_enforce_with_a_code_and_nothing_more() {
    let mut host = Host::new(Mode::Enforce);
    host.latch().await;
    for ask in [
        Ask::imds(INSTANCE),
        Ask::wire(GOAL_STATE),
        Ask::new(EndpointKind::HostGa, "GET /versions"),
    ] {
        host.forget_observations();
        let answer = host.ask(&ask).await;
        assert_eq!((answer.status, answer.reason()), (401, "signature_missing"));
        assert!(answer.header("x-ms-azure-host-date").is_some());
        assert_eq!(answer.json()["title"], Reason::SignatureMissing.title());
        let seen = host.observation();
        assert_eq!((seen.accepted, seen.status), (false, 401));
        assert_eq!(
            (seen.signature, seen.reason),
            (SignatureFinding::Absent, Some(Reason::SignatureMissing))
        );
        assert_eq!(seen.machine.as_deref(), Some("web"));
    }
}

#[tokio::test]
async fn signed_request_is_answered_in_enforce_also_when_repeated_within_the_window() {
    let mut host = Host::new(Mode::Enforce);
    let key = host.latch().await;
    let ask = Ask::imds(INSTANCE).signed(&key, Elevation::Unprivileged, host.now());
    for _ in 0..2 {
        host.forget_observations();
        let answer = host.ask(&ask).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["compute"]["location"], "westeurope");
        let seen = host.observation();
        assert_eq!(
            (seen.signature, seen.is_root, seen.accepted),
            (SignatureFinding::Valid, Some(false), true)
        );
        assert_eq!(
            seen.target.as_deref(),
            Some("/metadata/instance?api-version=2021-02-01")
        );
    }
    host.wait(SignedDuration::from_secs(301));
    assert_eq!(host.ask(&ask).await.reason(), "clock_skew");
}

#[tokio::test]
async fn wrong_signatures_are_refused_each_with_its_code() {
    let host = Host::new(Mode::Enforce);
    let key = host.latch().await;
    let other_id = KeyId::parse("11111111-5f7e-4a10-8a44-0d0c2f4d7b11").unwrap();
    let unknown = SigningKey::from_hex(other_id, &key.expose_hex()).unwrap();
    let forged = SigningKey::from_hex(key.id().clone(), &"AB".repeat(32)).unwrap();
    let early = host.now() - SignedDuration::from_secs(301);
    let sign = |key: &SigningKey, at| Ask::imds(INSTANCE).signed(key, Elevation::Root, at);
    for (ask, reason) in [
        (sign(&key, early), "clock_skew"),
        (sign(&unknown, host.now()), "unknown_key"),
        (sign(&forged, host.now()), "signature_mismatch"),
        (
            sign(&key, host.now()).with("x-extra", "1"),
            "signature_mismatch",
        ),
        (
            sign(&key, host.now()).with("x-ms-azure-host-claims", "x"),
            "signature_repeated",
        ),
        (
            sign(&key, host.now()).with("x_ms_azure_host_claims", "x"),
            "signature_malformed",
        ),
        (
            Ask::imds(INSTANCE).with("x-ms-azure-host-authorization", "Bearer x"),
            "unknown_scheme",
        ),
    ] {
        let answer = host.ask(&ask).await;
        assert_eq!((answer.status, answer.reason()), (401, reason));
    }
}

#[tokio::test]
async fn ambiguous_request_is_refused_in_enforce_even_when_signed() {
    let host = Host::new(Mode::Enforce);
    let key = host.latch().await;
    for (ask, reason) in [
        (
            Ask::imds("GET /metadata/%2e%2e/instance?api-version=2021-02-01"),
            "dot_segment",
        ),
        (
            Ask::imds("GET /metadata%2Finstance?api-version=2021-02-01"),
            "encoded_separator",
        ),
        (
            Ask::imds("GET /metadata/instance?api-version=1&api-version=2"),
            "repeated_parameter",
        ),
        (
            Ask::imds("GET //x/metadata/instance?api-version=2021-02-01"),
            "absolute_form",
        ),
        (
            Ask::imds(INSTANCE)
                .with("Accept", "text/plain")
                .with("Accept", "*/*"),
            "repeated_header",
        ),
        (
            Ask::imds(INSTANCE).with("X-Forwarded-For", "10.0.0.9"),
            "forwarded_request",
        ),
        (
            Ask::imds(INSTANCE).with("Metadata", "true"),
            "repeated_header",
        ),
        (
            Ask::imds(INSTANCE).with("Connection", "Metadata"),
            "connection_names_header",
        ),
    ] {
        let answer = host
            .ask(&ask.signed(&key, Elevation::Root, host.now()))
            .await;
        assert_eq!((answer.status, answer.reason()), (400, reason));
    }
}

#[tokio::test]
async fn root_only_services_need_a_signed_claim_of_root() {
    let host = Host::new(Mode::Enforce);
    let key = host.latch().await;
    for ask in [
        Ask::wire(GOAL_STATE),
        Ask::new(EndpointKind::HostGa, "GET /versions"),
    ] {
        let refused = host
            .ask(
                &ask.clone()
                    .signed(&key, Elevation::Unprivileged, host.now()),
            )
            .await;
        assert_eq!((refused.status, refused.reason()), (403, "root_required"));
        assert_eq!(
            host.ask(&ask.signed(&key, Elevation::Root, host.now()))
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn audit_answers_what_enforce_would_refuse_and_records_why() {
    let mut host = Host::new(Mode::Audit);
    let key = host.latch().await;
    let stale = host.now() - SignedDuration::from_secs(999);
    for (ask, finding, reason) in [
        (
            Ask::imds(INSTANCE),
            SignatureFinding::Absent,
            Reason::SignatureMissing,
        ),
        (
            Ask::imds(INSTANCE).signed(&key, Elevation::Root, stale),
            SignatureFinding::Invalid,
            Reason::ClockSkew,
        ),
        (
            Ask::wire(GOAL_STATE),
            SignatureFinding::Absent,
            Reason::SignatureMissing,
        ),
    ] {
        host.forget_observations();
        assert_eq!(host.ask(&ask).await.status, 200);
        let seen = host.observation();
        assert_eq!((seen.mode, seen.accepted), (Some(Mode::Audit), true));
        assert_eq!((seen.signature, seen.reason), (finding, Some(reason)));
    }
    assert_eq!(host.gateway.counters().audit_findings, 3);
    let not_root = Ask::wire(GOAL_STATE);
    let ambiguous = not_root.clone().with("X-Forwarded-For", "10.0.0.9");
    for ask in [not_root, ambiguous] {
        let ask = ask.signed(&key, Elevation::Unprivileged, host.now());
        assert_eq!(host.ask(&ask).await.reason(), "root_required");
    }
}

#[tokio::test]
async fn disabled_answers_everybody_and_blames_nobody() {
    let mut host = Host::new(Mode::Disabled);
    assert_eq!(host.ask(&Ask::imds(INSTANCE)).await.status, 200);
    let seen = host.observation();
    assert_eq!((seen.reason, seen.accepted), (None, true));
}

#[tokio::test]
async fn stranger_learns_nothing() {
    let mut host = Host::new(Mode::Disabled);
    for kind in [EndpointKind::Imds, EndpointKind::WireServer] {
        let bytes = Ask::new(kind, "GET /secure-channel/status").bytes();
        let answer = host.ask_from("10.0.0.5", kind, &bytes).await;
        assert_eq!((answer.status, answer.reason()), (403, "unknown_machine"));
        assert_eq!(answer.header("x-ms-azure-host-date"), None);
        let seen = host.observation();
        assert_eq!((seen.machine, seen.accepted), (None, false));
        assert_eq!(seen.source, "10.0.0.5:40000");
    }
}

#[tokio::test]
async fn malformed_request_is_refused_and_observed_in_every_mode() {
    for mode in [Mode::Disabled, Mode::Audit, Mode::Enforce] {
        let mut host = Host::new(mode);
        let bytes =
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET /metadata/versions HTTP/1.1\r\n";
        let answer = host.ask_raw(EndpointKind::Imds, bytes).await;
        assert_eq!((answer.status, answer.reason()), (400, "host_repeated"));
        let seen = host.observation();
        assert_eq!(
            (seen.method, seen.reason),
            (None, Some(Reason::HostRepeated))
        );
    }
}

#[tokio::test]
async fn uploads_travel_unsigned_in_enforce_and_only_to_root_only_services() {
    let mut host = Host::new(Mode::Enforce);
    let body = "x".repeat(300 * 1024);
    for ask in [
        Ask::wire("POST /machine/?comp=telemetrydata").body(&body),
        Ask::new(EndpointKind::HostGa, "PUT /vmAgentLog").body(&body),
    ] {
        assert_eq!(host.ask(&ask).await.status, 200);
        assert_eq!(host.observation().signature, SignatureFinding::Exempt);
    }
    let posts = host.gateway.emulator().inbox().posts();
    assert_eq!(
        posts.iter().map(|post| post.length).collect::<Vec<_>>(),
        [300 * 1024; 2]
    );
    let elsewhere = Ask::imds("PUT /vmAgentLog").body("x");
    assert_eq!(host.ask(&elsewhere).await.reason(), "signature_missing");
    let variant = Ask::wire("POST /machine?comp=telemetrydata").body("x");
    assert_eq!(host.ask(&variant).await.reason(), "signature_missing");
}

#[tokio::test]
async fn every_request_of_a_connection_is_judged_and_observed() {
    let mut host = Host::new(Mode::Enforce);
    let key = host.latch().await;
    host.forget_observations();
    let keep_alive = |ask: Ask| {
        String::from_utf8(ask.bytes())
            .unwrap()
            .replace("Connection: close\r\n", "")
    };
    let bytes = format!("{0}{0}", keep_alive(Ask::imds(INSTANCE)));
    let received = host
        .converse(crate::host::ADDRESS, EndpointKind::Imds, bytes.as_bytes())
        .await;
    assert_eq!(received.matches("HTTP/1.1 401").count(), 2, "{received}");
    drop(key);
}

#[tokio::test]
async fn body_that_comes_slowly_is_judged_by_the_mode_of_its_end() {
    for (before, after, status) in [
        (Mode::Audit, Mode::Enforce, "401"),
        (Mode::Enforce, Mode::Audit, "405"),
    ] {
        let mut host = Host::new(before);
        let (mut client, serving) = host.connect(EndpointKind::Imds);
        let head = "POST /metadata/instance HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\
                    Expect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n";
        let change = async {
            client.write_all(head.as_bytes()).await.unwrap();
            let mut go_on = [0; 25];
            client.read_exact(&mut go_on).await.unwrap();
            let changed = machine(rules(after), 1);
            host.gateway
                .set_machines(MachineTable::new(vec![changed]).unwrap());
            client.write_all(b"{}").await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            drop(client);
            answer
        };
        let (answer, _) = tokio::join!(change, serving);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        let seen = host.observation();
        assert_eq!(
            (seen.mode, seen.signature),
            (Some(after), SignatureFinding::Absent)
        );
        assert_eq!(seen.accepted, after == Mode::Audit);
    }
}
