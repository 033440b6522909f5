//! Certificates, users and protected settings reach the agent that asks, and nobody else.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_gateway::certificate::CertifiedKey;
use latchkey_gateway::facts::goal_state::{GoalState, MachineCertificate, RemoteUser};
use latchkey_gateway::redacted::Redacted;

use crate::host::{Ask, Host};
use crate::openssl::{TransportKey, openssl, openssl_text};
use crate::wireserver::{element, link};

fn certificate(name: &str, given: Option<CertifiedKey>) -> MachineCertificate {
    MachineCertificate {
        name: name.to_owned(),
        given: given.map(Arc::new),
    }
}

fn host(certificates: Vec<MachineCertificate>) -> Host {
    Host::in_goal_state(GoalState {
        certificates,
        ..GoalState::default()
    })
}

/// Asks for the machine's certificates and decrypts them; returns PEM.
async fn fetch(host: &Host, key: &TransportKey, cipher: &str) -> String {
    let target = link(host, "Certificates").await;
    let answer = host.ask(&key.ask(&target, cipher)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(element(&answer.body, "Format"), "Pkcs7BlobWithPfxContents");
    let store = key.decrypt(&element(&answer.body, "Data"));
    openssl_text(&["pkcs12", "-nodes", "-password", "pass:"], &store)
}

/// Returns the machine's only private key as its agent finds it.
pub(crate) async fn private_key(host: &Host) -> Vec<u8> {
    let pem = fetch(host, &TransportKey::new(), "AES128_CBC").await;
    openssl(&["rsa"], pem.as_bytes())
}

#[tokio::test]
async fn agent_finds_certificate_and_key_under_either_cipher() {
    let given = CertifiedKey::self_signed("given").unwrap();
    let thumbprint = given.thumbprint();
    let host = host(vec![certificate("given", Some(given))]);
    let key = TransportKey::new();
    for cipher in ["AES128_CBC", "DES_EDE3_CBC"] {
        let pem = fetch(&host, &key, cipher).await;
        let of_certificate = openssl(&["x509", "-pubkey", "-noout"], pem.as_bytes());
        let of_key = openssl(&["rsa", "-pubout"], pem.as_bytes());
        assert_eq!(of_certificate, of_key);
        let shown = openssl_text(&["x509", "-fingerprint", "-noout"], pem.as_bytes());
        let (_, shown) = shown.trim_end().split_once('=').unwrap();
        assert_eq!(shown.replace(':', ""), thumbprint);
    }
}

#[tokio::test]
async fn content_is_encrypted_as_asked() {
    let host = host(vec![certificate("a", None)]);
    let target = link(&host, "Certificates").await;
    let key = TransportKey::new();
    for (cipher, name) in [
        ("AES128_CBC", "aes-128-cbc"),
        ("DES_EDE3_CBC", "des-ede3-cbc"),
    ] {
        let answer = host.ask(&key.ask(&target, cipher)).await;
        let data: String = element(&answer.body, "Data").split_whitespace().collect();
        let message = STANDARD.decode(data).unwrap();
        let parsed = openssl_text(&["asn1parse", "-inform", "DER"], &message);
        assert!(parsed.contains(name), "{parsed}");
    }
}

#[tokio::test]
async fn data_stands_in_lines_that_openssl_reads() {
    let host = host(vec![certificate("a", None)]);
    let target = link(&host, "Certificates").await;
    let answer = host
        .ask(&TransportKey::new().ask(&target, "AES128_CBC"))
        .await;
    let data = element(&answer.body, "Data");
    let longest = data.lines().map(str::len).max().unwrap();
    assert_eq!((longest, data.lines().count() > 20), (76, true));
}

#[tokio::test]
async fn every_certificate_is_there_and_one_that_the_host_made_stays_the_same() {
    let host = host(vec![certificate("one", None), certificate("two", None)]);
    let key = TransportKey::new();
    let first = fetch(&host, &key, "AES128_CBC").await;
    assert_eq!(first.matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(first.matches("BEGIN PRIVATE KEY").count(), 2);
    let again = fetch(&host, &TransportKey::new(), "AES128_CBC").await;
    let certificates = |pem: &str| pem.split("-----").map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(certificates(&first), certificates(&again));
}

#[tokio::test]
async fn machine_without_certificates_gets_an_empty_store() {
    let pem = fetch(&host(vec![]), &TransportKey::new(), "DES_EDE3_CBC").await;
    assert!(!pem.contains("BEGIN"), "{pem}");
}

#[tokio::test]
async fn who_names_no_key_that_can_be_encrypted_to_gets_nothing() {
    let host = host(vec![certificate("a", None)]);
    let target = link(&host, "Certificates").await;
    let bare = Ask::wire(&format!("GET {target}"));
    let sent = |certificate: &str, cipher: &str| {
        bare.clone()
            .with("x-ms-cipher-name", cipher)
            .with("x-ms-guest-agent-public-x509-cert", certificate)
    };
    let good = TransportKey::new().header();
    for ask in [
        bare.clone(),
        bare.clone()
            .with("x-ms-guest-agent-public-x509-cert", &good),
        bare.clone().with("x-ms-cipher-name", "AES128_CBC"),
        sent(&good, "RC4"),
        sent("not base64!", "AES128_CBC"),
        sent("AAAA", "AES128_CBC"),
        sent(&TransportKey::elliptic().header(), "AES128_CBC"),
    ] {
        let answer = host.ask(&ask).await;
        assert_eq!(answer.status, 400, "{ask:?}: {answer:?}");
        assert_eq!(element(&answer.body, "Code"), "InvalidInput");
    }
}

#[tokio::test]
async fn password_of_a_remote_user_is_for_the_agent_alone() {
    let host = Host::in_goal_state(GoalState {
        remote_users: vec![RemoteUser {
            name: "a<b".to_owned(),
            password: Redacted("pässwörd".to_owned()),
            expires: "2026-01-07T07:08:09Z".parse().unwrap(),
        }],
        ..GoalState::default()
    });
    let key = TransportKey::new();
    let target = link(&host, "RemoteAccessInfo").await;
    let answer = host.ask(&key.ask(&target, "DES_EDE3_CBC")).await;
    assert_eq!(element(&answer.body, "Name"), "a<b");
    assert_eq!(
        element(&answer.body, "Expiration"),
        "Wed, 07 Jan 2026 07:08:09 GMT"
    );
    assert!(!answer.body.contains("pässwörd"));
    let message = STANDARD.decode(element(&answer.body, "Password")).unwrap();
    let expected: Vec<u8> = "pässwörd"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(key.decrypt_der(&message), expected);
}

#[tokio::test]
async fn secrets_of_a_goal_state_are_not_in_its_debug_form() {
    let made = CertifiedKey::self_signed("a").unwrap();
    let state = GoalState {
        certificates: vec![certificate("a", Some(made))],
        remote_users: vec![RemoteUser {
            name: "u".to_owned(),
            password: Redacted("hidden".to_owned()),
            expires: jiff::Timestamp::UNIX_EPOCH,
        }],
        ..GoalState::default()
    };
    let shown = format!("{state:?}");
    assert!(shown.contains("thumbprint"), "{shown}");
    assert!(
        !shown.contains("hidden") && !shown.contains("key:"),
        "{shown}"
    );
}
