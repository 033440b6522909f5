//! Rules and keys that change under open connections.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use latchkey_protocol::Mode;
use latchkey_record::audit::Outcome;

use crate::bed::{Bed, key, signing_key};
use crate::profile;

/// How often keys are rolled under load.
const ROLLS: u8 = 200;
const GET: &str = "GET /a HTTP/1.1\r\nHost: metadata\r\n\r\n";

#[tokio::test]
async fn new_rules_hold_for_the_next_request_of_an_open_connection() {
    let bed = Bed::audit().await;
    let mut client = bed.client().await;
    assert_eq!(client.ask(GET).await.status, 200);
    bed.apply(&profile::all("Audit", "Deny"));
    assert_eq!(client.ask(GET).await.status, 200);
    bed.apply(&profile::all("Enforce", "Deny"));
    assert_eq!(client.ask(GET).await.status, 403);
    drop(client);
    let records = bed.finish().await;
    let would: Vec<_> = records
        .iter()
        .map(|record| record.would_refuse.is_some())
        .collect();
    assert_eq!(would, [false, true, false]);
    assert_eq!(records[2].outcome, Outcome::Refused);
    let rules: Vec<_> = records
        .iter()
        .map(|record| record.rules.as_deref().unwrap())
        .collect();
    let ids = ["Audit-Allow", "Audit-Deny", "Enforce-Deny"];
    assert_eq!(rules, ids);
}

/// A clock of the host's that shows this date.
fn date(text: &str) -> http::HeaderMap {
    [(http::header::DATE, text.parse().unwrap())]
        .into_iter()
        .collect()
}

#[tokio::test]
async fn audit_turns_into_enforce_when_its_time_is_over() {
    let bed = Bed::open().await;
    bed.clock
        .synchronise(&date("Tue, 31 Dec 2030 12:00:00 GMT"));
    bed.apply(&profile::audit_until("2031-01-01T00:00:00Z"));
    let mut client = bed.client().await;
    assert_eq!(client.ask(GET).await.status, 200);
    assert_eq!(
        client
            .ask("GET /tokens HTTP/1.1\r\nHost: metadata\r\n\r\n")
            .await
            .status,
        403
    );
    let mut client = bed.client().await;
    bed.clock
        .synchronise(&date("Wed, 01 Jan 2031 00:00:00 GMT"));
    assert_eq!(client.ask(GET).await.status, 403);
    drop(client);
    let records = bed.finish().await;
    let modes: Vec<_> = records.iter().map(|record| record.mode.unwrap()).collect();
    assert_eq!(modes, [Mode::Audit, Mode::Enforce, Mode::Enforce]);
    let would: Vec<_> = records
        .iter()
        .map(|record| record.would_refuse.is_some())
        .collect();
    assert_eq!(would, [true, false, false]);
}

#[tokio::test]
async fn new_key_signs_the_next_request_of_an_open_connection() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    for number in 1..4 {
        bed.keys.replace(Some(key(number)));
        assert_eq!(client.ask(GET).await.status, 200);
        assert!(bed.imds.last().is_signed_by(&signing_key(number)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn id_and_secret_of_a_key_are_never_mixed_while_keys_are_rolled() {
    let (bed, rolled) = (Arc::new(Bed::open().await), Arc::new(AtomicU8::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (bed, rolled) = (Arc::clone(&bed), Arc::clone(&rolled));
        tasks.spawn(async move {
            let mut client = bed.client().await;
            while rolled.load(Ordering::Relaxed) < ROLLS {
                assert_eq!(client.ask(GET).await.status, 200);
            }
        });
    }
    // Each key stays until a request more was received, so that many of them are used.
    for number in 0..ROLLS {
        let before = bed.imds.count();
        bed.keys.replace(Some(key(number % 16 + 1)));
        bed.imds.wait_for_more_than(before).await;
        rolled.fetch_add(1, Ordering::Relaxed);
    }
    tasks.join_all().await;
    let mut used = BTreeSet::new();
    for received in bed.imds.received() {
        let id = received.authorization().unwrap().key;
        let number = (1..=16).find(|number| *signing_key(*number).id() == id);
        assert!(received.is_signed_by(&signing_key(number.unwrap())));
        used.insert(number);
    }
    assert!(used.len() > 4, "{used:?}");
}

#[tokio::test]
async fn permission_that_is_withdrawn_while_the_body_arrives_lets_nothing_through() {
    const AMBIGUOUS: &str = "POST /a/../b HTTP/1.1\r\nHost: metadata\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let canonical = AMBIGUOUS.replace("/..", "");
    for (request, before, refused) in [
        (AMBIGUOUS, "Audit", (400, "dot_segment")),
        (&canonical, "Enforce", (403, "no_matching_rule")),
    ] {
        let bed = Bed::open().await;
        bed.apply(&profile::all(before, "Allow"));
        let mut client = bed.client().await;
        // The agent asks for the body once the request is permitted.
        assert_eq!(
            {
                client.send(request).await;
                client.head().await.status
            },
            100
        );
        bed.apply(&profile::all("Enforce", "Deny"));
        client.send("hello").await;
        let response = client.response("POST").await;
        assert_eq!((response.status, response.reason()), refused);
        assert!(bed.imds.received().is_empty());
        let record = bed.only_record().await;
        assert_eq!(record.rules.as_deref(), Some("Enforce-Deny"));
        assert_eq!((record.would_refuse, record.signed), (None, false));
    }
}

#[tokio::test]
async fn key_that_is_replaced_while_the_body_arrives_signs_nothing_more() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    let head =
        "POST /b HTTP/1.1\r\nHost: metadata\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(
        {
            client.send(head).await;
            client.head().await.status
        },
        100
    );
    bed.keys.replace(Some(key(2)));
    client.send("hello").await;
    assert_eq!(client.response("POST").await.status, 200);
    assert!(bed.imds.last().is_signed_by(&signing_key(2)));
}
