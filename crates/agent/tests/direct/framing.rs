//! Where requests end: pipelining, HTTP/1.0, 100-continue, body limits, clients that stop in the middle.

use std::time::Duration;

use latchkey_protocol::Reason;
use latchkey_record::audit::Outcome;

use crate::bed::{Bed, Plan, key, signing_key};
use crate::host::Answer;
use crate::profile;

const GET: &str = "GET /a HTTP/1.1\r\nHost: metadata\r\n\r\n";

fn outcomes(records: &[latchkey_record::AuditRecord]) -> Vec<Outcome> {
    records.iter().map(|record| record.outcome).collect()
}

#[tokio::test]
async fn pipelined_requests_are_judged_one_by_one_and_answered_in_order() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    bed.imds.plan(Answer::ok("first"));
    bed.imds.plan(Answer::ok("second"));
    let post = "POST /b HTTP/1.1\r\nHost: metadata\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    client.send(format!("{post}{GET}")).await;
    assert_eq!(client.response("POST").await.body, b"first");
    assert_eq!(client.response("GET").await.body, b"second");
    assert!(
        bed.imds
            .received()
            .iter()
            .all(|received| received.is_signed_by(&signing_key(1)))
    );
    drop(client);
    assert_eq!(bed.finish().await.len(), 2);
}

#[tokio::test]
async fn nothing_behind_a_refused_request_is_served() {
    for refused in [
        "GET /metadata/%2e%2e HTTP/1.1\r\nHost: metadata\r\n\r\n",
        "POST /b HTTP/1.1\r\nHost: metadata\r\nContent-Length: 200000\r\n\r\n",
        "POST /b HTTP/1.1\r\nHost: metadata\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /b HTTP/1.1\r\nHost: metadata\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ] {
        let bed = Bed::open().await;
        let mut client = bed.client().await;
        client.send(format!("{GET}{refused}{GET}{GET}")).await;
        assert_eq!(client.response("GET").await.status, 200);
        let response = client.response("GET").await;
        assert!([400, 413].contains(&response.status));
        assert_eq!(response.header("connection"), Some("close"));
        client.assert_closed().await;
        drop(client);
        assert_eq!(bed.imds.received().len(), 1);
        assert_eq!(
            outcomes(&bed.finish().await),
            [Outcome::Forwarded, Outcome::Refused]
        );
    }
}

#[tokio::test]
async fn refusal_closes_and_says_so_even_when_the_request_was_whole() {
    let bed = Bed::lay(Plan::default()).await;
    bed.apply(&profile::all("Enforce", "Deny"));
    let mut client = bed.client().await;
    let response = client.ask(GET).await;
    assert_eq!(
        (response.status, response.header("connection")),
        (403, Some("close"))
    );
    client.assert_closed().await;
}

#[tokio::test]
async fn head_request_gets_the_length_and_no_body() {
    let bed = Bed::open().await;
    bed.imds.plan(Answer::reply(
        "HTTP/1.1 200 OK\r\ncontent-length: 42\r\n\r\n",
    ));
    let mut client = bed.client().await;
    client
        .send("HEAD /a HTTP/1.1\r\nHost: metadata\r\n\r\n")
        .await;
    let response = client.response("HEAD").await;
    assert_eq!(
        (response.status, response.header("content-length")),
        (200, Some("42"))
    );
    assert_eq!(client.ask(GET).await.body, b"ok");
    assert_eq!(bed.imds.last().connection, 0);
}

#[tokio::test]
async fn http_1_0_request_without_a_host_gets_the_endpoints_and_one_answer() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    let response = client.ask("GET /a HTTP/1.0\r\n\r\n").await;
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, &b"ok"[..])
    );
    client.assert_closed().await;
    let received = bed.imds.last();
    assert_eq!(
        received.header("host"),
        Some(bed.imds.address.to_string().as_str())
    );
    assert!(received.is_signed_by(&signing_key(1)));
}

#[tokio::test]
async fn http_1_0_request_with_a_host_may_keep_the_connection() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    let request = "GET /a HTTP/1.0\r\nHost: metadata\r\nConnection: Keep-Alive\r\n\r\n";
    for _ in 0..2 {
        let response = client.ask(request).await;
        assert_eq!(
            (response.status, response.header("connection")),
            (200, Some("keep-alive"))
        );
    }
}

#[tokio::test]
async fn client_that_expects_100_continue_gets_it_only_when_its_body_is_wanted() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    let head =
        "POST /a HTTP/1.1\r\nHost: metadata\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n";
    client.send(head).await;
    assert_eq!(client.head().await.status, 100);
    assert_eq!(client.ask("body").await.status, 200);
    let received = bed.imds.last();
    assert_eq!(
        (received.body.as_slice(), received.header("expect")),
        (&b"body"[..], None)
    );
    bed.apply(&profile::all("Enforce", "Deny"));
    assert_eq!(client.ask(head).await.status, 403);
}

#[tokio::test]
async fn body_of_100_kib_passes_and_one_byte_more_is_413_in_both_framings_and_modes() {
    let limit = 100 * 1024;
    for mode in ["Enforce", "Audit"] {
        for (length, status) in [(limit, 200), (limit + 1, 413)] {
            let bed = Bed::open().await;
            bed.apply(&profile::all(mode, "Allow"));
            let body = "x".repeat(length);
            let (rest_length, rest) = (length - 1, "x".repeat(length - 1));
            let framed = [
                format!("Content-Length: {length}\r\n\r\n{body}"),
                format!(
                    "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n{rest_length:x}\r\n{rest}\r\n0\r\n\r\n"
                ),
            ];
            for rest in framed {
                let mut client = bed.client().await;
                client
                    .try_send(format!("POST /a HTTP/1.1\r\nHost: metadata\r\n{rest}"))
                    .await;
                let response = client.response("POST").await;
                assert_eq!(response.status, status, "{mode} {length}");
            }
            let records = bed.finish().await;
            assert_eq!(records.len(), 2);
            if status == 413 {
                assert!(records.iter().all(|record| !record.signed));
                assert!(
                    records
                        .iter()
                        .all(|record| record.reason == Some(Reason::BodyTooLarge))
                );
            }
        }
    }
}

#[tokio::test]
async fn client_that_goes_away_in_the_middle_is_recorded_once_as_abandoned() {
    for (beginning, method) in [
        ("GET /a HT", None),
        (
            "POST /a HTTP/1.1\r\nHost: metadata\r\nContent-Length: 9\r\n\r\nhalf",
            Some("POST"),
        ),
        (
            "POST /a HTTP/1.1\r\nHost: metadata\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
            Some("POST"),
        ),
    ] {
        for is_reset in [false, true] {
            let bed = Bed::open().await;
            let mut client = bed.client().await;
            client.send(format!("{GET}{beginning}")).await;
            assert_eq!(client.response("GET").await.status, 200);
            if is_reset {
                client.reset();
            } else {
                client.finish().await;
                client.assert_closed().await;
            }
            let counters = std::sync::Arc::clone(&bed.counters);
            let records = bed.finish().await;
            assert_eq!(
                outcomes(&records),
                [Outcome::Forwarded, Outcome::Abandoned],
                "{beginning}"
            );
            assert_eq!(
                (records[1].method.as_deref(), records[1].signed),
                (method, false)
            );
            assert_eq!(
                (
                    counters.requests.value(),
                    counters.requests_abandoned.value()
                ),
                (2, 1)
            );
        }
    }
}

#[tokio::test]
async fn client_that_closes_or_resets_between_requests_leaves_no_record() {
    for is_reset in [false, true] {
        let bed = Bed::open().await;
        let mut client = bed.client().await;
        assert_eq!(client.ask(format!("{GET}\r\n")).await.status, 200);
        if is_reset {
            client.reset();
        } else {
            client.finish().await;
            client.assert_closed().await;
        }
        assert_eq!(bed.finish().await.len(), 1);
    }
}

#[tokio::test]
async fn slow_head_and_slow_body_are_408_and_an_idle_connection_just_ends() {
    let mut plan = Plan::default();
    let short = Duration::from_millis(80);
    (
        plan.limits.head_timeout,
        plan.limits.body_timeout,
        plan.limits.idle_timeout,
    ) = (short, short, short);
    let bed = Bed::lay(plan).await;
    bed.apply(&profile::all("Enforce", "Allow"));
    bed.keys.replace(Some(key(1)));
    for half in [
        "GET /a HTTP/1.1\r\nHo",
        "POST /a HTTP/1.1\r\nHost: metadata\r\nContent-Length: 9\r\n\r\nhalf",
    ] {
        let response = bed.client().await.ask(half).await;
        assert_eq!(
            (response.status, response.reason()),
            (408, "request_timeout")
        );
    }
    bed.client().await.assert_closed().await;
    let mut client = bed.client().await;
    client.send("\r\n\r\n").await;
    client.assert_closed().await;
    drop(client);
    let records = bed.finish().await;
    assert_eq!(outcomes(&records), [Outcome::Refused, Outcome::Refused]);
}

#[tokio::test]
async fn options_asterisk_is_forwarded_and_signed() {
    let bed = Bed::open().await;
    assert_eq!(
        bed.client()
            .await
            .ask("OPTIONS * HTTP/1.1\r\nHost: metadata\r\n\r\n")
            .await
            .status,
        200
    );
    let received = bed.imds.last();
    assert_eq!(received.head.target, "*");
    assert!(received.is_signed_by(&signing_key(1)));
}

#[tokio::test]
async fn empty_segments_travel_as_received() {
    let bed = Bed::open().await;
    let request = "GET /computeMetadata/v1//?recursive=true&last_etag=NONE HTTP/1.1\r\nHost: metadata\r\n\r\n";
    assert_eq!(bed.client().await.ask(request).await.status, 200);
    assert_eq!(
        bed.imds.last().head.target,
        "/computeMetadata/v1//?recursive=true&last_etag=NONE"
    );
}

#[tokio::test]
async fn connection_too_many_gets_429_and_leaves_its_place_to_the_next() {
    let bed = Bed::lay(Plan {
        max_connections: 1,
        ..Plan::default()
    })
    .await;
    bed.apply(&profile::all("Enforce", "Allow"));
    bed.keys.replace(Some(key(1)));
    let mut first = bed.client().await;
    assert_eq!(first.ask(GET).await.status, 200);
    let response = bed.client().await.ask(GET).await;
    assert_eq!((response.status, response.reason()), (429, "overloaded"));
    assert_eq!(bed.counters.connections_refused.value(), 1);
    first.finish().await;
    first.assert_closed().await;
    drop(first);
    while bed.client().await.ask(GET).await.status != 200 {}
    let records = bed.finish().await;
    let turned_away = records
        .iter()
        .find(|record| record.reason == Some(Reason::Overloaded))
        .unwrap();
    assert_eq!(turned_away.status, Some(429));
    assert!(turned_away.caller.is_some() && turned_away.method.is_none());
}
