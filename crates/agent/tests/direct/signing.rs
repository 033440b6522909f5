//! What the agent signs is what the host receives, byte for byte, whatever a client sends.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::bed::{Bed, signing_key};
use crate::client::Client;

/// A request that every parser reads alike.
#[derive(Clone, Debug)]
struct Sample {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<(Vec<u8>, Framed)>,
}

#[derive(Clone, Copy, Debug)]
enum Framed {
    Length,
    Chunks(usize),
}

impl Sample {
    fn bytes(&self) -> Vec<u8> {
        let mut text = format!(
            "{} {} HTTP/1.1\r\nHost: metadata\r\n",
            self.method, self.target
        );
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        let Some((body, framed)) = &self.body else {
            return (text + "\r\n").into_bytes();
        };
        match framed {
            Framed::Length => {
                text += &format!("Content-Length: {}\r\n\r\n", body.len());
                [text.as_bytes(), body].concat()
            }
            Framed::Chunks(size) => {
                let mut bytes = (text + "Transfer-Encoding: chunked\r\n\r\n").into_bytes();
                for chunk in body.chunks(*size) {
                    bytes.extend(format!("{:X};x=y\r\n", chunk.len()).into_bytes());
                    bytes.extend([chunk, b"\r\n"].concat());
                }
                bytes.extend(b"0\r\nTrailer: dropped\r\n\r\n");
                bytes
            }
        }
    }
}

fn targets() -> impl Strategy<Value = String> {
    let path = "(/|/[A-Za-z0-9._~!$&'()*+,=:@-]{2,8}){1,4}";
    let value = "[A-Za-z0-9/?:@%!$'()*+,=~_.-]{0,12}";
    let query = proptest::collection::btree_map("[a-zA-Z][a-zA-Z0-9-]{0,6}", value, 0..5);
    (path, query).prop_map(|(path, query)| {
        let pairs: Vec<_> = query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() {
            path
        } else {
            format!("{path}?{}", pairs.join("&"))
        }
    })
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        "[Xx]-[A-Za-z0-9_!#$%&'*+.^`|~-]{1,10}",
        "User-Agent|Accept|accept|Metadata|Accept-Encoding|Content-Type|Pragma|Vary",
        "Connection|Keep-Alive|TE|Upgrade|Proxy-Authorization|X-Ms-Azure-Host-Claims",
        "x_ms-azure_host-Date|X-HTTP-Method-Override|x-ms-azure-host-authorization",
    ];
    let value = prop_oneof![
        "[!-~]{0,20}",
        "[ -~\t]{0,20}",
        "keep-alive|trailers|true|True "
    ];
    proptest::collection::vec((name, value), 0..8)
}

fn bodies() -> impl Strategy<Value = Option<(Vec<u8>, Framed)>> {
    let framed = prop_oneof![
        Just(Framed::Length),
        (1..2000_usize).prop_map(Framed::Chunks)
    ];
    let bytes = proptest::collection::vec(any::<u8>(), 0..3000);
    proptest::option::of((bytes, framed))
}

fn samples() -> impl Strategy<Value = Sample> {
    let method = proptest::sample::select(vec!["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]);
    (method, targets(), headers(), bodies()).prop_map(|(method, target, headers, body)| Sample {
        method,
        target,
        headers,
        body,
    })
}

/// Sends one sample; returns whether it was accepted, and then checks what the host received.
async fn check(bed: &Bed, client: &mut Client, sample: &Sample) -> Result<bool, TestCaseError> {
    let before = bed.imds.received().len();
    client.send(sample.bytes()).await;
    let response = client.response(sample.method).await;
    if response.header("connection") == Some("close") {
        *client = bed.client().await;
    }
    let received = bed.imds.received();
    if response.status != 200 {
        prop_assert_eq!(response.status, 400, "{:?}", response);
        prop_assert_eq!(received.len(), before);
        return Ok(false);
    }
    prop_assert_eq!(received.len(), before + 1);
    let received = received.last().unwrap();
    prop_assert!(received.is_signed_by(&signing_key(1)), "{:?}", received);
    prop_assert_eq!(received.head.method.as_str(), sample.method);
    prop_assert_eq!(&received.head.target, &sample.target);
    let body = sample.body.as_ref().map_or(&[][..], |(body, _)| body);
    prop_assert_eq!(received.body.as_slice(), body);
    let names: Vec<_> = received
        .head
        .headers
        .keys()
        .map(|name| name.as_str())
        .collect();
    prop_assert_eq!(
        names.len(),
        received.head.headers.len(),
        "repeated: {:?}",
        &names
    );
    for name in names {
        let own =
            ["host", "content-length"].contains(&name) || name.starts_with("x-ms-azure-host-");
        let sent = sample
            .headers
            .iter()
            .any(|(sent, _)| sent.eq_ignore_ascii_case(name));
        prop_assert!(own || sent, "{name} was made up");
        let is_hop = [
            "connection",
            "keep-alive",
            "te",
            "upgrade",
            "transfer-encoding",
        ]
        .contains(&name);
        prop_assert!(!is_hop, "{name} travelled");
    }
    Ok(true)
}

#[test]
fn signature_verifies_over_the_bytes_that_the_host_received_for_whatever_is_accepted() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (bed, client) = runtime.block_on(async {
        let bed = Bed::open().await;
        let client = bed.client().await;
        (bed, client)
    });
    let (client, accepted) = (std::cell::RefCell::new(client), std::cell::Cell::new(0));
    let config = Config {
        cases: 1000,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&samples(), |sample| {
            let is_accepted = runtime.block_on(check(&bed, &mut client.borrow_mut(), &sample))?;
            accepted.set(accepted.get() + i32::from(is_accepted));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(
        accepted.get() > 200,
        "only {} were accepted",
        accepted.get()
    );
    let records = runtime.block_on(bed.finish());
    let signed = records.iter().filter(|record| record.signed).count();
    assert_eq!(
        (records.len(), signed),
        (1000, usize::try_from(accepted.get()).unwrap())
    );
}

#[tokio::test]
async fn claims_and_date_are_those_of_the_agent_and_stand_once() {
    let bed = Bed::open().await;
    let request = "GET /a HTTP/1.1\r\nHost: metadata\r\nX-MS-AZURE-HOST-CLAIMS: { \"isRoot\": \"true\"}\r\n\
        x-ms-azure-host-date: yesterday\r\nX-Ms_Azure-Host_Authorization: forged\r\nx_ms_azure_host_claims: x\r\n\
        X-Ms-Azure-Host-Anything: y\r\nx-ms-azure-signature: z\r\nX-HTTP-Method-Override: DELETE\r\n\r\n";
    let somebody = crate::flow::unprivileged(bed.imds.address);
    assert_eq!(
        bed.connect(Some(somebody)).await.ask(request).await.status,
        200
    );
    let received = bed.imds.last();
    let text = String::from_utf8(received.bytes.clone())
        .unwrap()
        .to_ascii_lowercase();
    for word in [
        "yesterday",
        "forged",
        "x_ms",
        "anything",
        "signature",
        "override",
        "host_",
    ] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert_eq!(text.matches("x-ms-azure-host-").count(), 3, "{text}");
    assert_eq!(
        received.header("x-ms-azure-host-claims"),
        Some("{ \"isRoot\": \"false\"}")
    );
    assert!(received.is_signed_by(&signing_key(1)));
}

#[tokio::test]
async fn clients_own_signature_headers_do_not_travel_unsigned_either() {
    // A header line that appears twice makes the request ambiguous.
    let bed = Bed::audit().await;
    let request = "GET /a HTTP/1.1\r\nHost: metadata\r\nA: 1\r\nA: 2\r\nX-Ms-Azure-Host-Authorization: Azure-HMAC-SHA256 x y\r\n\
        x-ms_azure-host-claims: z\r\n\r\n";
    assert_eq!(bed.client().await.ask(request).await.status, 200);
    let text = String::from_utf8(bed.imds.last().bytes)
        .unwrap()
        .to_ascii_lowercase();
    assert!(!text.contains("azure"), "{text}");
}

#[tokio::test]
async fn hop_by_hop_headers_end_at_the_agent_in_both_directions() {
    let bed = Bed::open().await;
    bed.imds.plan(crate::host::Answer::reply(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nConnection: x-private\r\nX-Private: 1\r\nX-Public: 2\r\n\
         Keep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Authenticate: x\r\n\r\nok",
    ));
    let request = "GET /a HTTP/1.1\r\nHost: metadata\r\nConnection: keep-alive, TE\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
        Proxy-Connection: x\r\nProxy-Authorization: Basic x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nTrailer: y\r\n\
        Metadata: true\r\n\r\n";
    let response = bed.client().await.ask(request).await;
    let names: Vec<_> = bed
        .imds
        .last()
        .head
        .headers
        .keys()
        .map(ToString::to_string)
        .collect();
    let expected = [
        "host",
        "metadata",
        "x-ms-azure-host-claims",
        "x-ms-azure-host-date",
        "x-ms-azure-host-authorization",
    ];
    assert_eq!(names, expected);
    assert_eq!(response.header("x-public"), Some("2"));
    for name in [
        "x-private",
        "keep-alive",
        "upgrade",
        "proxy-authenticate",
        "connection",
    ] {
        assert_eq!(response.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn repeated_list_headers_are_combined_and_signed_as_one() {
    let bed = Bed::open().await;
    let request = "GET /a HTTP/1.1\r\nHost: metadata\r\nAccept: a\r\nAccept-Encoding: gzip\r\nACCEPT: b;q=1\r\naccept-encoding: br\r\n\r\n";
    assert_eq!(bed.client().await.ask(request).await.status, 200);
    let received = bed.imds.last();
    assert_eq!(received.header("accept"), Some("a, b;q=1"));
    assert_eq!(received.header("accept-encoding"), Some("gzip, br"));
    assert!(received.is_signed_by(&signing_key(1)));
}

#[tokio::test]
async fn no_key_signature_or_token_is_in_the_audit_trail() {
    let bed = Bed::open().await;
    bed.imds
        .plan(crate::host::Answer::ok("{\"access_token\":\"eyJsecret\"}"));
    let request = "POST /metadata/identity HTTP/1.1\r\nHost: metadata\r\nCookie: secret-cookie\r\nContent-Length: 11\r\n\r\nsecret-body";
    assert_eq!(bed.client().await.ask(request).await.status, 200);
    let authorization = bed
        .imds
        .last()
        .header("x-ms-azure-host-authorization")
        .unwrap()
        .to_owned();
    let mac = authorization.rsplit(' ').next().unwrap().to_owned();
    let record = format!("{:?}", bed.only_record().await);
    for secret in [
        "secret",
        "eyJ",
        mac.as_str(),
        &signing_key(1).expose_hex(),
        "Azure-HMAC",
    ] {
        assert!(!record.contains(secret), "{record}");
    }
}
