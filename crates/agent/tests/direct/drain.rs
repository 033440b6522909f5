//! The end of the agent: requests under way finish, idle connections close, nothing is lost or waits for ever.

use std::time::{Duration, Instant};

use latchkey_record::audit::Outcome;

use crate::bed::{Bed, Plan, key};
use crate::host::Answer;
use crate::profile;

const GET: &str = "GET /a HTTP/1.1\r\nHost: metadata\r\n\r\n";

#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    assert_eq!(client.ask(GET).await.status, 200);
    let began = Instant::now();
    bed.stop();
    client.assert_closed().await;
    drop(client);
    assert_eq!(bed.finish().await.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn request_under_way_is_answered_and_its_connection_then_closed() {
    let bed = Bed::open().await;
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let pieces = vec![Vec::new(), crate::host::ok("late")];
    bed.imds
        .plan(Answer::Gated(pieces, std::sync::Arc::clone(&gate)));
    let mut client = bed.client().await;
    client.send(GET).await;
    bed.imds.wait_for(1).await;
    bed.stop();
    gate.add_permits(1);
    assert_eq!(client.response("GET").await.body, b"late");
    client.assert_closed().await;
    drop(client);
    assert_eq!(bed.only_record().await.outcome, Outcome::Forwarded);
}

#[tokio::test]
async fn request_that_does_not_end_is_cut_off_and_recorded() {
    let mut plan = Plan::default();
    plan.patience.response = Duration::from_secs(60);
    let bed = Bed::lay(plan).await;
    bed.apply(&profile::all("Enforce", "Allow"));
    bed.keys.replace(Some(key(1)));
    bed.imds.plan(Answer::Silence);
    let mut client = bed.client().await;
    client.send(GET).await;
    bed.imds.wait_for(1).await;
    bed.stop();
    tokio::time::pause();
    let time_passes = async {
        for _ in 0..15 {
            tokio::time::advance(Duration::from_secs(1)).await;
            // What happens on the network takes no time here, but turns of the runtime.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::join!(bed.imds.wait_until_left(), time_passes);
    tokio::time::resume();
    let record = bed.only_record().await;
    assert_eq!((record.outcome, record.status), (Outcome::Abandoned, None));
    client.assert_closed().await;
}

#[tokio::test]
async fn connection_that_says_nothing_delays_the_end_no_longer_than_a_moment() {
    let bed = Bed::open().await;
    let mut silent = bed.client().await;
    let mut late = bed.client().await;
    // Both are accepted before this one is answered.
    assert_eq!(bed.client().await.ask(GET).await.status, 200);
    let began = Instant::now();
    bed.stop();
    assert_eq!(late.ask(GET).await.status, 200);
    silent.assert_closed().await;
    drop((silent, late));
    assert_eq!(bed.finish().await.len(), 2);
    assert!(began.elapsed() < Duration::from_secs(5));
}
