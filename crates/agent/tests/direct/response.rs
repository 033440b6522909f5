//! Responses: streamed as they come, framed anew, and never ended properly when the host did not.

use std::sync::Arc;
use std::time::Duration;

use latchkey_protocol::Reason;
use latchkey_record::audit::Outcome;
use tokio::sync::Semaphore;

use crate::bed::{Bed, Plan, key};
use crate::host::Answer;
use crate::profile;

const GET: &str = "GET /a HTTP/1.1\r\nHost: metadata\r\n\r\n";
const GET_1_0: &str = "GET /a HTTP/1.0\r\nHost: metadata\r\n\r\n";
const UPLOAD: &str = "PUT /vmAgentLog HTTP/1.1\r\nHost: metadata\r\n";

fn pieces(pieces: &[&str]) -> (Answer, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let pieces = pieces
        .iter()
        .map(|piece| piece.as_bytes().to_vec())
        .collect();
    (Answer::Gated(pieces, Arc::clone(&gate)), gate)
}

#[tokio::test]
async fn first_bytes_of_a_response_arrive_before_the_last_are_sent() {
    let bed = Bed::open().await;
    let (answer, gate) = pieces(&[
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        "4;x=y\r\nlast\r\n0\r\nT: x\r\n\r\n",
    ]);
    bed.imds.plan(answer);
    let mut client = bed.client().await;
    client.send(GET).await;
    assert_eq!(
        client.head().await.header("transfer-encoding"),
        Some("chunked")
    );
    assert_eq!(client.chunk().await.unwrap(), b"first");
    gate.add_permits(1);
    assert_eq!(client.chunk().await.unwrap(), b"last");
    assert_eq!(client.chunk().await.unwrap(), b"");
    assert_eq!(client.ask(GET).await.body, b"ok");
    assert_eq!(bed.imds.last().connection, 0);
}

#[tokio::test]
async fn chunked_response_to_http_1_0_ends_with_the_connection() {
    let bed = Bed::open().await;
    bed.imds.plan(Answer::reply(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ));
    let response = bed.client().await.ask(GET_1_0).await;
    assert_eq!(
        (response.body.as_slice(), response.is_whole),
        (&b"hello"[..], true)
    );
}

#[tokio::test]
async fn response_that_ends_with_the_hosts_connection_is_passed_on_chunked() {
    let bed = Bed::open().await;
    bed.imds
        .plan(Answer::reply_and_close("HTTP/1.1 200 OK\r\n\r\nhello"));
    let mut client = bed.client().await;
    let response = client.ask(GET).await;
    assert_eq!(
        (response.body.as_slice(), response.is_whole),
        (&b"hello"[..], true)
    );
    assert_eq!(client.ask(GET).await.status, 200);
    assert_eq!(bed.imds.last().connection, 1);
}

#[tokio::test]
async fn response_that_breaks_off_is_not_ended_properly() {
    for request in [GET, GET_1_0] {
        for broken in [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nX\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        ] {
            let bed = Bed::open().await;
            let (answer, gate) = pieces(&[broken, ""]);
            bed.imds.plan(answer);
            bed.imds.plan(Answer::nothing());
            let mut client = bed.client().await;
            client.send(request).await;
            let mut response = client.head().await;
            assert_eq!(response.status, 200);
            gate.add_permits(1);
            bed.imds.close_connections();
            client.finish_response(&mut response).await;
            assert!(!response.is_whole, "{request:?} {broken:?}: {response:?}");
            drop(client);
            let record = bed.only_record().await;
            assert_eq!(
                (record.outcome, record.status),
                (Outcome::Failed, Some(200))
            );
            assert_eq!(record.reason, Some(Reason::UpstreamInvalid));
        }
    }
}

#[tokio::test]
async fn response_that_stops_in_the_middle_is_given_up_and_recorded_as_too_slow() {
    let mut plan = Plan::default();
    plan.patience.response = Duration::from_millis(100);
    let bed = Bed::lay(plan).await;
    bed.apply(&profile::all("Enforce", "Allow"));
    bed.keys.replace(Some(key(1)));
    let (answer, _gate) = pieces(&[
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "world",
    ]);
    bed.imds.plan(answer);
    assert!(!bed.client().await.ask(GET).await.is_whole);
    let record = bed.only_record().await;
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::Failed, Some(Reason::UpstreamTimeout))
    );
}

#[tokio::test]
async fn responses_without_a_body_keep_both_connections() {
    let bed = Bed::open().await;
    let mut client = bed.client().await;
    for head in [
        "204 No Content\r\n",
        "304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 7\r\n",
    ] {
        bed.imds
            .plan(Answer::reply(&format!("HTTP/1.1 {head}\r\n")));
        let response = client.ask(GET).await;
        assert!([204, 304].contains(&response.status));
        assert_eq!(response.header("transfer-encoding"), None);
    }
    assert_eq!(client.ask(GET).await.body, b"ok");
    assert_eq!(bed.imds.last().connection, 0);
}

#[tokio::test]
async fn interim_responses_of_the_host_end_at_the_agent() {
    let bed = Bed::open().await;
    bed.imds.plan(Answer::reply("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    let response = bed.client().await.ask(GET).await;
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, &b"ok"[..])
    );
}

#[tokio::test]
async fn upload_arrives_at_the_host_while_the_client_still_sends() {
    let bed = Bed::open().await;
    let mut client = bed.root_client().await;
    client
        .send(format!(
            "{UPLOAD}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
        ))
        .await;
    bed.wire_server.wait_for_body(b"first").await;
    assert_eq!(client.ask("4\r\nlast\r\n0\r\n\r\n").await.status, 200);
    assert_eq!(bed.wire_server.last().body, b"firstlast");
}

#[tokio::test]
async fn upload_larger_than_other_bodies_is_not_limited_to_them() {
    let bed = Bed::open().await;
    let body = vec![b'x'; 3 << 20];
    let mut client = bed.root_client().await;
    client
        .send(format!("{UPLOAD}Content-Length: {}\r\n\r\n", body.len()))
        .await;
    assert_eq!(client.ask(&body).await.status, 200);
    assert_eq!(bed.wire_server.last().body.len(), body.len());
}

#[tokio::test]
async fn upload_that_the_client_breaks_off_is_never_ended_properly() {
    for framing in [
        "Content-Length: 9\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let bed = Bed::open().await;
        let mut client = bed.root_client().await;
        client.send(format!("{UPLOAD}{framing}")).await;
        bed.wire_server.wait_for_body(b"half").await;
        client.finish().await;
        bed.wire_server.wait_for(1).await;
        assert!(!bed.wire_server.last().is_whole, "{framing}");
        client.assert_closed().await;
        assert_eq!(bed.only_record().await.outcome, Outcome::Abandoned);
    }
}

#[tokio::test]
async fn upload_with_a_malformed_chunk_is_refused_and_never_ended_properly() {
    let bed = Bed::open().await;
    let mut client = bed.root_client().await;
    client
        .send(format!(
            "{UPLOAD}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
        ))
        .await;
    bed.wire_server.wait_for_body(b"half").await;
    client.send("xyz\r\n").await;
    assert_eq!(client.response("PUT").await.reason(), "malformed_body");
    bed.wire_server.wait_for(1).await;
    assert!(!bed.wire_server.last().is_whole);
}

#[tokio::test]
async fn early_answer_to_an_upload_reaches_the_client_and_the_rest_is_not_made_to_look_whole() {
    for framing in [
        "Content-Length: 9\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let bed = Bed::open().await;
        let gate = Arc::new(Semaphore::new(0));
        let head = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nb".to_vec();
        let pieces = vec![head, b"i".to_vec(), b"g".to_vec()];
        bed.wire_server
            .plan(Answer::Early(pieces, Arc::clone(&gate)));
        let mut client = bed.root_client().await;
        client.send(format!("{UPLOAD}{framing}")).await;
        let mut response = client.head().await;
        assert_eq!(
            (response.status, response.header("connection")),
            (413, Some("close"))
        );
        gate.add_permits(2);
        client.finish_response(&mut response).await;
        assert_eq!(
            (response.body.as_slice(), response.is_whole),
            (&b"big"[..], true)
        );
        client.finish().await;
        client.assert_closed().await;
        bed.wire_server.wait_until_left().await;
        let rest = bed.wire_server.drained();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{}", rest.escape_ascii());
        assert_eq!(bed.only_record().await.status, Some(413));
    }
}
