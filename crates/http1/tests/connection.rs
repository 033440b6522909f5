//! Drives a connection with raw bytes over an in-memory stream.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{Channel, Empty, Full};
use latchkey_http1::{Connection, KeepAlive, Limits, ReadError, problem};
use latchkey_protocol::Reason;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::timeout;

fn connection() -> (DuplexStream, Connection<DuplexStream>) {
    let (client, server) = duplex(1 << 20);
    (client, Connection::new(server, Limits::default()))
}

async fn answer(connection: &mut Connection<DuplexStream>, body: &'static str) -> KeepAlive {
    connection
        .respond(Response::new(Full::new(Bytes::from_static(
            body.as_bytes(),
        ))))
        .await
        .unwrap()
}

async fn received(client: &mut DuplexStream) -> String {
    let mut bytes = vec![0; 1 << 16];
    let length = client.read(&mut bytes).await.unwrap();
    bytes.truncate(length);
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (mut client, mut connection) = connection();
    client
        .write_all(b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(connection.next().await.unwrap().unwrap().target, "/1");
    assert_eq!(connection.read_body(3).await.unwrap(), "abc");
    assert_eq!(answer(&mut connection, "one").await, KeepAlive::Open);
    assert_eq!(connection.next().await.unwrap().unwrap().target, "/2");
    assert_eq!(answer(&mut connection, "two").await, KeepAlive::Open);
    let text = received(&mut client).await;
    assert!(
        text.contains("one") && text.find("one") < text.find("two"),
        "{text}"
    );
}

#[tokio::test]
async fn request_split_into_single_bytes_is_read() {
    let (mut client, mut connection) = connection();
    let writer = tokio::spawn(async move {
        for byte in
            b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        {
            client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        client
    });
    assert!(connection.next().await.unwrap().is_some());
    assert_eq!(connection.read_body(100).await.unwrap(), "abc");
    drop(writer.await.unwrap());
}

#[tokio::test]
async fn connection_closes_when_a_body_was_left_unread() {
    let (mut client, mut connection) = connection();
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nGET")
        .await
        .unwrap();
    assert!(connection.next().await.unwrap().is_some());
    assert_eq!(
        connection
            .respond(problem(Reason::NoMatchingRule))
            .await
            .unwrap(),
        KeepAlive::Close
    );
    assert!(received(&mut client).await.contains("connection: close"));
}

#[tokio::test]
async fn bodies_over_the_limit_are_refused_in_both_framings() {
    for framing in [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    ] {
        let (mut client, mut connection) = connection();
        client
            .write_all(format!("PUT / HTTP/1.1\r\nHost: h\r\n{framing}").as_bytes())
            .await
            .unwrap();
        assert!(connection.next().await.unwrap().is_some());
        let error = connection.read_body(4).await.unwrap_err();
        assert!(
            matches!(error, ReadError::Refused(Reason::BodyTooLarge)),
            "{framing}: {error:?}"
        );
    }
}

#[tokio::test]
async fn client_that_waits_for_100_continue_gets_it_once_and_only_when_the_body_is_wanted() {
    let (mut client, mut connection) = connection();
    client
        .write_all(
            b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        )
        .await
        .unwrap();
    assert!(connection.next().await.unwrap().is_some());
    let body = tokio::spawn(async move { (connection.read_body(2).await.unwrap(), connection) });
    assert_eq!(received(&mut client).await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"ok").await.unwrap();
    let (body, mut connection) = body.await.unwrap();
    assert_eq!(body, "ok");
    assert_eq!(answer(&mut connection, "done").await, KeepAlive::Open);
}

#[tokio::test]
async fn head_requests_get_the_length_and_no_body() {
    let (mut client, mut connection) = connection();
    client
        .write_all(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    connection.next().await.unwrap();
    let mut response = Response::new(Empty::<Bytes>::new());
    response.headers_mut().insert("content-length", 7.into());
    assert_eq!(connection.respond(response).await.unwrap(), KeepAlive::Open);
    let text = received(&mut client).await;
    assert!(
        text.contains("content-length: 7\r\n") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
}

#[tokio::test]
async fn body_of_unknown_length_is_chunked_for_1_1_and_ends_with_the_connection_for_1_0() {
    for (version, expected, keep_alive) in [
        ("1.1", "5\r\nhello\r\n0\r\n\r\n", KeepAlive::Open),
        ("1.0", "\r\n\r\nhello", KeepAlive::Close),
    ] {
        let (mut client, mut connection) = connection();
        client
            .write_all(
                format!("GET / HTTP/{version}\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
                    .as_bytes(),
            )
            .await
            .unwrap();
        connection.next().await.unwrap();
        let (mut sender, body) = Channel::<Bytes>::new(1);
        sender
            .send_data(Bytes::from_static(b"hello"))
            .await
            .unwrap();
        drop(sender);
        assert_eq!(
            connection.respond(Response::new(body)).await.unwrap(),
            keep_alive
        );
        let text = received(&mut client).await;
        assert!(text.ends_with(expected), "{text}");
    }
}

#[tokio::test]
async fn body_that_breaks_off_is_never_ended_properly() {
    let (mut client, mut connection) = connection();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    connection.next().await.unwrap();
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(2);
    sender.send_data(Bytes::from_static(b"part")).await.unwrap();
    sender.abort(std::io::ErrorKind::ConnectionReset.into());
    assert!(connection.respond(Response::new(body)).await.is_err());
    drop(connection);
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(!text.contains("0\r\n\r\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn silent_and_slow_clients_are_let_go() {
    let (client, mut connection) = connection();
    assert!(connection.next().await.unwrap().is_none());
    drop(client);
    let (mut client, server) = duplex(64);
    let limits = Limits {
        head_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let mut connection = Connection::new(server, limits);
    client.write_all(b"GET / HT").await.unwrap();
    let error = connection.next().await.unwrap_err();
    assert!(matches!(error, ReadError::Refused(Reason::RequestTimeout)));
}

#[tokio::test]
async fn refused_client_that_is_still_sending_reads_the_refusal() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = tokio::net::TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let mut connection = Connection::new(listener.accept().await.unwrap().0, Limits::default());
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
        .await
        .unwrap();
    connection.next().await.unwrap();
    connection
        .respond(problem(Reason::RootRequired))
        .await
        .unwrap();
    let closing = tokio::spawn(connection.close());
    client.write_all(&[b'x'; 100_000]).await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{text}");
    drop(client);
    closing.await.unwrap();
}

#[tokio::test]
async fn client_that_leaves_while_it_waits_is_noticed_and_what_it_sent_before_is_kept() {
    let (mut client, mut connection) = connection();
    let (head, body) = (
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n",
        "abc",
    );
    client.write_all(head.as_bytes()).await.unwrap();
    assert!(connection.next().await.unwrap().is_some());
    client.write_all(body.as_bytes()).await.unwrap();
    let soon = Duration::from_millis(10);
    assert!(timeout(soon, connection.left()).await.is_err());
    client.shutdown().await.unwrap();
    timeout(Duration::from_secs(5), connection.left())
        .await
        .unwrap();
    assert_eq!(connection.read_body(3).await.unwrap(), body);
}

#[tokio::test]
async fn client_that_waits_is_not_read_without_end() {
    let (mut client, mut connection) = connection();
    let flood = vec![b'x'; 64 * 1024];
    client.write_all(&flood).await.unwrap();
    drop(client);
    let soon = Duration::from_millis(10);
    assert!(timeout(soon, connection.left()).await.is_err());
}
