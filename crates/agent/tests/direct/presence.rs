//! A caller that is not what connected any more gets nothing more over its connection.

use std::time::Duration;

use latchkey_intercept::Standing;
use latchkey_protocol::Reason;
use latchkey_record::audit::Outcome;

use crate::bed::{Bed, Plan, key, signing_key};
use crate::modes::assert_refused;
use crate::profile;

const GET: &str = "GET /metadata/instance HTTP/1.1\r\nHost: metadata\r\n\r\n";
const POST: &str = "POST /metadata/instance HTTP/1.1\r\nHost: metadata\r\n\
                    Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";

const LOST: [(Standing, Reason); 3] = [
    (Standing::Gone, Reason::CallerGone),
    (Standing::Replaced, Reason::CallerReplaced),
    (Standing::HandedOver, Reason::CallerReplaced),
];

#[tokio::test]
async fn next_request_of_an_open_connection_is_refused_in_enforce() {
    for (standing, reason) in LOST {
        let bed = Bed::open().await;
        let mut client = bed.client().await;
        for _ in 0..2 {
            assert_eq!(client.ask(GET).await.status, 200);
        }
        bed.callers_become(standing);
        let response = client.ask(GET).await;
        assert_eq!(bed.imds.count(), 2);
        let records = bed.finish().await;
        assert_refused(&response, &records[2], reason);
        // What was read of the process that connected says nothing about who asks now.
        let executables: Vec<_> = records
            .iter()
            .map(|record| record.caller.as_ref().unwrap().executable.is_some())
            .collect();
        assert_eq!(executables, [true, true, false]);
    }
}

#[tokio::test]
async fn first_request_after_the_connect_is_looked_at_too() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    bed.callers_become(Standing::Replaced);
    let response = client.ask(GET).await;
    assert!(bed.imds.received().is_empty());
    assert_refused(&response, &bed.only_record().await, Reason::CallerReplaced);
}

#[tokio::test]
async fn next_request_of_an_open_connection_is_forwarded_signed_in_audit_and_recorded() {
    for (standing, reason) in LOST {
        let bed = Bed::audit().await;
        let mut client = bed.client().await;
        assert_eq!(client.ask(GET).await.status, 200);
        bed.callers_become(standing);
        assert_eq!(client.ask(GET).await.status, 200);
        assert!(bed.imds.last().is_signed_by(&signing_key(1)));
        let records = bed.finish().await;
        let told: Vec<_> = records
            .iter()
            .map(|record| (record.outcome, record.would_refuse))
            .collect();
        let expected = [
            (Outcome::Forwarded, None),
            (Outcome::Forwarded, Some(reason)),
        ];
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn caller_that_is_lost_while_its_body_arrives_gets_nothing_through() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    client.send(POST).await;
    assert_eq!(client.head().await.status, 100);
    bed.callers_become(Standing::HandedOver);
    client.send("hello").await;
    let response = client.response("POST").await;
    assert!(bed.imds.received().is_empty());
    assert_refused(&response, &bed.only_record().await, Reason::CallerReplaced);
}

#[tokio::test]
async fn caller_that_is_lost_while_its_request_is_held_gets_nothing_through() {
    let bed = Bed::lay(Plan {
        hold: Duration::from_secs(20),
        ..Plan::default()
    })
    .await;
    bed.apply(&profile::all("Enforce", "Allow"));
    let mut client = bed.client().await;
    client.send(GET).await;
    let held = tokio::time::timeout(Duration::from_secs(10), async {
        while bed.counters.requests_held.value() == 0 {
            tokio::task::yield_now().await;
        }
    });
    held.await.expect("the request is held");
    bed.callers_become(Standing::Gone);
    bed.keys.replace(Some(key(1)));
    let response = client.response("GET").await;
    assert!(bed.imds.received().is_empty());
    assert_refused(&response, &bed.only_record().await, Reason::CallerGone);
}
