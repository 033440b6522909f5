//! Connections to the host: shared when that is safe, given up when anything went wrong.

use crate::bed::Bed;
use crate::host::{Answer, ok};

const GET: &str = "GET /a HTTP/1.1\r\nHost: metadata\r\n\r\n";
const POST: &str = "POST /a HTTP/1.1\r\nHost: metadata\r\nContent-Length: 1\r\n\r\nx";

fn connections(bed: &Bed) -> Vec<usize> {
    bed.imds
        .received()
        .iter()
        .map(|received| received.connection)
        .collect()
}

#[tokio::test]
async fn connection_is_used_again_for_requests_of_any_client() {
    let bed = Bed::open().await;
    for request in [GET, POST, GET] {
        let mut client = bed.client().await;
        for _ in 0..3 {
            assert_eq!(client.ask(request).await.status, 200);
        }
    }
    assert_eq!(connections(&bed), [0; 9]);
    assert_eq!(bed.counters.upstream_connections.value(), 1);
}

#[tokio::test]
async fn connection_that_the_host_closed_while_idle_is_not_used_again() {
    for request in [GET, POST] {
        let bed = Bed::open().await;
        bed.imds.plan(Answer::ReplyAndClose(ok("last")));
        let mut client = bed.client().await;
        assert_eq!(client.ask(request).await.body, b"last");
        bed.imds.wait_until_left().await;
        assert_eq!(client.ask(request).await.body, b"ok");
        assert_eq!(connections(&bed), [0, 1]);
    }
}

#[tokio::test]
async fn safe_request_is_sent_once_more_when_the_idle_connection_turns_out_dead() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    assert_eq!(client.ask(GET).await.status, 200);
    bed.imds.plan(Answer::nothing());
    let response = client.ask(GET).await;
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, &b"ok"[..])
    );
    assert_eq!(connections(&bed), [0, 0, 1]);
    drop(client);
    let records = bed.finish().await;
    assert_eq!(records.len(), 2);
}

#[tokio::test]
async fn safe_request_is_not_sent_a_third_time() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    assert_eq!(client.ask(GET).await.status, 200);
    bed.imds.plan(Answer::nothing());
    bed.imds.plan(Answer::nothing());
    assert_eq!(client.ask(GET).await.status, 502);
    assert_eq!(connections(&bed), [0, 0, 1]);
}

#[tokio::test]
async fn post_that_may_have_been_executed_is_not_sent_twice() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    assert_eq!(client.ask(GET).await.status, 200);
    bed.imds.plan(Answer::nothing());
    assert_eq!(client.ask(POST).await.status, 502);
    assert_eq!(connections(&bed), [0, 0]);
}

#[tokio::test]
async fn connection_is_not_used_again_after_garbage() {
    let bed = Bed::open().await;
    bed.imds.plan(Answer::reply("garbage\r\n\r\n"));
    assert_eq!(bed.client().await.ask(POST).await.status, 502);
    assert_eq!(bed.client().await.ask(GET).await.status, 200);
    assert_eq!(connections(&bed), [0, 1]);
}

#[tokio::test]
async fn bytes_behind_a_response_never_become_the_next_one() {
    for between in ["", "\r\n", "x"] {
        let bed = Bed::open().await;
        let stray = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray";
        let first = String::from_utf8(ok("first")).unwrap();
        bed.imds
            .plan(Answer::reply(&format!("{first}{between}{stray}")));
        let mut client = bed.client().await;
        assert_eq!(client.ask(GET).await.body, b"first");
        assert_eq!(client.ask(GET).await.body, b"ok", "{between:?}");
        assert_eq!(connections(&bed), [0, 1]);
    }
}

#[tokio::test]
async fn connection_whose_client_went_away_during_the_response_is_closed() {
    let bed = Bed::open().await;
    let endless =
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_owned() + &"x".repeat(1 << 20);
    bed.imds.plan(Answer::reply(&endless));
    let mut client = bed.client().await;
    client.send(GET).await;
    assert_eq!(client.head().await.status, 200);
    client.reset();
    bed.imds.wait_until_left().await;
    let record = bed.only_record().await;
    assert_eq!(record.outcome, latchkey_record::audit::Outcome::Abandoned);
}

#[tokio::test]
async fn many_clients_at_once_get_their_own_answers() {
    let bed = std::sync::Arc::new(Bed::open().await);
    bed.imds
        .script(|received| Answer::ok(&received.head.target));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50 {
        let bed = std::sync::Arc::clone(&bed);
        tasks.spawn(async move {
            let mut client = bed.client().await;
            for round in 0..20 {
                let target = format!("/{number}/{round}");
                let response = client
                    .ask(format!("GET {target} HTTP/1.1\r\nHost: metadata\r\n\r\n"))
                    .await;
                assert_eq!(response.body, target.as_bytes());
            }
        });
    }
    tasks.join_all().await;
    assert!(bed.counters.upstream_connections.value() <= 50);
    assert_eq!(bed.counters.requests.value(), 1000);
}

#[tokio::test]
async fn burst_waits_for_its_turn_and_never_opens_more_than_128_connections() {
    let bed = Bed::open().await;
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let held = std::sync::Arc::clone(&gate);
    let pieces = || {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n".to_vec();
        vec![head, b"x".to_vec()]
    };
    bed.imds
        .script(move |_| Answer::Gated(pieces(), std::sync::Arc::clone(&held)));
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = bed.client().await;
        client.send(GET).await;
        clients.push(client);
    }
    bed.imds.wait_for(128).await;
    let one_more = tokio::time::timeout(
        std::time::Duration::from_millis(300),
        bed.imds.wait_for_more_than(128),
    );
    assert!(one_more.await.is_err(), "more than 128 are under way");
    gate.add_permits(200);
    for mut client in clients {
        let response = client.response("GET").await;
        assert_eq!(
            (response.status, response.body.as_slice()),
            (200, &b"x"[..])
        );
    }
}
