//! What a metadata service behind the gateway gets to see, and what its clients get back.

use latchkey_gateway::upstream::{Description, UpstreamLimits, UpstreamSettings};
use latchkey_http1::client::Patience;
use latchkey_protocol::latch::KEY_REQUEST_BODY;
use latchkey_protocol::{Elevation, EndpointKind, Mode};
use latchkey_record::observation::SignatureFinding;

use crate::host::{Ask, Host};
use crate::server::{Act, Server};

const META_DATA: &str = "GET /openstack/latest/meta_data.json?a=%7E";

/// What a guest may make up to be taken for another one.
const FORGED: [(&str, &str); 8] = [
    ("X-Forwarded-For", "10.0.0.9"),
    ("X_Forwarded_For", "10.0.0.9"),
    ("Forwarded", "for=10.0.0.9"),
    ("Via", "1.1 proxy"),
    ("X-Real-IP", "10.0.0.9"),
    ("X-Instance-ID", "other"),
    ("x_instance_id", "other"),
    ("X-Tenant-ID", "other"),
];

fn settings(server: &Server) -> UpstreamSettings {
    let mut description = Description::default();
    description.add("X-Instance-ID", "{vm_id}").unwrap();
    description.add("X-Tenant-ID", "").unwrap();
    UpstreamSettings {
        address: server.address,
        description,
        limits: limits(),
    }
}

pub(crate) fn limits() -> UpstreamLimits {
    let second = std::time::Duration::from_secs(1);
    UpstreamLimits {
        patience: Patience {
            connect: 5 * second,
            response: 20 * second,
        },
        requests: 64,
        requests_per_machine: 64,
    }
}

/// A gateway in this mode with the service behind the endpoints of this kind.
fn before(server: &Server, kind: EndpointKind, mode: Mode) -> Host {
    Host::new(mode).before(kind, settings(server))
}

#[tokio::test]
async fn signed_request_arrives_as_it_was_sent_but_for_what_is_the_gateways_own() {
    let server = Server::start([]).await;
    let mut host = before(&server, EndpointKind::Imds, Mode::Enforce);
    let key = host.latch().await;
    let ask = Ask::imds(META_DATA)
        .with("User-Agent", "curl/8")
        .with("X-Instance-ID", "other")
        .signed(&key, Elevation::Unprivileged, host.now());
    host.forget_observations();
    let answer = host.ask(&ask).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    assert!(answer.header("x-ms-azure-host-date").is_some());
    let received = server.only();
    assert_eq!(
        received.head.target,
        "/openstack/latest/meta_data.json?a=%7E"
    );
    assert_eq!(received.header("host"), Some("169.254.169.254"));
    let names = ["host", "metadata", "user-agent", "x-instance-id"];
    assert_eq!(received.names(), names);
    let id = "00000000-0000-0000-0000-000000000001";
    assert_eq!(received.header("x-instance-id"), Some(id));
    let seen = host.observation();
    assert_eq!(
        (seen.accepted, seen.status, seen.signature),
        (true, 200, SignatureFinding::Valid)
    );
}

#[tokio::test]
async fn unsigned_request_is_refused_in_enforce_and_never_sent() {
    let server = Server::start([]).await;
    let host = before(&server, EndpointKind::Imds, Mode::Enforce);
    host.latch().await;
    let answer = host.ask(&Ask::imds(META_DATA)).await;
    assert_eq!((answer.status, answer.reason()), (401, "signature_missing"));
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn nothing_that_a_guest_makes_up_arrives_in_audit_either() {
    for mode in [Mode::Audit, Mode::Disabled] {
        let server = Server::start([]).await;
        let host = before(&server, EndpointKind::Imds, mode);
        let ask = Ask::imds(META_DATA)
            .with("x-ms-azure-host-claims", "{ \"isRoot\": \"true\"}")
            .with("x_ms_azure_host_date", "now")
            .with("Connection", "X-Nominated")
            .with("X-Nominated", "a")
            .with("TE", "trailers")
            // To some servers this says that the next request is this one's body.
            .with("content_length", "99");
        let ask = FORGED
            .iter()
            .fold(ask, |ask, (name, value)| ask.with(name, value));
        let answer = host.ask(&ask).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let received = server.only();
        assert_eq!(received.names(), ["host", "metadata", "x-instance-id"]);
        let ids = received.head.headers.get_all("x-instance-id").iter();
        assert_eq!(ids.count(), 1);
        let id = "00000000-0000-0000-0000-000000000001";
        assert_eq!(received.header("x-instance-id"), Some(id));
    }
}

#[tokio::test]
async fn target_arrives_byte_for_byte() {
    let server = Server::start([]).await;
    let host = before(&server, EndpointKind::Imds, Mode::Audit);
    let targets: Vec<_> = (0x21..=0x7E_u8)
        .map(char::from)
        .filter(|c| !"#<>?^`".contains(*c))
        .flat_map(|c| [format!("/a{c}b"), format!("/a?b{c}c")])
        .collect();
    for target in &targets {
        let answer = host.ask(&Ask::imds(&format!("GET {target}"))).await;
        if answer.status == 200 {
            assert_eq!(&server.received().pop().unwrap().head.target, target);
        } else {
            assert_eq!(
                (answer.status, answer.reason()),
                (400, "malformed_target"),
                "{target}"
            );
        }
    }
}

#[tokio::test]
async fn body_arrives_whole_with_its_length_however_it_was_framed() {
    let server = Server::start([]).await;
    let host = before(&server, EndpointKind::WireServer, Mode::Audit);
    let ask = Ask::wire("POST /machine/?comp=health").body("<Health/>");
    assert_eq!(host.ask(&ask).await.status, 200);
    let chunked = b"POST /a HTTP/1.1\r\nHost: 168.63.129.16\r\nConnection: close\r\n\
                    Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    assert_eq!(
        host.ask_raw(EndpointKind::WireServer, chunked).await.status,
        200
    );
    let received = server.received();
    assert_eq!(received[0].body, b"<Health/>");
    assert_eq!(received[1].body, b"abc");
    assert_eq!(received[1].header("content-length"), Some("3"));
    assert_eq!(received[1].header("transfer-encoding"), None);
}

#[tokio::test]
async fn secure_channel_is_the_gateways_own_also_before_a_service() {
    let server = Server::start([]).await;
    let host = before(&server, EndpointKind::WireServer, Mode::Enforce);
    host.latch().await;
    assert_eq!(host.status().await["version"], "2.0");
    let ask = Ask::wire("POST /secure-channel/nothing").body(KEY_REQUEST_BODY);
    assert_eq!(host.ask(&ask).await.reason(), "unknown_channel_call");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn redirect_is_passed_and_not_followed() {
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start([Act::Send(moved.to_owned())]).await;
    let host = before(&server, EndpointKind::Imds, Mode::Audit);
    let answer = host.ask(&Ask::imds(META_DATA)).await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), Some("http://127.0.0.1:1/"));
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn headers_for_the_gateway_alone_end_there() {
    let response = "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
                    Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nETag: \"1\"\r\n\
                    X-Ms-Azure-Host-Date: never\r\nContent-Length: 2\r\n\r\nok";
    let server = Server::start([Act::Send(response.to_owned())]).await;
    let host = before(&server, EndpointKind::Imds, Mode::Audit);
    let answer = host.ask(&Ask::imds(META_DATA)).await;
    for name in ["x-hop", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("etag"), Some("\"1\""));
    assert_eq!(
        answer.header("x-ms-azure-host-date"),
        Some("Tue, 06 Jan 2026 07:08:09 GMT")
    );
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n";
    let not_modified = "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n";
    let empty = "HTTP/1.1 204 No Content\r\n\r\n";
    let plan = [head, not_modified, empty].map(|bytes| Act::Send(bytes.to_owned()));
    let server = Server::start(plan).await;
    let host = before(&server, EndpointKind::Imds, Mode::Audit);
    for (line, status, length) in [
        ("HEAD /a", 200, Some("999")),
        ("GET /a", 304, None),
        ("GET /a", 204, None),
    ] {
        let answer = host.ask(&Ask::imds(line)).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, ""));
        assert_eq!(answer.header("content-length"), length);
        assert_eq!(answer.header("transfer-encoding"), None);
    }
    assert_eq!(server.connections(), [0, 0, 0]);
}

#[tokio::test]
async fn machine_that_cannot_be_described_is_refused_and_never_sent() {
    let server = Server::start([]).await;
    let mut settings = settings(&server);
    settings
        .description
        .add("X-Project", "{tag:project}")
        .unwrap();
    let mut host = Host::new(Mode::Audit).before(EndpointKind::Imds, settings);
    let answer = host.ask(&Ask::imds(META_DATA)).await;
    assert_eq!((answer.status, answer.reason()), (500, "internal_error"));
    assert!(!host.observation().accepted);
    assert!(server.received().is_empty());
}
