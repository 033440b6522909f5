//! The rows of the mode table that a request can meet on its way through the agent.

use std::time::Duration;

use latchkey_protocol::{Mode, Reason};
use latchkey_record::AuditRecord;
use latchkey_record::audit::Outcome;
use tokio::net::TcpListener;

use crate::bed::{Bed, Plan, key, signing_key};
use crate::client::Response;
use crate::host::{Answer, Received};
use crate::{flow, profile};

const PLAIN: &str = "GET /metadata/instance HTTP/1.1\r\nHost: metadata\r\n\r\n";
const CLOSED: &str = "GET /metadata/closed/door HTTP/1.1\r\nHost: metadata\r\n\r\n";
const OWN: &str = "GET /metadata/own HTTP/1.1\r\nHost: metadata\r\n\r\n";

/// Asks once on a fresh connection of this program.
async fn once(bed: Bed, request: &str) -> (Response, Option<Received>, AuditRecord) {
    let response = bed.client().await.ask(request).await;
    let received = bed.imds.received().pop();
    (response, received, bed.only_record().await)
}

async fn ruled(mode: &str) -> Bed {
    let bed = Bed::lay(Plan::default()).await;
    bed.apply(&profile::ruled(mode));
    bed.keys.replace(Some(key(1)));
    bed
}

pub(crate) fn assert_refused(response: &Response, record: &AuditRecord, reason: Reason) {
    assert_eq!(
        (response.status, response.reason()),
        (reason.status(), reason.as_str())
    );
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::Refused, Some(reason))
    );
    assert_eq!(
        (record.signed, record.status),
        (false, Some(reason.status()))
    );
}

#[tokio::test]
async fn allowed_request_is_forwarded_signed_in_both_modes() {
    for (mode, expected) in [("Enforce", Mode::Enforce), ("Audit", Mode::Audit)] {
        let (response, received, record) = once(ruled(mode).await, OWN).await;
        assert_eq!(response.status, 200);
        assert!(received.unwrap().is_signed_by(&signing_key(1)));
        assert_eq!((record.mode, record.signed), (Some(expected), true));
        assert_eq!(
            (record.outcome, record.would_refuse),
            (Outcome::Forwarded, None)
        );
        assert_eq!(record.rules, Some(format!("ruled-{mode}")));
        let rule = record.rule.unwrap();
        assert!(
            rule.contains("own") && rule.contains("this program"),
            "{rule}"
        );
    }
}

#[tokio::test]
async fn request_refused_by_the_rules_is_403_in_enforce() {
    let (response, received, record) = once(ruled("Enforce").await, CLOSED).await;
    assert_refused(&response, &record, Reason::CallerNotAssigned);
    assert!(received.is_none() && record.rule.unwrap().contains("closed"));
    assert_eq!(response.header("connection"), Some("close"));
}

#[tokio::test]
async fn request_refused_by_the_rules_is_forwarded_signed_in_audit_and_recorded() {
    let (response, received, record) = once(ruled("Audit").await, CLOSED).await;
    assert_eq!(response.status, 200);
    assert!(received.unwrap().is_signed_by(&signing_key(1)));
    assert_eq!(record.would_refuse, Some(Reason::CallerNotAssigned));
    assert_eq!(
        (record.outcome, record.reason, record.signed),
        (Outcome::Forwarded, None, true)
    );
}

#[tokio::test]
async fn connection_without_a_flow_record_gets_421_and_nothing_of_it_is_parsed() {
    for mode in ["Enforce", "Audit"] {
        for bytes in ["CONNECT x HTTP/9\r\n\r\n", PLAIN, "\u{1}"] {
            let bed = ruled(mode).await;
            let mut client = bed.connect(None).await;
            let response = client.ask(bytes).await;
            client.assert_closed().await;
            drop(client);
            assert!(bed.imds.received().is_empty());
            assert_eq!(bed.counters.connections_unattributed.value(), 1);
            let record = bed.only_record().await;
            assert_refused(&response, &record, Reason::NoFlowRecord);
            assert_eq!(
                (record.method, record.target, record.caller),
                (None, None, None)
            );
        }
    }
}

#[tokio::test]
async fn connection_for_no_endpoint_gets_421() {
    let bed = ruled("Enforce").await;
    let elsewhere = flow::own("127.0.0.1:9".parse().unwrap());
    let response = bed.connect(Some(elsewhere)).await.ask(PLAIN).await;
    assert_refused(&response, &bed.only_record().await, Reason::UnknownEndpoint);
}

#[tokio::test]
async fn malformed_request_is_refused_in_both_modes() {
    use Reason as R;
    let bodies = "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n";
    let seidob = "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n";
    let repeated = "Content-Length: 1\r\nContent-Length: 1\r\n";
    let cases = [
        (
            format!("POST / HTTP/1.1\r\nHost: metadata\r\n{bodies}\r\n"),
            R::ConflictingFraming,
        ),
        (
            format!("POST / HTTP/1.1\r\nHost: metadata\r\n{seidob}\r\n"),
            R::ConflictingFraming,
        ),
        (
            format!("POST / HTTP/1.1\r\nHost: metadata\r\n{repeated}\r\nx"),
            R::ConflictingFraming,
        ),
        (
            "GET / HTTP/1.1\nHost: metadata\n\n".to_owned(),
            R::BareLineFeed,
        ),
        (
            "GET / HTTP/1.1\r\nHost: metadata\r\nA: b\r\n c\r\n\r\n".to_owned(),
            R::MalformedHead,
        ),
        (
            "CONNECT metadata:80 HTTP/1.1\r\nHost: metadata\r\n\r\n".to_owned(),
            R::MethodNotAllowed,
        ),
        (
            "TRACE / HTTP/1.1\r\nHost: metadata\r\n\r\n".to_owned(),
            R::MethodNotAllowed,
        ),
        (
            "GET http://metadata/ HTTP/1.1\r\nHost: metadata\r\n\r\n".to_owned(),
            R::AbsoluteForm,
        ),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), R::HostMissing),
        (
            "GET / HTTP/1.1\r\nHost: metadata\r\nHost: metadata\r\n\r\n".to_owned(),
            R::HostRepeated,
        ),
        (
            "GET / HTTP/1.1\r\nHost: metadata\r\nExpect: tea\r\n\r\n".to_owned(),
            R::ExpectationFailed,
        ),
    ];
    for mode in ["Enforce", "Audit"] {
        for (request, reason) in &cases {
            let (response, received, record) = once(ruled(mode).await, request).await;
            assert_refused(&response, &record, *reason);
            assert!(received.is_none() && record.method.is_none(), "{request:?}");
        }
    }
}

#[tokio::test]
async fn service_for_root_alone_refuses_others_in_both_modes() {
    for mode in ["Enforce", "Audit"] {
        let bed = ruled(mode).await;
        let somebody = flow::unprivileged(bed.wire_server.address);
        let response = bed.connect(Some(somebody)).await.ask(PLAIN).await;
        assert!(bed.wire_server.received().is_empty());
        assert_refused(&response, &bed.only_record().await, Reason::RootRequired);
    }
}

#[tokio::test]
async fn root_reaches_the_service_for_root_and_is_claimed_as_root() {
    let bed = ruled("Enforce").await;
    let request = "GET /machine/?comp=goalstate HTTP/1.1\r\nHost: metadata\r\n\r\n";
    assert_eq!(bed.root_client().await.ask(request).await.status, 200);
    let received = bed.wire_server.last();
    assert!(received.is_signed_by(&signing_key(1)));
    assert_eq!(
        received.header("x-ms-azure-host-claims"),
        Some("{ \"isRoot\": \"true\"}")
    );
    assert!(bed.only_record().await.caller.unwrap().root);
}

#[tokio::test]
async fn caller_that_cannot_be_described_is_refused_in_enforce_and_matches_no_rule_in_audit() {
    type Flow = fn(std::net::SocketAddr) -> latchkey_intercept::FlowRecord;
    let callers: [(Flow, Reason); 2] = [
        (flow::gone, Reason::CallerGone),
        (flow::replaced, Reason::CallerReplaced),
    ];
    for (caller, reason) in callers {
        let bed = ruled("Enforce").await;
        let response = bed
            .connect(Some(caller(bed.imds.address)))
            .await
            .ask(OWN)
            .await;
        assert!(bed.imds.received().is_empty());
        assert_refused(&response, &bed.only_record().await, reason);

        let bed = ruled("Audit").await;
        let response = bed
            .connect(Some(caller(bed.imds.address)))
            .await
            .ask(OWN)
            .await;
        assert_eq!(response.status, 200);
        assert!(bed.imds.last().is_signed_by(&signing_key(1)));
        let record = bed.only_record().await;
        assert_eq!((record.would_refuse, record.signed), (Some(reason), true));
        assert_eq!(record.caller.unwrap().executable, None);
    }
}

#[tokio::test]
async fn ambiguous_request_is_400_in_enforce_and_travels_unsigned_as_received_in_audit() {
    use Reason as R;
    let cases = [
        (
            "GET /metadata/%2e%2e/own HTTP/1.1\r\nHost: metadata\r\n\r\n",
            R::DotSegment,
        ),
        (
            "GET /metadata%2Fown HTTP/1.1\r\nHost: metadata\r\n\r\n",
            R::EncodedSeparator,
        ),
        (
            "GET /a?x=1&X=2 HTTP/1.1\r\nHost: metadata\r\n\r\n",
            R::RepeatedParameter,
        ),
        (
            "GET /a?a=bc&ab=c HTTP/1.1\r\nHost: metadata\r\n\r\n",
            R::CollidingParameters,
        ),
        ("GET /a HTTP/1.1\r\nHost: elsewhere\r\n\r\n", R::ForeignHost),
        (
            "GET /a HTTP/1.1\r\nHost: metadata\r\nCookie: a\r\nCookie: b\r\n\r\n",
            R::RepeatedHeader,
        ),
        (
            "GET /a HTTP/1.1\r\nHost: metadata\r\nX-Forwarded-For: x\r\n\r\n",
            R::ForwardedRequest,
        ),
        (
            "GET /a HTTP/1.1\r\nHost: metadata\r\nConnection: metadata\r\nMetadata: true\r\n\r\n",
            R::ConnectionNamesHeader,
        ),
    ];
    for (request, reason) in cases {
        let (response, received, record) = once(ruled("Enforce").await, request).await;
        assert_refused(&response, &record, reason);
        assert!(received.is_none() && record.target.is_some());

        let (response, received, record) = once(ruled("Audit").await, request).await;
        assert_eq!(response.status, 200, "{request}");
        let received = received.unwrap();
        assert!(received.is_bare(), "{received:?}");
        assert_eq!(received.head.target, request.split(' ').nth(1).unwrap());
        assert_eq!((record.signed, record.would_refuse), (false, Some(reason)));
    }
}

#[tokio::test]
async fn header_byte_outside_ascii_is_400_in_enforce_and_travels_unsigned_in_audit() {
    let request = b"GET /a HTTP/1.1\r\nHost: metadata\r\nX-Name: \xC3\xA9\x80\r\n\r\n";
    let bed = Bed::open().await;
    let response = bed.client().await.ask(request).await;
    assert_refused(&response, &bed.only_record().await, Reason::NonAsciiHeader);
    let bed = Bed::audit().await;
    assert_eq!(bed.client().await.ask(request).await.status, 200);
    let received = bed.imds.last();
    assert_eq!(received.head.headers["x-name"].as_bytes(), b"\xC3\xA9\x80");
    assert!(received.is_bare());
}

#[tokio::test]
async fn uploads_stream_unsigned_under_the_rules_and_without_a_key() {
    for request in [
        "PUT /vmAgentLog HTTP/1.1\r\nHost: metadata\r\nContent-Length: 5\r\n\r\nhello",
        "POST /machine/?comp=telemetrydata HTTP/1.1\r\nHost: metadata\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let bed = Bed::lay(Plan::default()).await;
        bed.apply(&profile::ruled("Enforce"));
        assert_eq!(bed.root_client().await.ask(request).await.status, 200);
        let received = bed.wire_server.last();
        assert_eq!(
            (received.body.as_slice(), received.is_whole),
            (&b"hello"[..], true)
        );
        assert!(
            received.authorization().is_none()
                && received.header("x-ms-azure-host-claims").is_some()
        );
        assert!(!bed.only_record().await.signed);

        let bed = Bed::lay(Plan::default()).await;
        bed.apply(&profile::all("Enforce", "Deny"));
        let response = bed.root_client().await.ask(request).await;
        assert!(bed.wire_server.received().is_empty());
        assert_refused(&response, &bed.only_record().await, Reason::NoMatchingRule);
    }
}

#[tokio::test]
async fn upload_to_the_metadata_service_is_a_request_like_any_other() {
    let request = "PUT /vmAgentLog HTTP/1.1\r\nHost: metadata\r\nContent-Length: 5\r\n\r\nhello";
    let (_, received, record) = once(Bed::open().await, request).await;
    assert!(received.unwrap().is_signed_by(&signing_key(1)) && record.signed);
}

#[tokio::test]
async fn endpoint_without_the_protocol_is_served_unsigned_without_a_key() {
    let bed = Bed::lay(Plan::default()).await;
    let flow = flow::own(bed.plain.address);
    let request = "GET /a HTTP/1.1\r\nHost: metadata\r\nX-Ms-Azure-Host-Claims: x\r\n\r\n";
    let response = bed.connect(Some(flow)).await.ask(request).await;
    assert_eq!(
        (
            response.status,
            response.header("x-ms-azure-host-authorization")
        ),
        (200, None)
    );
    assert!(bed.plain.last().is_bare());
    assert!(!bed.only_record().await.signed);
}

#[tokio::test]
async fn full_audit_queue_refuses_in_enforce_and_forwards_and_counts_in_audit() {
    let plan = || Plan {
        audit_queue: 1,
        writes_audit: false,
        ..Plan::default()
    };
    for (mode, expected) in [("Enforce", 429), ("Audit", 200)] {
        let mut bed = Bed::lay(plan()).await;
        bed.apply(&profile::all(mode, "Allow"));
        bed.keys.replace(Some(key(1)));
        let mut client = bed.client().await;
        assert_eq!(client.ask(PLAIN).await.status, 200);
        let second = client.ask(PLAIN).await;
        assert_eq!(second.status, expected, "{mode}");
        assert_eq!(bed.counters.audit_lost.value(), 1);
        if expected == 429 {
            assert_eq!(second.reason(), "audit_queue_full");
            assert!(second.header("retry-after").is_some());
        }
        bed.write_audit();
        let mut client = bed.client().await;
        while client.ask(PLAIN).await.status == 429 {
            client = bed.client().await;
        }
        drop(client);
        let counters = std::sync::Arc::clone(&bed.counters);
        let recorded = bed.finish().await.len() as u64;
        assert_eq!(
            recorded + counters.audit_lost.value(),
            counters.requests.value()
        );
    }
}

#[tokio::test]
async fn host_that_is_down_gives_502_and_the_request_never_travelled() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let bed = Bed::lay(Plan {
        imds: Some(nobody),
        ..Plan::default()
    })
    .await;
    bed.apply(&profile::all("Enforce", "Allow"));
    bed.keys.replace(Some(key(1)));
    let (response, _, record) = once(bed, PLAIN).await;
    assert_eq!(
        (response.status, response.reason()),
        (502, "upstream_unreachable")
    );
    assert_eq!((record.outcome, record.signed), (Outcome::Failed, false));
    assert_eq!(record.reason, Some(Reason::UpstreamUnreachable));
}

#[tokio::test]
async fn host_that_answers_garbage_or_nothing_gives_502() {
    for answer in [
        "garbage\r\n\r\n",
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        let bed = Bed::open().await;
        bed.imds.plan(Answer::reply_and_close(answer));
        let (response, _, record) = once(bed, PLAIN).await;
        assert_eq!(
            (response.status, response.reason()),
            (502, "upstream_invalid"),
            "{answer:?}"
        );
        assert_eq!((record.outcome, record.signed), (Outcome::Failed, true));
        assert_eq!(record.reason, Some(Reason::UpstreamInvalid));
    }
}

#[tokio::test]
async fn host_that_is_too_slow_gives_504_and_its_connection_is_closed() {
    let mut plan = Plan::default();
    plan.patience.response = Duration::from_millis(100);
    let bed = Bed::lay(plan).await;
    bed.apply(&profile::all("Enforce", "Allow"));
    bed.keys.replace(Some(key(1)));
    bed.imds.plan(Answer::Silence);
    let response = bed.client().await.ask(PLAIN).await;
    assert_eq!(
        (response.status, response.reason()),
        (504, "upstream_timeout")
    );
    bed.imds.wait_until_left().await;
    assert_eq!(bed.imds.received().len(), 1);
    let record = bed.only_record().await;
    assert_eq!((record.outcome, record.signed), (Outcome::Failed, true));
}
