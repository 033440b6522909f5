//! A metadata service behind the gateway that is gone, slow, broken or too busy.

use std::sync::Arc;
use std::time::Duration;

use latchkey_gateway::service::Ending;
use latchkey_gateway::upstream::{Description, UpstreamSettings};
use latchkey_protocol::{EndpointKind, Mode, Reason};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::host::{Ask, Host};
use crate::server::{Act, OK, Server};
use crate::upstream::limits;

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n";
const OLD_GET: &[u8] = b"GET /a HTTP/1.0\r\nHost: 169.254.169.254\r\n\r\n";
const PUT_LOG: &str = "PUT /vmAgentLog HTTP/1.1\r\nHost: 168.63.129.16\r\n";

fn settings(server: &Server) -> UpstreamSettings {
    UpstreamSettings {
        address: server.address,
        description: Description::default(),
        limits: limits(),
    }
}

/// A gateway in Audit with the service behind all its endpoints.
fn before(settings: &UpstreamSettings) -> Host {
    Host::new(Mode::Audit)
        .before(EndpointKind::Imds, settings.clone())
        .before(EndpointKind::WireServer, settings.clone())
}

fn impatient(server: &Server) -> UpstreamSettings {
    let mut settings = settings(server);
    settings.limits.patience.response = Duration::from_millis(100);
    settings
}

#[tokio::test]
async fn service_that_is_not_there_is_a_bad_gateway() {
    let server = Server::start([]).await;
    let mut settings = settings(&server);
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    settings.address = unused.local_addr().unwrap();
    drop(unused);
    let mut host = before(&settings);
    let answer = host.ask(&Ask::imds("GET /a")).await;
    assert_eq!(
        (answer.status, answer.reason()),
        (502, "upstream_unreachable")
    );
    assert!(answer.header("x-ms-azure-host-date").is_some());
    let seen = host.observation();
    assert_eq!((seen.accepted, seen.status), (false, 502));
    assert_eq!(seen.reason, Some(Reason::UpstreamUnreachable));
    let counted = host.gateway.counters();
    assert_eq!(
        (counted.upstream_failures, counted.requests_refused),
        (1, 0)
    );
}

#[tokio::test]
async fn service_that_says_nothing_is_a_gateway_timeout() {
    let server = Server::start([Act::Stall(String::new())]).await;
    let host = before(&impatient(&server));
    let answer = host.ask(&Ask::imds("GET /a")).await;
    assert_eq!((answer.status, answer.reason()), (504, "upstream_timeout"));
}

#[tokio::test]
async fn answer_that_is_none_is_a_bad_gateway() {
    for bytes in [
        "",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        let server = Server::start([Act::SendAndClose(bytes.to_owned())]).await;
        let host = before(&settings(&server));
        let answer = host.ask(&Ask::imds("GET /a")).await;
        let found = (answer.status, answer.reason());
        assert_eq!(found, (502, "upstream_invalid"), "{bytes:?}");
        assert_eq!(
            host.ask(&Ask::imds("GET /a")).await.status,
            200,
            "{bytes:?}"
        );
    }
}

#[tokio::test]
async fn answer_that_breaks_off_is_never_taken_for_whole() {
    let by_length = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n";
    for response in [by_length, chunked] {
        for request in [GET, OLD_GET] {
            let server = Server::start([Act::SendAndClose(response.to_owned())]).await;
            let host = before(&settings(&server));
            let (received, ending) = host.overhear(EndpointKind::Imds, request).await;
            assert!(matches!(ending, Ending::BrokenOff(_)), "{response:?}");
            assert!(!received.ends_with("0\r\n\r\n"), "{received}");
            assert_eq!(host.gateway.counters().upstream_failures, 1);
        }
    }
}

#[tokio::test]
async fn answer_that_stops_in_the_middle_breaks_off_in_time() {
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart".to_owned();
    let server = Server::start([Act::Stall(part)]).await;
    let host = before(&impatient(&server));
    let (received, ending) = host.overhear(EndpointKind::Imds, GET).await;
    assert!(received.ends_with("part"), "{received}");
    assert!(matches!(ending, Ending::BrokenOff(_)));
}

#[tokio::test]
async fn answer_that_ends_with_its_connection_is_whole() {
    let bytes = "HTTP/1.1 200 OK\r\n\r\nall of it".to_owned();
    let server = Server::start([Act::SendAndClose(bytes)]).await;
    let host = before(&settings(&server));
    let (received, ending) = host.overhear(EndpointKind::Imds, GET).await;
    assert!(matches!(ending, Ending::Ended));
    assert!(
        received.ends_with("9\r\nall of it\r\n0\r\n\r\n"),
        "{received}"
    );
}

#[tokio::test]
async fn connection_is_used_again_and_a_dead_one_costs_a_safe_request_nothing() {
    let server = Server::start([Act::Send(OK.to_owned()), Act::SendAndClose(String::new())]).await;
    let host = before(&settings(&server));
    assert_eq!(host.ask(&Ask::imds("GET /a")).await.status, 200);
    assert_eq!(host.ask(&Ask::imds("GET /b")).await.status, 200);
    assert_eq!(server.connections(), [0, 0, 1]);
    assert_eq!(host.gateway.counters().upstream_connections, 2);
}

#[tokio::test]
async fn request_that_may_have_been_executed_is_not_sent_twice() {
    let server = Server::start([Act::Send(OK.to_owned()), Act::SendAndClose(String::new())]).await;
    let host = before(&settings(&server));
    assert_eq!(host.ask(&Ask::wire("GET /a")).await.status, 200);
    let answer = host.ask(&Ask::wire("POST /a").body("x")).await;
    assert_eq!((answer.status, answer.reason()), (502, "upstream_invalid"));
    assert_eq!(server.connections(), [0, 0]);
}

#[tokio::test]
async fn upload_travels_while_it_arrives() {
    let server = Server::start([]).await;
    let host = before(&settings(&server));
    let (mut client, serving) = host.connect(EndpointKind::WireServer);
    let head = format!("{PUT_LOG}Connection: close\r\nContent-Length: 10\r\n\r\nfirst");
    client.write_all(head.as_bytes()).await.unwrap();
    server.wait_for_body(b"first").await;
    client.write_all(b"later").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(server.only().body, b"firstlater");
    assert!(matches!(serving.await.unwrap(), Ending::Ended));
}

#[tokio::test]
async fn upload_that_breaks_off_is_never_whole_to_the_service() {
    let server = Server::start([]).await;
    let host = before(&settings(&server));
    let (mut client, serving) = host.connect(EndpointKind::WireServer);
    let head = format!("{PUT_LOG}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    server.wait_for_body(b"first").await;
    drop(client);
    serving.await.unwrap();
    assert!(server.received().is_empty(), "{:?}", server.received());
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_their_turn() {
    let gate = Arc::new(Semaphore::new(0));
    let held = || Act::Wait(Arc::clone(&gate));
    for (requests, requests_per_machine) in [(2, 64), (64, 2)] {
        let server = Server::start([held(), held(), held(), held()]).await;
        let mut settings = settings(&server);
        settings.limits.requests = requests;
        settings.limits.requests_per_machine = requests_per_machine;
        let host = before(&settings);
        let mut clients = Vec::new();
        for _ in 0..4 {
            let (mut client, _) = host.connect(EndpointKind::Imds);
            client.write_all(GET).await.unwrap();
            clients.push(client);
        }
        server.wait_for(2).await;
        let more = tokio::time::timeout(Duration::from_millis(200), server.wait_for(3));
        assert!(more.await.is_err(), "more than 2 are under way");
        gate.add_permits(4);
        for mut client in clients {
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
        }
    }
}

#[tokio::test]
async fn client_that_takes_nothing_holds_its_place_and_the_next_one_is_told_so() {
    let length = 1 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let server = Server::start([Act::Send(head + &"x".repeat(length))]).await;
    let mut settings = impatient(&server);
    settings.limits.requests_per_machine = 1;
    let host = before(&settings);
    let (mut client, _serving) = host.connect(EndpointKind::Imds);
    client.write_all(GET).await.unwrap();
    let mut first = [0];
    client.read_exact(&mut first).await.unwrap();
    let answer = host.ask(&Ask::imds("GET /a")).await;
    assert_eq!((answer.status, answer.reason()), (429, "overloaded"));
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(host.ask(&Ask::imds("GET /a")).await.status, 200);
}
