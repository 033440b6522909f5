//! What happens to requests that come before the rules or the key.

use std::time::Duration;

use latchkey_protocol::Reason;
use latchkey_record::audit::Outcome;
use tokio::time::{interval, timeout};

use crate::bed::{Bed, Plan, key, signing_key};
use crate::client::Response;
use crate::modes::assert_refused;
use crate::{flow, profile};

const PLAIN: &str = "GET /metadata/instance HTTP/1.1\r\nHost: metadata\r\n\r\n";
const CLOSED: &str = "GET /metadata/closed/door HTTP/1.1\r\nHost: metadata\r\n\r\n";
const POSTED: &str =
    "POST /metadata/own HTTP/1.1\r\nHost: metadata\r\nContent-Length: 5\r\n\r\nhello";
const GOAL_STATE: &str = "GET /machine/?comp=goalstate HTTP/1.1\r\nHost: metadata\r\n\r\n";
const UPLOAD: &str = "PUT /vmAgentLog HTTP/1.1\r\nHost: metadata\r\nContent-Length: 5\r\n\r\nhello";

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent in Enforce without rules and key whose holds end soon.
async fn hasty() -> Bed {
    Bed::lay(Plan {
        hold: Duration::from_millis(50),
        ..Plan::default()
    })
    .await
}

/// An agent whose holds do not end while a test waits.
async fn patient() -> Bed {
    Bed::lay(Plan {
        hold: Duration::from_secs(600),
        ..Plan::default()
    })
    .await
}

async fn wait_until_held(bed: &Bed, count: u64) {
    let mut look = interval(Duration::from_millis(1));
    let held = async {
        while bed.counters.requests_held.value() < count {
            look.tick().await;
        }
    };
    timeout(PATIENCE, held).await.expect("the request is held");
}

#[tokio::test]
async fn held_request_goes_on_signed_once_rules_and_key_are_there() {
    let bed = patient().await;
    let mut client = bed.client().await;
    client.send(POSTED).await;
    wait_until_held(&bed, 1).await;
    bed.apply(&profile::ruled("Enforce"));
    assert!(bed.imds.received().is_empty());
    bed.keys.replace(Some(key(1)));
    assert_eq!(client.response("POST").await.status, 200);
    let received = bed.imds.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body, b"hello");
    assert!(received[0].is_signed_by(&signing_key(1)));
    assert_eq!(bed.counters.requests_held.value(), 1);
    let record = bed.only_record().await;
    assert_eq!((record.outcome, record.signed), (Outcome::Forwarded, true));
    assert_eq!(record.rules.as_deref(), Some("ruled-Enforce"));
}

#[tokio::test]
async fn held_request_is_refused_as_soon_as_rules_refuse_it() {
    let bed = patient().await;
    let mut client = bed.client().await;
    client.send(CLOSED).await;
    wait_until_held(&bed, 1).await;
    bed.apply(&profile::ruled("Enforce"));
    let response = client.response("GET").await;
    assert!(bed.imds.received().is_empty());
    assert_refused(
        &response,
        &bed.only_record().await,
        Reason::CallerNotAssigned,
    );
}

#[tokio::test]
async fn request_that_audit_lets_pass_is_held_for_the_key_and_travels_signed() {
    let bed = patient().await;
    bed.apply(&profile::ruled("Audit"));
    let mut client = bed.client().await;
    client.send(CLOSED).await;
    wait_until_held(&bed, 1).await;
    bed.keys.replace(Some(key(1)));
    assert_eq!(client.response("GET").await.status, 200);
    assert!(bed.imds.last().is_signed_by(&signing_key(1)));
    let record = bed.only_record().await;
    assert_eq!(record.would_refuse, Some(Reason::CallerNotAssigned));
}

#[tokio::test]
async fn when_the_hold_is_over_enforce_answers_429_and_never_503() {
    let bed = hasty().await;
    bed.keys.replace(Some(key(1)));
    let response = bed.client().await.ask(PLAIN).await;
    assert!(bed.imds.received().is_empty());
    assert_eq!(
        (response.status, response.header("retry-after").is_some()),
        (429, true)
    );
    assert_refused(&response, &bed.only_record().await, Reason::RulesPending);

    let bed = hasty().await;
    bed.apply(&profile::ruled("Enforce"));
    let response = bed.root_client().await.ask(GOAL_STATE).await;
    assert!(bed.wire_server.received().is_empty());
    assert_eq!(
        (response.status, response.header("retry-after").is_some()),
        (429, true)
    );
    let record = bed.only_record().await;
    assert!(record.duration_us >= 50_000, "{record:?}");
    assert_refused(&response, &record, Reason::KeyPending);
}

#[tokio::test]
async fn when_the_hold_is_over_audit_forwards_unsigned_and_records_it() {
    // A refused first profile leaves its mode and no rules.
    let unruled = profile::all("Audit", "perhaps");
    for (status, held, reason) in [
        (unruled, Some(key(1)), Reason::RulesPending),
        (profile::ruled("Audit"), None, Reason::KeyPending),
    ] {
        let bed = hasty().await;
        bed.apply(&status);
        bed.keys.replace(held);
        let response = bed.client().await.ask(POSTED).await;
        assert_eq!(response.status, 200);
        assert!(bed.imds.last().is_bare());
        assert_eq!(bed.imds.last().body, b"hello");
        assert_eq!(bed.counters.requests_held.value(), 1);
        let record = bed.only_record().await;
        assert_eq!((record.signed, record.would_refuse), (false, Some(reason)));
        assert_eq!(record.outcome, Outcome::Forwarded);
    }
}

#[tokio::test]
async fn withdrawn_key_holds_the_next_request_of_an_open_connection() {
    let bed = patient().await;
    bed.apply(&profile::ruled("Enforce"));
    bed.keys.replace(Some(key(1)));
    let mut client = bed.client().await;
    assert_eq!(client.ask(PLAIN).await.status, 200);
    bed.keys.replace(None);
    client.send(PLAIN).await;
    wait_until_held(&bed, 1).await;
    bed.keys.replace(Some(key(2)));
    assert_eq!(client.response("GET").await.status, 200);
    assert!(bed.imds.last().is_signed_by(&signing_key(2)));
    assert_eq!(bed.finish().await.len(), 2);
}

#[tokio::test]
async fn changes_that_settle_nothing_do_not_prolong_the_hold() {
    let bed = hasty().await;
    let mut client = bed.client().await;
    client.send(PLAIN).await;
    let mut often = interval(Duration::from_millis(5));
    let change = async {
        loop {
            often.tick().await;
            bed.keys.replace(Some(key(1)));
        }
    };
    let response: Response = tokio::select! {
        response = client.response("GET") => response,
        () = change => panic!("changes end by themselves"),
    };
    drop(client);
    assert_refused(&response, &bed.only_record().await, Reason::RulesPending);
}

#[tokio::test]
async fn client_that_leaves_while_it_is_held_is_never_signed_for() {
    for leave in ["close", "reset"] {
        let bed = patient().await;
        bed.apply(&profile::ruled("Enforce"));
        let mut client = bed.client().await;
        client.send(POSTED).await;
        wait_until_held(&bed, 1).await;
        match leave {
            "close" => drop(client),
            _ => client.reset(),
        }
        let counters = std::sync::Arc::clone(&bed.counters);
        let mut look = interval(Duration::from_millis(1));
        let noticed = async {
            while counters.requests_abandoned.value() == 0 {
                look.tick().await;
            }
        };
        timeout(PATIENCE, noticed).await.expect("it is noticed");
        bed.keys.replace(Some(key(1)));
        assert_eq!(bed.client().await.ask(PLAIN).await.status, 200, "{leave}");
        assert_eq!(bed.imds.received().len(), 1, "{leave}");
        let records = bed.finish().await;
        assert_eq!(records[0].outcome, Outcome::Abandoned, "{leave}");
        assert_eq!((records[0].status, records[0].signed), (None, false));
        assert_eq!(records.len(), 2);
    }
}

#[tokio::test]
async fn stopping_agent_holds_nothing() {
    for (mode, expected) in [("Enforce", 429), ("Audit", 200)] {
        let bed = patient().await;
        bed.apply(&profile::ruled(mode));
        let mut client = bed.client().await;
        client.send(PLAIN).await;
        wait_until_held(&bed, 1).await;
        bed.stop();
        assert_eq!(client.response("GET").await.status, expected, "{mode}");
        client.assert_closed().await;
        assert_eq!(bed.only_record().await.status, Some(expected));
    }
}

#[tokio::test]
async fn what_neither_rules_nor_key_would_change_is_answered_at_once() {
    // Without rules: who may not ask at all.
    let bed = patient().await;
    let somebody = flow::unprivileged(bed.wire_server.address);
    let response = bed.connect(Some(somebody)).await.ask(GOAL_STATE).await;
    assert_eq!(response.reason(), "root_required");
    let gone = flow::gone(bed.imds.address);
    let response = bed.connect(Some(gone)).await.ask(PLAIN).await;
    assert_eq!(response.reason(), "caller_gone");
    let response = bed.client().await.ask("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(response.reason(), "host_missing");
    // Without the key: what the rules refuse, what cannot be signed, and the uploads.
    bed.apply(&profile::ruled("Enforce"));
    let response = bed.client().await.ask(CLOSED).await;
    assert_eq!(response.reason(), "caller_not_assigned");
    let ambiguous = "GET /a/../b HTTP/1.1\r\nHost: metadata\r\n\r\n";
    let response = bed.client().await.ask(ambiguous).await;
    assert_eq!(response.reason(), "dot_segment");
    assert_eq!(bed.root_client().await.ask(UPLOAD).await.status, 200);
    // Without either: a cloud without the protocol.
    let plain = flow::own(bed.plain.address);
    assert_eq!(bed.connect(Some(plain)).await.ask(PLAIN).await.status, 200);
    assert_eq!(bed.counters.requests_held.value(), 0);
    assert_eq!(bed.finish().await.len(), 7);
}
