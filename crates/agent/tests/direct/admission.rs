//! Who gets in while others hold connections open.

use latchkey_intercept::{FlowRecord, Uid};
use latchkey_protocol::Reason;

use crate::bed::{Bed, Plan, key};
use crate::client::Client;
use crate::{flow, profile};

const GET: &str = "GET /a HTTP/1.1\r\nHost: metadata\r\n\r\n";

/// An agent in Enforce with room for eight connections, that allows everything.
async fn narrow() -> Bed {
    let bed = Bed::lay(Plan {
        max_connections: 8,
        ..Plan::default()
    })
    .await;
    bed.apply(&profile::all("Enforce", "Allow"));
    bed.keys.replace(Some(key(1)));
    bed
}

/// A connection of a user.
async fn connect(bed: &Bed, user: u32) -> Client {
    let flow = FlowRecord {
        euid: Uid(user),
        ..flow::unprivileged(bed.imds.address)
    };
    bed.connect(Some(flow)).await
}

#[tokio::test]
async fn user_who_holds_connections_keeps_nobody_else_out() {
    let bed = narrow().await;
    let somebody = || connect(&bed, 1001);
    let (mut first, _second) = (somebody().await, somebody().await);
    let response = somebody().await.ask(GET).await;
    assert_eq!((response.status, response.reason()), (429, "overloaded"));
    let mut roots = Vec::new();
    for _ in 0..4 {
        let mut client = bed.client().await;
        assert_eq!(client.ask(GET).await.status, 200);
        roots.push(client);
    }
    first.finish().await;
    first.assert_closed().await;
    while somebody().await.ask(GET).await.status == 429 {}
    let overloaded = bed.finish().await;
    let overloaded = overloaded
        .iter()
        .filter(|record| record.reason == Some(Reason::Overloaded));
    assert!(overloaded.clone().count() > 0);
    for record in overloaded {
        assert!(!record.caller.as_ref().unwrap().root, "{record:?}");
    }
}

#[tokio::test]
async fn all_users_together_do_not_keep_root_out() {
    let bed = narrow().await;
    let mut held = Vec::new();
    for user in [1001, 1001, 1002, 1002, 1003, 1003] {
        held.push(connect(&bed, user).await);
    }
    for user in [1004, 1005] {
        let mut client = connect(&bed, user).await;
        assert_eq!(client.response("GET").await.reason(), "overloaded");
    }
    for _ in 0..2 {
        let mut client = bed.client().await;
        assert_eq!(client.ask(GET).await.status, 200);
        held.push(client);
    }
    assert_eq!(bed.counters.connections_refused.value(), 2);
    drop(held);
    assert_eq!(bed.finish().await.len(), 4);
}

#[tokio::test]
async fn refused_connections_that_stay_open_keep_nobody_else_out() {
    let bed = narrow().await;
    let mut left_open = vec![connect(&bed, 1001).await, connect(&bed, 1001).await];
    for _ in 0..8 {
        let mut one_too_many = connect(&bed, 1001).await;
        assert_eq!(one_too_many.response("GET").await.status, 429);
        let mut past_the_kernel = bed.connect(None).await;
        assert_eq!(past_the_kernel.response("GET").await.status, 421);
        left_open.extend([one_too_many, past_the_kernel]);
    }
    assert_eq!(bed.client().await.ask(GET).await.status, 200);
    drop(left_open);
    assert_eq!(bed.finish().await.len(), 17);
}
